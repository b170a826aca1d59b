"""Who judges a table as of a moment: `vigil test`, and the peers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Protocol

from benchmarks.faults.suites import closed_days, write_project
from benchmarks.faults.tables import WorkingCopy
from dbt_vigil.running import run
from dbt_vigil.summary import CheckResult, RunSummary
from dbt_vigil.warm import run_stored

PASSED = ("pass", "warn")


class Contestant(Protocol):
    """Names the checks that are red."""

    name: str
    checks: int

    def red(self, as_of: date) -> frozenset[str]:
        """The checks that fail, err or cannot say, as of the midnight that begins this day."""

    def close(self) -> None:
        """Let go of what it holds."""


class Vigil:
    """`vigil test` in this process: from its stored plan where there is one, else by dbt, as the command does."""

    name = "vigil"

    def __init__(self, copy: WorkingCopy) -> None:
        """Write the project, and run it once."""
        self.project = write_project(copy)
        self.closed = closed_days(copy.table)
        self.runs = {"stored plan": 0, "dbt": 0}
        copy.become(copy.table.first)
        self.checks = len(self.results(copy.table.first))

    def results(self, as_of: date) -> Mapping[str, CheckResult]:
        """Each check's result by its name."""
        summary = self._run(as_of)
        self.runs[summary.path] += 1
        if summary.stopped_by is not None or not summary.checks:
            raise RuntimeError(f"as of {as_of}: {summary.stopped_by}")
        return {check.name: check for check in summary.checks}

    def red(self, as_of: date) -> frozenset[str]:
        """The checks that fail, err or have no data."""
        return frozenset(name for name, check in self.results(as_of).items() if check.status not in PASSED)

    def close(self) -> None:
        """Nothing is held."""

    def _run(self, as_of: date) -> RunSummary:
        # On a closed day the checks are other queries: a variable that no check reads keeps the plan of the open ones.
        tested = as_of - timedelta(days=1)
        variables = self.project.variables(
            vigil_as_of=str(as_of), plan=str(tested) if tested in self.closed else "open"
        )
        where = [f"--{folder}-dir={self.project.directory}" for folder in ("project", "profiles")]
        arguments = [*where, "--vars", variables]
        return run_stored(arguments) or run("test", arguments, quietly=True)
