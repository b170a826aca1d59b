{% macro _check_rows(run, results, expected) %}
  {#- A row for each data test among `results`: those of a dbt run, or the entries of a run_results.json, where times are text.
      dbt's own are in UTC without saying so. -#}
  {% set statuses = {
    'pass': 'pass', 'warn': 'warn', 'fail': 'fail', 'skipped': 'skipped',
    'reused': 'not_executed', 'no-op': 'not_executed', 'not_executed': 'not_executed'
  } %}
  {% set rows = [] %}
  {% for result in results %}
    {% set check_id = result.unique_id or result.node.unique_id %}
    {% if check_id.startswith('test.') %}
      {% set check = expected.get(check_id, {}) %}
      {% set measured = result.adapter_response.get('vigil', {}) if result.adapter_response else {} %}
      {% set executed = result.timing | last if result.timing else {} %}
      {% set started, ended = executed.started_at, executed.completed_at %}
      {% set status = 'not_executed' if run.is_empty else statuses.get(result.status | string, 'error') %}
      {% do rows.append(dict(
        run.key,
        check_id=check_id,
        as_of=run.as_of,
        started_at=(started if started is string else started.isoformat() ~ 'Z') if started else run.started_at,
        finished_at=(ended if ended is string else ended.isoformat() ~ 'Z') if ended else run.finished_at or run.started_at,
        status='no_data' if measured.get('verdict') == 'no_data' and status in ('pass', 'warn', 'fail') else status,
        failures=result.failures,
        segment=measured.get('segment'),
        value=measured.get('value'),
        lower_bound=measured.get('lower_bound'),
        upper_bound=measured.get('upper_bound'),
        numerator=measured.get('numerator'),
        denominator=measured.get('denominator'),
        message=(result.message | string | truncate(2000, true)) if result.message else none,
        owner=check.get('owner'),
        runbook=check.get('runbook')
      )) %}
    {% endif %}
  {% endfor %}
  {{ return(rows) }}
{% endmacro %}


{% macro _measurements(results) %}
  {#- By check, a query of what a check of the package measured, where dbt's result lacks it: it is read where it was stored,
      and measured once more only where the status alone could mean that there was nothing to measure. -#}
  {% set queries = {} %}
  {% for result in results if result.node.resource_type == 'test' and result.status | string in ('pass', 'warn', 'fail') %}
    {% set node = result.node %}
    {% if node.test_metadata and node.test_metadata.namespace == 'vigil' and not result.adapter_response.get('vigil') %}
      {% set stored = flags.STORE_FAILURES if node.config.store_failures is none else node.config.store_failures %}
      {% set no_data_may_pass = 'pass' in (node.test_metadata.kwargs.on_no_data, var('vigil_on_no_data', 'fail')) %}
      {% if stored and (node.config.store_failures_as or 'table') == 'table' %}
        {% do queries.update({node.unique_id: vigil._measurement(node.relation_name)}) %}
      {% elif result.failures or no_data_may_pass %}
        {% do queries.update({node.unique_id: vigil._measurement('(' ~ node.compiled_code ~ ')')}) %}
      {% endif %}
    {% endif %}
  {% endfor %}
  {{ return(queries) }}
{% endmacro %}


{% macro _measurement(rows) -%}
  {#- Of several segments, the one that a person should see first: a failing one, then one without data. -#}
  select verdict, {{ vigil._measured_columns() | join(', ') }}
  from {{ rows }} as measured_rows
  order by failed desc, verdict, segment
  limit 1
{%- endmacro %}
