"""Tests that are read as they stand, or not at all."""

from __future__ import annotations

import pytest

from dbt_vigil.plan import CompiledTest
from dbt_vigil.plan.reading import read

NULLS = "select x from t where x is null"


def _is_rewritten(test: CompiledTest) -> bool:
    form = read(test, "spark")
    return form is not None and bool(form.aggregates)


@pytest.mark.parametrize("condition", ["!= 0", "> 10", "between 1 and 5", "in (1, 2)", "> 1 or 1 = 2"])
def test_conditions_of_numbers(condition: str) -> None:
    assert _is_rewritten(CompiledTest("t", NULLS, warn_if=condition))
    assert _is_rewritten(CompiledTest("t", NULLS, error_if=condition))


@pytest.mark.parametrize("condition", ["> count(*)", "> sum(x)", "> x", "> (select 1)", "> interval 1 day"])
def test_conditions_that_mean_something_only_where_they_stand(condition: str) -> None:
    assert not _is_rewritten(CompiledTest("t", NULLS, warn_if=condition))
    assert not _is_rewritten(CompiledTest("t", NULLS, error_if=condition))


@pytest.mark.parametrize("sql", ["select 1) union (select 2", "select 1; select 2", "select 1 /* open", "drop table t"])
def test_what_does_not_stand_in_another_statement(sql: str) -> None:
    assert read(CompiledTest("t", sql), "spark") is None


def test_times_are_valid() -> None:
    assert _is_rewritten(CompiledTest("t", "select * from t where at > date '2013-02-28'"))
    assert not _is_rewritten(CompiledTest("t", "select * from t where at > date '2013-02-30'"))  # in Spark an error


def test_what_sqlglot_mends_is_not_rewritten() -> None:
    sql = "with v as (select at as c, count(*) as n from t group by at) select * from v where c not in (1)"
    form = read(CompiledTest("t", sql), "duckdb")
    assert form is not None
    assert not form.aggregates
    form = read(CompiledTest("t", sql.replace("at as", '"at" as').replace("by at", 'by "at"')), "duckdb")
    assert form is not None
    assert form.aggregates


def test_a_limit_stands_where_dbt_writes_it() -> None:
    form = read(CompiledTest("t", "select x from t limit 5", limit=3), "spark")
    assert form is not None
    assert form.query == "select x from t limit 5\nlimit 3"


def test_what_is_too_deep_is_left_to_dbt() -> None:
    assert read(CompiledTest("t", f"select {'(' * 1000}1{')' * 1000}"), "duckdb") is not None
    assert read(CompiledTest("t", f"select {'(' * 1001}1{')' * 1001}"), "duckdb") is None
