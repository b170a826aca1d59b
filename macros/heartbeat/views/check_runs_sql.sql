{#- The macros of this folder are plain Jinja without dbt: the Python harness renders the same text where dbt does not run. -#}
{% macro check_runs_sql(log) %}
select
  check_id, project_name, target_name, invocation_id, as_of, started_at, finished_at, status, failures, segment, value,
  lower_bound, upper_bound, numerator, denominator, message, owner, runbook, recorded_at
from (
  select *, row_number() over (partition by invocation_id, check_id order by recorded_at) as copy
  from {{ log }}
) as copies
where copy = 1
{% endmacro %}
