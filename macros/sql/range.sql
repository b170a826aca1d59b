{#- NaN is above every number on both engines. DuckDB would round a bound to a float where it is compared with one. -#}
{% macro is_outside(column, min_value=none, max_value=none) -%}
  case
    when lower(typeof({{ column }})) = 'float' then {{ vigil._beyond(column, vigil._as_doubles([min_value, max_value])) }}
    when {{ vigil.is_number(column) }} then {{ vigil._beyond(column, [min_value, max_value]) }}
    else {{ vigil._type_error(column, column, 'a number') }}
  end
{%- endmacro %}


{% macro _beyond(column, bounds) -%}
  {%- set above = vigil.is_nan(column) if bounds[1] is none else column ~ ' > ' ~ bounds[1] -%}
  ({{ column ~ ' < ' ~ bounds[0] ~ ' or ' if bounds[0] is not none }}{{ above }})
{%- endmacro %}


{% macro _as_doubles(numbers) %}
  {% set doubles = [] %}
  {% for number in numbers %}
    {% do doubles.append(none if number is none else 'cast(' ~ number ~ ' as double)') %}
  {% endfor %}
  {{ return(doubles) }}
{% endmacro %}
