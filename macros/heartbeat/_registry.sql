{% macro _expected_check(test, manifest, run) %}
  {#- What the registry knows of a test. A setting of the test comes before its table's, and that before the project's. -#}
  {% set table = vigil._guarded_table(test, manifest) %}
  {% set metas = [test.config.meta or {}, table.config.meta or table.meta or {}] if table else [test.config.meta or {}] %}
  {% set own = {} %}
  {% for name in ['expect_every', 'grace', 'owner', 'runbook'] %}
    {% do own.update({name: metas | map(attribute=name) | select('defined') | reject('none') | first}) %}
  {% endfor %}
  {% set expect_every = vigil._duration_of(test, 'expect_every', own.expect_every, run.expect_every) %}
  {% set grace = vigil._duration_of(test, 'grace', own.grace, [run.grace, expect_every] | min, accept_zero=true) %}
  {% set owner = own.owner or vigil._group_owner(test, table, manifest) %}
  {% set check = {
    'check_id': test.unique_id,
    'check_name': test.name,
    'table_name': table.schema ~ '.' ~ (table.alias or table.identifier or table.name) if table else none,
    'column_name': test.column_name or none,
    'severity': test.config.severity | lower,
    'expect_every_seconds': expect_every,
    'grace_seconds': grace,
    'owner': vigil._contact(owner) if owner else none,
    'runbook': own.runbook | string if own.runbook else none
  } %}
  {{ return(dict(check, fingerprint=local_md5(tojson(check, sort_keys=true)))) }}
{% endmacro %}


{% macro _guarded_table(test, manifest) %}
  {#- The table that a test stands under; of a singular test, the only one that it reads. -#}
  {% set parents = test.depends_on.nodes %}
  {% set sources = [] %}
  {% for parent in parents if test.test_metadata and parent.startswith('source.') %}
    {% do sources.append(parent) %}
  {% endfor %}
  {% set id = test.attached_node or (sources + parents if sources or parents | length == 1 else [none]) | first %}
  {{ return(manifest.nodes.get(id) or manifest.sources.get(id)) }}
{% endmacro %}


{% macro _duration_of(test, name, given, default, accept_zero=false) %}
  {% if given is none or given is undefined %}
    {{ return(default) }}
  {% endif %}
  {% set duration = vigil._parsed_duration(given, accept_zero) %}
  {% if not duration %}
    {% do vigil._warn('vigil: meta `' ~ name ~ '` of test `' ~ test.name ~ '` is ' ~ given ~ ', taken as ' ~ default ~ ' seconds. Accepted: ' ~ vigil._accepted_durations() ~ '.') %}
  {% endif %}
  {{ return(duration.seconds if duration else default) }}
{% endmacro %}


{% macro _group_owner(test, table, manifest) %}
  {% set name = test.config.group or (table.config.group if table) %}
  {{ return(manifest.groups.values() | selectattr('name', 'equalto', name) | map(attribute='owner') | first if name else none) }}
{% endmacro %}


{% macro _contact(owner) -%}
  {%- if owner is mapping -%}
    {{- return([owner.name, owner.email] | select | join(', ') or tojson(owner)) -}}
  {%- endif -%}
  {{- return(owner if owner is string else owner | join(', ')) -}}
{%- endmacro %}


{% macro _expected_checks(manifest, run) %}
  {#- By id, every data test of the manifest, whatever this run selected: also one whose model is not found, which dbt only warns of. -#}
  {% set expected = {} %}
  {% for test in manifest.nodes.values() if test.resource_type == 'test' %}
    {% do expected.update({test.unique_id: vigil._expected_check(test, manifest, run)}) %}
  {% endfor %}
  {{ return(expected) }}
{% endmacro %}


{% macro _registry_changes(run, expected) %}
  {#- The rows to append, so that the registry says what is expected now. -#}
  {% set known = {} %}
  {% set read %}
    select check_id, fingerprint from ({{ vigil._check_registry(vigil._record_table('vigil_registry_log')) }}) as registry
    where retired_at is null
      and project_name = '{{ run.project_name | replace("'", "") }}' and target_name = '{{ run.target_name | replace("'", "") }}'
  {% endset %}
  {% if vigil._try_sql(read) %}
    {% for row in run_query(read).rows %}
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
