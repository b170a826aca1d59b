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


{% macro _profile_rows(check_name, profile, model, columns, periods, group_by, needs) %}
{%- set of_grain = 'grain = ' ~ vigil.text_literal(vigil._grain(model, periods.period, columns.timestamp_column, group_by)) -%}
{%- set column = vigil._profiled_column(columns) -%}
{%- set of_column = of_grain ~ (' and column_name = ' ~ vigil.text_literal(column) if column) -%}
profile_rows as (
  select
    {%- for _ in group_by %}
    {{ vigil.item_of('segment', loop.index) }} as group_by_{{ loop.index }},
    {%- endfor %}
    {{ 'profile.*,' if column else 'period_start, max(row_count) as row_count, true as has_all_values,' }}
    1 as one
  from {{ vigil._wrapped(profile) }} as profile
  where {{ of_column }}
  {{ "group by segment, period_start" if not column }}
),

{{ vigil._profile_gap(check_name, profile, model, columns, periods, group_by, of_column, needs) }},

source_rows as (
  select * from profile_rows where row_count > 0
)
{%- endmacro %}


{% macro _profile_gap(check_name, profile, model, columns, periods, group_by, of_column, needs) %}
{#- Why the profile cannot answer, or null. What it is no profile of is an error, because no run of it would help.
    `needs.all_values` is a condition for the rows that must have all values, `needs.bins` says that histograms are added up; an approximate profile has neither. -#}
{%- set names = vigil._period_names(vigil._adjoined([periods.tested] + periods.baseline), periods.period) -%}
{%- set grain = vigil._grain(model, periods.period, columns.timestamp_column, group_by) -%}
periods as (
  select
    period_start,
    max(is_needed) as is_needed,
    max(grain) as some_grain,
    count(case when grain = {{ vigil.text_literal(grain) }} then 1 end) as grain_rows,
    count(case when {{ of_column }} then 1 end) as column_rows,
    count(case when {{ of_column }} and not has_all_values{{ ' and (' ~ needs.all_values ~ ')' if needs.all_values }} then 1 end) as cut_rows,
    min(case when {{ of_column }} then bins end) as least_bins,
    max(case when {{ of_column }} then bins end) as greatest_bins,
    max(case when {{ of_column }} and is_approximate then period_start end) as approximate_period
  from (
    select
      period_start, grain, column_name, kind, is_approximate, has_all_values,
      {#- Without a number yet there are no edges. #}
      {{ "case when edges is not null or kind = 'other' then concat_ws(' ', kind, cast(edges as " ~ dbt.type_string() ~ ")) end" if needs.bins else 'null' }} as bins,
      0 as is_needed
    from {{ vigil._wrapped(profile) }} as profile
    union all
    select period_start, null, null, null, null, null, null, 1 from ({{ vigil._period_rows(names) }}) as needed
  ) as all_periods
  group by period_start
),

lacking as (
  select
    max(some_grain) as some_grain,
    sum(grain_rows) as grain_rows,
    sum(column_rows) as column_rows,
    max(case when column_rows > 0 then period_start end) as newest,
    count(case when is_needed = 1 and column_rows = 0 then 1 end) as periods,
    min(case when is_needed = 1 and column_rows = 0 then period_start end) as first_period,
    max(case when is_needed = 1 and column_rows = 0 then period_start end) as last_period,
    max(case when is_needed = 1 and cut_rows > 0 then period_start end) as cut_period,
    min(case when is_needed = 1 then least_bins end) as least_bins,
    max(case when is_needed = 1 then greatest_bins end) as greatest_bins,
    max(case when is_needed = 1 then approximate_period end) as approximate_period
  from periods
),

profile_gap as (
  select
    case
      when some_grain is not null and grain_rows = 0 then {{ vigil.raise_error(
        "concat('vigil: argument `profile` is a profile of each ', some_grain, '. Accepted: of each ', " ~ vigil.text_literal(grain) ~ ", '.')"
      ) }}
      when grain_rows > 0 and column_rows = 0 then {{ vigil.raise_error(vigil.text_literal(
        'vigil: argument `profile` is a profile without the column ' ~ vigil._profiled_column(columns) ~ '. Accepted: one that has it among its `columns`.'
      )) }}
      when periods > 0 then concat(
        'not profiled: ', last_period, case when periods > 1 then concat(' and ', cast(periods - 1 as {{ dbt.type_string() }}), ' more') else '' end,
        case
          when first_period <= newest then concat('; dbt run --full-refresh --select {{ profile.identifier }}, with a history from ', first_period, ' on')
          else '; dbt run --select {{ profile.identifier }}'
        end
      )
      {%- if needs %}
      when approximate_period is not null then concat('the profile of ', approximate_period, ' is approximate, without values and bins')
      {%- endif %}
      when least_bins <> greatest_bins then 'the bins of the profile differ between periods; dbt run --full-refresh --select {{ profile.identifier }}'
      {%- if needs.all_values %}
      when cut_period is not null then concat('the profile has not all values of ', cut_period, ': max_values is too small')
      {%- endif %}
    end as gap
  from lacking
  {#- No row is read: but where the table, or one of its columns, is gone, the profile says nothing of it. #}
  left join (
    {{ vigil._source_rows(check_name, model, dict(columns, group_by=group_by)) }}
    where false
  ) as bound on true
)
{%- endmacro %}


{% macro _profiled_column(columns) %}
  {#- The name of the column that a check is of, as a profile has it, or nothing. -#}
  {% set column = columns.column_name if columns.column_name is string else columns.column_name | first %}
  {{ return(vigil._plain(column) if column else '') }}
{% endmacro %}


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
