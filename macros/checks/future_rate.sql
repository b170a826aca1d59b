{% test future_rate(model, timestamp_column=none, max_rate=0, future_tolerance='5 minutes', group_by=none, on_no_data=none) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'timestamp_column, max_rate, future_tolerance, group_by, on_no_data') %}
  {% set column = vigil._column('timestamp_column', timestamp_column) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set tolerance = vigil._duration('future_tolerance', future_tolerance, accept_zero=true) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set latest_accepted = vigil.as_of() + modules.datetime.timedelta(seconds=tolerance.seconds) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('future_rate', model, {'timestamp_column': column, 'group_by': group_by}) }}
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    {{ vigil._aggregate('count', 'one', vigil.compare_time('timestamp_column', [('>', latest_accepted)]), group_by) }} as numerator,
    {{ vigil._aggregate('count', 'timestamp_column', 'true', group_by) }} as denominator
  {{ 'from source_rows ' ~ vigil._grouped(group_by) if group_by }}
),

measured as (
  select *, case when denominator > 0 then cast(numerator as double) / denominator end as value from counted
),
{{ vigil._verdict('future_rate', group_by, on_no_data, upper_bound=max_rate) }}
{% endtest %}
