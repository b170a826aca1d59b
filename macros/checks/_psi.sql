{% macro _psi_counts(model, column, window, baseline_window, baseline, group_by) %}
source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('psi', model, {'column_name': column, 'timestamp_column': window.column, 'group_by': group_by}) }}
),

{% if baseline -%}
all_baseline_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('psi', baseline, {'column_name': column, 'group_by': group_by}) }}
),

sides as (
  select {{ vigil._group_columns(group_by) }}column_name, false as in_baseline
  from source_rows where {{ vigil._in_window(window) }}
  union all
  select {{ vigil._group_columns(group_by) }}column_name, true as in_baseline
  from all_baseline_rows
),
{%- else -%}
{%- set length = vigil._duration('baseline_window', baseline_window) -%}
{%- set accept_dates = window.length.days is not none and length.days is not none -%}
sides as (
  select *, {{ vigil.compare_time('timestamp_column', [('<', window.start)], accept_dates) }} as in_baseline
  from source_rows where {{ vigil._in_range(vigil._before(window.start, length), window.end, accept_dates) }}
),
{%- endif %}

counts as (
  select
    {{ vigil._group_columns(group_by) }}column_name,
    count(case when in_baseline then 1 end) as baseline_rows,
    count(*) - count(case when in_baseline then 1 end) as window_rows
  from sides
  group by {{ vigil._group_columns(group_by) }}column_name
)
{%- endmacro %}


{% macro _psi_classified(kind, with_number=false) %}
{#- From CTE `counts`: a row for each value, with its bin where that is null's, -2, or NaN's, -1. #}
{%- set categorical = {
  'numeric': 'case when ' ~ vigil._is_ordered('column_name') ~ ' then false else '
    ~ vigil._type_error('column_name', 'column_name', 'a number, a date or a timestamp, because kind is numeric') ~ ' end',
  'categorical': 'true',
  'auto': 'not (' ~ vigil._is_ordered('column_name') ~ ')'
}[kind] -%}
classified as (
  select
    *,
    {{ categorical }} as is_categorical,
    {{ vigil.ordered_number('column_name') ~ ' as number,' if with_number }}
    case when column_name is null then -2 when {{ vigil.is_nan('column_name') }} then -1 end as special_bin,
    case when column_name is null or {{ vigil.is_nan('column_name') }} then 0 else cast(baseline_rows as double) end as value_rows
  from counts
)
{%- endmacro %}


{% macro _psi_bins(bins, max_categories, group_by, profile=none, with_number=false) %}
{#- From CTE `classified`. Bins are fixed by the baseline. Numbers: bin k holds the values with k of the baseline's quantiles below
    them; a value that makes up a bin's share of the baseline or more is a bin of its own, so that a column of few values shows a shift
    to either side. Categories: the most frequent ones of the baseline, and one bin for the rest. #}
ranked as (
  select
    *,
    {#- For a category its rank, for a number the baseline's rows up to it: one sort serves both. #}
    sum(case when is_categorical then 1 else value_rows end) over (
      {{ vigil._partition(group_by) }} order by case when is_categorical then -value_rows else 0 end, {{ 'number, ' if profile }}column_name
      rows between unbounded preceding and current row
    ) as position,
    nullif(sum(value_rows) over ({{ vigil._partition(group_by) }}), 0) as all_rows
  from classified
),

binned as (
  select
    {{ vigil._group_columns(group_by) }}
    bin,
    max(is_categorical) as is_categorical,
    {{ 'min(least_value)' if profile else 'coalesce(min(case when baseline_rows > 0 then column_name end), min(column_name))' }} as least_value,
    {{ 'max(greatest_value)' if profile else 'coalesce(max(case when baseline_rows > 0 then column_name end), max(column_name))' }} as greatest_value,
    {{ 'max(case when baseline_rows > 0 then number end) as greatest_number,' if with_number }}
    cast(sum(baseline_rows) as double) as baseline_rows,
    cast(sum(window_rows) as double) as window_rows
  from (
    select
      *,
      case
        when special_bin is not null then special_bin
        when is_categorical then case when position <= {{ max_categories }} and value_rows > 0 then position else 0 end
        else
          coalesce(least(floor({{ bins }} * (position - value_rows) / all_rows), {{ bins - 1 }}), 0)
          + case when {{ bins }} * value_rows >= all_rows then 0.5 else 0 end
      end as bin
    from ranked
  ) as with_bin
  group by {{ vigil._group_columns(group_by) }}bin
)
{%- endmacro %}


{% macro _moved_bin() -%}
  {#- From CTE `shares`: which bin, from what share of the baseline to what share of the window, and what that adds to the PSI. -#}
  {%- set least, greatest = vigil._short_text('least_value'), vigil._short_text('greatest_value') -%}
  case
    when bin = -2 then 'null'
    when bin = -1 then 'NaN'
    when is_categorical and bin = 0 then 'others'
    when least_value = greatest_value then {{ least }}
    when least_value is null and greatest_value is null then 'other values'
    when least_value is null then 'up to ' || {{ greatest }}
    when greatest_value is null then 'above ' || {{ least }}
    else {{ least }} || ' to ' || {{ greatest }}
  end || ': ' || {{ vigil._percentage('expected') }} || ' to ' || {{ vigil._percentage('actual') }} || ' adds ' || {{ vigil._decimal_text('contribution', 4) }}
{%- endmacro %}


{% macro _short_text(value) -%}
  substr(cast({{ value }} as {{ dbt.type_string() }}), 1, 40)
{%- endmacro %}


{% macro _percentage(share) -%}
  {{ vigil._decimal_text('(100 * ' ~ share ~ ')', 1) }} || '%'
{%- endmacro %}


{% macro _chi_squared(confidence, degrees) -%}
  {#- The quantile of the chi-squared distribution (E. B. Wilson and M. M. Hilferty, PNAS 17, 1931); within 0.5% from 4 degrees on. -#}
  {%- set z = {0.9: 1.281552, 0.95: 1.644854, 0.99: 2.326348, 0.999: 3.090232}[confidence] -%}
  {{ degrees }} * power(1 - 2.0 / (9 * {{ degrees }}) + {{ z }} * sqrt(2.0 / (9 * {{ degrees }})), 3)
{%- endmacro %}


{% macro _is_ordered(column) -%}
  {{ vigil.is_number(column) }} or {{ vigil.is_timestamp(column) }} or {{ vigil.is_date(column) }}
{%- endmacro %}


{% macro _partition(group_by) -%}
  {%- if group_by -%}partition by {% for _ in group_by %}group_by_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}{%- endif -%}
{%- endmacro %}
