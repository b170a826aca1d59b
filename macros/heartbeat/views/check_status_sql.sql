{% macro check_status_sql(check_runs, check_registry, now) %}
{#- `now` is an expression or a literal: what happened after it is not looked at. -#}
with {{ vigil.check_streaks_sql(check_runs, check_registry, now) }},

runs as (
  select
    check_id, project_name, target_name,
    max(runs_last_30_days) as runs_last_30_days,
    max(case when age = 1 then finished_at end) as last_ran_at,
    max(case when age = result_age then finished_at end) as last_result_at,
    {%- for column in ['status', 'failures', 'segment', 'value', 'lower_bound', 'upper_bound', 'message', 'is_good'] %}
    max(case when age = 1 then {{ column }} end) as last_{{ column }},
    {%- endfor %}
    min(case when status = 'fail' and (good_age is null or age < good_age) then finished_at end) as failing_since
  from streaks
  group by check_id, project_name, target_name
),

due as (
  select
    expected.*, last_status, last_failures, last_segment, last_value, last_lower_bound, last_upper_bound, last_message,
    last_is_good, last_ran_at, last_result_at, failing_since,
    coalesce(runs_last_30_days, 0) as runs_last_30_days,
    greatest(last_result_at, registered_at) + allowed as next_due_at,
    greatest(last_ran_at, registered_at) + allowed as next_run_due_at
  from expected
  left join runs using (check_id, project_name, target_name)
)

select
  check_id, project_name, target_name, check_name, table_name, column_name, severity, owner, runbook,
  case
    when next_run_due_at < {{ now }} then 'overdue'
    when last_status is null then 'waiting'
    when last_status = 'fail' then 'failing'
    when last_is_good then 'ok'
    else 'unjudged'
  end as state,
  last_status, last_failures, last_segment, last_value, last_lower_bound, last_upper_bound, last_message, last_ran_at,
  last_result_at, next_due_at,
  case when next_due_at < {{ now }} then next_due_at end as overdue_since,
  failing_since, runs_last_30_days, expect_every_seconds, grace_seconds, registered_at
from due
{% endmacro %}
