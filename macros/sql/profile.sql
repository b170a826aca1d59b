{#- How a model replaces the rows of whole periods. -#}
{% macro replacing(column) %}
  {{ return(adapter.dispatch('replacing', 'vigil')(column)) }}
{% endmacro %}

{% macro duckdb__replacing(column) %}
  {{ return({'incremental_strategy': 'delete+insert', 'unique_key': column}) }}
{% endmacro %}

{% macro spark__replacing(column) %}
  {{ return({'incremental_strategy': 'insert_overwrite', 'partition_by': [column]}) }}
{% endmacro %}

{% macro default__replacing(column) %}
  {{ vigil._unsupported_engine() }}
{% endmacro %}


{% macro wall_clock_type() -%}
  {{ return(adapter.dispatch('wall_clock_type', 'vigil')()) }}
{%- endmacro %}

{% macro duckdb__wall_clock_type() -%}
  timestamp
{%- endmacro %}

{% macro spark__wall_clock_type() -%}
  timestamp_ntz
{%- endmacro %}

{% macro default__wall_clock_type() -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro period_of(column, type, period) -%}
  {{ return(adapter.dispatch('period_of', 'vigil')(column, type | lower, period)) }}
{%- endmacro %}

{% macro duckdb__period_of(column, type, period) -%}
  {%- set wall_clock = "timezone('" ~ vigil._timezone().zone ~ "', " ~ column ~ ")" if type == 'timestamp with time zone' else column -%}
  cast(date_trunc('{{ period }}', {{ wall_clock }}) as timestamp)
{%- endmacro %}

{#- Not by way of a timestamp in the session's zone, which may lack the hour. -#}
{% macro spark__period_of(column, type, period) -%}
  {%- set micros = "unix_micros(from_utc_timestamp(" ~ column ~ ", '" ~ vigil._timezone().zone ~ "'))" -%}
  {%- set wall_clock = vigil._spark_wall_clock(micros) if type == 'timestamp' else column -%}
  {%- set day = 'cast(' ~ wall_clock ~ ' as date)' -%}
  {%- if period == 'hour' -%}
    timestampadd(hour, hour({{ wall_clock }}), cast({{ day }} as timestamp_ntz))
  {%- else -%}
    cast({{ day if period == 'day' else "trunc(" ~ day ~ ", '" ~ period ~ "')" }} as timestamp_ntz)
  {%- endif -%}
{%- endmacro %}

{% macro _spark_wall_clock(micros) -%}
  timestampadd(microsecond, {{ micros }}, timestamp_ntz '1970-01-01 00:00:00')
{%- endmacro %}

{% macro default__period_of(column, type, period) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro epoch_seconds(column, type) -%}
  {{ return(adapter.dispatch('epoch_seconds', 'vigil')(column, type | lower)) }}
{%- endmacro %}

{% macro duckdb__epoch_seconds(column, type) -%}
  cast(epoch({{ column }}) as double)
{%- endmacro %}

{% macro spark__epoch_seconds(column, type) -%}
  {%- if type == 'date' -%}
    unix_date({{ column }}) * 86400e0
  {%- elif type == 'timestamp' -%}
    unix_micros({{ column }}) / 1e6
  {%- else -%}
    timestampdiff(microsecond, timestamp_ntz '1970-01-01 00:00:00', {{ column }}) / 1e6
  {%- endif -%}
{%- endmacro %}

{% macro default__epoch_seconds(column, type) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- The other way round, to the second. -#}
{% macro epoch_text(seconds) -%}
  {{ return(adapter.dispatch('epoch_text', 'vigil')(seconds)) }}
{%- endmacro %}

{% macro duckdb__epoch_text(seconds) -%}
  regexp_replace(cast(make_timestamp(try_cast({{ seconds }} * 1000000 as bigint)) as text), ' 00:00:00$', '')
{%- endmacro %}

{% macro spark__epoch_text(seconds) -%}
  regexp_replace(cast({{ vigil._spark_wall_clock('cast(' ~ seconds ~ ' as bigint) * 1000000') }} as string), ' 00:00:00$', '')
{%- endmacro %}

{% macro default__epoch_text(seconds) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- An instant in UTC, because the session's zone may be another tomorrow. -#}
{% macro value_text(column, type) -%}
  {{ return(adapter.dispatch('value_text', 'vigil')(column, type | lower)) }}
{%- endmacro %}

{% macro duckdb__value_text(column, type) -%}
  cast({{ "timezone('UTC', " ~ column ~ ")" if type == 'timestamp with time zone' else column ~ ' + 0' if type in ('float', 'double') else column }} as text)
{%- endmacro %}

{% macro spark__value_text(column, type) -%}
  cast({{ vigil._spark_wall_clock('unix_micros(' ~ column ~ ')') if type == 'timestamp' else 'hex(' ~ column ~ ')' if type == 'binary' else column }} as string)
{%- endmacro %}

{% macro default__value_text(column, type) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro array_of(items) -%}
  {{ return(adapter.dispatch('array_of', 'vigil')(items)) }}
{%- endmacro %}

{% macro duckdb__array_of(items) -%}
  [{{ items | join(', ') }}]
{%- endmacro %}

{% macro spark__array_of(items) -%}
  array({{ items | join(', ') }})
{%- endmacro %}

{% macro default__array_of(items) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- Null where there is none. -#}
{% macro item_of(array, position) -%}
  {{ return(adapter.dispatch('item_of', 'vigil')(array, position)) }}
{%- endmacro %}

{% macro duckdb__item_of(array, position) -%}
  {{ array }}[{{ position }}]
{%- endmacro %}

{% macro spark__item_of(array, position) -%}
  get({{ array }}, {{ position - 1 }})
{%- endmacro %}

{% macro default__item_of(array, position) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{% macro count_below(numbers, bound) -%}
  {{ return(adapter.dispatch('count_below', 'vigil')(numbers, bound)) }}
{%- endmacro %}

{% macro duckdb__count_below(numbers, bound) -%}
  len(list_filter({{ numbers }}, lambda number_of: number_of < {{ bound }}))
{%- endmacro %}

{% macro spark__count_below(numbers, bound) -%}
  size(filter({{ numbers }}, number_of -> number_of < {{ bound }}))
{%- endmacro %}

{% macro default__count_below(numbers, bound) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- An aggregate: the fields of the rows where the condition holds, in the order of the first field. -#}
{% macro list_of_structs(fields, condition) -%}
  {{ return(adapter.dispatch('list_of_structs', 'vigil')(fields, condition)) }}
{%- endmacro %}

{% macro duckdb__list_of_structs(fields, condition) -%}
  list({
    {%- for name, column in fields.items() %}'{{ name }}': {{ column }}{{ ', ' if not loop.last }}{% endfor -%}
  } order by {{ fields.values() | first }}) filter ({{ condition }})
{%- endmacro %}

{% macro spark__list_of_structs(fields, condition) -%}
  sort_array(collect_list(case when {{ condition }} then struct(
    {%- for name, column in fields.items() %}{{ column }} as {{ name }}{{ ', ' if not loop.last }}{% endfor -%}
  ) end))
{%- endmacro %}

{% macro default__list_of_structs(fields, condition) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- For a select: the fields of the structs in a list, a row for each. -#}
{% macro unnested(structs) -%}
  {{ return(adapter.dispatch('unnested', 'vigil')(structs)) }}
{%- endmacro %}

{% macro duckdb__unnested(structs) -%}
  unnest({{ structs }}, recursive := true)
{%- endmacro %}

{% macro spark__unnested(structs) -%}
  inline({{ structs }})
{%- endmacro %}

{% macro default__unnested(structs) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- An aggregate: an array of the quantiles that names such as p05 say. -#}
{% macro approximate_quantiles(number, names) -%}
  {{ return(adapter.dispatch('approximate_quantiles', 'vigil')(number, names)) }}
{%- endmacro %}

{% macro duckdb__approximate_quantiles(number, names) -%}
  approx_quantile({{ number }}, [{{ vigil._fractions(names) }}])
{%- endmacro %}

{% macro spark__approximate_quantiles(number, names) -%}
  percentile_approx({{ number }}, array({{ vigil._fractions(names) }}))
{%- endmacro %}

{% macro default__approximate_quantiles(number, names) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}

{% macro _fractions(names) -%}
  {%- for name in names %}0.{{ name[1:] }}{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}
