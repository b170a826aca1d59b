{# The four tables of the record. They are only ever appended to, and the models show what they say. #}

{% macro _record_columns(table) %}
  {% set of_a_check = {'check_id': 'string', 'project_name': 'string', 'target_name': 'string', 'invocation_id': 'string'} %}
  {{ return({
    'vigil_check_log': dict(
      of_a_check, as_of='timestamp', started_at='timestamp', finished_at='timestamp', status='string', failures='bigint',
      segment='string', value='double', lower_bound='double', upper_bound='double', numerator='double', denominator='double',
      message='string', owner='string', runbook='string', recorded_at='timestamp'
    ),
    'vigil_registry_log': dict(
      of_a_check, event='string', check_name='string', table_name='string', column_name='string', severity='string',
      expect_every_seconds='double', grace_seconds='double', owner='string', runbook='string', fingerprint='string',
      recorded_at='timestamp'
    ),
    'vigil_invocation_log': {
      'invocation_id': 'string', 'project_name': 'string', 'target_name': 'string', 'command': 'string', 'as_of': 'timestamp',
      'started_at': 'timestamp', 'finished_at': 'timestamp', 'status': 'string', 'checks': 'bigint', 'message': 'string',
      'recorded_at': 'timestamp'
    },
    'vigil_baseline_log': {
      'baseline_name': 'string', 'project_name': 'string', 'target_name': 'string', 'invocation_id': 'string', 'event': 'string',
      'recorded_by': 'string', 'as_of': 'timestamp', 'relation': 'string', 'column_name': 'string', 'data_type': 'string',
      'kind': 'string', 'bins': 'bigint', 'max_categories': 'bigint', 'group_by': 'string', 'timestamp_column': 'string', 'baseline_window': 'string',
      'segment': 'string', 'is_categorical': 'boolean', 'bin': 'double', 'least_value': 'string', 'greatest_value': 'string',
      'greatest_number': 'double', 'bin_rows': 'bigint', 'recorded_at': 'timestamp'
    }
  }[table]) }}
{% endmacro %}


{% macro _record_table(table) %}
  {{ return(api.Relation.create(database=target.database or none, schema=var('vigil_schema', target.schema), identifier=table)) }}
{% endmacro %}


{% macro _record_tables() %}
  {% set tables = [] %}
  {% for name in ['vigil_check_log', 'vigil_registry_log', 'vigil_invocation_log', 'vigil_baseline_log'] %}
    {% do tables.append(vigil._record_table(name)) %}
  {% endfor %}
  {{ return(tables) }}
{% endmacro %}


{% macro _readable(log) %}
  {#- A table of the record, for a model. In the place of one that cannot be read stand rows that stop whoever reads them: the
      model turns no green run red, and a broken record is not taken for an empty one. -#}
  {% set columns = vigil._record_columns(log.identifier) %}
  {% if not execute or vigil._try_sql('select ' ~ columns | join(', ') ~ ' from ' ~ log ~ ' limit 0') %}
    {{ return(log) }}
  {% endif %}
  (
    select
    {%- for name, type in columns.items() %}
      cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    where {{ vigil.raise_error("'vigil: " ~ log.identifier ~ " could not be read when this model was built. Mend it, then: dbt run --select package:vigil'") }} is null
  )
{% endmacro %}


{% macro _create_record() %}
  {#- Makes the tables, if a probe says that one is missing. What cannot be made is noticed where it is written to. -#}
  {% set tables = vigil._record_tables() %}
  {% if not vigil._try_sql('select 1 as one from ' ~ tables | join(', ') ~ ' limit 0') %}
    {% do vigil._try_sql('create schema if not exists ' ~ tables[0].without_identifier()) %}
    {% for table in tables %}
      {% set columns = vigil._record_columns(table.identifier).items() | map('join', ' ') | join(', ') %}
      {% do vigil._try_sql('create table if not exists ' ~ table ~ ' ' ~ vigil._table_definition(columns)) %}
    {% endfor %}
  {% endif %}
{% endmacro %}


{% macro _table_definition(columns) %}
  {{ return(adapter.dispatch('_table_definition', 'vigil')(columns)) }}
{% endmacro %}

{% macro duckdb___table_definition(columns) %}
  {{ return('(' ~ columns ~ ')') }}
{% endmacro %}

{% macro spark___table_definition(columns) %}
  {#- A partition for each day, where that does not make a folder of tiny files for each day that nobody ever joins. -#}
  {% set format = vigil._file_format() %}
  {% if format == 'delta' %}
    {#- One that Delta generated would be of the session's time zone, and a filter would leave out what another zone has written. -#}
    {% set day = vigil._day_partition() %}
    {{ return('(' ~ columns ~ ', ' ~ day ~ ' date) using delta partitioned by (' ~ day ~ ')') }}
  {% elif format == 'iceberg' %}
    {{ return('(' ~ columns ~ ') using iceberg partitioned by (days(recorded_at))') }}
  {% endif %}
  {{ return('(' ~ columns ~ ')' ~ (' using parquet' if format else '')) }}
{% endmacro %}

{% macro default___table_definition(columns) %}
  {{ vigil._unsupported_engine() }}
{% endmacro %}


{% macro _day_partition() %}
  {#- The column of a day, in UTC, that a table is partitioned by and that is written with each row; none where there is no such column. -#}
  {{ return(adapter.dispatch('_day_partition', 'vigil')()) }}
{% endmacro %}

{% macro spark___day_partition() %}
  {{ return('recorded_on' if vigil._file_format() == 'delta' else none) }}
{% endmacro %}

{% macro duckdb___day_partition() %}
  {{ return(none) }}
{% endmacro %}

{% macro default___day_partition() %}
  {{ vigil._unsupported_engine() }}
{% endmacro %}
