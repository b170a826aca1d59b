{% test null_rate_change(
  model, column_name=none, timestamp_column=none, period='day', baseline_periods=7, seasonality='none', max_change=0.05,
  nan_is_null=true, calendar=none, except=none, profile=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'column_name, timestamp_column, period, baseline_periods, seasonality, max_change, nan_is_null, calendar, except, profile, group_by, on_no_data'
  ) %}
  {% set columns = {'column_name': vigil._column('column_name', column_name), 'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set periods = vigil._periods(period, baseline_periods, seasonality, calendar=vigil._calendar(calendar, except, period)) %}
  {% set max_change = vigil._number('max_change', max_change, 0, 1) %}
  {% set nan_is_null = vigil._boolean('nan_is_null', nan_is_null) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}

with {{ vigil._compared_rows('null_rate_change', model, columns, periods, group_by, profile) }},

sides as (
  select
    {{ vigil._group_columns(group_by) }}
    is_tested,
    {% if profile -%}
    cast(sum(nulls {{ '+ nans' if nan_is_null }}) as double) as nulls,
    cast(sum(row_count) as double) as all_rows
    {%- else -%}
    cast(count(*) - count(column_name) {{ '+ coalesce(count_if(' ~ vigil.is_nan('column_name') ~ '), 0)' if nan_is_null }} as double) as nulls,
    cast(count(*) as double) as all_rows
    {%- endif %}
  from compared_rows
  group by {{ vigil._group_columns(group_by) }}is_tested
),

measured as (
  select
    *,
    tested_nulls / tested_rows as numerator,
    baseline_nulls / baseline_rows as denominator,
    {#- Whole numbers and one division: the difference of two rates would be off by a rounding at the bound. #}
    abs(tested_nulls * baseline_rows - baseline_nulls * tested_rows) / (tested_rows * baseline_rows) as value
  from ({{ vigil._both_sides({
    'nulls': ['tested_nulls', 'baseline_nulls'], 'all_rows': ['tested_rows', 'baseline_rows']
  }, group_by) }}) as both_sides
),
{{ vigil._verdict('null_rate_change', group_by, on_no_data, upper_bound=max_change, details=vigil._note(periods, profile)) }}
{% endtest %}
