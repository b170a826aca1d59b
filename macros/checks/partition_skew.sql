{% test partition_skew(model, partition_by=none, measure='bytes', max_ratio=5, file_format=none, files=none, on_no_data=none) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'partition_by, measure, max_ratio, file_format, files, on_no_data') %}
  {% set columns = vigil._columns('partition_by', partition_by) %}
  {% set measure = {'bytes': 'bytes', 'rows': 'row_count'}[vigil._choice('measure', measure, ['bytes', 'rows'])] %}
  {% set max_ratio = vigil._number('max_ratio', max_ratio, 1) %}
  {% set storage = vigil._storage('partition_skew', model, file_format, files, 'partition_by', columns) %}

with sizes as (
  select {{ vigil._group_columns(columns) }}cast(sum({{ measure }}) as double) as size
  from ({{ vigil._measured_storage(vigil.data_files(storage)) }}) as files
  {{ vigil._grouped(columns) }}
),

measured as (
  select
    max(size) as numerator,
    {#- Of two the smaller one: half the sum of two is never less than half of the larger. #}
    percentile_disc(0.5) within group (order by size) as denominator,
    max(size) / percentile_disc(0.5) within group (order by size) as value,
    max_by({{ vigil._values_text('', columns) }}, size) as largest,
    count(*) as partitions
  from sizes
),
{{ vigil._verdict(
  'partition_skew', [], on_no_data, upper_bound=max_ratio,
  details=["'largest of ' || cast(partitions as " ~ dbt.type_string() ~ ") || ': ' || largest"]
) }}
{% endtest %}
