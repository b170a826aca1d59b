{# Timestamps with a zone are compared as instants, those without one as the wall clock of var vigil_timezone, dates as dates.
   The engines fold the case away when they plan; what is left compares the bare column, so that partitions and zone maps prune. #}

{% macro compare_time(column, bounds, accept_dates=true) -%}
  {{ return(adapter.dispatch('compare_time', 'vigil')(column, bounds, accept_dates)) }}
{%- endmacro %}

{% macro duckdb__compare_time(column, bounds, accept_dates) -%}
  case
    when typeof({{ column }}) = 'TIMESTAMP WITH TIME ZONE'
      then {{ vigil._within(column, bounds, 'timestamptz', '+00') }}
    when {{ vigil.is_timestamp(column) }}
      then {{ vigil._within(column, bounds, 'timestamp') }}
    {{ vigil._compare_dates(column, bounds, accept_dates) }}
  end
{%- endmacro %}

{% macro spark__compare_time(column, bounds, accept_dates) -%}
  case
    when typeof({{ column }}) = 'timestamp'
      then {{ vigil._within(column, bounds, 'timestamp', 'Z') }}
    when typeof({{ column }}) = 'timestamp_ntz'
      then {{ vigil._within(column, bounds, 'timestamp_ntz') }}
    {{ vigil._compare_dates(column, bounds, accept_dates) }}
  end
{%- endmacro %}

{% macro default__compare_time(column, bounds, accept_dates) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}

{% macro _compare_dates(column, bounds, accept_dates) -%}
    {% if accept_dates -%}
    when {{ vigil.is_date(column) }}
      then {{ vigil._within(column, bounds, 'date') }}
    {% endif -%}
    else {{ vigil._type_error(column, column, 'a date or a timestamp' if accept_dates else 'a timestamp, because parts of days are compared') }}
{%- endmacro %}

{% macro _within(column, bounds, type, zone=none) -%}
  {#- With a zone, the bounds are instants written in it, else wall clocks. -#}
  {%- for operator, instant in bounds -%}
    {%- set moment = instant if zone else vigil._to_wall_clock(instant) -%}
    cast({{ column }} as {{ type }}) {{ operator }} {{ type }} '{{ moment.date() if type == 'date' else vigil._time_text(moment) ~ (zone or '') }}'
    {{- ' and ' if not loop.last }}
  {%- endfor -%}
{%- endmacro %}


{% macro seconds_until(column, instant) -%}
  {{ return(adapter.dispatch('seconds_until', 'vigil')(column, instant)) }}
{%- endmacro %}

{% macro duckdb__seconds_until(column, instant) -%}
  case
    when {{ vigil.is_date(column) }}
      then cast(date_diff('day', cast({{ column }} as date), date '{{ vigil._to_wall_clock(instant).date() }}') * 86400 as double)
    when typeof({{ column }}) = 'TIMESTAMP WITH TIME ZONE'
      then (epoch_us(timestamptz '{{ vigil._time_text(instant) }}+00') - epoch_us(cast({{ column }} as timestamptz))) / 1e6
    else (
      epoch_us(timestamptz '{{ vigil._time_text(instant) }}+00')
      {#- The first of two readings, where the clocks show an hour twice: DuckDB by itself takes the second, Spark the first. #}
      - least(
        epoch_us(timezone('{{ vigil._timezone().zone }}', cast({{ column }} as timestamp))),
        epoch_us(timezone('{{ vigil._timezone().zone }}', cast({{ column }} as timestamp) - interval 1 hour)) + 3600000000
      )
    ) / 1e6
  end
{%- endmacro %}

{% macro spark__seconds_until(column, instant) -%}
  case
    when {{ vigil.is_date(column) }}
      then cast(datediff(date '{{ vigil._to_wall_clock(instant).date() }}', cast({{ column }} as date)) * 86400 as double)
    when typeof({{ column }}) = 'timestamp'
      then (unix_micros(timestamp '{{ vigil._time_text(instant) }}Z') - unix_micros(cast({{ column }} as timestamp))) / 1e6
    else timestampdiff(
      microsecond,
      convert_timezone('{{ vigil._timezone().zone }}', 'UTC', cast({{ column }} as timestamp_ntz)),
      timestamp_ntz '{{ vigil._time_text(instant) }}'
    ) / 1e6
  end
{%- endmacro %}

{% macro default__seconds_until(column, instant) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro _time_text(moment) -%}
  {{ moment.strftime('%Y-%m-%d %H:%M:%S.%f') }}
{%- endmacro %}
