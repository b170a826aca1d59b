{% macro _flag(name, default) %}
  {% set given = var(name, default) %}
  {% if given is not boolean %}
    {% do exceptions.raise_compiler_error('vigil: var `' ~ name ~ '` is ' ~ given ~ '. Accepted: true, false.') %}
  {% endif %}
  {{ return(given) }}
{% endmacro %}


{% macro _default_duration(name, default, accept_zero=false) %}
  {% set given = var(name, default) %}
  {% set duration = vigil._parsed_duration(given, accept_zero) %}
  {% if not duration %}
    {% do exceptions.raise_compiler_error('vigil: var `' ~ name ~ '` is ' ~ given ~ '. Accepted: ' ~ vigil._accepted_durations() ~ '.') %}
  {% endif %}
  {{ return(duration.seconds) }}
{% endmacro %}


{% macro _warn(message) %}
  {#- Loudly, but under --warn-error a warning would stop the run. -#}
  {% if flags.WARN_ERROR or flags.WARN_ERROR_OPTIONS.error %}
    {% do log('[WARNING]: ' ~ message, info=true) %}
  {% else %}
    {% do exceptions.warn(message) %}
  {% endif %}
{% endmacro %}


{% macro _file_format() %}
  {#- Of the record's tables, on Spark: none for what the server takes by itself. -#}
  {% set given = var('vigil_file_format', none) %}
  {% if given is not none and given not in vigil._formats() %}
    {% do exceptions.raise_compiler_error('vigil: var `vigil_file_format` is ' ~ given ~ '. Accepted: ' ~ vigil._formats() | join(', ') ~ '.') %}
  {% endif %}
  {{ return(given) }}
{% endmacro %}


{% macro _formats() %}
  {{ return(['delta', 'iceberg', 'parquet']) }}
{% endmacro %}
