{% test volume_anomaly(
  model, timestamp_column=none, period='day', baseline_periods=8, seasonality='week', max_score=3.5, min_periods=4, calendar=none,
  except=none, profile=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'timestamp_column, period, baseline_periods, seasonality, max_score, min_periods, calendar, except, profile, group_by, on_no_data'
  ) %}
  {% set columns = {'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set periods = vigil._periods(period, baseline_periods, seasonality, calendar=vigil._calendar(calendar, except, period)) %}
  {% set max_score = vigil._number('max_score', max_score, 0) %}
  {% set min_periods = vigil._integer('min_periods', min_periods, 1, baseline_periods) %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}

with {{ vigil._compared_rows('volume_anomaly', model, columns, periods, group_by, profile, by_period=true) }},

{#- A period without rows is not among them: an outage is never learned. #}
counted as (
  select {{ vigil._group_columns(group_by) }}baseline_period, cast({{ 'max(row_count)' if profile else 'count(*)' }} as double) as period_rows
  from compared_rows
  group by {{ vigil._group_columns(group_by) }}baseline_period
),

centred as (
  select *, median(case when baseline_period > 0 then period_rows end) over ({{ vigil._partition(group_by) }}) as median_rows
  from counted
),

deviations as (
  select
    {{ vigil._group_columns(group_by) }}
    coalesce(max(case when baseline_period = 0 then period_rows end), 0) as numerator,
    max(median_rows) as denominator,
    count(case when baseline_period > 0 then 1 end) as periods,
    median(case when baseline_period > 0 then abs(period_rows - median_rows) end) as mad
  from centred
  {{ vigil._grouped(group_by) }}
),

measured as (
  select
    *,
    {#- 1.4826 MAD is the standard deviation of normal counts. They vary by their square root at least (Poisson). #}
    case when periods >= {{ min_periods }} then (numerator - denominator) / greatest(1.4826 * mad, sqrt(denominator)) end as value
  from deviations
),
{{ vigil._verdict(
  'volume_anomaly', group_by, on_no_data, lower_bound=-max_score, upper_bound=max_score, fails_when='numerator = 0', details=vigil._note(periods, profile)
) }}
{% endtest %}
