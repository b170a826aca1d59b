{% test row_count_ratio(
  model, timestamp_column=none, period='day', baseline_periods=7, min_ratio=0.8, max_ratio=2.0, seasonality='none',
  compare='complete', calendar=none, except=none, profile=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'timestamp_column, period, baseline_periods, min_ratio, max_ratio, seasonality, compare, calendar, except, profile, group_by, on_no_data'
  ) %}
  {% set columns = {'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set max_ratio = vigil._number('max_ratio', max_ratio, 0) %}
  {% if vigil._number('min_ratio', min_ratio, 0) > max_ratio %}
    {% do vigil._invalid('min_ratio', min_ratio, 'a number from 0 to max_ratio, ' ~ max_ratio) %}
  {% endif %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}
  {% set periods = vigil._periods(period, baseline_periods, seasonality, compare, calendar=vigil._calendar(calendar, except, period, compare)) %}
  {% if profile and compare == 'to_date' %}
    {% do vigil._invalid('profile', profile, 'none when compare is to_date, because a profile has no parts of periods') %}
  {% endif %}
  {% set baseline = [] %}
  {% for range in vigil._adjoined(periods.baseline) %}{% do baseline.append(vigil._in_range(range.start, range.end, periods.accept_dates)) %}{% endfor %}

with {% if profile %}{{ vigil._compared_rows('row_count_ratio', model, columns, periods, group_by, profile) }},

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    coalesce(sum(case when is_tested then row_count end), 0) as numerator,
    coalesce(sum(case when not is_tested then row_count end), 0) as baseline_rows
  from compared_rows
  {{ vigil._grouped(group_by) }}
),
{%- else %}source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('row_count_ratio', model, dict(columns, group_by=group_by)) }}
),

counted as (
  select
    {{ vigil._group_columns(group_by) }}
    {{ vigil._aggregate('count', 'one', vigil._in_range(periods.tested.start, periods.tested.end, periods.accept_dates), group_by) }} as numerator,
    {{ vigil._aggregate('count', 'one', baseline | join(' or '), group_by) }} as baseline_rows
  {% if group_by %}
  from source_rows
  where {{ vigil._in_range(periods.baseline[-1].start, periods.tested.end, periods.accept_dates) }}
  {{ vigil._grouped(group_by) }}
  {% endif %}
),
{%- endif %}

measured as (
  select
    {{ vigil._group_columns(group_by) }}
    numerator,
    cast(baseline_rows as double) / {{ periods.baseline_periods }} as denominator,
    case when baseline_rows > 0 then numerator / (cast(baseline_rows as double) / {{ periods.baseline_periods }}) end as value
  from counted
),
{{ vigil._verdict(
  'row_count_ratio', group_by, on_no_data, lower_bound=min_ratio, upper_bound=max_ratio, fails_when='numerator = 0',
  details=vigil._note(periods, profile)
) }}
{% endtest %}
