"""Runs `vigil test` from a stored plan, without dbt: neither its import nor its parse.

It finds what dbt would find, or leaves the run to dbt: where the plan is out of date, where a test needs dbt's own
statement and that does not answer as a test does, where the profile has something that only dbt's adapter can honour.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from textwrap import indent
from time import monotonic
from typing import Any

import click
import yaml
from jinja2 import TemplateError

from dbt_vigil.connecting import Connection, NotHonoured, QueryError, direct_connection
from dbt_vigil.macros import PackageMacros
from dbt_vigil.measurements import KEY, first_to_see
from dbt_vigil.plan import (
    Finding,
    Form,
    Matches,
    Statement,
    assembled,
    findings,
    halved,
    own_statement,
    probed,
)
from dbt_vigil.project import Project, VigilError, find_project
from dbt_vigil.record import literal, view_macros
from dbt_vigil.report import Measurement, describe
from dbt_vigil.spool import SpoolFile, abandoned_runs, scrubbed
from dbt_vigil.stored import StoredPlan, StoredTest, bound, fingerprint, plan_file, slotted, times, without_as_of
from dbt_vigil.summary import RunSummary, StatementRun, check_result
from dbt_vigil.turns import database_turn

__all__ = ["Display", "project_of", "run_stored"]

logger = logging.getLogger(__name__)

METADATA = "DBT_ENV_CUSTOM_ENV_"


Display = Callable[[], AbstractContextManager[Callable[[Mapping[str, Any]], None]]]
"""Opens what shows a test's entry of run_results.json."""


class _NeedsDbt(Exception):  # noqa: N818
    """Why dbt must run: the message."""


def run_stored(arguments: Sequence[str], display: Display | None = None) -> RunSummary | None:
    """Run `vigil test` with these arguments from its stored plan.

    Args:
        arguments: dbt's own arguments of `test`.
        display: What shows the results, if any.

    Returns:
        What became of it; None where dbt must run.

    Raises:
        VigilError: The database stayed locked.
    """
    try:
        return _run(arguments, display)
    except (_NeedsDbt, NotHonoured) as reason:
        logger.debug("This run needs dbt: %s", reason)
        return None


def _run(arguments: Sequence[str], display: Display | None) -> RunSummary:
    started = monotonic()
    plan, project = _planned(arguments)
    with database_turn(project):
        now = datetime.now(timezone.utc)  # as dbt, which starts when it is its turn
        _refuse_changes(plan, project)
        with closing(_connected(project)) as connection:
            run = _Run(plan, project, connection, _macros(plan, project, now), now)
            first = monotonic()
            run.check()
            with run.spooled() as spool:
                with display() if display else nullcontext(lambda _: None) as show:
                    run.execute(spool, show)
                ran = monotonic()
                run.write_results(arguments, ran - started)
                recorded = run.record(spool) if spool else None
        if recorded is False:
            from dbt_vigil.running import flush

            recorded = flush(project) == 0
    checks = tuple(check_result(_told(entry)) for entry in run.entries)
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


def _planned(arguments: Sequence[str]) -> tuple[StoredPlan, Project]:
    """The stored plan of a command, and whose it is."""
    try:
        rest, variables = without_as_of(arguments)
        options = _options(rest)
        folder = Path(options["project_dir"] or os.environ.get("DBT_PROJECT_DIR") or ".").expanduser().absolute()
        plan = StoredPlan.load(plan_file(folder, rest, variables))
        if plan is None:
            raise _NeedsDbt("there is no stored plan of this command")
        project = project_of(arguments)
    except (yaml.YAMLError, click.UsageError, VigilError) as error:
        raise _NeedsDbt(f"it says best what is wrong: {error}") from error
    profile = str(project.profiles_directory / "profiles.yml")
    if plan.target != (profile, project.profile_name, project.target_name):
        raise _NeedsDbt("the plan is of another target")
    return plan, project


def _refuse_changes(plan: StoredPlan, project: Project) -> None:
    try:
        if fingerprint(plan.watched, plan.environment) != plan.fingerprint:
            raise _NeedsDbt("the project, its profile, a version or an environment variable has changed")
    except OSError as error:
        raise _NeedsDbt(f"a file cannot be read: {error}") from error
    with abandoned_runs(project.spool_directory) as runs:
        if runs:
            raise _NeedsDbt("an earlier run is still to be recorded")


def _connected(project: Project) -> Connection:
    try:
        return direct_connection(project)
    except VigilError as error:
        raise _NeedsDbt(f"there is no connection: {error}") from error


def _macros(plan: StoredPlan, project: Project, now: datetime) -> PackageMacros | None:
    if not plan.macros:
        return None
    given = {name: value for name, value in project.given_vars.items() if name == "vigil_as_of"}
    cache = project.directory / ".vigil" / "macros"
    try:
        return PackageMacros(
            project.engine,
            {**plan.variables, **given},
            now,
            directory=Path(plan.macros),
            cache=cache,
            tables=plan.tables,
            project_name=project.name,
            target_name=project.target_name,
        )
    except (OSError, TemplateError) as error:
        raise _NeedsDbt(f"the package's macros cannot be read: {error}") from error


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
    macros: PackageMacros | None
    now: datetime
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    clocks: list[list[str]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    statements: list[StatementRun] = field(default_factory=list)
    _matches: Matches = field(default_factory=dict)

    def check(self) -> None:
        """Look whether all that the run needs is as it was when the plan was stored."""
        try:
            if self.macros:
                self.macros.call("as_of")
            self.clocks = [self._clock(check) for check in self.plan.clocks]
            known = self.plan.record is None or self._registry_is_known(self.plan.record)
        except VigilError as error:
            raise _NeedsDbt(str(error)) from error
        if not known:
            raise _NeedsDbt("the record expects other checks")

    def _clock(self, check: Mapping[str, Any]) -> list[str]:
        """The times of a check at this run's moment, which is all of its SQL that may be another."""
        assert self.macros
        sql = self.macros.compiled_test(check["name"], check["kwargs"])
        if slotted(sql) != check["sql"]:
            raise _NeedsDbt(f"a check {check['name']} is another query at this moment")
        return times(sql)

    @contextmanager
    def spooled(self) -> Iterator[SpoolFile | None]:
        """Within it, what is known of the run survives its death. One that needs dbt leaves nothing."""
        if self.plan.record is None:
            yield None
            return
        try:
            spool = SpoolFile(self.project.spool_directory)
        except OSError as error:
            raise _NeedsDbt(f"{self.project.spool_directory} cannot be written") from error
        try:
            spool.start(self._facts())
            yield spool
        except _NeedsDbt:
            spool.remove()
            raise
        finally:
            spool.close()

    def execute(self, spool: SpoolFile | None, show: Callable[[Mapping[str, Any]], None]) -> None:
        """Run the statements, and alone every test that they do not answer."""
        tests = {test.form.test.test_id: test for test in self.plan.tests}
        forms = [
            test.form if test.clock is None else bound(test.form, self.clocks[test.clock]) for test in self.plan.tests
        ]
        with suppress(QueryError):  # a table is missing, say: whoever asks for it will be told
            forms, self._matches = probed(forms, self.project.engine, self._rows)
        found: dict[str, dict[str, Any]] = {}
        for statement in assembled(forms, self.project.engine, self._matches):
            for form, finding, began in self._found(statement):
                entry = self._entry(tests[form.test.test_id], form, finding, began)
                found[form.test.test_id] = entry
                show(_told(entry))
                if spool:
                    spool.add_result(_told(entry))
        self.entries = [found[test_id] for test_id in tests]

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.rows(sql)[1]

    def _found(self, statement: Statement) -> Iterator[tuple[Form, Finding | str, datetime]]:
        began, started = datetime.now(timezone.utc), monotonic()
        answers: Sequence[Finding | None] | None = None
        with suppress(QueryError):
            answers = findings(statement.forms, self._rows(statement.sql), self.project.engine)
        self.statements.append(StatementRun.of(statement, monotonic() - started, failed=answers is None))
        if answers is None and len(statement.forms) > 1:
            for half in halved(statement, self.project.engine, self._matches):
                yield from self._found(half)
            return
        for form, finding in zip(statement.forms, answers or [None], strict=True):
            yield (form, finding, began) if finding else self._asked_as_dbt(form)

    def _asked_as_dbt(self, form: Form) -> tuple[Form, Finding | str, datetime]:
        began, started = datetime.now(timezone.utc), monotonic()
        try:
            names, rows = self.connection.rows(own_statement(form.test))
        except QueryError as error:
            # dbt-spark's session wraps an error of its own around the engine's, and dbt another.
            is_wrapped = self.project.credentials.get("method") == "session"
            return form, f"Runtime Error\n{indent(str(error), '  ')}" if is_wrapped else str(error), began
        finally:
            seconds = monotonic() - started
            self.statements.append(StatementRun((form.test.test_id,), "as dbt asks", seconds, False, ("scan",)))
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

    def _facts(self) -> dict[str, Any]:
        return {
            "command": "test",
            "is_empty": False,
            "invocation_id": self.invocation_id,
            "project_name": self.project.name,
            "target_name": self.project.target_name,
            "vigil_as_of": str(self.project.vars.get("vigil_as_of") or ""),
            "started_at": _text(self.now),
        }

    def record(self, spool: SpoolFile) -> bool:
        """Append the run to the record; what cannot be written stays in the spool."""
        assert self.plan.record is not None and self.macros
        end = {"status": "finished", "message": None, "finished_at": _text(datetime.now(timezone.utc))}
        spool.end(**end)
        entries = [_told(entry) for entry in self.entries]
        try:
            for statement in self.macros.record_statements(self._facts() | end, entries, self.plan.record):
                self.connection.execute(statement)
        except VigilError as error:
            logger.debug("dbt must record the run: %s", error)
            return False
        spool.remove()
        return True

    def _registry_is_known(self, checks: Mapping[str, Any]) -> bool:
        """Whether the record expects the checks that it did when the plan was stored."""
        engine = self.project.engine
        registry = view_macros()["check_registry_sql"](self.plan.tables["vigil_registry_log"])
        key = " and ".join(
            f"{column} = {literal(value, engine)}"
            for column, value in (("project_name", self.project.name), ("target_name", self.project.target_name))
        )
        rows = self._rows(
            f"select check_id, fingerprint from ({registry}) as registry where retired_at is null and {key}"
        )
        expected = {name: check["fingerprint"] for name, check in checks.items()}
        return {row[0]: row[1] for row in rows} == expected

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
                "env": {
                    name.removeprefix(METADATA): value
                    for name, value in os.environ.items()
                    if name.startswith(METADATA)
                },
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
        response[KEY] = first_to_see(finding.measured, finding.source)
        if message:
            message = describe(Measurement.from_row(response[KEY]))
    return status, message, finding.failures if message else 0, response


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as it is shown and recorded."""
    return {**entry, "message": scrubbed(entry["message"])}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
