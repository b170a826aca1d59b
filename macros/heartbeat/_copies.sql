{% macro _warn_of_copies() %}
  {#- A plugin of dbt-duckdb loads a source where a run names it. What a view reads of it later is the copy that was loaded then. -#}
  {% set of_plugins = {} %}
  {% for id, source in graph.sources.items() if source.meta.plugin or source.config.plugin %}
    {% do of_plugins.update({id: dict(source.meta, **source.config)}) %}
  {% endfor %}
  {% set found = {} %}
  {% for id in selected_resources if of_plugins and id.startswith('test.') %}
    {% for source in vigil._copies_behind(graph.nodes[id], of_plugins, []) %}
      {% do found.setdefault(source, []).append(graph.nodes[id].name) %}
    {% endfor %}
  {% endfor %}
  {% for source, tests in found.items() %}
    {% do vigil._warn(
      'vigil: this run does not load source ' ~ source ~ '. What an earlier run has loaded, if it is still there, is judged by: '
      ~ tests | join(', ') ~ '. docs/duckdb-lake.md says how to avoid that.'
    ) %}
  {% endfor %}
{% endmacro %}


{% macro _copies_behind(node, of_plugins, seen) %}
  {#- The sources of plugins that a test, or a view, reads as an earlier run has loaded them. -#}
  {% set loads = node.resource_type == 'test' or node.config.materialized == 'ephemeral' or node.unique_id in selected_resources %}
  {% set found = [] %}
  {% for id in node.depends_on.nodes if id not in seen %}
    {% if id in of_plugins and (of_plugins[id].save_mode == 'ignore' or not loads) %}
      {% do found.append(id.split('.')[2:] | join('.')) %}
    {% elif id in graph.nodes and graph.nodes[id].config.materialized in ('view', 'ephemeral') %}
      {% do seen.append(id) %}
      {% do found.extend(vigil._copies_behind(graph.nodes[id], of_plugins, seen)) %}
    {% endif %}
  {% endfor %}
  {{ return(found | unique | list) }}
{% endmacro %}
