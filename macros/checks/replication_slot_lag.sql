{% test replication_slot_lag(
  model, timestamp_column=none, max_size='10 GB', window='15 minutes', slot_column='slot_name', size_column='retained_bytes', active_column='active',
  on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'timestamp_column, max_size, window, slot_column, size_column, active_column, on_no_data') %}
  {% set columns = {
    'timestamp_column': vigil._column('timestamp_column', timestamp_column),
    'size_column': vigil._column('size_column', size_column),
    'active_column': vigil._column('active_column', active_column),
  } %}
  {% set max_bytes = vigil._size('max_size', max_size) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set group_by = [vigil._column('slot_column', slot_column)] %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('replication_slot_lag', model, dict(columns, group_by=group_by)) }}
),

ranked as (
  select *, row_number() over ({{ vigil._partition(group_by) }} order by timestamp_column desc) as position
  from source_rows
  where {{ vigil._in_window(window) }}
),

measured as (
  select
    group_by_1,
    {{ vigil.as_double('size_column') }} as numerator,
    case when active_column then 1 else 0 end as denominator,
    {{ vigil.as_double('size_column') }} as value,
    case when not coalesce(active_column, false) then 'the slot is not active' end as state
  from ranked
  where position = 1
),
{#- What an inactive slot holds back only grows. #}
{{ vigil._verdict(
  'replication_slot_lag', group_by, on_no_data, lower_bound=0, upper_bound=max_bytes, fails_when='denominator = 0', details=['state']
) }}
{% endtest %}
