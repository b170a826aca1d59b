{% macro pin_baseline(name, by=none) %}
  {% set test = vigil._test_of_baseline(name) %}
  {% set pinned = vigil._pinned_of(test) %}
  {% set run = vigil._new_run() %}
  {% set facts = dict(vigil._baseline_event(run, name, 'pinned', by), **pinned.facts) %}
  {% set rows = [] %}
  {% for bin in run_query(pinned.query).rows %}
    {% set segment = [] %}
    {% for position in range(pinned.group_by | length) %}{% do segment.append(bin[position]) %}{% endfor %}
    {#- JSON has no infinity, but as a text. -#}
    {% set number = none if bin['greatest_number'] is none else bin['greatest_number'] | float %}
    {% do rows.append(dict(
      facts,
      segment=tojson(segment) if segment else none,
      data_type=bin['data_type'],
      is_categorical=bin['is_categorical'],
      bin=bin['bin'] | float,
      least_value=bin['least_value'],
      greatest_value=bin['greatest_value'],
      greatest_number={'inf': 'Infinity', '-inf': '-Infinity'}.get(number | string, number),
      bin_rows=bin['bin_rows'] | int
    )) %}
  {% endfor %}
  {% if not rows %}
    {% do exceptions.raise_compiler_error('vigil: baseline `' ~ name ~ '` is not pinned: as of ' ~ run.as_of ~ ' it has no rows.') %}
  {% endif %}
  {% do vigil._append_to_baselines(run, rows) %}
  {% do log('vigil: pinned ' ~ name ~ ' as of ' ~ run.as_of ~ ': ' ~ rows | sum(attribute='bin_rows') ~ ' rows in ' ~ rows | length ~ ' bins', info=true) %}
{% endmacro %}


{% macro unpin_baseline(name, by=none) %}
  {% set run = vigil._new_run() %}
  {% do vigil._create_record() %}
  {% if run_query(vigil._pin_sql(name) ~ " and event = 'pinned' limit 1").rows | length == 0 %}
    {% do exceptions.raise_compiler_error('vigil: no baseline `' ~ name ~ '` is pinned.') %}
  {% endif %}
  {% do vigil._append_to_baselines(run, [vigil._baseline_event(run, name, 'unpinned', by)]) %}
  {% do log('vigil: unpinned ' ~ name, info=true) %}
{% endmacro %}


{% macro _baseline_event(run, name, event, by) %}
  {{ return(dict(run.key, baseline_name=name, event=event, recorded_by=by or env_var('USER', 'unknown'), as_of=run.as_of)) }}
{% endmacro %}


{% macro _append_to_baselines(run, rows) %}
  {% do vigil._create_record() %}
  {% set statements = vigil._inserts('vigil_baseline_log', rows) + [vigil._is_written(run, {'vigil_baseline_log': rows})] %}
  {% set outcome = namespace(written=false) %}
  {% for attempt in range(3) %}
    {% set outcome.written = outcome.written or vigil._run_all(statements, strict=loop.last) %}
  {% endfor %}
{% endmacro %}


{% macro _test_of_baseline(name) %}
  {#- The check that says what is pinned. Of several there must be nothing to choose. -#}
  {% set found = {} %}
  {% set names = [] %}
  {% for test in graph.nodes.values() if test.resource_type == 'test' and test.test_metadata.namespace == 'vigil' %}
    {% set given = test.test_metadata.kwargs.get('pinned_baseline') %}
    {% if given %}{% do names.append(given) %}{% endif %}
    {% if given == name %}{% do found.update({tojson(vigil._pinned_of(test)): test}) %}{% endif %}
  {% endfor %}
  {% if not found %}
    {% do exceptions.raise_compiler_error(
      'vigil: no psi check has the pinned_baseline `' ~ name ~ '`. Accepted: ' ~ (names | unique | join(', ') or 'none, as no check has one') ~ '.'
    ) %}
  {% elif found | length > 1 %}
    {% do exceptions.raise_compiler_error(
      'vigil: the checks ' ~ found.values() | map(attribute='name') | join(', ') ~ ' would each pin another baseline as `' ~ name ~ '`. Give them names of their own.'
    ) %}
  {% endif %}
  {{ return(found.values() | first) }}
{% endmacro %}


{% macro _pinned_of(test) %}
  {#- What a check would pin: {'facts': by the columns of the record, 'group_by', 'query': the SQL of its bins}. -#}
  {% set given = dict({'kind': 'auto', 'bins': 10, 'max_categories': 50}, **test.test_metadata.kwargs) %}
  {% for argument, value in given.items() if argument not in ('model', 'baseline') and value is string and '{' in value %}
    {% do exceptions.raise_compiler_error('vigil: argument `' ~ argument ~ '` of `' ~ test.name ~ '` has Jinja, which a baseline that is pinned cannot have.') %}
  {% endfor %}
  {% set table = test.attached_node or vigil._guarded_table(test) %}
  {% set relation = vigil._relation_of(test.depends_on.nodes | reject('equalto', table) | first or table) if given.baseline else vigil._relation_of(table) %}
  {% if test.config.where and not given.baseline %}{% set relation = '(select * from ' ~ relation ~ ' where ' ~ test.config.where ~ ') dbt_subquery' %}{% endif %}
  {% set column = vigil._column('column_name', given.column_name) %}
  {% set group_by = vigil._columns('group_by', given.group_by or none, required=false) %}
  {% set window = none if given.baseline else vigil._baseline_before(vigil._window(given.timestamp_column, given.window), given.baseline_window) %}
  {% set facts = vigil._pinned_facts(relation, column, given.kind, given.bins, given.max_categories, group_by, window, given.baseline_window or none) %}
  {{ return({
    'facts': facts,
    'group_by': group_by,
    'query': vigil._psi_baseline(relation, column, window, given.kind, given.bins, given.max_categories, group_by),
  }) }}
{% endmacro %}


{% macro _baseline_before(window, baseline_window) %}
  {#- As `_window`, of the baseline that the check has without a pin: a pin that held the tested rows too would find them normal. -#}
  {% set length = vigil._duration('baseline_window', baseline_window) %}
  {{ return(dict(window, length=length, start=vigil._before(window.start, length), end=window.start)) }}
{% endmacro %}


{% macro _relation_of(id) %}
  {% set node = graph.sources.get(id) or graph.nodes[id] %}
  {{ return(source(node.source_name, node.name) if id.startswith('source.') else ref(node.package_name, node.name, v=node.version)) }}
{% endmacro %}
