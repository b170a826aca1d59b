"""Suites of data tests, drawn at random: two small tables each, and tests of every kind and config on them.

A suite has no names of its own: written into a project as number 7, its tables are `s7_rows` and `s7_parents` and its
tests `s7_t0`, `s7_t1`, .... In SQL and arguments, CHILD and PARENT stand for the relations, COLUMN for a quoted column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

import yaml

from tests.case_table import select
from tests.engines import Engine
from tests.project import Project

VARS = {"vigil_as_of": "2013-02-10T00:00:00Z"}
TAGS = ["nightly", "hourly"]

ALWAYS = ["id", "day", "word"]
COLUMNS = {
    "id": ("int", ["0", "1", "2", "3", "2147483647"]),
    "day": ("date", ["2013-01-20", "2013-02-01", "2013-02-08", "2013-02-09", "2013-02-10", "2099-01-01"]),
    "word": ("string", ["1", "2", "x", "", " ", "it's", "a,b", "null", "NaN", "ü", "%", "X"]),
    "big": ("bigint", ["1", "2", "9223372036854775807", "-9223372036854775808"]),
    "amount": ("decimal(10, 2)", ["0", "1.10", "1.1", "99999999.99", "-5"]),
    "x": ("double", ["NaN", "Infinity", "-Infinity", "-0.0", "0", "1.5", "1e308", "0.1"]),
    "at": ("timestamp", ["2013-02-09 23:59:59", "2013-02-08 00:00:00", "2013-02-09 05:30:00", "2030-01-01 00:00:00"]),
    "seen_at": ("timestamptz", ["2013-02-09 23:59:59+00:00", "2013-02-09 00:00:00+05:30", "2013-01-31 12:00:00+00:00"]),
    "ok": ("boolean", ["true", "false"]),
    "select": ("int", ["1", "2", "3"]),
    "a b": ("string", ["1", "a b", "a"]),
    "UPPER": ("int", ["1", "2"]),
    "größe": ("double", ["NaN", "1", "2.5"]),
    'we"ird': ("string", ['"', "`", "1"]),
}
ONLY_IN_DUCKDB = {
    "tags": ("int[]", ["[1, 2]", "[]", "[NULL]"]),
    "pair": ("struct(a int, b varchar)", ["{'a': 1, 'b': x}", "{'a': NULL, 'b': NULL}"]),
    "uid": ("uuid", ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]),
    "bytes": ("blob", ["a", "\\xAA"]),
    "clock": ("time", ["00:00:00", "23:59:59.999999"]),
    "huge": ("hugeint", ["1", "170141183460469231731687303715884105727"]),
    "mood": ("enum('happy', 'it''s')", ["happy", "it's"]),
}
PLAIN = {"id", "day", "word", "big", "amount", "x", "seen_at", "ok", "UPPER", "tags", "pair", "uid", "bytes", "clock"}
NUMERIC = {"id", "big", "amount", "x", "select", "UPPER", "größe", "huge"}
TEXTS = {"word", "a b", 'we"ird'}

# The SQL of dbt-utils' and dbt-expectations' tests, in the shapes that they have.
MACROS = r"""
{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
with meet_condition as (
  select * from {{ model }}
),
validation_errors as (
  select * from meet_condition
  where
    -- never true, defaults to an empty result set
    1 = 2
  {%- if min_value is not none %}
    or not {{ column_name }} > {{- "=" if inclusive }} {{ min_value }}
  {%- endif %}
  {%- if max_value is not none %}
    or not {{ column_name }} < {{- "=" if inclusive }} {{ max_value }}
  {%- endif %}
)
select * from validation_errors
{% endtest %}

{% test expression_is_true(model, expression) %}
select {{ '*' if should_store_failures() else '1' }}
from {{ model }}
where not({{ expression }}
)
{% endtest %}

{% test column_expression_is_true(model, expression, column_name) %}
select {{ '*' if should_store_failures() else '1' }}
from {{ model }}
where not({{ column_name }} {{ expression }})
{% endtest %}

{% macro grouped(columns) %}{{ 'group by ' ~ columns | join(',') if columns }}{% endmacro %}
{% macro selected(columns) %}{{ columns | join(', ') ~ ', ' if columns }}{% endmacro %}

{% test not_constant(model, column_name, group_by_columns=[]) %}
select
    {{ selected(group_by_columns) }}
    count(distinct {{ column_name }}) as filler_column
from {{ model }}
  {{ grouped(group_by_columns) }}
having count(distinct {{ column_name }}) = 1
{% endtest %}

{% test not_constant_by_word(model, columns) %}
select {{ selected(columns) }} count(distinct id) as filler_column
from {{ model }} {{ grouped(columns) }} having count(distinct id) = 1
{% endtest %}

{% test not_empty_string(model, column_name, trim_whitespace=true) %}
    with
    all_values as (
        select
            {% if trim_whitespace == true -%}
                trim({{ column_name }}) as {{ column_name }}
            {%- else -%}
                {{ column_name }}
            {%- endif %}
        from {{ model }}
    ),
    errors as (
        select * from all_values
        where {{ column_name }} = ''
    )
    select * from errors
{% endtest %}

{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
{%- set column_list = [] %}
{% for column in combination_of_columns -%}
    {% do column_list.append(adapter.quote(column) if quote_columns else column) %}
{%- endfor %}
{%- set columns_csv = column_list | join(', ') %}
with validation_errors as (
    select
        {{ columns_csv }}
    from {{ model }}
    group by {{ columns_csv }}
    having count(*) > 1
)
select *
from validation_errors
{% endtest %}

{% test cardinality_equality(model, column_name, to, field) %}
with table_a as (
select {{ column_name }}, count(*) as num_rows from {{ model }} group by {{ column_name }}
),
table_b as (
select {{ field }}, count(*) as num_rows from {{ to }} group by {{ field }}
),
except_a as (
  select * from table_a {{ dbt.except() }} select * from table_b
),
except_b as (
  select * from table_b {{ dbt.except() }} select * from table_a
),
unioned as (
  select * from except_a union all select * from except_b
)
select * from unioned
{% endtest %}

{% test at_least_one(model, column_name, group_by_columns=[]) %}
select *
from (
    with pruned_rows as (
      select
        {{ (group_by_columns + [column_name]) | unique | join(' ,') }}
      from {{ model }}
      {% if group_by_columns | length == 0 %}
        where {{ column_name }} is not null
        limit 1
      {% endif %}
    )
    select
      {{ selected(group_by_columns) }}
      count({{ column_name }}) as filler_column
    from pruned_rows
    {{ grouped(group_by_columns) }}
    having count({{ column_name }}) = 0
) validation_errors
{% endtest %}

{% test not_null_proportion(model, column_name, at_least, at_most=1, group_by_columns=[]) %}
with validation as (
  select
    {{ selected(group_by_columns) }}
    sum(case when {{ column_name }} is null then 0 else 1 end) / cast(count(*) as {{ dbt.type_numeric() }})
      as not_null_proportion
  from {{ model }}
  {{ grouped(group_by_columns) }}
),
validation_errors as (
  select
    {{ selected(group_by_columns) }}
    not_null_proportion
  from validation
  where not_null_proportion < {{ at_least }} or not_null_proportion > {{ at_most }}
)
select
  *
from validation_errors
{% endtest %}

{% test sequential_values(model, column_name, interval=1, group_by_columns=[]) %}
{% set previous_column_name = "previous_" ~ modules.re.sub('[^0-9a-zA-Z_]', '', column_name) %}
with windowed as (
    select
        {{ selected(group_by_columns) }}
        {{ column_name }},
        lag({{ column_name }}) over (
            {{ 'partition by ' ~ group_by_columns | join(',') if group_by_columns }}
            order by {{ column_name }}
        ) as {{ previous_column_name }}
    from {{ model }}
),
validation_errors as (
    select
        *
    from windowed
    where not({{ column_name }} = {{ previous_column_name }} + {{ interval }})
)
select *
from validation_errors
{% endtest %}

{% test mutually_exclusive_ranges(
    model, lower_bound_column, upper_bound_column, partition_by=none, gaps='allowed', zero_length_range_allowed=false
) %}
{% set after = {'allowed': '<=', 'not_allowed': '=', 'required': '<'}[gaps] %}
{% set partition_clause = "partition by " ~ partition_by if partition_by else '' %}
with window_functions as (
    select
        {% if partition_by %}{{ partition_by }} as partition_by_col,{% endif %}
        {{ lower_bound_column }} as lower_bound,
        {{ upper_bound_column }} as upper_bound,
        lead({{ lower_bound_column }}) over (
            {{ partition_clause }}
            order by {{ lower_bound_column }}, {{ upper_bound_column }}
        ) as next_lower_bound,
        row_number() over (
            {{ partition_clause }}
            order by {{ lower_bound_column }} desc, {{ upper_bound_column }} desc
        ) = 1 as is_last_record
    from {{ model }}
),
calc as (
    -- We want to return records where one of our assumptions fails
    select
        *,
        coalesce(lower_bound {{ '<=' if zero_length_range_allowed else '<' }} upper_bound, false) as is_range,
        coalesce(upper_bound {{ after }} next_lower_bound, is_last_record, false) as is_before_next
    from window_functions
),
validation_errors as (
    select * from calc
    where not(
        -- THE FOLLOWING SHOULD BE TRUE --
        is_range and is_before_next
    )
)
select * from validation_errors
{% endtest %}

{% test recency(model, field, datepart, interval, ignore_time_component=false, group_by_columns=[]) %}
{% set threshold = 'cast(' ~ dbt.dateadd(datepart, interval * -1, dbt.current_timestamp()) ~ ' as '
    ~ ('date' if ignore_time_component else dbt.type_timestamp()) ~ ')' %}
with recency as (
    select
      {{ selected(group_by_columns) }}
      {% if ignore_time_component %}cast(max({{ field }}) as date){% else %}max({{ field }}){% endif %} as most_recent
    from {{ model }}
    {{ grouped(group_by_columns) }}
)
select
    {{ selected(group_by_columns) }}
    most_recent,
    date '2013-01-01' as threshold
from recency
where most_recent < {{ threshold }} or most_recent is null
{% endtest %}

{% macro both_counts(model, compare_model, group_by_columns) %}
{% set keys = ['id_dbtutils_test'] + group_by_columns %}
with a as (
    select {{ selected(group_by_columns) }} 1 as id_dbtutils_test, count(*) as count_a
    from {{ model }} {{ grouped(keys) }}
),
b as (
    select {{ selected(group_by_columns) }} 1 as id_dbtutils_test, count(*) as count_b
    from {{ compare_model }} {{ grouped(keys) }}
),
counts as (
    select
        {% for c in keys %}a.{{ c }} as {{ c }}_a, b.{{ c }} as {{ c }}_b, {% endfor %}
        count_a,
        count_b
    from a
    full join b on {% for c in keys %}a.{{ c }} = b.{{ c }}{{ ' and ' if not loop.last }}{% endfor %}
)
{% endmacro %}

{% test equal_rowcount(model, compare_model, group_by_columns=[]) %}
{{ config(fail_calc = 'sum(coalesce(diff_count, 0))') }}
{%- if not execute -%}{{ return('') }}{% endif %}
{{ both_counts(model, compare_model, group_by_columns) }}
select *, abs(count_a - count_b) as diff_count from counts
{% endtest %}

{% test fewer_rows_than(model, compare_model, group_by_columns=[]) %}
{{ config(fail_calc = 'sum(coalesce(row_count_delta, 0))') }}
{{ both_counts(model, compare_model, group_by_columns) }},
final as (
    select *,
        case
            when count_a > count_b then (count_a - count_b)
            when count_a = count_b then 1
            else 0
    end as row_count_delta
    from counts
)
select * from final
{% endtest %}

{% test equality(model, compare_model, compare_columns) %}
{% set set_diff %}
    count(*) + coalesce(abs(
        sum(case when which_diff = 'a_minus_b' then 1 else 0 end) -
        sum(case when which_diff = 'b_minus_a' then 1 else 0 end)
    ), 0)
{% endset %}
{{ config(fail_calc = set_diff) }}
{% set columns = compare_columns | join(', ') %}
with a as (select * from {{ model }}),
b as (select * from {{ compare_model }}),
a_minus_b as (select {{ columns }} from a {{ dbt.except() }} select {{ columns }} from b),
b_minus_a as (select {{ columns }} from b {{ dbt.except() }} select {{ columns }} from a),
unioned as (
    select 'a_minus_b' as which_diff, a_minus_b.* from a_minus_b
    union all
    select 'b_minus_a' as which_diff, b_minus_a.* from b_minus_a
)
select * from unioned
{% endtest %}

{% test relationships_where(model, column_name, to, field, from_condition="1=1", to_condition="1=1") %}
with left_table as (
  select {{ column_name }} as id from {{ model }} where {{ column_name }} is not null and {{ from_condition }}
),
right_table as (
  select {{ field }} as id from {{ to }} where {{ field }} is not null and {{ to_condition }}
),
exceptions as (
  select left_table.id, right_table.id as right_id
  from left_table
  left join right_table
         on left_table.id = right_table.id
  where right_table.id is null
)
select * from exceptions
{% endtest %}

{% macro in_list(values, quote) -%}
{% for value in values %}{{ "'" ~ value ~ "'" if quote else value }}{{ ',' if not loop.last }}{% endfor %}
{%- endmacro %}

{% test not_accepted_values(model, column_name, values, quote=true) %}
with all_values as (
    select distinct
        {{ column_name }} as value_field
    from {{ model }}
),
validation_errors as (
    select
        value_field
    from all_values
    where value_field in ({{ in_list(values, quote) }})
)
select *
from validation_errors
{% endtest %}

{% macro truth_of(model, expression, group_by_columns=none, row_condition=none) %}
with grouped_expression as (
    select
        {% for group_by_column in group_by_columns or [] -%}
        {{ group_by_column }} as col_{{ loop.index }},
        {% endfor -%}
        {{ expression }} as expression
    from {{ model }}
     {%- if row_condition %}
    where
        {{ row_condition }}
    {% endif %}
    {{ grouped(group_by_columns) }}
),
validation_errors as (
    select
        *
    from
        grouped_expression
    where
        not(expression = true)
)
select *
from validation_errors
{% endmacro %}

{% macro between_of(model, expression, min_value, max_value, group_by_columns, row_condition, strictly) %}
{%- set strict_operator = "" if strictly else "=" -%}
{% set expression_min_max %}
( 1=1
{%- if min_value is not none %} and {{ expression | trim }} >{{ strict_operator }} {{ min_value }}{% endif %}
{%- if max_value is not none %} and {{ expression | trim }} <{{ strict_operator }} {{ max_value }}{% endif %}
)
{% endset %}
{{ truth_of(model, expression_min_max, group_by_columns, row_condition) }}
{% endmacro %}

{% test expect_column_values_to_be_between(
    model, column_name, min_value=none, max_value=none, row_condition=none, strictly=false
) %}
{{ between_of(model, column_name, min_value, max_value, none, row_condition, strictly) }}
{% endtest %}

{% test expect_column_mean_to_be_between(
    model, column_name, min_value=none, max_value=none, group_by=none, row_condition=none, strictly=false
) %}
{{ between_of(model, 'avg(' ~ column_name ~ ')', min_value, max_value, group_by, row_condition, strictly) }}
{% endtest %}

{% test expect_table_row_count_to_be_between(
    model, min_value=none, max_value=none, group_by=none, row_condition=none, strictly=false
) %}
{{ between_of(model, 'count(*)', min_value, max_value, group_by, row_condition, strictly) }}
{% endtest %}

{% test expect_column_distinct_count_to_equal(model, column_name, value, row_condition=none) %}
{{ truth_of(model, 'count(distinct ' ~ column_name ~ ') = ' ~ value, none, row_condition) }}
{% endtest %}

{% test expect_column_values_to_match_regex(model, column_name, regex, row_condition=none) %}
{% set matched %}
{% if target.type == 'duckdb' %}regexp_matches({{ column_name }}, '{{ regex }}', '')
{% else %}length(regexp_extract({{ column_name }}, '{{ regex }}', 0)){% endif %} > 0
{% endset %}
{{ truth_of(model, matched, none, row_condition) }}
{% endtest %}

{% test expect_column_values_to_be_in_set(model, column_name, value_set, quote_values=true, row_condition=none) %}
with all_values as (
    select
        {{ column_name }} as value_field
    from {{ model }}
    {% if row_condition %}
    where {{ row_condition }}
    {% endif %}
),
set_values as (
    {% for value in value_set -%}
    select
        {% if quote_values -%}
        cast('{{ value }}' as {{ dbt.type_string() }})
        {%- else -%}
        {{ value }}
        {%- endif %} as value_field
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),
validation_errors as (
    -- values from the model that are not in the set
    select
        v.value_field
    from
        all_values v
        left join
        set_values s on v.value_field = s.value_field
    where
        s.value_field is null
)
select *
from validation_errors
{% endtest %}

{% test expect_column_values_to_be_increasing(
    model, column_name, sort_column=none, strictly=true, group_by=none, step=none
) %}
{%- set sort_column = column_name if not sort_column else sort_column -%}
with all_values as (
    select
        {{ sort_column }} as sort_column,
        {{ selected(group_by) }}
        {{ column_name }} as value_field
    from {{ model }}
),
add_lag_values as (
    select
        sort_column,
        {{ selected(group_by) }}
        value_field,
        lag(value_field) over (
            {{ 'partition by ' ~ group_by | join(', ') if group_by }} order by sort_column, value_field
        ) as value_field_lag
    from all_values
),
validation_errors as (
    select
        *
    from
        add_lag_values
    where
        value_field_lag is not null
        and
        not (
            (value_field {{ '>' if strictly else '>=' }} value_field_lag)
            {%- if step %}
            and ((value_field - value_field_lag) = {{ step }})
            {%- endif %}
        )
)
select *
from validation_errors
{% endtest %}

{% test expect_compound_columns_to_be_unique(
    model, column_list, ignore_row_if='all_values_are_missing', row_condition=none
) %}
{%- set op = "and" if ignore_row_if == "all_values_are_missing" else "or" -%}
with validation_errors as (
    select
        {{ selected(column_list) }}
        count(*) as {{ adapter.quote("n_records") }}
    from {{ model }}
    where
        1=1
    {%- if row_condition %}
        and {{ row_condition }}
    {% endif %}
        and not ({% for column in column_list %}{{ column }} is null{{ ' ' ~ op ~ ' ' if not loop.last }}{% endfor %})
    {{ grouped(column_list) }}
    having count(*) > 1
)
select * from validation_errors
{% endtest %}
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    """A data test: a generic one, `test`, under `column` or the table, or a singular one, which has only `sql`."""

    test: str = ""
    column: str | None = None
    arguments: tuple[tuple[str, Any], ...] = ()
    sql: str = ""
    config: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Suite:
    """Two tables of the same columns, and the tests of the first."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    parents: tuple[tuple[str | None, ...], ...]
    kind: str
    """How dbt knows the first table: `source`, `model`, or `ephemeral`, a model that is inlined."""
    is_view: bool
    dropped: str
    """The table that is missing: `rows`, `parents` or none."""
    checks: tuple[Check, ...]

    @property
    def size(self) -> int:
        cells = sum(value is not None for row in self.rows + self.parents for value in row)
        configs = sum(1 + len(check.config) for check in self.checks)
        return 100 * configs + 10 * len(self.rows + self.parents) + cells + len(self.columns) + (self.kind != "source")


def pick(draw: Random, *options: T) -> T:
    return draw.choice(options)


def some(draw: Random, **optional: list[Any]) -> dict[str, Any]:
    """A few of these arguments, each with one of its values."""
    return {name: pick(draw, *values) for name, values in optional.items() if draw.random() < 0.5}


def values_for(draw: Random, column: str) -> list[str]:
    domain = (COLUMNS | ONLY_IN_DUCKDB)[column][1]
    return draw.choices([*domain, *domain, "1", "nothing"], k=draw.randint(1, 4))


def accepted_values(draw: Random, column: str) -> dict[str, Any]:
    quote = draw.random() < 0.5
    values = [v.replace("'", "''") for v in values_for(draw, column)]
    values = values if quote or column not in NUMERIC else [v for v in values if v.lstrip("-").isdigit()] or ["1"]
    return {"values": values, "quote": quote}


def in_set(draw: Random, column: str) -> dict[str, Any]:
    found = accepted_values(draw, column)
    return {"value_set": found["values"], "quote_values": found["quote"]} | row_condition(draw)


def row_condition(draw: Random) -> dict[str, Any]:
    return some(draw, row_condition=["id > 1", "word is not null", "id > 999"])


def bounds(draw: Random, *values: Any) -> dict[str, Any]:
    return some(draw, max_value=[*values]) | {"min_value": pick(draw, *values)}


def shared(draw: Random) -> dict[str, Any]:
    return some(draw, group_by=["word", ["word", "id"]], on_no_data=["pass", "fail"])


def windowed(draw: Random) -> dict[str, Any]:
    windows = ["1 day", "7 days", "1000 days"]
    return {"timestamp_column": "day", "window": pick(draw, *windows)} if draw.random() < 0.5 else {}


def orphan_rate(draw: Random, column: str | None) -> dict[str, Any]:
    key: dict[str, Any] = {"field": column} if column else {"column_name": ["id", "word"], "field": ["id", "word"]}
    return {"to": "PARENT", "max_rate": pick(draw, 0.001, 0.5, 1), **key} | some(draw, to_where=["id > 0", "1 = 0"])


def psi(draw: Random) -> dict[str, Any]:
    windows = {"timestamp_column": "day", "window": "2 days", "baseline_window": "10 days"}
    baseline = pick(draw, windows, {"baseline": "PARENT"})
    return {"min_rows": pick(draw, 1, 3), **baseline} | some(draw, max_psi=[0, 0.2, 100], kind=["categorical"])


# What a test's arguments may be, given its column; those of a table, and those of a column.
TABLE_TESTS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "vigil.freshness": lambda draw: (
        {"timestamp_column": "day", "max_age": pick(draw, "26 hours", "1 day", "300 days")}
        | some(draw, window=["301 days"]) | shared(draw)
    ),
    "vigil.row_count_ratio": lambda draw: (
        {"timestamp_column": "day"}
        | some(draw, seasonality=["week"], baseline_periods=[1, 30], min_ratio=[0, 0.1], max_ratio=[100])
        | shared(draw)
    ),
    "vigil.orphan_rate": lambda draw: orphan_rate(draw, None) | windowed(draw) | shared(draw),
    "expression_is_true": lambda draw: {
        "expression": pick(
            draw, "id > 0", "word <> 'x'", "id + 1 > id", "cast(word as int) > 0", "nope = 1", "id > 0 or day is null",
            "1 / id > 0", "not (id > 1) -- or so",
        )
    },
    "unique_combination_of_columns": lambda draw: {
        "combination_of_columns": pick(draw, ["id"], ["id", "word"], ["day", "word"], ["id", "nope"], ["word"]),
        "quote_columns": draw.random() < 0.5,
    },
    "not_constant_by_word": lambda draw: {"columns": pick(draw, ["word"], ["word", "day"])},
    "mutually_exclusive_ranges": lambda draw: (
        {"lower_bound_column": "id", "upper_bound_column": pick(draw, "id", "id + 1")}
        | some(draw, partition_by=["word"], gaps=["required", "not_allowed"], zero_length_range_allowed=[True])
    ),
    "recency": lambda draw: (
        {"field": "day", "datepart": pick(draw, "day", "month"), "interval": pick(draw, 1, 10000)}
        | some(draw, group_by_columns=[["word"]], ignore_time_component=[True])
    ),
    "equal_rowcount": lambda draw: {"compare_model": "PARENT"} | some(draw, group_by_columns=[["word"]]),
    "fewer_rows_than": lambda draw: {"compare_model": "PARENT"} | some(draw, group_by_columns=[["word"]]),
    "equality": lambda draw: {"compare_model": "PARENT", "compare_columns": pick(draw, ["id"], ["id", "word"])},
    "expect_table_row_count_to_be_between": lambda draw: (
        bounds(draw, 0, 1, 3, 5) | some(draw, group_by=[["word"]]) | row_condition(draw)
    ),
    "expect_compound_columns_to_be_unique": lambda draw: (
        {"column_list": pick(draw, ["id", "word"], ["word"])}
        | some(draw, ignore_row_if=["any_value_is_missing"]) | row_condition(draw)
    ),
}  # fmt: skip
COLUMN_TESTS: dict[str, Callable[[Random, str], dict[str, Any]]] = {
    "not_null": lambda draw, column: {},
    "unique": lambda draw, column: {},
    "accepted_values": accepted_values,
    "relationships": lambda draw, column: {"to": pick(draw, "PARENT", "CHILD"), "field": pick(draw, "id", column)},
    "vigil.null_rate": lambda draw, column: (
        {"max_rate": pick(draw, 0, 0.3, 1)} | some(draw, nan_is_null=[False]) | windowed(draw) | shared(draw)
    ),
    "vigil.orphan_rate": lambda draw, column: orphan_rate(draw, column) | windowed(draw) | shared(draw),
    "vigil.psi": lambda draw, column: psi(draw) | shared(draw),
    "accepted_range": lambda draw, column: bounds(draw, 0, 1, 2.5) | some(draw, inclusive=[False, True]),
    "column_expression_is_true": lambda draw, column: {"expression": pick(draw, "is not null", "= id", "= nope")},
    "not_constant": lambda draw, column: some(draw, group_by_columns=[["word"], ["id", "word"]]),
    "not_empty_string": lambda draw, column: some(draw, trim_whitespace=[False]),
    "cardinality_equality": lambda draw, column: {"to": "PARENT", "field": pick(draw, "id", "word")},
    "at_least_one": lambda draw, column: some(draw, group_by_columns=[["word"]]),
    "not_null_proportion": lambda draw, column: (
        {"at_least": pick(draw, 0, 0.5, 0.95)} | some(draw, at_most=[0.9, 1], group_by_columns=[["word"]])
    ),
    "sequential_values": lambda draw, column: some(draw, interval=[1, 2], group_by_columns=[["word"]]),
    "relationships_where": lambda draw, column: (
        {"to": "PARENT", "field": "id"} | some(draw, from_condition=["id > 0"], to_condition=["word <> 'x'"])
    ),
    "not_accepted_values": lambda draw, column: accepted_values(draw, column),
    "expect_column_values_to_be_between": lambda draw, column: (
        bounds(draw, 0, 1, 2.5) | some(draw, strictly=[True]) | row_condition(draw)
    ),
    "expect_column_values_to_be_in_set": in_set,
    "expect_column_mean_to_be_between": lambda draw, column: bounds(draw, 0, 1, 2.5) | some(draw, group_by=[["word"]]),
    "expect_column_distinct_count_to_equal": lambda draw, column: {"value": pick(draw, 0, 1, 2)} | row_condition(draw),
    "expect_column_values_to_match_regex": lambda draw, column: {"regex": pick(draw, "^[a-z]$", "[0-9]+", "", "(")},
    "expect_column_values_to_be_increasing": lambda draw, column: (
        some(draw, sort_column=["id"], strictly=[False], group_by=[["word"]], step=[1])
    ),
}  # fmt: skip
OF_NUMBERS = """accepted_range sequential_values relationships_where relationships cardinality_equality
    column_expression_is_true expect_column_mean_to_be_between expect_column_values_to_be_between"""
OF_TEXTS = "not_empty_string expect_column_values_to_match_regex expect_column_values_to_be_in_set"
SUITABLE = dict.fromkeys(OF_NUMBERS.split(), NUMERIC) | dict.fromkeys(OF_TEXTS.split(), TEXTS)
SINGULAR_TESTS = [
    "select * from CHILD where COLUMN is null",
    "select 1 as n from CHILD where id > 1 -- a comment without an end",
    "-- a comment\nselect id, /* another; */ word from CHILD where word = ';' or word = '--' or id = 0",
    "select id from CHILD where id > 0;",
    "with a as (select id, count(*) as n from CHILD group by id), b as (select * from a where n > 1) select * from b",
    "with dbt_internal_test as (select id from PARENT) select * from dbt_internal_test where id is null",
    "select id from CHILD union select id from PARENT",
    "select id, word from CHILD union all select id, word from PARENT where id > 1",
    "select id from CHILD except select id from PARENT",
    "select id, word from CHILD where id is not null order by id, word limit 2",
    "(select id from CHILD order by id limit 1) union all (select id from PARENT order by id limit 1)",
    "select id, row_number() over (partition by word order by id) as n from CHILD",
    "select * from (select id, rank() over (order by id) as n from CHILD) ranked where n > 2",
    "select distinct word from CHILD",
    "select c.id from CHILD c where not exists (select 1 from PARENT p where p.id = c.id)",
    "select c.id from CHILD c where c.id > (select avg(p.id) from PARENT p where p.word = c.word)",
    "select c.*, p.word as word_of_parent from CHILD c join PARENT p on c.id = p.id",
    "select a.id, b.id from CHILD a cross join CHILD b",
    "select count(*) as n from CHILD having count(*) > 2",
    "select max(id) as failures, count(*) as should_warn, 1 as should_error from CHILD",
    "select cast(word as int) as n from CHILD where cast(word as int) > 0",
    "select 1 as n from CHILD where 10 % id > 1",
    "select sum(cast(id as decimal(38, 0)) * 99999999999999999999999999999) as n from CHILD",
    "select cast(id as tinyint) as n from CHILD",
    "select no_such_column from CHILD",
    "select * from no_such_table",
    "select * form CHILD",
    "select {{ 1 + 1 }} as n from CHILD where id = {{ var('least', 0) }} {# a comment #}",
    "select 'a''b' as text, '{{ '{{' }}' as braces, 'CHI' || 'LD' as word from CHILD",
    'select id as "a b", id as "SELECT", id as "ü" from CHILD',
    "select 1 as n",
    "select 1 as n where 1 = 0",
    "values (1), (2)",
    "select id, word from CHILD group by id, word having count(*) > 1",
]
CONFIGS: list[tuple[str, Any]] = [
    *(("where", w) for w in ["id > 1", "word = 'it''s'", "1 = 0", "day < '2013-02-09' or id is null", "id = 1 -- one"]),
    *(("where", w) for w in ["no_such_column = 1", "cast(word as int) > 0", "id > {{ var('least', 0) }}", "1 and"]),
    *(("limit", n) for n in [0, 1, 5]),
    *(("fail_calc", c) for c in ["sum(1)", "sum(n_records)", "max(id)", "count(distinct id)", "count(*) / 2", "-1"]),
    *(("fail_calc", c) for c in ["sum(no_such_column)", "max(cast(null as int))", "1.5", "count(*) > 1", "1, 2"]),
    *(("warn_if", c) for c in [">5", "> 2", "between 1 and 3", "= 0", "is null", "in (1, 2)", "> 'x'"]),
    *(("error_if", c) for c in [">5", "> 2", "between 1 and 3", "= 0", "is null", "in (1, 2)", "is not null"]),
    *(("error_if", c) for c in ["!= 0", ">= 1 and true", "> no_such_column", "> 1 -- or 2"]),
    *(("severity", s) for s in ["warn", "warn", "error", "WARN"]),
    *(("store_failures", s) for s in [True, False]),
    *(("store_failures_as", s) for s in ["view", "table", "ephemeral"]),
    *(("tags", [tag]) for tag in TAGS),
    ("enabled", False),
    ("meta", {"owner": "orders"}),
]  # fmt: skip


def draw_check(draw: Random, columns: list[str]) -> Check:
    config = tuple(dict(draw.sample(CONFIGS, k=draw.choice([0, 0, 0, 1, 1, 2, 3]))).items())
    family = draw.choices(["column", "table", "singular"], [3, 2, 1])[0]
    column = pick(draw, *columns)
    if family == "singular":
        return Check(sql=pick(draw, *SINGULAR_TESTS), column=column, config=config)
    if family == "table":
        test = pick(draw, *TABLE_TESTS)
        return Check(test, None, tuple(TABLE_TESTS[test](draw).items()), config=config)
    test = pick(draw, *COLUMN_TESTS)
    if draw.random() < 0.8:  # mostly of a type that the test can be of
        column = pick(draw, *(c for c in columns if test not in SUITABLE or c in SUITABLE[test]))
    arguments = COLUMN_TESTS[test](draw, column)
    return Check(test, column if draw.random() < 0.97 else "no_such_column", tuple(arguments.items()), config=config)


def draw_suite(draw: Random, engine: Engine) -> Suite:
    known = COLUMNS | (ONLY_IN_DUCKDB if engine.name == "duckdb" else {})
    columns = [*ALWAYS, *draw.sample([name for name in known if name not in ALWAYS], k=draw.randint(0, 3))]

    def rows(most: int) -> tuple[tuple[str | None, ...], ...]:
        spread = pick(draw, 2, 10)
        values = [draw.choices([*known[name][1], None], k=spread) for name in columns]
        return tuple(tuple(draw.choice(some) for some in values) for _ in range(draw.choice([0, 1, *range(2, most)])))

    return Suite(
        columns=tuple(columns),
        rows=rows(8),
        parents=rows(6),
        kind=pick(draw, "source", "model", "model", "ephemeral"),
        is_view=draw.random() < 0.3,
        dropped=draw.choices(["", "rows", "parents"], [18, 1, 1])[0],
        checks=tuple(draw_check(draw, columns) for _ in range(pick(draw, 3, 4, 5, 8))),
    )


def draw_suites(engine: Engine, number: int, count: int) -> list[Suite]:
    """As many suites, always the same for one number."""
    draw = Random(number)
    return [draw_suite(draw, engine) for _ in range(count)]


def smaller(suite: Suite) -> Iterator[Suite]:
    """Suites with less in them, the much smaller ones first."""
    for check in suite.checks:
        yield replace(suite, checks=(check,))
    for name in ("rows", "parents"):
        rows = getattr(suite, name)
        for part in (
            (),
            rows[: len(rows) // 2],
            rows[len(rows) // 2 :],
            *(_without(rows, i) for i in range(len(rows))),
        ):
            yield replace(suite, **{name: part})
    for i, check in enumerate(suite.checks):
        yield replace(suite, checks=_without(suite.checks, i))
        for j in range(len(check.config)):
            fewer = replace(check, config=_without(check.config, j))
            yield replace(suite, checks=(*suite.checks[:i], fewer, *suite.checks[i + 1 :]))
    yield replace(suite, kind="source", is_view=False)


def _without(items: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return items[:index] + items[index + 1 :]


def tables(engine: Engine, schema: str, suite: Suite, number: int) -> dict[str, str]:
    """The statements that make a suite's tables, by the table's name."""
    known = COLUMNS | ONLY_IN_DUCKDB
    types = {name: known[name][0] for name in suite.columns}
    made = {}
    for name, rows in (("rows", suite.rows), ("parents", suite.parents)):
        kind = "view" if suite.is_view else "table"
        if name != suite.dropped:
            query = select(engine, types, [list(row) for row in rows])
            made[f"s{number}_{name}"] = f"create {kind} {schema}.s{number}_{name} as {query}"
    return made


def write_suite(project: Project, suite: Suite, number: int) -> None:
    """Adds a suite's tests to a project, and what dbt must know of its tables."""
    name = f"s{number}"
    rows = f"source('{name}', '{name}_rows')"
    child = rows if suite.kind == "source" else f"ref('{name}_child')"
    names = {"CHILD": child, "PARENT": f"source('{name}', '{name}_parents')"}
    subject: dict[str, Any] = {"name": f"{name}_rows" if suite.kind == "source" else f"{name}_child", "data_tests": []}
    columns: dict[str, list[Any]] = {}
    for i, check in enumerate(suite.checks):
        test = f"{name}_t{i}"
        config = dict(check.config)
        if check.sql:
            quote = '"' if project.engine.name == "duckdb" else "`"
            sql = _named(check.sql, {k: "{{ " + v + " }}" for k, v in names.items()})
            header = "{{ config(" + ", ".join(f"{k}={v!r}" for k, v in config.items()) + ") }}\n" if config else ""
            sql = sql.replace("COLUMN", quote + str(check.column).replace(quote, quote * 2) + quote)
            project.write(f"tests/{test}.sql", header + sql.replace('"', quote) if quote == "`" else header + sql)
            continue
        arguments = {k: names.get(v, v) if isinstance(v, str) else v for k, v in check.arguments}
        entry = {check.test: {"name": test, "arguments": arguments, "config": config}}
        (columns.setdefault(check.column, []) if check.column else subject["data_tests"]).append(entry)
    subject["columns"] = [{"name": c, "quote": c not in PLAIN, "data_tests": tests} for c, tests in columns.items()]
    known = [{"name": f"{name}_rows"}, {"name": f"{name}_parents"}]
    properties: dict[str, Any] = {"sources": [{"name": name, "schema": "{{ target.schema }}", "tables": known}]}
    if suite.kind == "source":
        known[0] = subject
    else:
        properties["models"] = [subject]
        body = f"select * from {{{{ {rows} }}}}" if suite.kind == "ephemeral" else "select 1 as id"
        how = "materialized='ephemeral'" if suite.kind == "ephemeral" else f"alias='{name}_rows'"
        project.write(f"models/{name}_child.sql", f"{{{{ config({how}) }}}}\n{body}")
    project.write_yaml(f"models/{name}.yml", properties)


def _named(text: str, names: dict[str, str]) -> str:
    for name, relation in names.items():
        text = text.replace(name, relation)
    return text


def described(engine: Engine, suite: Suite) -> str:
    """A suite as a person reads it: its tables, and its tests."""
    made = tables(engine, "main", suite, 0)
    plain = [
        {k: v for k, v in (("test", c.test), ("column", c.column), ("arguments", dict(c.arguments)), ("sql", c.sql),
                           ("config", dict(c.config))) if v}
        for c in suite.checks
    ]  # fmt: skip
    listed = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return "\n".join([*made.values(), f"the tested table is a {suite.kind} to dbt", listed])
