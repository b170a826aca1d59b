{% macro _psi_periods(profile, period, window, baseline_window, baseline, bins) %}
  {#- What `_periods` returns, of the last complete periods: a window, and the baseline just before it. None without a profile. -#}
  {% if not profile %}
    {% if period is not none %}{% do vigil._invalid('period', period, 'none without a `profile`') %}{% endif %}
    {{ return(none) }}
  {% endif %}
  {% if baseline %}{% do vigil._invalid('baseline', baseline, 'none with a `profile`, whose periods before the window are the baseline') %}{% endif %}
  {% if bins != 10 %}{% do vigil._invalid('bins', bins, '10 with a `profile`, whose histograms have ten bins') %}{% endif %}
  {% set period = vigil._choice('period', 'day' if period is none else period, ['hour', 'day', 'week']) %}
  {% set end = vigil._period_start(vigil.as_of(), period) %}
  {% set start = vigil._before(end, vigil._whole_periods('window', window, period)) %}
  {% set baseline_start = vigil._before(start, vigil._whole_periods('baseline_window', baseline_window, period)) %}
  {{ return({
    'tested': {'start': start, 'end': end},
    'baseline': [{'start': baseline_start, 'end': start}],
    'period': period,
    'accept_dates': period != 'hour',
    'note': none,
  }) }}
{% endmacro %}


{% macro _whole_periods(argument, value, period) %}
  {#- A duration as _duration returns it, of so many whole periods. Hours are elapsed time, days and weeks are of the calendar. -#}
  {% set duration = vigil._duration(argument, value) %}
  {% if duration.seconds % {'hour': 3600, 'day': 86400, 'week': 604800}[period] or (period != 'hour' and duration.days is none) %}
    {% do vigil._invalid(argument, value, 'a whole number of ' ~ period ~ 's, the period of the profile') %}
  {% endif %}
  {{ return(duration) }}
{% endmacro %}


{% macro _psi_profiled(model, column, window, periods, kind, group_by, profile) %}
{#- CTE `classified`, of a profile: a row for each bin of the histogram, 0 to 9, for null, -2, and NaN, -1, and for each category. -#}
{%- set is_categorical = {
  'numeric': "case when kind = 'other' then " ~ vigil.raise_error(
    "concat('vigil: argument `column_name` has a column of type ', data_type, '. Accepted: a number, a date or a timestamp, because kind is numeric.')"
  ) ~ ' else false end',
  'categorical': 'true',
  'auto': "kind = 'other'"
}[kind] -%}
{%- set needs = {
  'numeric': {'bins': true}, 'categorical': {'all_values': 'true'}, 'auto': {'bins': true, 'all_values': is_categorical}
}[kind] -%}
{%- set bins = [] -%}
{%- for bin in range(-2, 10) %}{% do bins.append({'bin': bin}) %}{% endfor -%}
{{ vigil._compared_rows('psi', model, {'column_name': column, 'timestamp_column': window.column}, periods, group_by, profile, needs=needs) }},

judged_rows as (
  select *, {{ is_categorical }} as is_categorical from compared_rows
),

binned_rows as (
  select
    {{ vigil._group_columns(group_by) }}is_tested, is_categorical, kind, bin,
    case bin {%- for bin in range(1, 10) %} when {{ bin }} then {{ vigil.item_of('edges', bin) }}{% endfor %} end as lower_edge,
    case bin {%- for bin in range(9) %} when {{ bin }} then {{ vigil.item_of('edges', bin + 1) }}{% endfor %} end as upper_edge,
    case bin
      when -2 then nulls
      when -1 then nans
      {%- for bin in range(10) %}
      when {{ bin }} then {{ vigil.item_of('histogram', bin + 1) }}
      {%- endfor %}
    end as bin_rows
  from judged_rows
  cross join ({{ vigil.json_rows(bins, {'bin': 'int'}) }}) as bins
  where bin < 0 or not is_categorical
),

category_rows as (
  select {{ vigil._group_columns(group_by) }}is_tested, value, number, row_count
  from (
    select {{ vigil._group_columns(group_by) }}is_tested, kind, {{ vigil.unnested('top_values') }} from judged_rows where is_categorical
  ) as unnested
  where kind <> 'number' or number is not null{# which NaN has not #}
),

summed as (
  select
    {{ vigil._group_columns(group_by) }}is_categorical, special_bin, column_name, number, least_value, greatest_value,
    sum(case when is_tested then 0 else bin_rows end) as baseline_rows,
    sum(case when is_tested then bin_rows else 0 end) as window_rows
  from (
    select
      {{ vigil._group_columns(group_by) }}is_tested, is_categorical, bin as special_bin,
      cast(null as {{ dbt.type_string() }}) as column_name, cast(null as double) as number,
      {{ vigil._edge_text('lower_edge') }} as least_value, {{ vigil._edge_text('upper_edge') }} as greatest_value, bin_rows
    from binned_rows
    union all
    select {{ vigil._group_columns(group_by) }}is_tested, true, null, value, number, value, value, row_count
    from category_rows
  ) as all_rows
  group by {{ vigil._group_columns(group_by) }}is_categorical, special_bin, column_name, number, least_value, greatest_value
),

classified as (
  select *, case when special_bin is null then cast(baseline_rows as double) else 0 end as value_rows
  from summed
  where baseline_rows + window_rows > 0
)
{%- endmacro %}


{% macro _edge_text(edge) -%}
  case when kind = 'time' then {{ vigil.epoch_text(edge) }} else {{ vigil.number_text(edge) }} end
{%- endmacro %}
