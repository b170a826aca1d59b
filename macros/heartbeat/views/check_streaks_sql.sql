{#- CTEs: `expected` checks, and in `streaks` the runs of each since the last good one, with it; `age` 1 is the newest. -#}
{% macro check_streaks_sql(check_runs, check_registry, now) %}
expected as (
  select
    check_id, project_name, target_name, check_name, table_name, column_name, severity, owner, runbook, expect_every_seconds,
    grace_seconds, registered_at, interval '1' second * (expect_every_seconds + grace_seconds) as allowed
  from {{ check_registry }} as registry
  where registered_at <= {{ now }} and (retired_at is null or retired_at > {{ now }})
),

attempts as (
  select
    runs.check_id, runs.project_name, runs.target_name, runs.invocation_id, finished_at, recorded_at, status, failures, segment, value,
    lower_bound, upper_bound, message, least(as_of, finished_at) as judged_at,
    status in ('pass', 'warn') or (status = 'no_data' and (failures = 0 or severity = 'warn')) as is_good
  from {{ check_runs }} as runs
  inner join expected using (check_id, project_name, target_name)
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
)
{% endmacro %}
