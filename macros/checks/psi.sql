{% test psi(
  model, column_name=none, timestamp_column=none, window=none, baseline_window=none, baseline=none, max_psi=0.2, bins=10, kind='auto',
  max_categories=50, min_rows=200, epsilon=0.0001, confidence=none, profile=none, period=none, pinned_baseline=none,
  group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs,
    'column_name, timestamp_column, window, baseline_window, baseline, max_psi, bins, kind, max_categories, min_rows, epsilon, confidence, profile, period, pinned_baseline, group_by, on_no_data'
  ) %}
  {% set column = vigil._column('column_name', column_name) %}
  {% set max_psi = vigil._number('max_psi', max_psi, 0) %}
  {% set kind = vigil._choice('kind', kind, ['auto', 'numeric', 'categorical']) %}
  {% set bins = vigil._integer('bins', bins, 2) %}
  {% set max_categories = vigil._integer('max_categories', max_categories, 1) %}
  {% set min_rows = vigil._integer('min_rows', min_rows, 1) %}
  {% set epsilon = vigil._number('epsilon', epsilon, 1e-12, 0.1) %}
  {% if confidence is not none and confidence not in (0.9, 0.95, 0.99, 0.999) %}{% do vigil._invalid('confidence', confidence, '0.9, 0.95, 0.99, 0.999') %}{% endif %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% if baseline is none and baseline_window is none %}
    {% do vigil._invalid('baseline_window', none, 'a duration such as 28 days, or else a relation as `baseline`') %}
  {% elif baseline is not none and baseline_window is not none %}
    {% do vigil._invalid('baseline_window', baseline_window, 'none, because `baseline` is given') %}
  {% endif %}
  {% set baseline = vigil._relation('baseline', baseline) if baseline is not none else none %}
  {% if baseline is none and window is none %}{% do vigil._invalid('window', none, 'a duration such as 7 days') %}{% endif %}
  {% set profile = vigil._profile(profile, model, {'column_name': column}) %}
  {% set periods = vigil._psi_periods(profile, period, window, baseline_window, baseline, bins) %}
  {% set window = vigil._window(timestamp_column, window) %}
  {% set pin = vigil._psi_pin(pinned_baseline, model, window, baseline_window, baseline, column, kind, bins, max_categories, group_by, profile) %}

with {% if pin %}{{ vigil._psi_pinned(pin, model, column, window, kind, bins, group_by) }},
{%- elif profile %}{{ vigil._psi_profiled(model, column, window, periods, kind, group_by, profile) }},

{{ vigil._psi_bins(bins, max_categories, group_by, profile) }},
{%- else %}{{ vigil._psi_counts(model, column, window, baseline_window, baseline, group_by) }},

{{ vigil._psi_classified(kind) }},

{{ vigil._psi_bins(bins, max_categories, group_by) }},
{%- endif %}

shares as (
  select
    *,
    greatest(window_rows / nullif(sum(window_rows) over ({{ vigil._partition(group_by) }}), 0), {{ epsilon }}) as actual,
    greatest(baseline_rows / nullif(sum(baseline_rows) over ({{ vigil._partition(group_by) }}), 0), {{ epsilon }}) as expected
  from binned
),

contributions as (
  select *, (actual - expected) * ln(actual / expected) as contribution from shares
),

ranked_bins as (
  select *, row_number() over ({{ vigil._partition(group_by) }} order by contribution desc nulls last, bin) as position from contributions
),

measured as (
  select
    {{ vigil._group_columns(group_by) }}
    sum(window_rows) as numerator,
    sum(baseline_rows) as denominator,
    case
      when sum(window_rows) >= {{ min_rows }} and sum(baseline_rows) >= {{ min_rows }} and sum(case when bin >= 0 then baseline_rows end) > 0
        then sum(contribution)
    end as value,
    {%- if confidence %}
    {{ vigil._chi_squared(confidence, 'greatest(count(*) - 1, 1)') }} * (1 / nullif(sum(window_rows), 0) + 1 / nullif(sum(baseline_rows), 0)) as noise,
    {%- endif %}
    {{ vigil.joined_texts('case when position <= 3 and contribution > 0 then ' ~ vigil._moved_bin() ~ ' end', 'position') }} as moved_bins
  from ranked_bins
  {{ vigil._grouped(group_by) }}
),
{{ vigil._verdict(
  'psi', group_by, on_no_data, upper_bound='greatest(' ~ max_psi ~ ', noise)' if confidence else max_psi,
  details=['coalesce((select gap from pin_gap), moved_bins)'] if pin else (vigil._note(periods, profile) if profile else []) + ['moved_bins'],
  segments_of=['source_rows'] + (['pinned_bins'] if pin else ['all_baseline_rows'] if baseline else [])
) }}
{% endtest %}
