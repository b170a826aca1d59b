{% macro _window(timestamp_column, window) %}
  {#- {'column': the quoted timestamp column, 'length': duration, 'start', 'end': instants}, or none without a window. -#}
  {% if timestamp_column is none and window is none %}
    {{ return(none) }}
  {% endif %}
  {% set column = vigil._column('timestamp_column', timestamp_column) %}
  {% set length = vigil._duration('window', window) %}
  {{ return({'column': column, 'length': length, 'start': vigil._before(vigil.as_of(), length), 'end': vigil.as_of()}) }}
{% endmacro %}
