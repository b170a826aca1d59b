{#- A query of the files that hold rows: path, bytes, row_count, and the columns of their partition as group_by_1, group_by_2. -#}
{% macro data_files(storage) -%}
  {{ return(adapter.dispatch('data_files', 'vigil')(storage)) }}
{%- endmacro %}

{% macro duckdb__data_files(storage) -%}
  {%- set files = vigil.text_literal(vigil._required_files(storage.files)) -%}
  {%- set found -%}
    select found.file_name as path, found.file_size_bytes as bytes, found.num_rows as row_count{{ vigil._partition_columns(storage, 'parts') }}
    from parquet_file_metadata({{ files }}) as found
    {%- if storage.columns %}
    join (
      select distinct {{ storage.alias }}.vigil_path{% for column in storage.columns %}, {{ storage.alias }}.{{ column }}{% endfor %}
      from read_parquet({{ files }}, hive_partitioning = true, filename = 'vigil_path') as {{ storage.alias }}
    ) as parts on parts.vigil_path = found.file_name
    {%- endif %}
    where found.num_rows > 0
  {%- endset -%}
  {{ vigil._in_one_partition(found, storage) }}
{%- endmacro %}

{#- Iceberg lists its files. Of any other table Spark reads no column, only what each file says of itself. -#}
{% macro spark__data_files(storage) -%}
  {%- if vigil._required_format(storage.file_format) == 'iceberg' -%}
    select
      {{ storage.alias }}.file_path as path, {{ storage.alias }}.file_size_in_bytes as bytes, {{ storage.alias }}.record_count as row_count
      {{- vigil._partition_columns(storage, storage.alias ~ '.partition') }}
    from {{ storage.table }}.files as {{ storage.alias }}
    where {{ storage.alias }}.content = 0 and {{ storage.alias }}.record_count > 0
  {%- else -%}
    {%- set found -%}
      select
        {{ storage.alias }}._metadata.file_path as path, max({{ storage.alias }}._metadata.file_size) as bytes, count(*) as row_count
        {{- vigil._partition_columns(storage, storage.alias) }}
      from {{ storage.table }} as {{ storage.alias }}
      group by {{ storage.alias }}._metadata.file_path{% for column in storage.columns %}, {{ storage.alias }}.{{ column }}{% endfor %}
    {%- endset -%}
    {{ vigil._in_one_partition(found, storage) }}
  {%- endif -%}
{%- endmacro %}

{% macro default__data_files(storage) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}

{% macro _partition_columns(storage, of) -%}
  {%- for column in storage.columns %}, {{ of }}.{{ column }} as group_by_{{ loop.index }}{% endfor -%}
{%- endmacro %}

{#- A file of several partitions would count in each of them. -#}
{% macro _in_one_partition(found, storage) -%}
  {%- if storage.columns -%}
    select
      path, row_count{% for _ in storage.columns %}, group_by_{{ loop.index }}{% endfor %},
      case
        when count(*) over (partition by path) = 1 then bytes
        else {{ vigil.raise_error("'vigil: argument `" ~ storage.argument ~ "` has a column that is no partition column. Accepted: columns that the files are partitioned by.'") }}
      end as bytes
    from ({{ found }}) as found
  {%- else -%}
    {{ found }}
  {%- endif -%}
{%- endmacro %}


{#- A query of bytes, and whether they are in a partition. -#}
{% macro partitioned_bytes(storage) -%}
  {{ return(adapter.dispatch('partitioned_bytes', 'vigil')(storage)) }}
{%- endmacro %}

{% macro duckdb__partitioned_bytes(storage) -%}
  select bytes, {{ vigil._is_in_folder_of_partition() }} as is_in_partition from ({{ vigil.data_files(storage) }}) as files
{%- endmacro %}

{#- Iceberg's partitions have no column `partition` where the table never was partitioned, and only nulls in it where it was not yet, or no
    longer: then they have the number of that specification. -#}
{% macro spark__partitioned_bytes(storage) -%}
  {%- if vigil._required_format(storage.file_format) == 'iceberg' -%}
    select bytes, max(coalesce(get_json_object(json, '$.partition'), '{}') <> '{}') over (partition by get_json_object(json, '$.spec_id')) as is_in_partition
    from (
      select {{ storage.alias }}.total_data_file_size_in_bytes as bytes, to_json(struct({{ storage.alias }}.*)) as json
      from {{ storage.table }}.partitions as {{ storage.alias }}
    ) as partitions
  {%- else -%}
    select bytes, {{ vigil._is_in_folder_of_partition() }} as is_in_partition from ({{ vigil.data_files(storage) }}) as files
  {%- endif -%}
{%- endmacro %}

{% macro default__partitioned_bytes(storage) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}

{% macro _is_in_folder_of_partition() -%}
  split_part(path, '/', -2) like '%=%'
{%- endmacro %}


{#- A query of the snapshots that a table keeps: committed_at, and whether a branch or a tag keeps it. -#}
{% macro snapshots(storage) -%}
  {{ return(adapter.dispatch('snapshots', 'vigil')(storage)) }}
{%- endmacro %}

{#- When it runs, so that the configuration `enabled` can leave it out here. -#}
{% macro duckdb__snapshots(storage) -%}
  {%- if execute -%}
    {%- do exceptions.raise_compiler_error('vigil: test `' ~ model.name ~ '` looks at snapshots, and DuckDB keeps none. Accepted: tables of Iceberg, on Spark.') -%}
  {%- endif -%}
{%- endmacro %}

{% macro spark__snapshots(storage) -%}
  {%- if vigil._required_format(storage.file_format) != 'iceberg' -%}
    {%- do vigil._invalid('file_format', storage.file_format, 'iceberg, because no query can read the history of another format') -%}
  {%- endif %}
  select {{ storage.alias }}.committed_at, refs.snapshot_id is not null as is_named
  from {{ storage.table }}.snapshots as {{ storage.alias }}
  left join (select distinct snapshot_id from {{ storage.table }}.refs) as refs on {{ storage.alias }}.snapshot_id = refs.snapshot_id
{%- endmacro %}

{% macro default__snapshots(storage) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}
