{# Conditions on a column's type. Both engines fold `typeof` to a constant when they plan, so these cost nothing to run. #}

{% macro is_date(column) -%}
  {{ return(adapter.dispatch('is_date', 'vigil')(column)) }}
{%- endmacro %}

{% macro duckdb__is_date(column) -%}
  (typeof({{ column }}) = 'DATE')
{%- endmacro %}

{% macro spark__is_date(column) -%}
  (typeof({{ column }}) = 'date')
{%- endmacro %}

{% macro default__is_date(column) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro is_timestamp(column) -%}
  {{ return(adapter.dispatch('is_timestamp', 'vigil')(column)) }}
{%- endmacro %}

{% macro duckdb__is_timestamp(column) -%}
  (typeof({{ column }}) in ('TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'TIMESTAMP WITH TIME ZONE'))
{%- endmacro %}

{% macro spark__is_timestamp(column) -%}
  (typeof({{ column }}) in ('timestamp', 'timestamp_ntz'))
{%- endmacro %}

{% macro default__is_timestamp(column) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro is_number(column) -%}
  {{ return(adapter.dispatch('is_number', 'vigil')(column)) }}
{%- endmacro %}

{% macro duckdb__is_number(column) -%}
  (
    typeof({{ column }}) in ('FLOAT', 'DOUBLE') or typeof({{ column }}) like '%INT'
    or typeof({{ column }}) in ('INTEGER', 'UINTEGER', 'BIGNUM') or typeof({{ column }}) like 'DECIMAL%'
  )
{%- endmacro %}

{% macro spark__is_number(column) -%}
  (
    typeof({{ column }}) in ('tinyint', 'smallint', 'int', 'bigint', 'float', 'double')
    or typeof({{ column }}) like 'decimal%'
  )
{%- endmacro %}

{% macro default__is_number(column) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro is_nan(column) -%}
  {{ return(adapter.dispatch('is_nan', 'vigil')(column)) }}
{%- endmacro %}

{% macro duckdb__is_nan(column) -%}
  (typeof({{ column }}) in ('FLOAT', 'DOUBLE') and isnan(try_cast({{ column }} as double)))
{%- endmacro %}

{#- By way of text, because Spark has no cast from every type to double, not even under a condition. -#}
{% macro spark__is_nan(column) -%}
  (typeof({{ column }}) in ('float', 'double') and cast({{ column }} as string) = 'NaN')
{%- endmacro %}

{% macro default__is_nan(column) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- Null for NaN, so that aggregates of a few bad values say something of all the others. -#}
{% macro as_double(column) -%}
  case
    when {{ vigil.is_number(column) }} then nullif(try_cast({{ column }} as double), cast('NaN' as double))
    else {{ vigil._type_error(column, column, 'a number') }}
  end
{%- endmacro %}


{#- In the order of numbers, dates and timestamps, null for any other type. -#}
{% macro ordered_number(column) -%}
  {{ return(adapter.dispatch('ordered_number', 'vigil')(column)) }}
{%- endmacro %}

{% macro duckdb__ordered_number(column) -%}
  case
    when {{ vigil.is_number(column) }} then nullif(try_cast({{ column }} as double), cast('NaN' as double))
    {#- By way of text, which says the zone where there is one. #}
    when typeof({{ column }}) = 'TIMESTAMP WITH TIME ZONE' then epoch_us(try_cast(cast({{ column }} as text) as timestamptz))
    when {{ vigil.is_timestamp(column) }} or {{ vigil.is_date(column) }} then epoch_us(try_cast(cast({{ column }} as text) as timestamp))
  end
{%- endmacro %}

{% macro spark__ordered_number(column) -%}
  case
    when {{ vigil.is_number(column) }} then nullif(try_cast(cast({{ column }} as string) as double), cast('NaN' as double))
    when typeof({{ column }}) = 'timestamp' then unix_micros(cast({{ column }} as timestamp))
    when {{ vigil.is_timestamp(column) }} or {{ vigil.is_date(column) }}
      then timestampdiff(microsecond, timestamp_ntz '1970-01-01 00:00:00', try_cast(cast({{ column }} as string) as timestamp_ntz))
  end
{%- endmacro %}

{% macro default__ordered_number(column) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro raise_error(message) -%}
  {{ return(adapter.dispatch('raise_error', 'vigil')(message)) }}
{%- endmacro %}

{% macro duckdb__raise_error(message) -%}
  error({{ message }})
{%- endmacro %}

{% macro spark__raise_error(message) -%}
  raise_error({{ message }})
{%- endmacro %}

{% macro default__raise_error(message) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro _type_error(argument, column, accepted) -%}
  {{ vigil.raise_error(vigil.text_literal('vigil: argument `' ~ argument ~ '` has a column of type ') ~ ' || typeof(' ~ column ~ ") || '. Accepted: " ~ accepted ~ ".'") }}
{%- endmacro %}


{% macro _unsupported_engine() -%}
  {% do exceptions.raise_compiler_error('vigil: ' ~ adapter.type() ~ ' is not supported. Accepted: duckdb, spark.') %}
{%- endmacro %}
