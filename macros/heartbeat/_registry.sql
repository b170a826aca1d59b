{% macro _expected_checks(manifest, run) %}
  {#- By id, what the registry knows of every expected test, whatever this run selected.
      A setting of the test comes before its table's, and that before the project's. -#}
  {% set expected = {} %}
  {% set defaults = {} %}
  {% for test in vigil._expected_tests(manifest) %}
    {% set table = test.attached_node or vigil._guarded_table(test) %}
    {% if table not in defaults %}
      {% do defaults.update({table: vigil._table_defaults(manifest.nodes.get(table) or manifest.sources.get(table) or {}, manifest, run)}) %}
    {% endif %}
    {% set check = dict(
      defaults[table], check_id=test.unique_id, check_name=test.name, column_name=test.column_name or none, severity=test.config.severity | lower
    ) %}
    {% if test.config.meta or test.config.group %}
      {% do check.update(vigil._settings(test.config.meta or {}, test.config.group, check, test.name, manifest)) %}
    {% endif %}
    {% do expected.update({test.unique_id: dict(check, fingerprint=local_md5(tojson(check)))}) %}
  {% endfor %}
  {{ return(expected) }}
{% endmacro %}


{% macro _expected_tests(manifest) %}
  {#- Every data test, but those that are disabled on purpose, or that read what is. One whose model is not found, because that was
      renamed or the reference has a typo, is disabled by dbt, which only warns of it, and stays so in dbt's partial parse when the model
      comes back: it is expected, and will be missed. -#}
  {% set expected = [] %}
  {% set disabled = [] %}
  {% for test in manifest.nodes.values() if test.resource_type == 'test' %}
    {% do (disabled if test.config.enabled == false else expected).append(test) %}
  {% endfor %}
  {% for node in manifest.disabled.values() | sum(start=[]) if node.resource_type == 'test' %}
    {% do disabled.append(node) %}
  {% endfor %}
  {% if disabled %}
    {% set names = (manifest.nodes.values() | list + manifest.sources.values() | list) | map(attribute='name') | list %}
    {% set off = manifest.disabled.values() | sum(start=[]) | map(attribute='name') | reject('in', names) | list %}
    {% for test in disabled if test.unrendered_config.get('enabled', true) %}
      {% set read = test.refs | map(attribute='name') | list + test.sources | map('last') | list %}
      {% if not read | select('in', off) | list %}
        {% do expected.append(test) %}
      {% endif %}
    {% endfor %}
  {% endif %}
  {{ return(expected) }}
{% endmacro %}


{% macro _guarded_table(test) %}
  {#- The id of the table that a test stands under where dbt does not say: a source, or the only table that a singular test reads. -#}
  {% for parent in test.depends_on.nodes if parent.startswith('source.') and test.test_metadata %}
    {{ return(parent) }}
  {% endfor %}
  {{ return(test.depends_on.nodes | first if test.depends_on.nodes | length == 1 else none) }}
{% endmacro %}


{% macro _table_defaults(table, manifest, run) %}
  {% set defaults = {
    'table_name': table.schema ~ '.' ~ (table.alias or table.identifier or table.name) if table else none,
    'expect_every_seconds': run.expect_every,
    'grace_seconds': [run.grace, run.expect_every] | min,
    'owner': none,
    'runbook': none
  } %}
  {% set settings = vigil._settings(table.config.meta or table.meta or {}, table.config.group, defaults, table.name, manifest) if table else {} %}
  {{ return(dict(defaults, **settings)) }}
{% endmacro %}


{% macro _settings(meta, group, defaults, name, manifest) %}
  {% set expect_every = vigil._duration_of(name, 'expect_every', meta.get('expect_every'), defaults.expect_every_seconds) %}
  {% set default_grace = [defaults.grace_seconds, expect_every] | min %}
  {% set owner = meta.get('owner') or (manifest.groups.values() | selectattr('name', 'equalto', group) | map(attribute='owner') | first if group) %}
  {{ return({
    'expect_every_seconds': expect_every,
    'grace_seconds': vigil._duration_of(name, 'grace', meta.get('grace'), default_grace, accept_zero=true),
    'owner': vigil._contact(owner) if owner else defaults.owner,
    'runbook': meta.get('runbook') | string if meta.get('runbook') else defaults.runbook
  }) }}
{% endmacro %}


{% macro _duration_of(name, setting, given, default, accept_zero=false) %}
  {% set duration = none if given is none else vigil._parsed_duration(given, accept_zero) %}
  {% if given is not none and not duration %}
    {% do vigil._warn(
      'vigil: meta `' ~ setting ~ '` of `' ~ name ~ '` is ' ~ given ~ ', taken as ' ~ default ~ ' seconds. Accepted: ' ~ vigil._accepted_durations() ~ '.'
    ) %}
  {% endif %}
  {{ return(duration.seconds if duration else default) }}
{% endmacro %}


{% macro _contact(owner) -%}
  {%- if owner is mapping -%}
    {{- return([owner.name, owner.email] | select | join(', ') or owner | string) -}}
  {%- endif -%}
  {{- return(owner | join(', ') if owner is iterable and owner is not string else owner | string) -}}
{%- endmacro %}


{% macro _registry_changes(run, expected) %}
  {#- The rows to append, so that the registry says what is expected now. What a later run expects is not undone by one that
      is recorded after it, be it slow, or recorded once more. -#}
  {% set known = {} %}
  {% set read %}
    select
      check_id, fingerprint,
      exists (
        select 1 from {{ vigil._record_table('vigil_invocation_log') }}
        where project_name = '{{ run.project_name | replace("'", "") }}' and target_name = '{{ run.target_name | replace("'", "") }}'
          and started_at > timestamp '{{ run.started_at }}' and started_at <= timestamp '{{ run.recorded_at }}'
      ) as is_outdated
    from ({{ vigil.check_registry_sql(vigil._record_table('vigil_registry_log')) }}) as registry
    where retired_at is null
      and project_name = '{{ run.project_name | replace("'", "") }}' and target_name = '{{ run.target_name | replace("'", "") }}'
  {% endset %}
  {% if vigil._try_sql(read) %}
    {% for row in run_query(read).rows %}
      {% if row[2] %}
        {{ return([]) }}
      {% endif %}
      {% do known.update({row[0]: row[1]}) %}
    {% endfor %}
  {% endif %}
  {% set changes = [] %}
  {% for check_id, check in expected.items() if known.get(check_id) != check.fingerprint %}
    {% do changes.append(dict(run.key, event='changed' if check_id in known else 'registered', **check)) %}
  {% endfor %}
  {% for check_id in known if check_id not in expected %}
    {% do changes.append(dict(run.key, event='retired', check_id=check_id)) %}
  {% endfor %}
  {{ return(changes) }}
{% endmacro %}
