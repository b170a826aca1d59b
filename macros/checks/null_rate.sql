{% test null_rate(
  model, column_name=none, max_rate=0.01, nan_is_null=true, timestamp_column=none, window=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'column_name, max_rate, nan_is_null, timestamp_column, window, group_by, on_no_data') %}
  {% set column = vigil._column('column_name', column_name) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set nan_is_null = vigil._boolean('nan_is_null', nan_is_null) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('null_rate', model, {'column_name': column, 'timestamp_column': window.column, 'group_by': group_by}) }}
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    count(*) - count(column_name) {{ '+ coalesce(count_if(' ~ vigil.is_nan('column_name') ~ '), 0)' if nan_is_null }} as numerator,
    count(*) as denominator
  from source_rows
  where {{ vigil._in_window(window) }}
  {{ vigil._grouped(group_by) }}
),

measured as (
  select *, case when denominator > 0 then cast(numerator as double) / denominator end as value from counted
),
{{ vigil._verdict('null_rate', group_by, on_no_data, upper_bound=max_rate) }}
{% endtest %}
