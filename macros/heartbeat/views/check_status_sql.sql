{% macro check_status_sql(check_runs, check_registry, now) %}
{#- `now` is an expression or a literal: what happened after it is not looked at. -#}
{% set same_check -%}
  expected.check_id = runs.check_id and expected.project_name = runs.project_name and expected.target_name = runs.target_name
{%- endset %}
with expected as (
  select
    check_id, project_name, target_name, check_name, table_name, column_name, severity, owner, runbook, expect_every_seconds,
    grace_seconds, registered_at, interval '1' second * (expect_every_seconds + grace_seconds) as allowed
  from {{ check_registry }} as registry
  where registered_at <= {{ now }} and (retired_at is null or retired_at > {{ now }})
),

attempts as (
  select
    runs.check_id, runs.project_name, runs.target_name, finished_at, recorded_at, status, failures, segment, value,
    lower_bound, upper_bound, message, least(as_of, finished_at) as judged_at,
    status in ('pass', 'warn') or (status = 'no_data' and (failures = 0 or severity = 'warn')) as is_good
  from {{ check_runs }} as runs
  inner join expected on {{ same_check }}
  where status in ('pass', 'warn', 'fail', 'no_data', 'error') and finished_at <= {{ now }}
),

totals as (
  select
    check_id, project_name, target_name,
    max(case when is_good then judged_at end) as last_good,
    count(case when finished_at > {{ now }} - interval '30' day then 1 end) as runs_last_30_days
  from attempts
  group by check_id, project_name, target_name
),

-- By the moment that was judged, not by when the run ended: a backfill of past days says nothing of today.
latest as (
  select
    attempts.*, runs_last_30_days,
    row_number() over (
      partition by attempts.check_id, attempts.project_name, attempts.target_name
      order by judged_at desc, finished_at desc, recorded_at desc
    ) as age
  from attempts
  inner join totals
    on attempts.check_id = totals.check_id
    and attempts.project_name = totals.project_name
    and attempts.target_name = totals.target_name
  where last_good is null or judged_at >= last_good
),

streaks as (
  select
    *,
    min(case when status <> 'error' then age end) over (partition by check_id, project_name, target_name) as result_age,
    min(case when is_good then age end) over (partition by check_id, project_name, target_name) as good_age
  from latest
),

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
  left join runs on {{ same_check }}
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
