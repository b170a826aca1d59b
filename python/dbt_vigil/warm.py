"""Runs `vigil test` from a stored plan, without dbt: neither its import nor its parse.

It finds what dbt would find, or leaves the run to dbt: where the plan is out of date, where a test needs dbt's own
statement and that does not answer as a test does, where the profile has something that only dbt's adapter can honour.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Protocol

import click

from dbt_vigil.connecting import Connection, NotHonoured, QueryError, direct_connection
from dbt_vigil.macros import PackageMacros
from dbt_vigil.measurements import KEY, first_to_see
from dbt_vigil.plan import Finding, Form, asked_alone, assembled, findings, own_statement, small_parents
from dbt_vigil.project import Project, find_project
from dbt_vigil.record import literal, view_macros
from dbt_vigil.report import Measurement, describe
from dbt_vigil.spool import SpoolFile
from dbt_vigil.stored import StoredPlan, StoredTest, bound, fingerprint, plan_file, times, without_as_of
from dbt_vigil.summary import RunSummary, StatementRun, check_result
from dbt_vigil.turns import database_turn

__all__ = ["Display", "project_of", "run_stored"]

logger = logging.getLogger(__name__)


class Display(Protocol):
    """Shows results as they come."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, entry: Mapping[str, Any]) -> None:
        """Show a test's entry of run_results.json."""


class _NeedsDbt(Exception):
    """Why dbt must run: the message."""


def run_stored(arguments: Sequence[str], display: Callable[[], Display] | None = None) -> RunSummary | None:
    """Run `vigil test` with these arguments from its stored plan.

    Args:
        arguments: dbt's own arguments of `test`.
        display: What shows the results, if any.

    Returns:
        What became of it; None where dbt must run.

    Raises:
        VigilError: The project or its profile cannot be read, or the database stayed locked.
    """
    try:
        return _run(arguments, display)
    except (_NeedsDbt, NotHonoured) as reason:
        logger.debug("This run needs dbt: %s", reason)
        return None


def _run(arguments: Sequence[str], display: Callable[[], Display] | None) -> RunSummary:
    started = monotonic()
    now = datetime.now(timezone.utc)
    rest, variables = without_as_of(arguments)
    options = _options(rest)
    folder = Path(options["project_dir"] or ".").expanduser().absolute()
    plan = StoredPlan.load(plan_file(folder, rest, variables))
    if plan is None:
        raise _NeedsDbt("there is no stored plan of this command")
    if fingerprint(plan.watched, plan.environment) != plan.fingerprint:
        raise _NeedsDbt("the project, its profile, a version or an environment variable has changed")
    project = project_of(arguments)
    given = project.given_vars
    if any(project.spool_directory.glob("*.jsonl")):
        raise _NeedsDbt("an earlier run is still to be recorded")
    with database_turn(project), closing(direct_connection(project)) as connection:
        macros = PackageMacros(
            project.engine,
            {**plan.variables, **{name: given[name] for name in ("vigil_as_of",) if name in given}},
            now,
            directory=Path(plan.macros),
            cache=folder / ".vigil" / "macros",
        )
        run = _Run(plan, project, connection, macros, now)
        first = monotonic()
        with display() if display else nullcontext() as shown:
            run.execute(shown.add if shown else lambda _: None)
        ran = monotonic()
        recorded = run.record() if plan.record else None
        run.write_results(arguments, monotonic() - started)
    checks = tuple(check_result(entry) for entry in run.entries)
    return RunSummary(
        checks=checks,
        recorded=recorded,
        succeeded=all(check.status in ("pass", "warn") for check in checks),
        strict=bool(project.vars.get("vigil_strict")),
        statements=tuple(run.statements),
        seconds={
            "start": first - started,
            "checks": ran - first,
            "record": monotonic() - ran,
            "total": monotonic() - started,
        },
        path="stored plan",
    )


def project_of(arguments: Sequence[str]) -> Project:
    """The project that dbt's arguments name.

    Raises:
        VigilError: It cannot be read.
    """
    rest, variables = without_as_of(arguments, keep=True)
    return find_project(variables=variables, **_options(rest))


def _options(arguments: Sequence[str]) -> dict[str, Any]:
    """Those of dbt's options that say which project and target."""
    names = {"project_dir": (), "profiles_dir": (), "profile": (), "target": ("-t",)}
    command = click.Command(
        "test",
        params=[click.Option([*short, f"--{name.replace('_', '-')}"]) for name, short in names.items()],
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    return dict(command.make_context("test", list(arguments)).params)


@dataclass
class _Run:
    plan: StoredPlan
    project: Project
    connection: Connection
    macros: PackageMacros
    now: datetime
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    entries: list[dict[str, Any]] = field(default_factory=list)
    statements: list[StatementRun] = field(default_factory=list)

    def execute(self, show: Callable[[Mapping[str, Any]], None]) -> None:
        """Run the statements, and alone every test that they do not answer. Nothing is kept of it before all is known."""
        clocks = [times(self.macros.compiled_test(check["name"], check["kwargs"])) for check in self.plan.clocks]
        tests = {test.form.test.test_id: test for test in self.plan.tests}
        forms = [bound(test.form, clocks) for test in self.plan.tests]
        small = small_parents(forms, self._rows) if self.project.engine == "duckdb" else ()
        found: dict[str, dict[str, Any]] = {}
        for statement in assembled(forms, self.project.engine, small):
            for form, finding, began in self._found(statement.forms, statement.sql, statement.why):
                entry = self._entry(tests[form.test.test_id], form, finding, began)
                found[form.test.test_id] = entry
                show(entry)
        self.entries = [found[test_id] for test_id in tests]

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.rows(sql)[1]

    def _found(
        self, forms: Sequence[Form], sql: str, why: str
    ) -> Iterator[tuple[Form, Finding | str | None, datetime]]:
        began, started = datetime.now(timezone.utc), monotonic()
        answers: Sequence[Finding | None] = []
        try:
            answers = findings(forms, self._rows(sql), self.project.engine)
        except QueryError:
            pass
        ids = tuple(form.test.test_id for form in forms)
        self.statements.append(StatementRun(ids, why, monotonic() - started, not answers))
        for form, finding in zip(forms, answers or [None] * len(forms), strict=True):
            if finding is not None:
                yield form, finding, began
            elif not answers and len(forms) > 1:
                alone = asked_alone(form, self.project.engine)
                yield from self._found(alone.forms, alone.sql, alone.why)
            else:
                yield self._asked_as_dbt(form)

    def _asked_as_dbt(self, form: Form) -> tuple[Form, Finding | str, datetime]:
        began, started = datetime.now(timezone.utc), monotonic()
        try:
            names, rows = self.connection.rows(own_statement(form.test))
        except QueryError as error:
            return form, str(error), began
        finally:
            self.statements.append(StatementRun((form.test.test_id,), "as dbt asks", monotonic() - started, False))
        values = rows[0] if len(rows) == 1 and len(names) == 3 else ()
        match values:
            case (int(failures), bool(should_warn), bool(should_error)) if not isinstance(failures, bool):
                return form, Finding(failures, should_warn, should_error), began
        raise _NeedsDbt(f"test {form.test.test_id} does not answer with a whole number")

    def _entry(self, test: StoredTest, form: Form, finding: Finding | str | None, began: datetime) -> dict[str, Any]:
        ended = datetime.now(timezone.utc)
        status, message, failures, response = _judged(test, form, finding)
        return {
            "status": status,
            "timing": [{"name": "execute", "started_at": _text(began), "completed_at": _text(ended)}],
            "thread_id": "MainThread",
            "execution_time": (ended - began).total_seconds(),
            "adapter_response": response,
            "message": message,
            "failures": failures,
            "unique_id": form.test.test_id,
            "compiled": True,
            "compiled_code": form.test.sql,
            "relation_name": None,
            "batch_results": None,
            "name": test.name,
        }

    def record(self) -> bool:
        """Append the run to the record; what cannot be written stays in the spool."""
        facts = {
            "command": "test",
            "is_empty": False,
            "invocation_id": self.invocation_id,
            "project_name": self.project.name,
            "target_name": self.project.target_name,
            "vigil_as_of": str(self.project.vars.get("vigil_as_of") or ""),
            "started_at": _text(self.now),
        }
        end = {"status": "finished", "message": None, "finished_at": _text(datetime.now(timezone.utc))}
        spool = SpoolFile(self.project.spool_directory)
        try:
            spool.start(facts)
            for entry in self.entries:
                spool.add_result(entry)
            spool.end(**end)
            assert self.plan.record is not None
            if not self._registry_is_known(self.plan.record["checks"]):
                return False
            for statement in self.macros.record_statements(facts | end, self.entries, self.plan.record):
                self.connection.execute(statement)
            spool.remove()
            return True
        except QueryError as error:
            logger.warning("The run could not be recorded: %s", error)
            return False
        finally:
            spool.close()

    def _registry_is_known(self, expected: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether the record expects the checks that it did when the plan was stored."""
        assert self.plan.record is not None
        engine = self.project.engine
        registry = view_macros()["check_registry_sql"](self.plan.record["tables"]["vigil_registry_log"])
        key = f"project_name = {literal(self.project.name, engine)} and target_name = {literal(self.project.target_name, engine)}"
        rows = self._rows(
            f"select check_id, fingerprint from ({registry}) as registry where retired_at is null and {key}"
        )
        return dict((row[0], row[1]) for row in rows) == {
            name: check["fingerprint"] for name, check in expected.items()
        }

    def write_results(self, arguments: Sequence[str], seconds: float) -> None:
        """Write run_results.json, as dbt does."""
        file = Path(self.plan.run_results)
        content = {
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
                "dbt_version": self.plan.dbt_version,
                "generated_at": _text(datetime.now(timezone.utc)),
                "invocation_id": self.invocation_id,
                "invocation_started_at": _text(self.now),
                "env": {},
            },
            "results": [{name: value for name, value in entry.items() if name != "name"} for entry in self.entries],
            "elapsed_time": seconds,
            "args": {"which": "test", "invocation_command": " ".join(["vigil test", *arguments])},
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(f".{uuid.uuid4().hex}.new")
        new.write_text(json.dumps(content))
        new.replace(file)


def _judged(
    test: StoredTest, form: Form, finding: Finding | str | None
) -> tuple[str, str | None, int | None, dict[str, Any]]:
    """Status, message, failures and adapter response, as dbt gives them."""
    if not isinstance(finding, Finding):
        text = str(finding).replace("\n", "\n  ")
        return "error", f"Runtime Error in test {test.name} ({test.path})\n  {text}", None, {}
    response: dict[str, Any] = {"_message": "OK"}
    status, message = "pass", None
    results = f"{finding.failures} result{'' if finding.failures == 1 else 's'}"
    if test.severity == "error" and finding.should_error:
        status, message = "fail", f"Got {results}, configured to fail if {form.test.error_if}"
    elif finding.should_warn:
        status, message = "warn", f"Got {results}, configured to warn if {form.test.warn_if}"
    if finding.measured:
        response[KEY] = first_to_see(finding.measured)
        if message:
            message = describe(Measurement.from_row(response[KEY]))
    return status, message, finding.failures if message else 0, response


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
