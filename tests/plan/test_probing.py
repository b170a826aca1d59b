"""What the engine is asked before the statements are written, of tables that are large enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbt_vigil.plan import Aggregate, CompiledTest, Form, probing
from dbt_vigil.plan.probing import less_absent
from dbt_vigil.plan.reading import read
from tests.engines import Spark

PRUNABLE = [
    "x is null",
    "x < 1 or x > 5",
    "x is null or y >= -1",
    "1 = 2 or not x >= 1 or not x <= 5",
    "not (x >= 1 and x <= 5)",
    "x not between 1 and 2",
    "d < date '2013-01-01'",
]
NOT_PRUNABLE = [
    "x is not null",
    "x is true",
    "x = 1",
    "x <> 1",
    "x > y",
    "x > 3 and x < 5",
    "not (x < 3 or x > 5)",
    "x between 1 and 2",
    "1 between x and y",
    "x in (1)",
    "abs(x) < 1",
    "x",
]


def _rows_where(condition: str) -> Form:
    form = read(CompiledTest(condition, f"select * from t where {condition}"), "spark")
    assert form is not None
    return form


@pytest.mark.parametrize("condition", PRUNABLE + NOT_PRUNABLE)
def test_what_statistics_can_say(condition: str) -> None:
    assert [a.is_prunable for a in _rows_where(condition).aggregates if isinstance(a, Aggregate)] == [
        condition in PRUNABLE
    ]


@pytest.fixture(scope="module")
def tables(spark: Spark, tmp_path_factory: pytest.TempPathFactory) -> Spark:
    """Tables of x from 1 to 5, and nulls in one of them."""
    folder: Path = tmp_path_factory.mktemp("probing")
    spark.session.sql("create database probing")
    for name, kind, row in (("clean", "parquet", "1"), ("nulls", "parquet", "null"), ("text", "csv", "1")):
        spark.session.sql(
            f"create table probing.{name} using {kind} location '{folder / name}' as "
            f"select id + 1 as x, cast('nan' as double) as y from range(5) union all select {row}, 0.5"
        )
    spark.session.sql("create view probing.seen as select * from probing.clean")
    return spark


class Asked:
    """Asks Spark, and keeps what it was asked."""

    def __init__(self, spark: Spark) -> None:
        self.spark = spark
        self.queries: list[str] = []

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        self.queries.append(sql)
        return [tuple(row) for row in self.spark.session.sql(sql).collect()]


def _forms(table: str) -> list[Form]:
    counts = [
        Aggregate("count", "x", table, is_prunable=True),
        Aggregate("count", "*", table, "x > 5", is_prunable=True),
        Aggregate("count", "*", table, "x > y"),
    ]
    return [Form(CompiledTest("t", ""), "", aggregates=(count,), values=("vigil_0",)) for count in counts]


def _said(forms: list[Form]) -> list[tuple[str, str]]:
    return [(a.argument, a.where) for form in forms for a in form.aggregates if isinstance(a, Aggregate)]


@pytest.mark.spark
def test_what_is_nowhere_in_a_table_is_not_looked_for(tables: Spark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LARGE", 0)
    names = ["clean", "nulls", "seen"]
    asked = Asked(tables)
    found = less_absent([form for name in names for form in _forms(f"probing.{name}")], asked)
    counted, uncounted = [("x", ""), ("*", "x > 5"), ("*", "x > y")], [("*", ""), ("*", "false"), ("*", "x > y")]
    assert _said(found) == uncounted + counted + uncounted
    assert len(asked.queries) == 2


@pytest.mark.spark
@pytest.mark.parametrize(("table", "large"), [("text", 0), ("clean", 10**9)])
def test_no_row_is_read_to_find_out(tables: Spark, monkeypatch: pytest.MonkeyPatch, table: str, large: int) -> None:
    monkeypatch.setattr(probing, "LARGE", large)
    asked = Asked(tables)
    forms = _forms(f"probing.{table}")
    assert less_absent(forms, asked) == forms
    assert [query.partition(" ")[0] for query in asked.queries] == ["explain"]


def test_nothing_is_asked_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = _forms("t")[2:]
    assert less_absent(forms, lambda sql: pytest.fail(sql)) == forms
