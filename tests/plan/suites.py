"""Draws small tables and compiled tests of them: the shapes of dbt's, those of packages, singular tests, and checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from dbt_vigil.macros import PackageMacros, Relation
from dbt_vigil.plan import CompiledTest

__all__ = ["Suite", "suites"]

COLUMNS = {
    "id": ("int", ["1", "2", "3", "2147483647"]),
    "x": ("double", ["'NaN'", "1.5", "-0.0", "0", "1e308"]),
    "word": ("varchar", ["'a'", "'A'", "''", "'it''s'", "'1'"]),
    "at": ("timestamp", ["'2013-02-09 12:00:00'", "'2013-02-01'", "'2013-02-08 23:59:59'", "'2030-01-01'"]),
    'Odd "Name': ("decimal(9, 2)", ["1.10", "1.1", "0"]),
    "user": ("int", ["1", "2"]),
    "s": ("struct(a int, x double)", ["{'a': 1, 'x': 2}", "{'a': NULL, 'x': 'NaN'}"]),
}
KEYS = ["int", "bigint", "double", "varchar", "decimal(9, 2)"]
KEY_VALUES = ["'1'", "'2'", "'3'", "'-0'", "'0'"]
CHECK_FAIL_CALC = "coalesce(sum(failed), 1)"
CHILDREN = [
    "main.child",
    '"memory"."main"."child"',
    "(select * from main.child where id > 1 or x is null) dbt_subquery",
]
PARENTS = ["main.parent", "(select * from main.parent where active) dbt_subquery"]
CONDITIONS = ["!= 0", "> 1", ">= 3", "between 1 and 2", "> 0 and 1 = 1", "< 1", "> count(*)", "in (1, 2)"]

ACCEPTED = """
with all_values as (
    select {column} as value_field, count(*) as n_records
    from {child}
    {group}
)
select {items}
from all_values
where value_field not in ({values})
"""
RELATIONSHIPS = """
with child as (
    select {column} as from_field {more} from {child} where {column} is not null
),
parent as (
    select key as to_field from {parent}
)
select {items}
from child
left join parent
    on child.from_field = parent.to_field {condition}
where parent.to_field {null}
"""
RANGE = """
with meet_condition as (
  select {items} from {child}
),
validation_errors as (
  select * from meet_condition
  where
    -- never true, defaults to an empty result set
    1 = 2
    or not {column} >= 1
    or not {column} <= 2
)
select * from validation_errors
"""
SINGULAR = [
    "select * from {child} where {column} is null and {truth}",
    "select {column}, count(*) from {child} group by 1 having count(*) > 1",
    "select {column} from {child} where {truth} union all select {column} from {child} where {column} is not null",
    "select {column} from {child} union select {column} from {child}",
    "with child as (select * from {child}), parent as (select * from {parent}) "
    "select child.id from child anti join parent on child.id = parent.key",
    "with child as (select * from {child}), parent as (select * from {parent}) "
    "select count(*) as row_count from child anti join parent on child.id = parent.key",
    "select * from (select *, row_number() over (partition by {column} order by id) as n from {child}) where n > 1",
    "select * from {child} order by id, {column} limit 2",
    "select * from {child} where {column} = (select max({column}) from {child})",
    "select c.id from {child} as c where not exists (select 1 from {parent} as p where p.key = c.id)",
    "select max({column}) as row_count from {child}",
    "select count(*) as row_count from {child} having count(*) < 3",
    "with child as (select * from {child}) select * from child where child.user = 1",
    "select no_such_column from {child} where {truth}",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select * from r",
    "select distinct {column} from {child}",
    "with t(a, b) as (select id, word from {child}) select * from t where b is null",
    "select s.a from {child} where s.a is null",
    "select * from {child} c, lateral (select c.id + 1 as n) l where l.n > 2",
]
LISTS = ["'a', 'A', '1'", "1, 2", "null, 'a'", "'a', word", "n_records", "''"]


@dataclass(frozen=True)
class Suite:
    """The statements that make its tables, and its tests."""

    tables: tuple[str, ...]
    tests: tuple[CompiledTest, ...]


def suites(macros: PackageMacros) -> st.SearchStrategy[Suite]:
    """Suites of up to six tests."""
    return st.builds(
        Suite, _tables(), st.lists(_tests(macros), min_size=2, max_size=6).map(lambda found: tuple(_numbered(found)))
    )


def _numbered(tests: list[CompiledTest]) -> list[CompiledTest]:
    return [
        CompiledTest(f"t{n}", t.sql, t.fail_calc, t.warn_if, t.error_if, t.limit, t.is_check)
        for n, t in enumerate(tests)
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _tables() -> st.SearchStrategy[tuple[str, ...]]:
    row = st.tuples(*(st.sampled_from(["null", *values]) for _, values in COLUMNS.values()))
    parent = st.tuples(st.sampled_from(["null", *KEY_VALUES]), st.sampled_from(["true", "false", "null"]))
    columns = ", ".join(f"{_quoted(name)} {kind}" for name, (kind, _) in COLUMNS.items())
    return st.builds(
        lambda kind, children, parents: (
            f"create or replace table child ({columns})",
            f"create or replace table parent (key {kind}, active boolean)",
            *(
                f"insert into {table} values {', '.join('(' + ', '.join(row) + ')' for row in rows)}"
                for table, rows in {"child": children, "parent": parents}.items()
                if rows
            ),
        ),
        st.sampled_from(KEYS),
        st.lists(row, max_size=6),
        st.lists(parent, max_size=5),
    )


def _tests(macros: PackageMacros) -> st.SearchStrategy[CompiledTest]:
    fail_calcs = st.sampled_from(["count(*)"] * 16 + ["sum(1)", "max(id)", "id", "count(*) over ()"])
    limits = st.sampled_from([None] * 6 + [0, 1, 3])
    condition = st.sampled_from(["!= 0"] * 8 + CONDITIONS)
    plain = st.builds(CompiledTest, st.just(""), _queries(), fail_calcs, condition, condition, limits)
    checks = st.builds(
        lambda sql, warn_if, error_if, limit: CompiledTest("", sql, CHECK_FAIL_CALC, warn_if, error_if, limit, True),
        _checks(macros),
        condition,
        condition,
        limits,
    )
    return plain | plain | checks


def _filled(template: str, **values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    choices: dict[str, st.SearchStrategy[str]] = {
        "child": st.sampled_from(CHILDREN),
        "parent": st.sampled_from(PARENTS),
        "column": st.sampled_from(["id", "x", "word", '"Odd ""Name"', '"at"', "at", '"user"', "s.a"]),
        "truth": st.sampled_from(["id > 1", "x = 'NaN'", "word in ('a', 'x')", "(id = 1 or x is null)", "true"]),
    }
    return st.fixed_dictionaries(choices | values).map(lambda chosen: template.format(**chosen))


def _often(value: str, *others: str) -> st.SearchStrategy[str]:
    return st.sampled_from([value] * 8 + list(others))


def _queries() -> st.SearchStrategy[str]:
    return st.one_of(
        _filled("select {column} from {child} where {column} is null"),
        _filled(
            "select {column} as unique_field, count(*) as n_records from {child} "
            "where {column} is not null group by {column} having count(*) > 1"
        ),
        _filled(
            ACCEPTED,
            group=_often("group by {column}", "group by {column}, id", "group by rollup({column})"),
            items=_often("*", "count(*)", "value_field", "1 as row_count"),
            values=st.sampled_from(LISTS),
        ).map(lambda sql: sql.replace("{column}", sql.split("select ")[1].split(" as value_field")[0])),
        _filled(
            RELATIONSHIPS,
            more=_often("", ", word", ", no_such_column"),
            items=_often(
                "from_field", "*", "1 as row_count", "count(*) as n", "to_field", "child.*", "max(from_field)"
            ),
            condition=_often("", "and 1 = 1", "and from_field > 1"),
            null=_often("is null", "is not null"),
        ),
        _filled(RANGE, items=_often("*", "* replace (1 as id)", "* exclude (id)")),
        _filled("select 1 from {child} where not({truth})"),
        st.sampled_from(SINGULAR).flatmap(_filled),
    )


def _checks(macros: PackageMacros) -> st.SearchStrategy[str]:
    column = st.sampled_from(["id", "x", "word", "at", "s"])
    rate = st.sampled_from([0, 0.5, 1])
    on_no_data = st.sampled_from([None, "pass", "fail"])
    window = st.sampled_from([{}, {"timestamp_column": "at", "window": "7 days"}])
    group_by = st.sampled_from([None] * 8 + [["word"]])
    model = st.sampled_from(CHILDREN).map(lambda text: text if "where" in text else Relation(text, "child"))

    def check(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
        found = st.fixed_dictionaries({"model": model, "on_no_data": on_no_data, "group_by": group_by, **arguments})
        call: Callable[[dict[str, Any]], str] = lambda kwargs: str(  # noqa: E731
            macros.call(f"test_{name}", **kwargs.pop("window", {}), **kwargs)
        )
        return found.map(call)

    return st.one_of(
        check("null_rate", column_name=column, max_rate=rate, nan_is_null=st.booleans(), window=window),
        check("freshness", timestamp_column=st.just("at"), max_age=st.sampled_from(["1 day", "10 days"])),
        check("future_rate", timestamp_column=st.just("at"), max_rate=rate),
        check(
            "out_of_range_rate",
            column_name=st.sampled_from(["id", "x", "word"]),
            min_value=st.sampled_from([None, -1, 1, 1.5]),
            max_value=st.sampled_from([2, 2.5]),
            max_rate=rate,
            window=window,
        ),
        check("row_count_ratio", timestamp_column=st.just("at"), min_ratio=rate),
        check(
            "orphan_rate",
            column_name=column,
            to=st.sampled_from(PARENTS[:1]).map(lambda text: Relation(text, "parent")),
            field=st.just("key"),
            to_where=st.sampled_from([None, "active", "active is null or true"]),
            max_rate=rate,
            window=window,
        ),
        check(
            "psi",
            column_name=column,
            min_rows=st.just(1),
            window=st.just({"timestamp_column": "at", "window": "1 day"}),
            baseline_window=st.just("30 days"),
        ),
    )
