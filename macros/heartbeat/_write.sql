{% macro _insert(table, rows, measurements=[]) %}
  {#- `measurements` are queries, each of a check_id and what was measured: their figures fill those that the rows lack. -#}
  {% set columns = vigil._record_columns(table) %}
  {% set sent = {} %}
  {% for name, type in columns.items() %}
    {% do sent.update({name: 'string' if type == 'timestamp' else type}) %}
  {% endfor %}
  insert into {{ vigil._record_table(table) }} ({{ columns | join(', ') }})
  select
    {%- for name, type in columns.items() %}
    {% if name == 'status' and measurements -%}
      case when measured.verdict = 'no_data' then 'no_data' else given.status end
    {%- elif name in vigil._measured_columns() and measurements -%}
      coalesce(given.{{ name }}, measured.{{ name }})
    {%- else -%}
      cast(given.{{ name }} as {{ type }})
    {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}
  from ({{ vigil.json_rows(rows, sent) }}) as given
  {% if measurements %}left join ({{ measurements | join(' union all ') }}) as measured on given.check_id = measured.check_id{% endif %}
{% endmacro %}


{% macro _measured_columns() %}
  {{ return(['segment', 'value', 'lower_bound', 'upper_bound', 'numerator', 'denominator']) }}
{% endmacro %}


{% macro _inserts(table, rows, measurements={}) %}
  {#- One statement, or as many as keep each below a million characters; the rows that have a measurement in one of their own. -#}
  {% set statements = [] %}
  {% set measured = rows | selectattr('check_id', 'in', measurements) | list if measurements else [] %}
  {% if measured %}
    {% do statements.append(vigil._insert(table, measured, measurements.values() | list)) %}
  {% endif %}
  {% set others = rows | rejectattr('check_id', 'in', measurements) | list if measurements else rows %}
  {% for some in others | batch([1, (1000000 * others | length / (tojson(others) | length)) | int] | max) %}
    {% do statements.append(vigil._insert(table, some)) %}
  {% endfor %}
  {{ return(statements) }}
{% endmacro %}


{% macro _is_written(run, rows) %}
  {#- A query that is an error unless all the rows can be read back: on Spark, writers of one parquet table lose each other's files. -#}
  select case when not (true
    {%- for table, expected in rows.items() if expected %}
    and (
      select count(*) from {{ vigil._record_table(table) }}
      where invocation_id = '{{ run.invocation_id | replace("'", "") }}' and recorded_at = timestamp '{{ run.recorded_at }}'
    ) >= {{ expected | length }}
    {%- endfor %}
  ) then {{ vigil.raise_error("'vigil: rows that were written cannot be read back'") }} end
{% endmacro %}


{% macro _run_all(statements, strict) %}
  {#- Returns whether all succeeded. The first that fails is the last that is run; when strict, its error is that of dbt. -#}
  {% set outcome = namespace(succeeded=true) %}
  {% for statement in statements if statement %}
    {% if strict %}
      {% do run_query(statement) %}
    {% elif outcome.succeeded %}
      {% set outcome.succeeded = vigil._try_sql(statement) %}
    {% endif %}
  {% endfor %}
  {{ return(outcome.succeeded) }}
{% endmacro %}


{% macro _try_sql(sql) %}
  {#- Runs statements and returns whether all of them succeeded. The record must not turn a green run red, and Jinja catches no error. -#}
  {{ return(adapter.dispatch('_try_sql', 'vigil')(sql | trim)) }}
{% endmacro %}

{% macro duckdb___try_sql(sql) %}
  {#- dbt-duckdb's location_exists is its only call that catches an error: it runs "select 1 from '...' where 1=0" and says whether that went well. -#}
  {{ return(adapter.location_exists("duckdb_tables' where false; " ~ sql ~ "; select 1 from 'duckdb_tables")) }}
{% endmacro %}

{% macro spark___try_sql(sql) %}
  {#- SQL scripting with handlers is new in Spark 4.1: before it, an error is an error. -#}
  {% set version = run_query('select version()').rows[0][0].split('.') %}
  {% if (version[0] | int, version[1] | int) < (4, 1) %}
    {% do run_query(sql) %}
    {{ return(true) }}
  {% endif %}
  {% set script = 'begin declare exit handler for sqlexception begin select 0 as succeeded; end; ' ~ sql ~ '; select 1 as succeeded; end' %}
  {{ return(run_query(script).rows[0][0] == 1) }}
{% endmacro %}

{% macro default___try_sql(sql) %}
  {{ vigil._unsupported_engine() }}
{% endmacro %}
