"""On which days of 2013 does `row_count_ratio` raise an alarm on flights?

Judges every day from 8 January to 31 December as of the next midnight, with two tests of models/demo/_demo.yml: the
plain rule "below 80% of the average of the last 7 days", and "below 80% of the same weekday a week ago".

Run it with `.venv/bin/python benchmarks/row_count_alarms.py`, after `make demo`. It takes a minute or two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from dbt_vigil.demo import DATABASE, PROJECT, VARS, load_flights, run_dbt

TESTS = {
    "row_count_against_last_7_days": "against the average of the last 7 days",
    "row_count_against_same_weekday": "against the same weekday a week ago",
}
FIRST, LAST = date(2013, 1, 8), date(2013, 12, 31)
# Days of 2013, judged in a minute, are no heartbeats.
UNRECORDED = {**VARS, "vigil_record": False}


def main() -> int:
    """Print the alarms of both tests."""
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    found = alarms(days)
    for name, rule in TESTS.items():
        print(f"{len(found[name])} alarms in {len(days)} days {rule}:")
        print("".join(f"  {day:%a} {day.day:2} {day:%B}\n" for day in found[name]))
    return 0


def alarms(days: Iterable[date]) -> dict[str, list[date]]:
    """Judge each day as of the next midnight, and return the days on which each test fails."""
    os.chdir(PROJECT)
    load_flights(DATABASE)
    _results(run_dbt(["run", "--select", "flights"], UNRECORDED))
    manifest = run_dbt(["parse"], UNRECORDED).result
    assert isinstance(manifest, Manifest)
    failed = {day: _failed_tests(day, manifest) for day in days}
    return {name: [day for day, names in failed.items() if name in names] for name in TESTS}


def _failed_tests(day: date, manifest: Manifest) -> list[str]:
    """Run both tests for a day through dbt, and return the names of those that failed."""
    variables = {**UNRECORDED, "vigil_as_of": str(day + timedelta(days=1))}
    results = _results(run_dbt(["test", "--select", *TESTS], variables, manifest=manifest))
    statuses = {result.node.name: result.status for result in results if result.node.name in TESTS}
    if set(statuses) != set(TESTS) or not set(statuses.values()) <= {"pass", "fail"}:
        raise RuntimeError(f"{day}: {[(result.node.name, result.status, result.message) for result in results]}")
    return [name for name, status in statuses.items() if status == "fail"]


def _results(run: dbtRunnerResult) -> Any:
    if not isinstance(run.result, RunExecutionResult):
        raise RuntimeError("dbt stopped") from run.exception
    return run.result.results


if __name__ == "__main__":
    sys.exit(main())
