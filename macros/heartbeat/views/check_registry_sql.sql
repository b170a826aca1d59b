{% macro check_registry_sql(log) %}
select
  check_id, project_name, target_name, check_name, table_name, column_name, severity, expect_every_seconds, grace_seconds,
  owner, runbook, fingerprint, first_seen_at,
  registered_at,
  case when last_event = 'retired' then last_event_at end as retired_at
from (
  select
    *,
    row_number() over (
      partition by project_name, target_name, check_id order by case event when 'retired' then 2 else 1 end, recorded_at desc
    ) as age,
    min(recorded_at) over (partition by project_name, target_name, check_id) as first_seen_at,
    max(case when event = 'registered' then recorded_at end)
      over (partition by project_name, target_name, check_id) as registered_at,
    max(recorded_at) over (partition by project_name, target_name, check_id) as last_event_at,
    first_value(event) over (
      partition by project_name, target_name, check_id
      order by recorded_at desc, case event when 'retired' then 2 else 1 end
    ) as last_event
  from {{ log }}
) as events
where age = 1
{% endmacro %}
