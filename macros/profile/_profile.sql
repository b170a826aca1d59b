{% macro _described_columns(wanted) %}
  {#- {name in the source's rows: {'type': the engine's, 'kind': number, time or other}}: a question to the catalog, not to the data.
      A table that is not there can be compiled for, as `dbt docs generate` does, but not run. -#}
  {% set is_there = flags.WHICH in ('run', 'build', 'retry') or load_relation(wanted.relation) %}
  {% set found = {'timestamp_column': {'type': 'timestamp', 'kind': 'time'}} %}
  {% for _ in wanted.columns %}{% do found.update({'column_name_' ~ loop.index: {'type': 'unknown', 'kind': 'other'}}) %}{% endfor %}
  {% for row in (run_query('describe ' ~ vigil._profiled_rows(wanted)).rows if is_there else []) %}
    {% set type = row[1] | string %}
    {% set is_number = modules.re.match('(?i)^(u?(tiny|small|big|huge)?int(eger)?|bignum|float|double|decimal.*)$', type) %}
    {% set kind = 'number' if is_number else 'time' if modules.re.match('(?i)^(date|timestamp.*)$', type) else 'other' %}
    {% do found.update({row[0]: {'type': type, 'kind': kind}}) %}
  {% endfor %}
  {% set time = found.timestamp_column %}
  {% if time.kind != 'time' or (wanted.period == 'hour' and time.type | lower == 'date') %}
    {% set accepted = 'a timestamp, because hours are profiled' if wanted.period == 'hour' else 'a date or a timestamp' %}
    {% do vigil._invalid('timestamp_column', vigil._plain(wanted.timestamp_column) ~ ', of type ' ~ time.type, accepted) %}
  {% endif %}
  {{ return(found) }}
{% endmacro %}


{% macro _profiled_rows(wanted) -%}
  {{ vigil._source_rows('column_profile', wanted.relation, {
    'timestamp_column': wanted.timestamp_column, 'column_name': wanted.columns, 'group_by': wanted.group_by
  }) }}
{%- endmacro %}


{% macro _profile_sql(wanted, grain, periods, described) %}
{%- set group_by = wanted.group_by -%}
{%- set segment = 'partition by period_time, ' ~ vigil._group_columns(group_by) ~ 'position' -%}
with profiled_columns as (
  {{ vigil._column_rows(wanted, described) }}
),

profiled_periods as (
  {{ vigil._period_rows(periods.names) }}
),

source_rows as (
  {{ vigil._profiled_rows(wanted) }}
),

period_rows as (
  select
    {{ vigil.period_of('timestamp_column', described.timestamp_column.type, wanted.period) }} as period_time,
    {%- for _ in group_by %}
    cast(group_by_{{ loop.index }} as {{ dbt.type_string() }}) as group_by_{{ loop.index }},
    {%- endfor %}
    {%- for _ in wanted.columns %}
    column_name_{{ loop.index }}{{ ',' if not loop.last }}
    {%- endfor %}
  from source_rows
  where {{ vigil._in_range(periods.start, periods.end, wanted.period != 'hour') }}
),

{{ vigil._valued(wanted, described) }},
{% if wanted.approximate %}
{{ vigil._approximated(wanted, described) }},
{% endif %}
spread as (
  select
    *,
    case when number is not null then value_rows end as number_rows,
    {{ vigil._numbers_until('partition by position') }} as numbers_until,
    {{ vigil._numbers_until(segment) }} as segment_numbers_until,
    sum(case when number is not null then value_rows end) over (partition by position) as numbers,
    sum(case when number is not null then value_rows end) over ({{ segment }}) as segment_numbers,
    sum(number * value_rows) over ({{ segment }}) as segment_total,
    count(value) over ({{ segment }}) as segment_values,
    row_number() over ({{ segment }} order by case when value is not null then value_rows end desc nulls last, number, value) as value_position
  from valued
),

kept_edges as (
  {{ vigil._kept_edges(grain, periods.newest) }}
),

edged as (
  {{ vigil._edged() }}
),

measured as (
  {{ vigil._measured(group_by, wanted.max_values) }}
  {%- if wanted.approximate %}
  union all
  select *, null, null, null from approximated
  {%- endif %}
)

select
  {{ vigil.text_literal(grain) }} as grain,
  {{ vigil._segment_array(group_by) }} as segment,
  profiled_columns.column_name,
  profiled_columns.data_type,
  profiled_columns.kind,
  {%- for metric in ['row_count', 'nulls', 'nans', 'distinct_values', 'numbers'] %}
  cast(coalesce(measured.{{ metric }}, 0) as bigint) as {{ metric }},
  {%- endfor %}
  {%- for metric in ['least_number', 'greatest_number', 'least_text', 'greatest_text', 'total', 'mean', 'standard_deviation'] + vigil._quantiles() %}
  measured.{{ metric }},
  {%- endfor %}
  profiled_columns.is_approximate,
  measured.top_values,
  coalesce(measured.distinct_values, 0) <= {{ wanted.max_values }} and not profiled_columns.is_approximate as has_all_values,
  coalesce(kept_edges.edges, max(measured.edges) over (partition by profiled_columns.position)) as edges,
  measured.histogram,
  '{{ run_started_at.strftime('%Y-%m-%dT%H:%M:%SZ') }}' as profiled_at,
  profiled_periods.period_start
from profiled_periods
cross join profiled_columns
left join kept_edges on profiled_columns.column_name = kept_edges.column_name
left join measured
  on measured.period_time = cast(profiled_periods.period_start as {{ vigil.wall_clock_type() }}) and measured.position = profiled_columns.position
{%- if wanted.relation.limit is not none or wanted.relation.event_time_filter is not none %}
{#- Of `--empty` and `--sample` nothing is kept: a part of the rows is no profile. #}
where 1 = 0
{%- endif %}
{% endmacro %}


{% macro _segment_array(group_by) -%}
  {#- An array, so that profiles with and without segments have the same columns. -#}
  {%- set parts = [] -%}
  {%- for _ in group_by %}{% do parts.append('measured.group_by_' ~ loop.index) %}{% endfor -%}
  case when {{ 'true' if parts else 'false' }} then {{ vigil.array_of(parts or ['cast(null as ' ~ dbt.type_string() ~ ')']) }} end
{%- endmacro %}


{% macro _column_rows(wanted, described) -%}
  {%- set rows = [] -%}
  {%- for column in wanted.columns -%}
    {%- set about = described['column_name_' ~ loop.index] -%}
    {%- do rows.append({
      'position': loop.index, 'column_name': vigil._plain(column), 'data_type': about.type, 'kind': about.kind,
      'is_approximate': column in wanted.approximate
    }) -%}
  {%- endfor -%}
  {%- set text = dbt.type_string() -%}
  {{ vigil.json_rows(rows, {'position': 'int', 'column_name': text, 'data_type': text, 'kind': text, 'is_approximate': 'boolean'}) }}
{%- endmacro %}


{% macro _period_rows(names) -%}
  {%- set rows = [] -%}
  {%- for name in names %}{% do rows.append({'period_start': name}) %}{% endfor -%}
  {{ vigil.json_rows(rows, {'period_start': dbt.type_string()}) }}
{%- endmacro %}


{% macro _valued(wanted, described) %}
{#- A row for each value of each column, in one scan of the source. -#}
{%- set columns = vigil._profiled_positions(wanted, false) -%}
counted as (
  select
    period_time, {{ vigil._group_columns(wanted.group_by) }}{{ (columns.values() | list + ['count(*) as value_rows']) | join(', ') }},
    case {%- for position, column in columns.items() %} when grouping({{ column }}) = 0 then {{ position }}{% endfor %}{{ ' when true then null' if not columns }} end as position
  from period_rows
  group by grouping sets (
    {%- for column in columns.values() or [''] %}
    (period_time{{ ', ' ~ column if column }}{% for _ in wanted.group_by %}, group_by_{{ loop.index }}{% endfor %}){{ ',' if not loop.last }}
    {%- endfor %}
  )
),

valued as (
  select period_time, {{ vigil._group_columns(wanted.group_by) }}position, value_rows, {{ vigil._value_columns(columns, described) }}
  from counted
)
{%- endmacro %}


{% macro _approximated(wanted, described) %}
{#- For columns with many values, which are not held one by one: the columns of `measured` before `top_values`, in one more scan. -#}
{%- set columns = vigil._profiled_positions(wanted, true) -%}
{%- set groups = 'period_time, ' ~ vigil._group_columns(wanted.group_by) ~ 'position' -%}
sampled as (
  select {{ groups }}, {{ vigil._value_columns(columns, described) }}
  from period_rows
  cross join profiled_columns
  where is_approximate
),

sketched as (
  select
    {{ groups }},
    count(*) as row_count,
    count(*) - count(value) as nulls,
    count(case when is_nan then 1 end) as nans,
    approx_count_distinct(value) as distinct_values,
    count(number) as numbers,
    {{ vigil._range_columns() }},
    sum(number) as total,
    sum(number) / nullif(count(number), 0) as mean,
    case when max(abs(number)) < cast('Infinity' as double) then stddev_samp(case when abs(number) < cast('Infinity' as double) then number end) end as standard_deviation,
    {{ vigil.approximate_quantiles('number', vigil._quantiles()) }} as quantiles
  from sampled
  group by {{ groups }}
),

approximated as (
  select
    {{ groups }}, row_count, nulls, nans, distinct_values, numbers, least_number, greatest_number, least_text, greatest_text, total, mean,
    standard_deviation
    {%- for name in vigil._quantiles() %}, {{ vigil.item_of('quantiles', loop.index) }} as {{ name }}{% endfor %}
  from sketched
)
{%- endmacro %}


{% macro _profiled_positions(wanted, are_approximate) %}
  {#- {position: name in the source's rows} of the columns that are, or are not, approximate. -#}
  {% set found = {} %}
  {% for column in wanted.columns if (column in wanted.approximate) == are_approximate %}
    {% set position = wanted.columns.index(column) + 1 %}
    {% do found.update({position: 'column_name_' ~ position}) %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}


{% macro _value_columns(columns, described) -%}
  {%- set cases = {'value': [], 'number': [], 'is_nan': []} -%}
  {%- for position, column in columns.items() -%}
    {%- do cases.value.append('when ' ~ position ~ ' then ' ~ vigil.value_text(column, described[column].type)) -%}
    {%- do cases.number.append('when ' ~ position ~ ' then ' ~ vigil._number_of(column, described[column])) -%}
    {%- do cases.is_nan.append('when ' ~ position ~ ' then ' ~ vigil.is_nan(column)) -%}
  {%- endfor -%}
  {%- set types = {'value': dbt.type_string(), 'number': 'double', 'is_nan': 'boolean'} -%}
  {%- for name, whens in cases.items() %}
    {{ 'case position ' ~ whens | join(' ') ~ ' end' if whens else 'cast(null as ' ~ types[name] ~ ')' }} as {{ name }}{{ ',' if not loop.last }}
  {%- endfor -%}
{%- endmacro %}


{% macro _number_of(column, about) -%}
  {%- if about.kind == 'number' -%}
    nullif(cast({{ column }} as double), cast('NaN' as double))
  {%- elif about.kind == 'time' -%}
    {{ vigil.epoch_seconds(column, about.type) }}
  {%- else -%}
    cast(null as double)
  {%- endif -%}
{%- endmacro %}


{% macro _numbers_until(partition) -%}
  sum(case when number is not null then value_rows end) over ({{ partition }} order by number nulls last)
{%- endmacro %}


{% macro _edged() -%}
  {#- The edges of the histogram are deciles of a column's first numbers, kept from then on, so that periods compare. -#}
  {%- set deciles = [] -%}
  {%- for k in range(1, 10) -%}
    {%- do deciles.append('min(case when numbers_until * 10 >= numbers * ' ~ k ~ ' then number end) over (partition by spread.position)') -%}
  {%- endfor -%}
  select spread.*, coalesce(kept_edges.edges, case when numbers > 0 then {{ vigil.array_of(deciles) }} end) as edges
  from spread
  inner join profiled_columns on spread.position = profiled_columns.position
  left join kept_edges on profiled_columns.column_name = kept_edges.column_name
{%- endmacro %}


{% macro _kept_edges(grain, newest) -%}
  {#- Each row has them, so that one period is enough. -#}
  {%- if newest -%}
    select column_name, max(edges) as edges from {{ this }}
    where grain = {{ vigil.text_literal(grain) }} and period_start = {{ vigil.text_literal(newest) }}
    group by column_name
  {%- else -%}
    select column_name, case when 1 = 0 then {{ vigil.array_of(['cast(null as double)']) }} end as edges from profiled_columns where 1 = 0
  {%- endif -%}
{%- endmacro %}


{% macro _measured(group_by, max_values) -%}
  {%- set bins = [] -%}
  {%- for k in range(10) -%}
    {%- do bins.append('sum(case when bin = ' ~ k ~ ' then value_rows else 0 end)') -%}
  {%- endfor -%}
  select
    period_time, {{ vigil._group_columns(group_by) }}position,
    sum(value_rows) as row_count,
    sum(case when value is null then value_rows else 0 end) as nulls,
    sum(case when is_nan then value_rows else 0 end) as nans,
    max(segment_values) as distinct_values,
    max(segment_numbers) as numbers,
    {{ vigil._range_columns() }},
    max(segment_total) as total,
    max(segment_total / segment_numbers) as mean,
    sqrt(sum(number_rows * power(number - segment_total / segment_numbers, 2)) / nullif(max(segment_numbers) - 1, 0)) as standard_deviation,
    {%- for name in vigil._quantiles() %}
    min(case when segment_numbers_until * 100 >= segment_numbers * {{ name[1:] | int }} then number end) as {{ name }},
    {%- endfor %}
    {{ vigil.list_of_structs(
      {'position': 'value_position', 'value': 'value', 'number': 'number', 'row_count': 'value_rows'},
      'value is not null and (value_position <= 10 or segment_values <= ' ~ max_values ~ ')'
    ) }} as top_values,
    max(edges) as edges,
    case when max(edges) is not null then {{ vigil.array_of(bins) }} end as histogram
  from (select *, case when number is not null then {{ vigil.count_below('edges', 'number') }} end as bin from edged) as binned
  group by period_time, {{ vigil._group_columns(group_by) }}position
{%- endmacro %}


{% macro _range_columns() -%}
    min(number) as least_number,
    max(number) as greatest_number,
    substr(coalesce(min_by(value, number), min(value)), 1, 100) as least_text,
    substr(coalesce(max_by(value, number), max(value)), 1, 100) as greatest_text
{%- endmacro %}


{% macro _quantiles() %}
  {{ return(['p01', 'p05', 'p25', 'p50', 'p75', 'p95', 'p99']) }}
{% endmacro %}
