{% macro identifier(name) %}
  {% set quote = adapter.quote('') | first %}
  {% if name | length > 2 and name | first == quote and name | last == quote %}
    {#- dbt quotes the names of columns with `quote: true`, and escapes nothing. -#}
    {% set name = name[1:-1] %}
  {% endif %}
  {{ return(adapter.quote(name | replace(quote, quote ~ quote))) }}
{% endmacro %}
