{% test mean_change(
  model, column_name=none, timestamp_column=none, period='day', baseline_periods=7, seasonality='none', min_ratio=0.5,
  max_ratio=2.0, calendar=none, except=none, profile=none, group_by=none, on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(
    kwargs, 'column_name, timestamp_column, period, baseline_periods, seasonality, min_ratio, max_ratio, calendar, except, profile, group_by, on_no_data'
  ) %}
  {% set columns = {'column_name': vigil._column('column_name', column_name), 'timestamp_column': vigil._column('timestamp_column', timestamp_column)} %}
  {% set periods = vigil._periods(period, baseline_periods, seasonality, calendar=vigil._calendar(calendar, except, period)) %}
  {% set max_ratio = vigil._number('max_ratio', max_ratio, 0) %}
  {% if vigil._number('min_ratio', min_ratio, 0) > max_ratio %}
    {% do vigil._invalid('min_ratio', min_ratio, 'a number from 0 to max_ratio, ' ~ max_ratio) %}
  {% endif %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set profile = vigil._profile(profile, model, columns) %}

with {{ vigil._compared_rows('mean_change', model, columns, periods, group_by, profile) }},

sides as (
  select {{ vigil._group_columns(group_by) }}is_tested, {{ vigil._profiled_mean() if profile else 'avg(' ~ vigil.as_double('column_name') ~ ')' }} as mean
  from compared_rows
  group by {{ vigil._group_columns(group_by) }}is_tested
),

measured as (
  select
    *,
    case
      when denominator = 0 and numerator = 0 then 1
      when denominator = 0 and not isnan(numerator) then sign(numerator) * cast('Infinity' as double)
      {#- To an infinite mean, and to none at all, nothing compares. Spark in ANSI mode divides not even NaN by 0. #}
      when abs(denominator) < cast('Infinity' as double) then numerator / nullif(denominator, 0)
    end as value
  from ({{ vigil._both_sides({'mean': ['numerator', 'denominator']}, group_by) }}) as both_sides
),
{{ vigil._verdict(
  'mean_change', group_by, on_no_data, lower_bound=min_ratio, upper_bound=max_ratio, details=vigil._note(periods, profile) + [vigil._likely_factor('value', min_ratio, max_ratio)]
) }}
{% endtest %}


{% macro _likely_factor(ratio, min_ratio, max_ratio) -%}
  {#- What a ratio out of bounds may come from: within 5% of the factor between two units, or the sign. -#}
  {%- set factors = [10, 100, 1000, 10000, 1000000, 1000000000, 60, 3600, 24, 86400, 1440, 7, 12, 0.3048, 0.45359237, 1.609344, 2.54, 28.349523125, 3.785411784] -%}
  case when {{ ratio }} < {{ min_ratio }} or {{ ratio }} > {{ max_ratio }} then
    'mean ' || {{ vigil.number_text(ratio) }} || ' times the baseline: ' || case
      when abs({{ ratio }} + 1) <= 0.2 then 'change of sign?'
      {%- for factor in factors %}
      when abs(abs({{ ratio }}) / {{ factor }} - 1) <= 0.05 then 'unit change? (× {{ factor }})'
      when abs(abs({{ ratio }}) * {{ factor }} - 1) <= 0.05 then 'unit change? (÷ {{ factor }})'
      {%- endfor %}
    end
  end
{%- endmacro %}
