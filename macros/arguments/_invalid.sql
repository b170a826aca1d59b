{% macro _invalid(argument, given, accepted) %}
  {% set shown = 'missing' if given is undefined or given is none else "'" ~ given ~ "'" if given is string else given %}
  {% do exceptions.raise_compiler_error(
    'vigil: in ' ~ (model.resource_type or 'test') ~ ' `' ~ model.name ~ '`, argument `' ~ argument ~ '` is ' ~ shown ~ '. Accepted: ' ~ accepted ~ '.'
  ) %}
{% endmacro %}


{% macro _no_unknown_arguments(given, accepted) %}
  {% for argument in given %}
    {% set hint = ': it stands under a table, not under a column' if argument == 'column_name' %}
    {% do exceptions.raise_compiler_error(
      'vigil: in test `' ~ model.name ~ '`, `' ~ argument ~ '` is not an argument of this check' ~ (hint or '') ~ '. Accepted: ' ~ accepted ~ '.'
    ) %}
  {% endfor %}
{% endmacro %}
