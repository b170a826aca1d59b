{% test trend(
  model, column_name=none, timestamp_column=none, window=none, per='hour', min_slope=none, max_slope=none, min_rows=3, group_by=none,
  on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'column_name, timestamp_column, window, per, min_slope, max_slope, min_rows, group_by, on_no_data') %}
  {% set columns = {'column_name': vigil._column('column_name', column_name), 'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set per = {'second': 1, 'minute': 60, 'hour': 3600, 'day': 86400}[vigil._choice('per', per, ['second', 'minute', 'hour', 'day'])] %}
  {% if min_slope is none and max_slope is none %}
    {% do vigil._invalid('max_slope', none, 'a number, or else min_slope') %}
  {% endif %}
  {% for argument, bound in {'min_slope': min_slope, 'max_slope': max_slope}.items() if bound is not none %}
    {% do vigil._number(argument, bound, -1e300) %}
  {% endfor %}
  {% if min_slope is not none and max_slope is not none and min_slope > max_slope %}
    {% do vigil._invalid('min_slope', min_slope, 'a number of at most max_slope, ' ~ max_slope) %}
  {% endif %}
  {% set min_rows = vigil._integer('min_rows', min_rows, 2) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set finite = "case when abs(metric) < cast('Infinity' as double) then metric end" %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('trend', model, dict(columns, group_by=group_by)) }}
),

points as (
  select
    {{ vigil._group_columns(group_by) }}
    {{ vigil.as_double('column_name') }} as metric,
    -({{ vigil.seconds_until('timestamp_column', vigil.as_of()) }}) / {{ per }} as elapsed
  from source_rows
  where {{ vigil._in_window(window) }}
),

{#- Constants are decided by themselves, because sums carry roundings. Infinity is kept away from them, and leaves no slope. #}
fitted as (
  select
    {{ vigil._group_columns(group_by) }}
    count(*) as points,
    max(elapsed) > min(elapsed) as has_times,
    max(abs(metric)) < cast('Infinity' as double) as is_finite,
    case when max(metric) = min(metric) then 0 else regr_sxy({{ finite }}, elapsed) end as numerator,
    regr_sxx({{ finite }}, elapsed) as denominator
  from points
  where metric is not null
  {{ vigil._grouped(group_by) }}
),

measured as (
  select *, case when points >= {{ min_rows }} and has_times and is_finite then numerator / denominator end as value from fitted
),
{{ vigil._verdict('trend', group_by, on_no_data, lower_bound=min_slope, upper_bound=max_slope) }}
{% endtest %}
