{% test snapshot_age(model, max_age='7 days', max_snapshots=none, file_format=none, on_no_data=none) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'max_age, max_snapshots, file_format, on_no_data') %}
  {% set max_seconds = vigil._duration('max_age', max_age).seconds %}
  {% if max_snapshots is not none %}{% do vigil._integer('max_snapshots', max_snapshots, 1) %}{% endif %}
  {% set storage = vigil._storage('snapshot_age', model, file_format, none) %}

with kept as (
  select *, lead(committed_at) over (order by committed_at) as replaced_at
  from ({{ vigil._measured_storage(vigil.snapshots(storage)) }}) as snapshots
),

aged as (
  {#- A table that is written once a month has one snapshot of a month ago, which is needed until the next. #}
  select case when is_named then 0 else {{ vigil.seconds_until('replaced_at', vigil.as_of()) }} end as age
  from kept
),

measured as (
  select count(case when age > {{ max_seconds }} then 1 end) as numerator, count(*) as denominator, max(age) as value
  from aged
),
{{ vigil._verdict(
  'snapshot_age', [], on_no_data, upper_bound=max_seconds, fails_when='denominator > ' ~ max_snapshots if max_snapshots else none,
  details=["case when denominator > " ~ max_snapshots ~ " then 'more than " ~ max_snapshots ~ " snapshots' end"] if max_snapshots else []
) }}
{% endtest %}
