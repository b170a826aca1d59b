"""What became of a run, whichever way it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_vigil.plan.forms import Statement
from dbt_vigil.report import Measurement, describe

__all__ = ["CheckResult", "RunSummary", "StatementRun", "check_result"]

# `error` is what could not be judged, as in `vigil watch`.
EXIT_CODES = {"pass": 0, "warn": 0, "fail": 1, "no_data": 2, "error": 2, "skipped": 0, "not_executed": 0}


@dataclass(frozen=True)
class CheckResult:
    """What became of one data test."""

    check_id: str
    name: str
    status: str
    failures: int | None
    message: str
    measurement: Measurement | None

    @property
    def explanation(self) -> str:
        """What was measured, in words; dbt's message where nothing was."""
        return describe(self.measurement) if self.measurement else " ".join(self.message.split())


@dataclass(frozen=True)
class StatementRun:
    """A statement that was executed for some tests."""

    check_ids: tuple[str, ...]
    why: str
    seconds: float
    failed: bool
    sources: tuple[str, ...]
    """What each test was answered from: `metadata`, `scan` or `mixed`."""

    @classmethod
    def of(cls, statement: Statement, seconds: float, *, failed: bool) -> StatementRun:
        """A run of a statement of the planner."""
        ids = tuple(form.test.test_id for form in statement.forms)
        return cls(ids, statement.why, seconds, failed, tuple(form.source for form in statement.forms))


@dataclass(frozen=True)
class RunSummary:
    """What became of a run: its data tests, and whether the record has them."""

    checks: tuple[CheckResult, ...]
    recorded: bool | None
    """None when that was left to dbt's hook, or var `vigil_record` is false."""
    succeeded: bool
    """As dbt sees it."""
    stopped_by: str | None = None
    """The error that ended the run early."""
    others_failed: bool = False
    """Whether a node that is no data test errored or failed: a model, a seed, a unit test, a hook."""
    strict: bool = False
    """Var `vigil_strict`: a run that is not in the record is an error."""
    statements: tuple[StatementRun, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of `start`, `checks`, `record`, and in `total`."""
    path: str = "dbt"
    """`dbt`, or `stored plan`."""

    @property
    def exit_code(self) -> int:
        """0 when all is fine, 1 when a check failed, 2 when something errored or could not be judged."""
        if self.stopped_by is not None or (self.strict and self.recorded is False):
            return 2
        worst = max((EXIT_CODES.get(check.status, 2) for check in self.checks), default=0)
        return worst if self.succeeded or (worst and not self.others_failed) else 2

    def counts(self) -> Counter[str]:
        """How many data tests have each status."""
        return Counter(check.status for check in self.checks)

    def sources(self) -> dict[str, str]:
        """What each test was answered from: `metadata`, `scan` or `mixed`."""
        asked = [run for run in self.statements if not run.failed]
        return {test: source for run in asked for test, source in zip(run.check_ids, run.sources, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """As `vigil test --json` prints it."""
        sources = self.sources()
        statement_of = {check_id: n for n, run in enumerate(self.statements) for check_id in run.check_ids}
        return {
            "exit_code": self.exit_code,
            "path": self.path,
            "recorded": self.recorded,
            "error": self.stopped_by,
            "checks": [
                {
                    "check_id": check.check_id,
                    "name": check.name,
                    "status": check.status,
                    "failures": check.failures,
                    "message": check.explanation,
                    "statement": statement_of.get(check.check_id),
                    "source": sources.get(check.check_id, "scan"),
                }
                for check in self.checks
            ],
            "statements": [
                {"checks": len(run.check_ids), "seconds": round(run.seconds, 4), "why": run.why, "failed": run.failed}
                for run in self.statements
            ],
            "seconds": {name: round(seconds, 4) for name, seconds in self.seconds.items()},
        }


def check_result(entry: Mapping[str, Any], *, is_empty: bool = False) -> CheckResult:
    """A data test's entry of run_results.json as a result; `is_empty` says that it ran under `--empty`."""
    found = entry["adapter_response"].get("vigil")
    status = "error" if entry["status"] == "runtime error" else entry["status"]
    if is_empty:
        status = "not_executed"
    elif found is not None and found["verdict"] == "no_data" and status == "fail":
        status = "no_data"
    return CheckResult(
        check_id=entry["unique_id"],
        name=entry["name"],
        status=status,
        failures=entry["failures"],
        message=entry["message"] or "",
        measurement=Measurement.from_row(found) if found else None,
    )
