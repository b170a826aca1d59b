{% macro _verdict(check_name, group_by, on_no_data, lower_bound=none, upper_bound=none, fails_when=none, segments_of=['source_rows'], details=[]) %}
{#- The end of every check: from CTE `measured` (group_by_N, value, numerator, denominator) to one row per segment.
    The segments are those of the whole of `segments_of`, so that one without rows in the window is a row too.
    `fails_when` is a condition under which the check fails whatever its bounds and `on_no_data` say, `details` are texts over the
    columns of `measured`, null where there is no more to say than the numbers do. #}
segments as (
  {% if group_by -%}
  select {{ vigil._group_columns(group_by) }}found.one
  from (select 1 as always) as always
  left join (
    {%- for rows in segments_of %}
    select distinct {{ vigil._group_columns(group_by) }}one from {{ rows }}{{ ' union' if not loop.last }}
    {%- endfor %}
  ) as found on true
  {%- else -%}
  select 1 as one
  {%- endif %}
),

judged as (
  select
    {{ vigil._segment_text(group_by) }} as segment,
    cast(measured.value as double) as value,
    cast({{ lower_bound if lower_bound is not none else 'null' }} as double) as lower_bound,
    cast({{ upper_bound if upper_bound is not none else 'null' }} as double) as upper_bound,
    cast(coalesce(measured.numerator, 0) as double) as numerator,
    cast(coalesce(measured.denominator, 0) as double) as denominator,
    {{ "nullif(concat_ws('; ', " ~ details | join(', ') ~ "), '')" if details else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as detail
  from segments
  left join measured on true{{ vigil._same_segment('segments', 'measured', group_by) }}
),

verdicts as (
  select
    *,
    case
      {% if group_by %}when count(*) over () > {{ vigil._max_segments() }} then {{ vigil._too_many_segments() }}{% endif %}
      when value is null or isnan(value) then 'no_data'
      {% if fails_when %}when {{ fails_when }} then 'fail'{% endif %}
      when value < lower_bound or value > upper_bound then 'fail'
      else 'pass'
    end as verdict
  from judged
)

select
  '{{ check_name }}' as check_name, segment, verdict, value, lower_bound, upper_bound, numerator, denominator,
  case
    when verdict = 'pass' then 0
    {%- if vigil._no_data_passes(on_no_data) %}
    when verdict = 'no_data' {{ 'and not (' ~ fails_when ~ ')' if fails_when and not flags.EMPTY }} then 0
    {%- endif %}
    else 1
  end as failed,
  detail
from verdicts
{% if group_by %}order by failed desc, segment{# so that dbt's `limit` keeps the segments that fail #}{% endif %}
{% endmacro %}


{% macro _max_segments() -%}
  {%- set given = var('vigil_max_segments', 1000) -%}
  {%- if given is not integer or given is boolean or given < 1 -%}
    {%- do exceptions.raise_compiler_error('vigil: var `vigil_max_segments` is ' ~ given ~ '. Accepted: a whole number of at least 1.') -%}
  {%- endif -%}
  {{ given }}
{%- endmacro %}


{% macro _too_many_segments() -%}
  {{ vigil.raise_error(
    "'vigil: argument `group_by` makes ' || cast(count(*) over () as " ~ dbt.type_string() ~ ") || ' segments. Accepted: at most "
    ~ vigil._max_segments() ~ ", the variable vigil_max_segments.'"
  ) }}
{%- endmacro %}


{% macro _segment_text(group_by) -%}
  {#- An empty table has one row, without a segment. -#}
  {%- if group_by -%}
    case when segments.one = 1 then {{ vigil._values_text('segments.', group_by) }} end
  {%- else -%}
    cast(null as {{ dbt.type_string() }})
  {%- endif -%}
{%- endmacro %}


{% macro _values_text(of, group_by) -%}
  {%- for _ in group_by -%}
    coalesce(cast({{ of }}group_by_{{ loop.index }} as {{ dbt.type_string() }}), 'null'){{ " || ', ' || " if not loop.last }}
  {%- endfor -%}
{%- endmacro %}
