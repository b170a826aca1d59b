{% test allowed_values(
  model, column_name=none, values=none, max_rate=0, nulls='exclude', timestamp_column=none, window=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'column_name, values, max_rate, nulls, timestamp_column, window, group_by, on_no_data') %}
  {% set column = vigil._column('column_name', column_name) %}
  {% set values = vigil._literals('values', values) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set nulls = vigil._choice('nulls', nulls, ['exclude', 'allow', 'forbid']) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('allowed_values', model, {'column_name': column, 'timestamp_column': window.column, 'group_by': group_by}) }}
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    column_name,
    count(*) as value_rows,
    case
      when column_name is null then {{ 'true' if nulls == 'forbid' else 'false' }}
      when not ({{ values.accepted_type }}) then {{ vigil._type_error('column_name', 'column_name', values.accepted) }}
      else column_name not in ({{ values.literals | join(', ') }})
    end as is_outside
  from source_rows
  where {{ vigil._in_window(window) }}{{ ' and column_name is not null' if nulls == 'exclude' }}
  group by {{ vigil._group_columns(group_by) }}column_name
),

{{ vigil._named_values('is_outside', 'value_rows', 'column_name', group_by) }},

measured as (
  select
    {{ vigil._group_columns(group_by) }}
    sum(case when is_outside then value_rows else 0 end) as numerator,
    sum(value_rows) as denominator,
    cast(sum(case when is_outside then value_rows else 0 end) as double) / sum(value_rows) as value,
    {{ vigil.joined_texts('named_value', 'position') }} as named_values
  from named
  {{ vigil._grouped(group_by) }}
),
{{ vigil._verdict('allowed_values', group_by, on_no_data, upper_bound=max_rate, details=["'not allowed: ' || named_values"]) }}
{% endtest %}
