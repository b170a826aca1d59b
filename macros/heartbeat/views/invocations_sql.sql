{% macro invocations_sql(log) %}
select
  invocation_id, project_name, target_name, command, as_of, started_at, finished_at, status, checks, message, recorded_at
from (
  select
    *,
    row_number() over (
      partition by invocation_id order by case status when 'finished' then 1 when 'error' then 2 else 3 end, recorded_at
    ) as copy
  from {{ log }}
) as copies
where copy = 1
{% endmacro %}
