{# What a check reads from a profile instead of from its table. #}

{% macro _profile(profile, model, columns) %}
  {% if profile is none %}{{ return(none) }}{% endif %}
  {% if model is string %}
    {% do vigil._invalid('profile', profile, 'none with a `where`, because a profile is of all rows') %}
  {% endif %}
  {% if columns.column_name is defined and columns.column_name is not string and columns.column_name | length > 1 %}
    {% do vigil._invalid('profile', profile, 'none with several columns, because a profile has no combinations') %}
  {% endif %}
  {{ return(vigil._relation('profile', profile)) }}
{% endmacro %}


{% macro _profile_rows(check_name, profile, columns, periods, group_by) %}
{%- set of_grain = 'grain = ' ~ vigil.text_literal(vigil._grain(periods.period, columns.timestamp_column, group_by)) -%}
{%- set column = columns.column_name if columns.column_name is string else columns.column_name | first -%}
{%- set of_column = of_grain ~ (' and column_name = ' ~ vigil.text_literal(vigil._plain(column)) if column) -%}
profile_rows as (
  {%- if column %}
  select profile.*, 1 as one from {{ vigil._wrapped(profile) }} as profile where {{ of_column }}
  {%- else %}
  select {{ vigil._group_columns(group_by) }}period_start, max(row_count) as row_count, true as has_all_values, 1 as one
  from {{ vigil._wrapped(profile) }} as profile
  where {{ of_column }}
  group by {{ vigil._group_columns(group_by) }}period_start
  {%- endif %}
),

profile_facts as (
  select
    count(*) as all_rows,
    count(case when {{ of_grain }} then 1 end) as grain_rows,
    count(case when {{ of_column }} then 1 end) as column_rows,
    max(case when {{ of_column }} then period_start end) as newest,
    max(grain) as other_grain
  from {{ vigil._wrapped(profile) }} as profile
),

{{ vigil._profile_gap(check_name, profile, columns, periods, group_by) }},

source_rows as (
  select * from profile_rows where row_count > 0
)
{%- endmacro %}


{% macro _profile_gap(check_name, profile, columns, periods, group_by) %}
{#- Why the profile cannot answer, or null. What it is no profile of is an error, because no run of it would help. -#}
{%- set names = [] -%}
{%- for range in [periods.tested] + periods.baseline %}{% do names.append(vigil._period_name(range.start, periods.period)) %}{% endfor -%}
{%- set grain = vigil._grain(periods.period, columns.timestamp_column, group_by) -%}
{%- set column = columns.column_name if columns.column_name is string else columns.column_name | first -%}
{%- set text = dbt.type_string() -%}
needed_periods as (
  {{ vigil._period_rows(names) }}
),

found_periods as (
  select period_start, min(case when has_all_values then 1 else 0 end) as has_all_values from profile_rows group by period_start
),

lacking as (
  select
    max(all_rows) as all_rows, max(grain_rows) as grain_rows, max(column_rows) as column_rows, max(newest) as newest, max(other_grain) as other_grain,
    count(*) - count(found.period_start) as periods,
    min(case when found.period_start is null then needed.period_start end) as first_period,
    max(case when found.period_start is null then needed.period_start end) as last_period,
    max(case when found.has_all_values = 0 then found.period_start end) as cut_period
  from needed_periods as needed
  left join found_periods as found on needed.period_start = found.period_start
  cross join profile_facts
),

profile_gap as (
  select
    case
      when all_rows > 0 and grain_rows = 0 then {{ vigil.raise_error(
        "concat('vigil: argument `profile` is a profile of each ', other_grain, '. Accepted: of each ', " ~ vigil.text_literal(grain) ~ ", '.')"
      ) }}
      {%- if column %}
      when grain_rows > 0 and column_rows = 0 then {{ vigil.raise_error(vigil.text_literal(
        'vigil: argument `profile` is a profile without the column ' ~ vigil._plain(column) ~ '. Accepted: one that has it among its `columns`.'
      )) }}
      {%- endif %}
      when periods > 0 then concat(
        'not profiled: ', last_period, case when periods > 1 then concat(' and ', cast(periods - 1 as {{ text }}), ' more') else '' end,
        case
          when first_period <= newest then concat('; dbt run --full-refresh --select {{ profile.identifier }}, with a history from ', first_period, ' on')
          else '; dbt run --select {{ profile.identifier }}'
        end
      )
      {%- if check_name == 'new_values' %}
      when cut_period is not null then concat('the profile has not all values of ', cut_period, ': max_values is too small')
      {%- endif %}
    end as gap
  from lacking
)
{%- endmacro %}


{% macro _profiled_number(metric) -%}
  case when kind = 'number' then {{ metric }} else {{ vigil.raise_error(
    "concat('vigil: argument `column_name` has a column of type ', data_type, '. Accepted: a number.')"
  ) }} end
{%- endmacro %}


{% macro _profiled_mean() -%}
  sum({{ vigil._profiled_number('total') }}) / nullif(sum(numbers), 0)
{%- endmacro %}


{% macro _profiled_values(group_by) -%}
  (
    select {{ vigil._group_columns(group_by) }}is_tested, value as column_name_1, number, row_count
    from (select {{ vigil._group_columns(group_by) }}is_tested, {{ vigil.unnested('top_values') }} from compared_rows) as unnested
  ) as profiled_values
{%- endmacro %}


{% macro _rows_of_a_value(condition, profile) -%}
  {{ 'coalesce(sum(case when ' ~ condition ~ ' then row_count end), 0)' if profile else 'count(case when ' ~ condition ~ ' then 1 end)' }}
{%- endmacro %}
