{% test file_size(model, min_size='100 MB', max_rate=0.5, file_format=none, files=none, group_by=none, on_no_data=none) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'min_size, max_rate, file_format, files, group_by, on_no_data') %}
  {% set min_bytes = vigil._size('min_size', min_size) %}
  {% set max_rate = vigil._number('max_rate', max_rate, 0, 1) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set storage = vigil._storage('file_size', model, file_format, files, 'group_by', group_by) %}

with files as (
  {{ vigil._measured_storage(vigil.data_files(storage)) }}
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    count(*) as denominator,
    1 as one,
    cast(sum(bytes) as double) as bytes,
    {#- Less than one file that is not small cannot be in one. #}
    case when sum(bytes) >= {{ min_bytes }} then count(case when bytes < {{ min_bytes }} then 1 end) else 0 end as numerator
  from files
  {{ vigil._grouped(group_by) }}
),

measured as (
  select
    *,
    case when denominator > 0 then cast(numerator as double) / denominator end as value,
    bytes / nullif(denominator, 0) / 1e6 as average
  from counted
),
{{ vigil._verdict(
  'file_size', group_by, on_no_data, upper_bound=max_rate, segments_of=['counted'],
  details=["'average ' || " ~ vigil.number_text('average') ~ " || ' MB'"]
) }}
{% endtest %}
