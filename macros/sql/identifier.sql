{% macro identifier(name) %}
  {% set quote = adapter.quote('') | first %}
  {% if name | length > 2 and name | first == quote and name | last == quote %}
    {{ return(name) }}
  {% endif %}
  {{ return(adapter.quote(name | replace(quote, quote ~ quote))) }}
{% endmacro %}
