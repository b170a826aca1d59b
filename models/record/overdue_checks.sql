{{ config(materialized='view', enabled=vigil._flag('vigil_record', true)) }}

select
  check_id,
  project_name,
  target_name,
  check_name,
  table_name,
  column_name,
  owner,
  runbook,
  overdue_since,
  next_due_at,
  last_status,
  last_ran_at,
  last_result_at,
  expect_every_seconds,
  grace_seconds,
  registered_at
from {{ ref('check_status') }}
where overdue_since is not null
