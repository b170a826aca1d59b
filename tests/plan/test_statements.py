"""How many statements the suites of the benchmarks need, and that no size of a test breaks one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from jinja2 import Environment

from benchmarks.lineitem import AS_OF, GENERIC_TESTS, PARENTS, Check, checks
from dbt_vigil.macros import PackageMacros, Relation
from dbt_vigil.plan import Aggregate, CompiledTest, Form, assembled, findings, probed
from dbt_vigil.plan.reading import read
from tests.project import package_macros

COLUMNS = {
    "lineitem": "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber bigint, "
    "l_quantity decimal(15, 2), l_extendedprice decimal(15, 2), l_discount decimal(15, 2), l_tax decimal(15, 2), "
    "l_returnflag varchar, l_linestatus varchar, l_shipdate date, l_commitdate date, l_receiptdate date, "
    "l_shipinstruct varchar, l_shipmode varchar, l_comment varchar",
    "orders": "o_orderkey bigint",
    "part": "p_partkey bigint",
    "supplier": "s_suppkey bigint",
}
DBT_TESTS = """
{% test not_null(model, column_name) %}
select {{ column_name }} from {{ model }} where {{ column_name }} is null
{% endtest %}

{% test accepted_values(model, column_name, values) %}
with all_values as (
  select {{ column_name }} as value_field, count(*) as n_records from {{ model }} group by {{ column_name }}
)
select * from all_values
where value_field not in ({% for value in values %}'{{ value }}'{{ ',' if not loop.last }}{% endfor %})
{% endtest %}
"""


def _forms(engine: str, cache: Path) -> list[Form]:
    macros = package_macros(engine, AS_OF, cache)
    text = (GENERIC_TESTS + DBT_TESTS).replace("{% test ", "{% macro ").replace("{% endtest", "{% endmacro")
    others = Environment().from_string(text).module
    tests = [_compiled(check, macros, others) for check in checks(spark=engine == "spark")]
    forms = [form for test in tests if (form := read(test, engine))]
    assert len(forms) == len(tests)
    return forms


def _compiled(check: Check, macros: PackageMacros, others: Any) -> CompiledTest:
    package, _, name = check.test.rpartition(".")
    arguments = check.arguments | ({"column_name": check.column} if check.column else {})
    if not package:
        return CompiledTest(check.name, getattr(others, name)("main.lineitem", **arguments))
    if "to" in arguments:
        table, _ = PARENTS[arguments["column_name"]]
        arguments["to"] = Relation(f"main.{table}", table)
    sql = str(macros.call(f"test_{name}", model=Relation("main.lineitem", "lineitem"), **arguments))
    return CompiledTest(check.name, sql, "coalesce(sum(failed), 1)", is_check=True)


def test_duckdb_needs_three_statements(tmp_path: Path) -> None:
    sent: list[str] = []
    with duckdb.connect() as connection:
        for table in ("lineitem", *(table for table, _ in PARENTS.values())):
            connection.execute(f"create table {table} ({COLUMNS[table]})")

        def rows(sql: str) -> list[tuple[Any, ...]]:
            sent.append(sql)
            return connection.execute(sql).fetchall()

        forms = _forms("duckdb", tmp_path)
        forms, matches = probed(forms, "duckdb", rows)
        for statement in assembled(forms, "duckdb", matches):
            assert None not in findings(statement.forms, rows(statement.sql), "duckdb")
    assert len(forms) == 40
    assert len(sent) <= 3


def test_spark_needs_eight_statements(tmp_path: Path) -> None:
    forms = _forms("spark", tmp_path)
    statements = assembled(forms, "spark")
    assert len(forms) == 48
    # One scan of lineitem, one for each of its keys; three PSI and the row count by their own queries.
    assert sorted(len(statement.forms) for statement in statements) == [1, 1, 1, 4, 41]
    assert sum("exists (" in statement.sql for statement in statements) == 3
    assert not any(" distinct" in statement.sql for statement in statements)


def test_spark_has_sixty_conditions_in_a_scan_at_most() -> None:
    counts = [Aggregate("count", "*", "t", f"x < {k}") for k in range(100)] + [Aggregate("count", "x", "t")]
    forms = [Form(CompiledTest("", ""), "", aggregates=(count,), values=("vigil_0",)) for count in counts]
    assert [len(statement.forms) for statement in assembled(forms, "spark")] == [60, 41]


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_a_test_of_many_aggregates(engine: str) -> None:
    aggregates = tuple(Aggregate("count", "*", "range(3) as r(x)", f"x < {k}") for k in range(150))
    total = " + ".join(f"vigil_{k}" for k in range(150))
    form = Form(CompiledTest("t", "select 1"), "", aggregates=aggregates, values=(total,))
    (statement,) = assembled([form], engine)
    assert "count_149" in statement.sql
    if engine == "duckdb":
        with duckdb.connect() as connection:
            (found,) = findings([form], connection.execute(statement.sql).fetchall(), engine)
        assert found is not None
        assert found.failures == sum(min(k, 3) for k in range(150))


def test_an_answer_of_several_rows_is_none() -> None:
    form = Form(CompiledTest("t", "select 1"), "")
    row = (0, "0", "false", "false", None)
    assert findings([form], [row], "duckdb") != [None]
    assert findings([form], [row, row], "duckdb") == [None]
