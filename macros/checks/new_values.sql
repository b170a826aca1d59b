{% test new_values(
  model, column_name=none, timestamp_column=none, period='day', baseline_periods=28, seasonality='none', max_rate=0.01,
  calendar=none, except=none, profile=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'column_name, timestamp_column, period, baseline_periods, seasonality, max_rate, calendar, except, profile, group_by, on_no_data'
  ) %}
  {% set columns = {'column_name': vigil._columns('column_name', column_name), 'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set periods = vigil._periods(period, baseline_periods, seasonality, calendar=vigil._calendar(calendar, except, period)) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}
  {% set values = [] %}
  {% for _ in columns.column_name %}{% do values.append('column_name_' ~ loop.index) %}{% endfor %}

with {{ vigil._compared_rows('new_values', model, columns, periods, group_by, profile, needs={'all_values': 'true'}) }},

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    {{ values | join(', ') }},
    {{ 'max(number) as number,' if profile }}
    {{ vigil._rows_of_a_value('is_tested', profile) }} as tested_rows,
    {{ vigil._rows_of_a_value('not is_tested', profile) }} as baseline_rows
  from {{ vigil._profiled_values(group_by) if profile else 'compared_rows' }}
  where {{ values | join(' is not null and ') }} is not null
  group by {{ vigil._group_columns(group_by) }}{{ values | join(', ') }}
),

{{ vigil._named_values('baseline_rows = 0', 'tested_rows', values | join(', '), group_by, order_by='number, column_name_1' if profile) }},

measured as (
  select
    {{ vigil._group_columns(group_by) }}
    sum(case when baseline_rows = 0 then tested_rows else 0 end) as numerator,
    sum(tested_rows) as denominator,
    case when sum(baseline_rows) > 0 and sum(tested_rows) > 0
      then cast(sum(case when baseline_rows = 0 then tested_rows else 0 end) as double) / sum(tested_rows)
    end as value,
    {{ vigil.joined_texts('named_value', 'position') }} as named_values
  from named
  {{ vigil._grouped(group_by) }}
),
{{ vigil._verdict('new_values', group_by, on_no_data, upper_bound=max_rate, details=vigil._note(periods, profile) + ["'new: ' || named_values"]) }}
{% endtest %}
