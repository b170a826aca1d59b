{% test unpartitioned_growth(model, max_size='1 TB', file_format=none, files=none, on_no_data=none) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'max_size, file_format, files, on_no_data') %}
  {% set max_bytes = vigil._size('max_size', max_size) %}
  {% set storage = vigil._storage('unpartitioned_growth', model, file_format, files) %}

with stored as (
  {{ vigil._measured_storage(vigil.partitioned_bytes(storage)) }}
),

measured as (
  select
    sum(case when is_in_partition then 0 else bytes end) as numerator,
    sum(bytes) as denominator,
    sum(case when is_in_partition then 0 else bytes end) as value
  from stored
),
{{ vigil._verdict('unpartitioned_growth', [], on_no_data, upper_bound=max_bytes) }}
{% endtest %}
