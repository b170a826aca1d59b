{% macro start_record() %}
  {% if execute and target.type == 'duckdb' %}
    {% do vigil._warn_of_copies() %}
  {% endif %}
  {% if execute and vigil._flag('vigil_record', true) %}
    {#- A wrong setting stops the run before its first test. -#}
    {% do vigil._flag('vigil_strict', false) %}
    {% do vigil._file_format() %}
    {% do vigil._new_run() %}
    {% do vigil._create_record() %}
  {% endif %}
{% endmacro %}


{% macro record(results) %}
  {% if execute and vigil._flag('vigil_record', true) and not env_var('VIGIL_HARNESS', '') %}
    {% set run = vigil._new_run() %}
    {% set measurements = {} if run.is_empty else vigil._measurements(results) %}
    {% if not vigil._append(run, results, vigil._manifest(), measurements, vigil._flag('vigil_strict', false)) %}
      {% do vigil._warn(
        'vigil: the results of this run could not be recorded in schema ' ~ vigil._record_table('vigil_check_log').schema
        ~ ': the log of dbt has the error. When that is mended, record them with: vigil record ' ~ invocation_args_dict.get('target_path', 'target') ~ '/run_results.json'
      ) %}
    {% endif %}
  {% endif %}
{% endmacro %}


{% macro record_artifacts(artifacts) %}
  {% set given = fromjson(artifacts) %}
  {% do vigil._append(vigil._new_run(**given.run), given.results, given.manifest or vigil._manifest(), {}, strict=true) %}
{% endmacro %}


{% macro _manifest() %}
  {#- `graph` lacks what is disabled, to which only `ref` leads. -#}
  {{ return(dict(graph, disabled=ref.manifest.disabled if ref.manifest is defined else {})) }}
{% endmacro %}


{% macro _new_run(vigil_as_of=none) %}
  {#- The facts of this run, or those given of another one, and the settings that hold for its checks. -#}
  {% set now = modules.datetime.datetime.now(modules.pytz.utc).isoformat() %}
  {% set run = dict({
    'invocation_id': invocation_id,
    'project_name': project_name,
    'target_name': target.name,
    'command': flags.WHICH,
    'as_of': (vigil._instant(vigil_as_of) if vigil_as_of else vigil.as_of()).isoformat(),
    'started_at': run_started_at.astimezone(modules.pytz.utc).isoformat(),
    'finished_at': now,
    'status': 'finished',
    'is_empty': flags.EMPTY == true
  }, **kwargs) %}
  {% if kwargs.started_at and not vigil_as_of %}
    {% do run.update({'as_of': kwargs.started_at}) %}
  {% endif %}
  {{ return(dict(
    run,
    recorded_at=now,
    expect_every=vigil._default_duration('vigil_expect_every', '1 day'),
    grace=vigil._default_duration('vigil_grace', '1 hour', accept_zero=true),
    key={'invocation_id': run.invocation_id, 'project_name': run.project_name, 'target_name': run.target_name, 'recorded_at': now}
  )) }}
{% endmacro %}


{% macro _append(run, results, manifest, measurements, strict) %}
  {#- Appends a run to the record; returns whether it can be read there. Whatever was written twice is shown once by the models. -#}
  {% do vigil._create_record() %}
  {% set expected = vigil._expected_checks(manifest, run) %}
  {% set changes = vigil._registry_changes(run, expected) %}
  {% set outcome = namespace(written=false) %}
  {% for attempt in range(3) %}
    {% if not outcome.written %}
      {% set statements = vigil._statements(run, results, expected, changes, measurements if loop.first else {}) %}
      {% set outcome.written = vigil._run_all(statements, strict and loop.last) %}
    {% endif %}
  {% endfor %}
  {% if outcome.written %}
    {% do log('vigil: recorded ' ~ run.invocation_id) %}{# which the harness waits for #}
  {% endif %}
  {{ return(outcome.written) }}
{% endmacro %}


{% macro _statements(run, results, expected, registry_changes, measurements) %}
  {#- What appends a run to the record, and last a query that is an error unless all of it can be read there. -#}
  {% set checks = vigil._check_rows(run, results, expected) %}
  {% set rest = {'vigil_registry_log': registry_changes, 'vigil_invocation_log': [dict(run, checks=checks | length)]} %}
  {% set statements = vigil._inserts('vigil_check_log', checks, measurements) %}
  {% for table, rows in rest.items() %}
    {% do statements.extend(vigil._inserts(table, rows)) %}
  {% endfor %}
  {{ return(statements + [vigil._is_written(run, dict(rest, vigil_check_log=checks))]) }}
{% endmacro %}
