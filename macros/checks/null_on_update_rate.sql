{% test null_on_update_rate(
  model, column_name=none, key=none, sequence_column=none, operation_column='op', updates=['u'], max_rate=0, timestamp_column=none, window=none,
  group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'column_name, key, sequence_column, operation_column, updates, max_rate, timestamp_column, window, group_by, on_no_data'
  ) %}
  {% set columns = {
    'column_name': vigil._column('column_name', column_name),
    'key': vigil._columns('key', key),
    'sequence_column': vigil._column('sequence_column', sequence_column),
    'operation_column': vigil._column('operation_column', operation_column),
  } %}
  {% set updates = vigil._literals('updates', updates) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('null_on_update_rate', model, dict(columns, timestamp_column=window.column, group_by=group_by)) }}
),

changes as (
  select
    *,
    lag(case when column_name is not null then 1 end) over (
      partition by {% for _ in columns.key %}key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %} order by sequence_column
    ) as had_value
  from source_rows
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    count(*) - count(column_name) as numerator,
    count(*) as denominator
  from changes
  where had_value = 1 and operation_column in ({{ updates.literals | join(', ') }}) and {{ vigil._in_window(window) }}
  {{ vigil._grouped(group_by) }}
),

measured as (
  select *, case when denominator > 0 then cast(numerator as double) / denominator end as value from counted
),
{{ vigil._verdict('null_on_update_rate', group_by, on_no_data, upper_bound=max_rate) }}
{% endtest %}
