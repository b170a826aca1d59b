{% macro _retention() %}
  {#- Seconds that the record keeps its rows, or none for ever. -#}
  {% set given = var('vigil_retention', none) %}
  {{ return(none if given is none else vigil._default_duration('vigil_retention', given)) }}
{% endmacro %}


{% macro _deletions(before, check_log, registry_log, invocation_log) %}
  {#- Statements that delete what was recorded before a moment, but of each check that was
      expected after it its last good run by then and all since: no status after that moment rests on more. -#}
  {% set moment = "timestamp '" ~ before.isoformat() ~ "'" %}
  {% set old = 'recorded_at < ' ~ moment %}
  {% set day = vigil._day_partition() %}
  {% set deleted = day ~ " <= date '" ~ before.date() ~ "' and " ~ old if day else old %}
  {% set now = "timestamp '" ~ run_started_at.astimezone(modules.pytz.utc).isoformat() ~ "'" %}
  {% set runs = '(select * from (' ~ vigil.check_runs_sql(check_log) ~ ') as runs where ' ~ old ~ ')' %}
  {% set registry = '(' ~ vigil.check_registry_sql(registry_log) ~ ')' %}
  {% set expected_since %}
    (
      select
        check_id, project_name, target_name, check_name, table_name, column_name, severity, owner, runbook, expect_every_seconds,
        grace_seconds, registered_at, cast(null as timestamp) as retired_at
      from {{ registry }} as registry
      where retired_at is null or not retired_at < {{ moment }}
    )
  {% endset %}
  {% set needless_runs %}
    with {{ vigil.check_streaks_sql(runs, expected_since, now) }}
    select distinct runs.invocation_id, runs.check_id
    from {{ runs }} as runs
    left join streaks on runs.invocation_id = streaks.invocation_id and runs.check_id = streaks.check_id
    where streaks.check_id is null
  {% endset %}
  {% set retired %}
    select check_id, project_name, target_name from {{ registry }} as registry where retired_at < {{ moment }}
  {% endset %}
  {{ return([
    vigil._deletion(check_log, needless_runs, ['invocation_id', 'check_id'], deleted),
    vigil._deletion(registry_log, retired, ['check_id', 'project_name', 'target_name'], deleted),
    'delete from ' ~ invocation_log ~ ' where ' ~ deleted
  ]) }}
{% endmacro %}


{% macro _deletion(table, rows, key, condition) %}
  {#- Delta deletes by no subquery, but merges. -#}
  merge into {{ table }} as kept
  using ({{ rows }}) as deleted
  on {{ condition }}{% for column in key %} and kept.{{ column }} = deleted.{{ column }}{% endfor %}
  when matched then delete
{% endmacro %}
