"""Keeps what a check of the package measured, where dbt keeps only a count of failures.

dbt asks the engine `select sum(failed) from (<check>)` and throws the check's rows away. Here the check's own query is
run instead, and dbt counts the rows that came back, as literals: its `fail_calc`, `warn_if`, `error_if`, `limit` and
`store_failures` see what they would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, TestNode
from dbt.task.test import TestResultData, TestRunner

from dbt_vigil.record import literal

__all__ = ["measured", "measuring"]

TEXT = ("check_name", "segment", "verdict")
NUMBERS = ("value", "lower_bound", "upper_bound", "numerator", "denominator", "failed")
KEY = "vigil"
MOST_ROWS = 1000

Row = dict[str, Any]


@dataclass
class Seen:
    """What was seen of dbt while it ran: the manifest, once a data test has been executed."""

    manifest: Manifest | None = None


@contextmanager
def measuring() -> Iterator[Seen]:
    """Within it, dbt's result of a check has what was measured in its `adapter_response`, under the key `vigil`."""
    original = TestRunner.execute_data_test
    seen = Seen()

    def execute_data_test(self: TestRunner, data_test: TestNode, manifest: Manifest) -> TestResultData:
        seen.manifest = manifest
        if not (isinstance(data_test, GenericTestNode) and data_test.test_metadata.namespace == "vigil"):
            return original(self, data_test, manifest)
        rows = _rows(self, data_test.compiled_code or "")
        query = data_test.compiled_code
        try:
            if 0 < len(rows) <= MOST_ROWS:
                data_test.compiled_code = _literals(rows, self.adapter.type())
            result = original(self, data_test, manifest)
        finally:
            data_test.compiled_code = query
        if rows:
            result.adapter_response[KEY] = _first_to_see(rows)
        return result

    TestRunner.execute_data_test = execute_data_test  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        TestRunner.execute_data_test = original  # type: ignore[method-assign]


def measured(adapter_response: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a result's check measured; of several segments, the one that a person should see first."""
    return adapter_response.get(KEY)


def _rows(runner: TestRunner, query: str) -> list[Row]:
    _, cursor = runner.adapter.connections.add_query(query, auto_begin=False)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _first_to_see(rows: Sequence[Row]) -> Row:
    row = min(rows, key=lambda row: (-row["failed"], row["verdict"], row["segment"] or ""))
    return {name: _finite(row[name]) if name in NUMBERS else row[name] for name in row if name != "failed"}


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)


def _literals(rows: Sequence[Row], engine: str) -> str:
    return " union all ".join(
        "select " + ", ".join(
            [f"cast({literal(row[name], engine)} as string) as {name}" for name in TEXT]
            + [f"cast({literal(row[name], engine)} as double) as {name}" for name in NUMBERS if name != "failed"]
            + [f"{int(row['failed'])} as failed"]
        )
        for row in rows
    )  # fmt: skip
