"""What the statements of a suite answer is what dbt's own statement answers for each test alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from dbt_vigil.macros import PackageMacros
from dbt_vigil.plan import (
    MEASURED,
    AntiJoin,
    CompiledTest,
    Finding,
    Form,
    Matches,
    assembled,
    findings,
    own_statement,
)
from dbt_vigil.plan.reading import read
from tests.plan.suites import Suite, suites
from tests.project import package_macros

SUITES = int(os.environ.get("VIGIL_SUITES", "100"))
PARTS = ["key_0 < 2", "key_0 >= 2"]
MOMENT = datetime(2013, 2, 10, tzinfo=timezone.utc)

Answer = tuple[Any, ...] | None


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> PackageMacros:
    return package_macros("duckdb", MOMENT, tmp_path_factory.mktemp("macros"))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def test_random_suites(macros: PackageMacros, connection: duckdb.DuckDBPyConnection) -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=SUITES,
        deadline=None,
        database=None,
        derandomize="VIGIL_SUITES" not in os.environ,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(suites(macros))
    def judged(suite: Suite) -> None:
        for statement in suite.tables:
            connection.execute(statement)
        forms = [form for test in suite.tests if (form := read(test, "duckdb"))]
        seen.update("its own query" if not form.aggregates else "rewritten" for form in forms)
        expected = {form.test: _dbt_answer(connection, form.test) for form in forms}
        by_matches = {join: PARTS for join in _joins(forms) if _has_exact_keys(connection, join)}
        seen.update("by matches" for _ in by_matches)
        for matches in [{}, by_matches] if by_matches else [{}]:
            for form, finding in _found(connection, forms, matches):
                assert finding is None or _as_answer(finding) == expected[form.test], (form, finding)

    judged()
    assert seen["rewritten"] > SUITES // 4
    assert seen["its own query"] > SUITES // 4
    assert seen["by matches"] > 0


def _joins(forms: list[Form]) -> set[AntiJoin]:
    return {a for form in forms for a in form.aggregates if isinstance(a, AntiJoin)}


def _has_exact_keys(connection: duckdb.DuckDBPyConnection, join: AntiJoin) -> bool:
    try:
        child, parent = (
            [row[1] for row in connection.execute(f"describe {side}").fetchall()] for side in (join.child, join.parent)
        )
    except duckdb.Error:
        return False
    return child == parent and "DOUBLE" not in str(child)


def _found(
    connection: duckdb.DuckDBPyConnection, forms: list[Form], matches: Matches
) -> Iterator[tuple[Form, Finding | None]]:
    """As it is run: where a statement fails, each of its tests alone."""
    for statement in assembled(forms, "duckdb", matches):
        try:
            rows = connection.execute(statement.sql).fetchall()
        except duckdb.Error:
            if len(statement.forms) > 1:
                for form in statement.forms:
                    yield from _found(connection, [form], matches)
            continue
        yield from zip(statement.forms, findings(statement.forms, rows, "duckdb"), strict=True)


def _as_answer(finding: Finding) -> Answer:
    rows = [repr([row[name] for name in MEASURED]) for row in finding.measured]
    return finding.failures, finding.should_warn, finding.should_error, sorted(rows)


def _dbt_answer(connection: duckdb.DuckDBPyConnection, test: CompiledTest) -> Answer:
    limit = "" if test.limit is None else f"limit {test.limit}"
    measured = f"select {', '.join(MEASURED)} from (\n{test.sql}\n{limit}\n)"
    try:
        (answer,) = connection.execute(own_statement(test)).fetchall()
        rows = connection.execute(measured).fetchall() if test.is_check else []
    except (duckdb.Error, ValueError):
        return None
    return *answer, sorted(repr(list(row)) for row in rows)
