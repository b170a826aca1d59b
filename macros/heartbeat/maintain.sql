{% macro maintain() %}
  {% set tables = vigil._record_tables() %}
  {% set retention = vigil._retention() %}
  {% set before = run_started_at.astimezone(modules.pytz.utc) - modules.datetime.timedelta(seconds=retention or 0) %}
  {{ return(adapter.dispatch('_maintain', 'vigil')(tables, vigil._deletions(before, *tables[:3]) if retention else [])) }}
{% endmacro %}


{% macro duckdb___maintain(tables, deletions) %}
  {% for statement in deletions + ['checkpoint'] %}
    {% do run_query(statement) %}
  {% endfor %}
{% endmacro %}


{% macro spark___maintain(tables, deletions) %}
  {% set formats = [] %}
  {% for table in tables %}
    {% for row in run_query('describe table extended ' ~ table).rows if row[0] == 'Provider' %}
      {% do formats.append(row[1] | lower) %}
      {% if formats | last not in ('delta', 'iceberg') %}
        {% do exceptions.raise_compiler_error(
          'vigil: ' ~ table ~ ' is in ' ~ formats | last ~ ', whose files cannot be replaced while others use them. Accepted: delta, iceberg.'
        ) %}
      {% endif %}
    {% endfor %}
  {% endfor %}
  {% for statement in deletions %}
    {% do run_query(statement) %}
  {% endfor %}
  {% set catalog = run_query('select current_catalog()').rows[0][0] if 'iceberg' in formats %}
  {% for table in tables %}
    {% if formats[loop.index0] == 'delta' %}
      {% do run_query('optimize ' ~ table) %}
      {% do run_query('vacuum ' ~ table) %}
    {% else %}
      {% set name = "table => '" ~ table.schema ~ '.' ~ table.identifier ~ "'" %}
      {% do run_query('call ' ~ catalog ~ '.system.rewrite_data_files(' ~ name ~ ", options => map('min-input-files', '2'))") %}
      {% do run_query('call ' ~ catalog ~ '.system.expire_snapshots(' ~ name ~ ')') %}
    {% endif %}
  {% endfor %}
{% endmacro %}


{% macro default___maintain(tables, deletions) %}
  {{ vigil._unsupported_engine() }}
{% endmacro %}
