{% test cardinality_change(
  model, column_name=none, timestamp_column=none, period='day', seasonality='none', max_change=0.5, calendar=none, except=none, profile=none,
  group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'column_name, timestamp_column, period, seasonality, max_change, calendar, except, profile, group_by, on_no_data') %}
  {% set columns = {'column_name': vigil._column('column_name', column_name), 'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set periods = vigil._periods(period, 1, seasonality, calendar=vigil._calendar(calendar, except, period)) %}
  {% set max_change = vigil._number('max_change', max_change, 0) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}

with {{ vigil._compared_rows('cardinality_change', model, columns, periods, group_by, profile) }},

sides as (
  select {{ vigil._group_columns(group_by) }}is_tested, {{ 'max(distinct_values)' if profile else 'count(distinct column_name)' }} as distinct_values
  from compared_rows
  group by {{ vigil._group_columns(group_by) }}is_tested
),

measured as (
  select
    *,
    {#- To a baseline that has rows but no value, every value is a change. #}
    case when numerator > 0 or denominator > 0 then abs(coalesce(numerator, 0) - denominator) / greatest(denominator, 1) end as value
  from ({{ vigil._both_sides({'distinct_values': ['numerator', 'denominator']}, group_by) }}) as both_sides
),
{#- Values that are all gone are a change, whatever the bound. #}
{{ vigil._verdict('cardinality_change', group_by, on_no_data, upper_bound=max_change, fails_when='numerator = 0 and denominator > 0', details=vigil._note(periods, profile) + (
  ["case when (select max(is_approximate) from compared_rows) then 'counted by a sketch, to within a few percent' end"] if profile else []
)) }}
{% endtest %}
