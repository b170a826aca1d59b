{% test range_change(
  model, column_name=none, timestamp_column=none, period='day', baseline_periods=28, seasonality='none', max_change=0.5,
  calendar=none, except=none, profile=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'column_name, timestamp_column, period, baseline_periods, seasonality, max_change, calendar, except, profile, group_by, on_no_data'
  ) %}
  {% set columns = {'column_name': vigil._column('column_name', column_name), 'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set periods = vigil._periods(period, baseline_periods, seasonality, calendar=vigil._calendar(calendar, except, period)) %}
  {% set max_change = vigil._number('max_change', max_change, 0) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}

with {{ vigil._compared_rows('range_change', model, columns, periods, group_by, profile) }},

sides as (
  select
    {{ vigil._group_columns(group_by) }}is_tested,
    min({{ vigil._profiled_number('least_number') if profile else vigil.as_double('column_name') }}) as least_value,
    max({{ vigil._profiled_number('greatest_number') if profile else vigil.as_double('column_name') }}) as greatest_value
  from compared_rows
  group by {{ vigil._group_columns(group_by) }}is_tested
),

ranges as (
  {{ vigil._both_sides({
    'least_value': ['tested_least', 'baseline_least'], 'greatest_value': ['tested_greatest', 'baseline_greatest']
  }, group_by) }}
),

distances as (
  select
    *,
    greatest(baseline_least - tested_least, tested_greatest - baseline_greatest, 0) as numerator,
    {#- Of a constant its size, of the constant 0 one unit: neither may move unnoticed. #}
    case
      when baseline_greatest > baseline_least then baseline_greatest - baseline_least
      when baseline_greatest <> 0 then abs(baseline_greatest)
      when baseline_greatest = 0 then 1
    end as denominator
  from ranges
),

measured as (
  select
    *,
    {#- In an infinite range everything lies, so it says nothing. #}
    case when tested_least is not null and denominator < cast('Infinity' as double) then numerator / denominator end as value
  from distances
),
{{ vigil._verdict('range_change', group_by, on_no_data, upper_bound=max_change, details=vigil._note(periods, profile) + [
  "case when value > " ~ max_change ~ " then 'from ' || " ~ vigil.number_text('tested_least') ~ " || ' to ' || " ~ vigil.number_text('tested_greatest')
  ~ " || ', in the baseline from ' || " ~ vigil.number_text('baseline_least') ~ " || ' to ' || " ~ vigil.number_text('baseline_greatest') ~ " end"
]) }}
{% endtest %}
