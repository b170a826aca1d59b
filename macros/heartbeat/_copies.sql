{% macro _warn_of_copies() %}
  {#- A plugin of dbt-duckdb loads a source where a run names it. What a view reads of it later is the copy that was loaded then. -#}
  {% set found = {} %}
  {% for id in selected_resources if id.startswith('test.') %}
    {% for source in vigil._copies_behind(graph.nodes[id]) %}
      {% do found.setdefault(source, []).append(graph.nodes[id].name) %}
    {% endfor %}
  {% endfor %}
  {% for source, tests in found.items() %}
    {% do vigil._warn(
      'vigil: this run does not load source ' ~ source ~ '. What an earlier run has loaded, if it is still there, is judged by: ' ~ tests | join(', ')
      ~ '. docs/duckdb-lake.md says how to avoid that.'
    ) %}
  {% endfor %}
{% endmacro %}


{% macro _copies_behind(node) %}
  {#- The sources of plugins that a test, or a view, reads as an earlier run has loaded them. -#}
  {% set loads = node.resource_type == 'test' or node.config.materialized == 'ephemeral' or node.unique_id in selected_resources %}
  {% set found = [] %}
  {% for id in node.depends_on.nodes %}
    {% if id in graph.sources %}
      {% set source = graph.sources[id] %}
      {% set given = dict(source.meta, **source.config) %}
      {% if given.plugin and (given.save_mode == 'ignore' or not loads) %}
        {% do found.append(source.source_name ~ '.' ~ source.name) %}
      {% endif %}
    {% elif id in graph.nodes and graph.nodes[id].config.materialized in ('view', 'ephemeral') %}
      {% do found.extend(vigil._copies_behind(graph.nodes[id])) %}
    {% endif %}
  {% endfor %}
  {{ return(found | unique | list) }}
{% endmacro %}
