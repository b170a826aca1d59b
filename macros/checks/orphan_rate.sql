{% test orphan_rate(
  model, column_name=none, to=none, field=none, max_rate=0.001, to_where=none, timestamp_column=none, window=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'column_name, to, field, max_rate, to_where, timestamp_column, window, group_by, on_no_data') %}
  {% set columns = vigil._columns('column_name', column_name) %}
  {% set to = vigil._relation('to', to) %}
  {% set fields = vigil._columns('field', field) %}
  {% if columns | length != fields | length %}
    {% do vigil._invalid('field', field, 'as many columns as column_name has, ' ~ columns | length) %}
  {% endif %}
  {% set to_where = vigil._condition('to_where', to_where) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set keys = range(1, columns | length + 1) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('orphan_rate', model, {'column_name': columns, 'timestamp_column': window.column, 'group_by': group_by}) }}
),

children as {{ vigil.inlined() }} (
  select * from source_rows
  where {{ vigil._in_window(window) }}{% for key in keys %} and column_name_{{ key }} is not null{% endfor %}
),

parents as (
  {{ vigil._source_rows('orphan_rate', to ~ ' where (' ~ to_where ~ ')' if to_where else to, {'field': fields}) }}
),

counted as (
  select {{ vigil._group_columns(group_by) }}0 as orphans, count(*) as children
  from children {{ vigil._grouped(group_by) }}
  union all
  select {{ vigil._group_columns(group_by) }}count(*) as orphans, 0 as children
  from children
  {{ vigil.anti_join() }} parents on {% for key in keys %}children.column_name_{{ key }} = parents.field_{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
  {{ vigil._grouped(group_by) }}
),

measured as (
  select
    {{ vigil._group_columns(group_by) }}
    sum(orphans) as numerator,
    sum(children) as denominator,
    case when sum(children) > 0 then cast(sum(orphans) as double) / sum(children) end as value
  from counted
  {{ vigil._grouped(group_by) }}
),
{{ vigil._verdict('orphan_rate', group_by, on_no_data, upper_bound=max_rate) }}
{% endtest %}
