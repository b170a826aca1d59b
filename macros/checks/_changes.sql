{% macro _compared_rows(check_name, model, columns, periods, group_by, profile, by_period=false, needs={}) %}
{#- The rows of the tested period and of its baseline, with `is_tested`, or with `baseline_period`: 0 is the tested one, 1 the newest of
    the baseline. They are the model's, or with a profile its rows, each of which stands for those of a period, as far as it has what
    the check `needs`, see `_profile_gap`. -#}
{%- set ranges = [periods.tested] + (periods.baseline if by_period else vigil._adjoined(periods.baseline)) -%}
{%- set in_ranges = [] -%}
{%- for range in ranges -%}
  {%- do in_ranges.append(vigil._in_periods(range, periods.period) if profile else vigil._in_range(range.start, range.end, periods.accept_dates)) -%}
{%- endfor -%}
{%- if profile -%}
{{ vigil._profile_rows(check_name, profile, model, columns, periods, group_by, needs) }}
{%- else -%}
source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows(check_name, model, dict(columns, group_by=group_by)) }}
)
{%- endif -%},

compared_rows as {{ vigil.inlined() }} (
  select
    *,
    {% if by_period -%}
    case {%- for in_range in in_ranges[:-1] %} when {{ in_range }} then {{ loop.index0 }}{% endfor %} else {{ ranges | length - 1 }} end as baseline_period
    {%- else -%}
    {{ in_ranges[0] }} as is_tested
    {%- endif %}
  from source_rows
  {%- if profile %}
  where ({{ in_ranges | join(' or ') }}) and (select gap from profile_gap) is null
  {%- else %}
  where {{ vigil._in_range(ranges[-1].start, ranges[0].end, periods.accept_dates) }}
  {%- if vigil._adjoined(ranges) | length > 1 %} and ({{ in_ranges | join(' or ') }}){% endif %}
  {%- endif %}
)
{%- endmacro %}


{% macro _both_sides(metrics, group_by) -%}
  {#- From CTE `sides`, a row for each side, to one row; `metrics` is {metric: [its name in the tested period, its name in the baseline]}. -#}
  select
    {{ vigil._group_columns(group_by) }}
    {%- for metric, names in metrics.items() %}
    max(case when is_tested then {{ metric }} end) as {{ names[0] }},
    max(case when not is_tested then {{ metric }} end) as {{ names[1] }}{{ ',' if not loop.last }}
    {%- endfor %}
  from sides
  {{ vigil._grouped(group_by) }}
{%- endmacro %}


{% macro _named_values(condition, rows_of, columns, group_by, order_by=none) %}
{#- From CTE `counted`, a row for each value, the same with `named_value`: for the five most frequent where the condition holds their
    names, for the sixth how many more there are. -#}
ranked as (
  select
    *,
    row_number() over ({{ vigil._partition(group_by) }} order by case when {{ condition }} then {{ rows_of }} end desc nulls last, {{ order_by or columns }}) as position,
    count(case when {{ condition }} then 1 end) over ({{ vigil._partition(group_by) }}) as found_values
  from counted
),

named as (
  select
    *,
    case
      when position <= 5 and {{ condition }} then
        {%- for column in columns.split(', ') %} substr(coalesce(cast({{ column }} as {{ dbt.type_string() }}), 'null'), 1, 40) ||{{ " ' / ' ||" if not loop.last }}{% endfor %}
        ' (' || cast({{ rows_of }} as {{ dbt.type_string() }}) || case when {{ rows_of }} = 1 then ' row)' else ' rows)' end
      when position = 6 and {{ condition }} then 'and ' || cast(found_values - 5 as {{ dbt.type_string() }}) || ' more'
    end as named_value
  from ranked
)
{%- endmacro %}
