{% test out_of_range_rate(
  model, column_name=none, min_value=none, max_value=none, max_rate=0, timestamp_column=none, window=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'column_name, min_value, max_value, max_rate, timestamp_column, window, group_by, on_no_data') %}
  {% set column = vigil._column('column_name', column_name) %}
  {% if min_value is none and max_value is none %}
    {% do vigil._invalid('max_value', none, 'a number, or else min_value') %}
  {% endif %}
  {% for argument, bound in {'min_value': min_value, 'max_value': max_value}.items() if bound is not none %}
    {% do vigil._number(argument, bound, -1e300) %}
  {% endfor %}
  {% if min_value is not none and max_value is not none and min_value > max_value %}
    {% do vigil._invalid('min_value', min_value, 'a number of at most max_value, ' ~ max_value) %}
  {% endif %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set is_outside = vigil.is_outside('column_name', min_value, max_value) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('out_of_range_rate', model, {'column_name': column, 'timestamp_column': window.column, 'group_by': group_by}) }}
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    {{ vigil._aggregate('count', 'one', is_outside ~ ' and ' ~ vigil._in_window(window), group_by) }} as numerator,
    {{ vigil._aggregate('count', 'column_name', vigil._in_window(window), group_by) }} as denominator
  {{ 'from source_rows ' ~ vigil._grouped(group_by) if group_by }}
),

measured as (
  select *, case when denominator > 0 then cast(numerator as double) / denominator end as value from counted
),
{{ vigil._verdict('out_of_range_rate', group_by, on_no_data, upper_bound=max_rate) }}
{% endtest %}
