{% macro _psi_pin(given, model, window, baseline_window, baseline, column, kind, bins, max_categories, group_by, profile) %}
  {#- {'name', 'facts': what a pin must be of, by the columns of the record}, or none without a pinned baseline. -#}
  {% if given is none %}{{ return(none) }}{% endif %}
  {% if given is not string or not given | trim %}{% do vigil._invalid('pinned_baseline', given, 'a name of your choice') %}{% endif %}
  {% if profile %}{% do vigil._invalid('pinned_baseline', given, 'none with a `profile`') %}{% endif %}
  {% if not baseline %}{% do vigil._duration('baseline_window', baseline_window) %}{% endif %}
  {{ return({'name': given, 'facts': vigil._pinned_facts(baseline or model, column, kind, bins, max_categories, group_by, none if baseline else window, baseline_window)}) }}
{% endmacro %}


{% macro _pinned_facts(relation, column, kind, bins, max_categories, group_by, window, baseline_window) %}
  {% set names = [] %}
  {% for name in group_by %}{% do names.append(vigil._plain(name)) %}{% endfor %}
  {{ return({
    'relation': relation | string,
    'column_name': vigil._plain(column),
    'kind': kind,
    'bins': bins,
    'max_categories': max_categories,
    'group_by': names | join(', '),
    'timestamp_column': vigil._plain(window.column) if window else none,
    'baseline_window': baseline_window,
  }) }}
{% endmacro %}


{% macro _psi_baseline(relation, column, window, kind, bins, max_categories, group_by) %}
{#- The query of what is pinned: a row for each bin of each segment. -#}
with source_rows as (
  {{ vigil._source_rows('psi', relation, {'column_name': column, 'timestamp_column': window.column, 'group_by': group_by}) }}
),

counts as (
  select {{ vigil._group_columns(group_by) }}column_name, count(*) as baseline_rows, 0 as window_rows
  from source_rows
  where {{ vigil._in_window(window) }}
  group by {{ vigil._group_columns(group_by) }}column_name
),

{{ vigil._psi_classified(kind, with_number=true) }},

{{ vigil._psi_bins(bins, max_categories, group_by, with_number=true) }}

select
  {%- for _ in group_by %}
  cast(group_by_{{ loop.index }} as {{ dbt.type_string() }}) as group_by_{{ loop.index }},
  {%- endfor %}
  (select max(typeof(column_name)) from counts) as data_type,
  is_categorical,
  bin,
  cast(least_value as {{ dbt.type_string() }}) as least_value,
  cast(greatest_value as {{ dbt.type_string() }}) as greatest_value,
  {#- As text, because a client may round a double. #}
  cast(greatest_number as {{ dbt.type_string() }}) as greatest_number,
  cast(baseline_rows as bigint) as bin_rows
from binned
{% endmacro %}


{% macro _psi_pinned(pin, model, column, window, kind, bins, group_by) %}
{#- CTE `binned`, of the window's rows and the bins of a pinned baseline. -#}
source_rows as {{ vigil.inlined() }} (
  select
    {%- for _ in group_by %}
    cast(group_by_{{ loop.index }} as {{ dbt.type_string() }}) as group_by_{{ loop.index }},
    {%- endfor %}
    {{ 'timestamp_column,' if window }}
    column_name,
    one
  from ({{ vigil._source_rows('psi', model, {'column_name': column, 'timestamp_column': window.column, 'group_by': group_by}) }}) as typed_rows
),

counts as (
  select {{ vigil._group_columns(group_by) }}column_name, 0 as baseline_rows, count(*) as window_rows
  from source_rows
  where {{ vigil._in_window(window) }}
  group by {{ vigil._group_columns(group_by) }}column_name
),

{{ vigil._psi_classified(kind, with_number=true) }},

{{ vigil._pin_gap(pin) }},

pinned_bins as (
  select
    {%- for _ in group_by %}
    {{ vigil.json_item('segment', loop.index) }} as group_by_{{ loop.index }},
    {%- endfor %}
    1 as one, is_categorical, bin, least_value, greatest_value, greatest_number, bin_rows
  from pin
  where bin is not null and (select gap from pin_gap) is null
),

{#- The bin of a category is the pinned one of the same text; that of a number the first that ends at it or above. #}
placed as (
  select
    *,
    max(pinned_bin) over (partition by {{ vigil._group_columns(group_by) }}category) as category_bin,
    min(pinned_bin) over ({{ vigil._partition(group_by) }} order by number range between current row and unbounded following) as next_bin,
    min(case when pinned_bin is not null then number end) over (
      {{ vigil._partition(group_by) }} order by number range between current row and unbounded following
    ) as next_number
  from (
    select
      {{ vigil._group_columns(group_by) }}is_categorical, cast(special_bin as double) as bin, cast(null as double) as pinned_bin,
      case when is_categorical then {{ vigil._category('column_name', 'number') }} end as category,
      case when not is_categorical then number end as number,
      cast(null as {{ dbt.type_string() }}) as least_value, cast(null as {{ dbt.type_string() }}) as greatest_value,
      0 as baseline_rows, window_rows
    from classified
    union all
    select
      {{ vigil._group_columns(group_by) }}is_categorical, bin, case when bin > 0 or not is_categorical and bin = 0 then bin end,
      case when is_categorical and bin > 0 then {{ vigil._category('least_value', 'greatest_number') }} end,
      case when not is_categorical then greatest_number end,
      least_value, greatest_value, bin_rows, 0
    from pinned_bins
  ) as values_and_bins
),

binned as (
  select
    {{ vigil._group_columns(group_by) }}bin, is_categorical,
    max(least_value) as least_value,
    max(greatest_value) as greatest_value,
    cast(sum(baseline_rows) as double) as baseline_rows,
    cast(sum(window_rows) as double) as window_rows
  from (
    select
      {{ vigil._group_columns(group_by) }}is_categorical, least_value, greatest_value, baseline_rows, window_rows,
      case
        when bin is not null then bin
        when is_categorical then coalesce(category_bin, 0)
        when next_bin is null then {{ bins - 1 }}
        {#- A bin of one value is at the end of another. #}
        when number < next_number then floor(next_bin)
        else next_bin
      end as bin
    from placed
  ) as with_bin
  group by {{ vigil._group_columns(group_by) }}bin, is_categorical
)
{%- endmacro %}


{% macro _pin_gap(pin) %}
{#- CTE `pin`, the newest of that name, and why it cannot answer, or null. -#}
{%- set again = vigil.text_literal('; vigil baseline pin ' ~ pin.name) -%}
pin as (
  {{ vigil._pin_sql(pin.name) }}
),

pin_gap as (
  select
    case
      when max(event) is null then {{ vigil.text_literal('no pinned baseline ' ~ pin.name) }} || {{ again }}
      when max(event) = 'unpinned' then concat({{ vigil.text_literal('baseline ' ~ pin.name ~ ' was unpinned by ') }}, max(recorded_by), {{ again }})
      when max(differences) <> '' then concat({{ vigil.text_literal('baseline ' ~ pin.name ~ ' is pinned with ') }}, max(differences), {{ again }})
    end as gap
  from (
    select
      event, recorded_by,
      concat_ws(
        ', ',
        {%- for fact, value in pin.facts.items() %}
        case when {{ fact }} is distinct from {{ 'null' if value is none else value if value is integer else vigil.text_literal(value) }} then {{ vigil._pinned_fact(fact) }} end,
        {%- endfor %}
        case when data_type <> (select max(typeof(column_name)) from counts) then {{ vigil._pinned_fact('data_type') }} end
      ) as differences
    from pin
  ) as compared
)
{%- endmacro %}


{% macro _pin_sql(name) -%}
  select *
  from ({{ vigil.pinned_bins_sql(vigil._record_table('vigil_baseline_log')) }}) as pins
  where baseline_name = {{ vigil.text_literal(name) }}
    and project_name = {{ vigil.text_literal(project_name) }} and target_name = {{ vigil.text_literal(target.name) }}
{%- endmacro %}


{% macro _pinned_fact(name) -%}
  concat('{{ name }} ', coalesce(cast({{ name }} as {{ dbt.type_string() }}), 'none'))
{%- endmacro %}


{% macro _category(value, number) -%}
  {#- As text, in which 0 and -0 are two. -#}
  case when {{ number }} = 0 then '0' else cast({{ value }} as {{ dbt.type_string() }}) end
{%- endmacro %}
