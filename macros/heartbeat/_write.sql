{% macro _insert(table, rows, measurements={}) %}
  {#- `measurements` are queries of what was measured, by check id: their figures fill those that the rows lack. -#}
  {% set columns = vigil._record_columns(table) %}
  {% set sent = {'row_number': 'bigint'} %}
  {% for name, type in columns.items() %}
    {% do sent.update({name: 'string' if type == 'timestamp' else type}) %}
  {% endfor %}
  {% set numbered = [] %}
  {% set measured = [] %}
  {% for row in rows %}
    {% do numbered.append(dict(row, row_number=loop.index)) %}
    {% if row.check_id in measurements %}
      {% do measured.append('(select ' ~ loop.index ~ ' as row_number, * from (' ~ measurements[row.check_id] ~ ') as measured_rows)') %}
    {% endif %}
  {% endfor %}
  {% set day = vigil._day_partition() %}
  insert into {{ vigil._record_table(table) }} ({{ columns | join(', ') }}{{ ', ' ~ day if day }})
  select
    {%- for name, type in columns.items() %}
    {% if name == 'status' and measured -%}
      case when measured.verdict = 'no_data' then 'no_data' else given.status end
    {%- elif name in vigil._measured_columns() and measured -%}
      coalesce(given.{{ name }}, measured.{{ name }})
    {%- else -%}
      cast(given.{{ name }} as {{ type }})
    {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}
    {%- if day %}, cast(left(given.recorded_at, 10) as date){% endif %}
  from ({{ vigil.json_rows(numbered, sent) }}) as given
  {% if measured %}left join ({{ measured | join(' union all ') }}) as measured on given.row_number = measured.row_number{% endif %}
{% endmacro %}


{% macro _measured_columns() %}
  {{ return(['segment', 'value', 'lower_bound', 'upper_bound', 'numerator', 'denominator']) }}
{% endmacro %}


{% macro _inserts(table, rows, measurements={}) %}
  {#- One statement, or as many as keep each below a million characters or so. -#}
  {% set statements = [] %}
  {% set chunk = namespace(rows=[], length=0) %}
  {% for row in rows %}
    {% set length = tojson(row) | length + measurements.get(row.check_id, '') | length %}
    {% if chunk.rows and chunk.length + length > 1000000 %}
      {% do statements.append(vigil._insert(table, chunk.rows, measurements)) %}
      {% set chunk.rows = [] %}
      {% set chunk.length = 0 %}
    {% endif %}
    {% do chunk.rows.append(row) %}
    {% set chunk.length = chunk.length + length %}
  {% endfor %}
  {{ return(statements + ([vigil._insert(table, chunk.rows, measurements)] if chunk.rows else [])) }}
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
