"""Runs dbt in this process, so that a run that dies leaves its results in the spool, and flushes what others left."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from datetime import datetime, timezone
from typing import Any

import click
import yaml
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import cli as dbt_cli
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg
from google.protobuf.json_format import MessageToDict

from dbt_vigil.batching import Batches, batching
from dbt_vigil.project import Project, VigilError, find_project
from dbt_vigil.report import counted
from dbt_vigil.spool import SpoolFile, abandoned_runs, scrubbed
from dbt_vigil.stored import plan_file, without_as_of
from dbt_vigil.storing import NotStored, Watch, stored_plan, watching
from dbt_vigil.summary import RunSummary, check_result
from dbt_vigil.turns import database_turn

__all__ = ["RecordError", "close_connections", "flush", "flush_if_free", "maintain", "operate", "record_run", "run"]

logger = logging.getLogger(__name__)

QUIETLY = ("--quiet", "--log-level", "none")
CONFLICT = "DELTA_CONCURRENT"
"""In Delta's error where rows were added to what a statement reads and changes."""
MAINTAIN_TRIES = 5


def run(command: str, arguments: Sequence[str], *, quietly: bool = False) -> RunSummary:
    """Run `dbt test` or `dbt build` in this process and see to it that the record gets every result.

    Args:
        command: `test` or `build`.
        arguments: dbt's own arguments of that command.
        quietly: Let dbt print nothing.

    Raises:
        VigilError: The project or its profile cannot be read, or the database stayed locked.
        click.UsageError: dbt has no such argument.
    """
    started = time.monotonic()
    context = _context(command, arguments)
    project = _project_of(context.params)
    with database_turn(project):
        flush(project)
        facts: dict[str, Any] = {"command": command, "is_empty": bool(context.params.get("empty"))}
        recorder = None if project.vars.get("vigil_record") is False else _recorder(project, facts)
        with ExitStack() as stack:
            watch = stack.enter_context(watching(project))
            batches = stack.enter_context(batching())
            if recorder:
                stack.enter_context(_hook_replaced())
            if quietly:  # a project may print, whatever dbt is told
                stack.enter_context(redirect_stdout(sys.stderr))
            result = dbtRunner(callbacks=[recorder.on_event] if recorder else []).invoke(
                [*(QUIETLY if quietly else ()), command, *arguments]
            )
        ran = time.monotonic()
        if watch.lost:
            logger.warning(
                "dbt leaves out %s (%s), disabled by nothing: `dbt parse --no-partial-parse` says why.",
                counted(len(watch.lost), "test"), textwrap.shorten(", ".join(watch.lost), 200, placeholder=" ..."),
            )  # fmt: skip
        if command == "test":
            _store(project, arguments, context, batches, result, watch, recorder)
        close_connections(project)
        recorded = None
        entries = _entries(result)
        if recorder and not watch.has_package:
            recorder.discard()
        elif recorder and recorder.end(result, entries):
            parses = batches.manifest is not None or result.exception is None
            recorded = parses and flush(project, batches.manifest) == 0
        # Under --fail-fast dbt's own list may call a test that has failed skipped: what its events say comes first.
        found = entries | (recorder.results if recorder else {})
    first = batches.started or ran
    return RunSummary(
        checks=tuple(check_result(entry, is_empty=facts["is_empty"]) for entry in found.values()),
        recorded=recorded,
        succeeded=result.success,
        stopped_by=None if result.exception is None else str(result.exception) or type(result.exception).__name__,
        others_failed=_others_failed(result),
        strict=bool(project.vars.get("vigil_strict")),
        statements=batches.statements(),
        seconds={
            "start": first - started,
            "checks": ran - first,
            "record": time.monotonic() - ran,
            "total": time.monotonic() - started,
        },
    )


def _store(
    project: Project,
    arguments: Sequence[str],
    context: click.Context,
    batches: Batches,
    result: dbtRunnerResult,
    watch: Watch,
    recorder: _Recorder | None,
) -> None:
    """Keep the plan of a run, for the next one; log why not, where only dbt can run it."""
    rest, variables = without_as_of(arguments)
    file = plan_file(project.directory, rest, variables)
    try:
        if not isinstance(result.result, RunExecutionResult):
            raise NotStored("dbt stopped")
        records = watch.has_package and project.vars.get("vigil_record") is not False
        if records and recorder is None:
            raise NotStored("the record was left to dbt")
        nodes: list[Any] = [entry.node for entry in result.result.results]
        stored_plan(project, batches, context, nodes, watch, records=records).save(file)
    except Exception as reason:  # the run counts, whatever becomes of its plan
        logger.debug("The next run needs dbt too: %s", reason, exc_info=not isinstance(reason, NotStored))
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _context(command: str, arguments: Sequence[str]) -> click.Context:
    """What dbt makes of the arguments of a command."""
    try:
        return dbt_cli.commands[command].make_context(command, list(arguments), resilient_parsing=False)
    except ValueError as error:  # a date that is none, for which dbt has no words
        raise VigilError(f"The arguments cannot be read: {error}") from error


def _project_of(params: Mapping[str, Any]) -> Project:
    return find_project(
        params.get("project_dir"),
        params.get("profiles_dir"),
        params.get("profile"),
        params.get("target"),
        params.get("vars"),
    )


def flush(project: Project, manifest: Manifest | None = None) -> int:
    """Write the runs that their processes left in the spool to the record; return how many could not be written.

    Args:
        project: Whose spool and record.
        manifest: dbt's manifest of the project, where it is at hand: without it dbt parses the project.
    """
    kept = 0
    with abandoned_runs(project.spool_directory) as runs:
        for done, run in enumerate(runs):
            try:
                # Without a result it is not known that dbt took the variable for a time.
                facts = run.facts if run.results else {**run.facts, "vigil_as_of": ""}
                record_run(project, facts, run.results, dbt_manifest=manifest)
                run.remove()
            except RecordError as error:
                if error.has_no_record:
                    run.remove()
                    continue
                logger.warning("%s", error)
                kept = len(runs) - done if error.concerns_all else kept + 1
                if error.concerns_all:
                    break
    if kept:
        logger.warning("%s runs are kept in %s until the record can take them.", kept, project.spool_directory)
    return kept


def flush_if_free(project: Project) -> int:
    """Flush, unless the database is in use: whoever uses it will. Returns how many runs could not be written."""
    try:
        with database_turn(project, timeout=0):
            return flush(project)
    except VigilError as error:
        logger.info("%s", error)
        return 0


class RecordError(VigilError):
    """A run could not be written to the record."""

    def __init__(self, message: str, *, concerns_all: bool, has_no_record: bool) -> None:
        """`concerns_all` says that no other run could be written either, `has_no_record` that nothing ever can be."""
        super().__init__(message)
        self.concerns_all = concerns_all
        self.has_no_record = has_no_record


def record_run(
    project: Project,
    facts: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any] | None = None,
    dbt_manifest: Manifest | None = None,
) -> None:
    """Append a run to the record, by the package's macro.

    Args:
        project: Whose record.
        facts: What is known of the run: `invocation_id`, `started_at`, `finished_at`, `command`, `status` and the like.
        results: Entries of a run_results.json.
        manifest: The manifest.json of the run; without it, what the project expects now.
        dbt_manifest: dbt's manifest of the project, where it is at hand: without it dbt parses the project.

    Raises:
        RecordError: It could not be written.
    """
    facts = {"finished_at": None, "message": None} | dict(facts)
    marker = f"vigil: recorded {facts['invocation_id']}"
    seen: list[str] = []
    reasons: list[str] = []

    def on_event(event: EventMsg) -> None:
        if event.info.name == "JinjaLogDebug" and event.data.msg == marker:
            seen.append(marker)
        elif event.info.name == "JinjaLogWarning":
            logger.warning("%s", event.data.msg)
        elif event.info.name in ("RunningOperationCaughtError", "RunningOperationUncaughtError"):
            reasons.append(event.data.exc)

    # As text within text: dbt reads arguments as YAML, which is slow and does not know all that JSON does.
    artifacts = json.dumps({"run": facts, "results": list(results), "manifest": manifest})
    arguments = _operation(project, "record_artifacts", {"artifacts": artifacts})
    # Writers of one plain table on Spark get in each other's way. What was written twice is shown once.
    for attempt in range(1 if project.engine == "duckdb" else 10):
        if attempt:
            time.sleep(attempt * random.random())
        result = dbtRunner(manifest=dbt_manifest, callbacks=[on_event]).invoke(arguments)
        close_connections(project)
        if seen:
            return
        if isinstance(result.exception, FailedToConnectError):
            break
    reason = str(result.exception or "".join(reasons[-1:]) or "logs/dbt.log may say why")
    raise RecordError(
        f"The run of {facts['started_at']} could not be recorded: {scrubbed(' '.join(reason.split()))}",
        concerns_all=result.exception is not None,
        has_no_record="could not find a macro with the name 'record_artifacts'" in reason,  # without the package
    )


def maintain(project: Project) -> None:
    """Run the macro `maintain`, anew if that cannot be while a run is recorded.

    Args:
        project: Whose record.

    Raises:
        VigilError: It did not succeed.
    """
    for tries_left in reversed(range(MAINTAIN_TRIES)):
        try:
            operate(project, "maintain", {})
            return
        except VigilError as error:
            if CONFLICT not in str(error) or not tries_left:
                raise


def operate(
    project: Project, macro: str, arguments: Mapping[str, Any], variables: Mapping[str, Any] | None = None
) -> str:
    """Run a macro of the package when the database is free, and return what it said.

    Args:
        project: Whose database.
        macro: The macro's name.
        arguments: The macro's.
        variables: dbt's, beside those of the command line. Default: none.

    Raises:
        VigilError: It did not succeed.
    """
    said: list[str] = []
    reasons: list[str] = []

    def on_event(event: EventMsg) -> None:
        if event.info.name == "JinjaLogInfo":
            said.append(event.data.msg)
        elif event.info.name in ("RunningOperationCaughtError", "RunningOperationUncaughtError"):
            reasons.append(event.data.exc)

    with database_turn(project):
        result = dbtRunner(callbacks=[on_event]).invoke(_operation(project, macro, arguments, variables))
        close_connections(project)
    if not result.success:
        reason = str(result.exception or "".join(reasons[-1:]) or "logs/dbt.log may say why")
        raise VigilError(scrubbed(" ".join(reason.split())) or "")
    return "\n".join(said)


def _operation(
    project: Project, macro: str, arguments: Mapping[str, Any], variables: Mapping[str, Any] | None = None
) -> list[str]:
    """What runs a macro of the package in dbt."""
    return [
        "--quiet", "--log-level", "none", "--no-write-json", "run-operation", f"vigil.{macro}",
        "--args", json.dumps(arguments),
        "--project-dir", str(project.directory), "--profiles-dir", str(project.profiles_directory),
        "--profile", project.profile_name, "--target", project.target_name,
        "--vars", yaml.safe_dump({**project.given_vars, **(variables or {})}, default_flow_style=True),
    ]  # fmt: skip


class _Recorder:
    """Follows a dbt run by its events, and keeps what it sees in the spool."""

    def __init__(self, project: Project, facts: Mapping[str, Any]) -> None:
        self.results: dict[str, Mapping[str, Any]] = {}
        """The entries of the tests that have ended, by their id."""
        self._project, self._facts = project, facts
        self._file = SpoolFile(project.spool_directory)
        self._started = False
        self._lock = threading.Lock()

    def on_event(self, event: EventMsg) -> None:
        with self._lock:
            if not self._started:  # dbt's very first event: nothing of the run has happened
                self._started = True
                info: Any = event.info
                self._file.start(
                    {
                        **self._facts,
                        "invocation_id": info.invocation_id,
                        "project_name": self._project.name,
                        "target_name": self._project.target_name,
                        "vigil_as_of": str(self._project.vars.get("vigil_as_of") or ""),
                        "started_at": info.ts.ToJsonString(),
                    }
                )
            elif event.info.name == "NodeFinished" and event.data.node_info.resource_type == "test":
                self._add(_entry(event))

    def _add(self, entry: Mapping[str, Any]) -> None:
        self.results[entry["unique_id"]] = entry
        self._file.add_result(entry)

    def end(self, result: dbtRunnerResult, entries: Mapping[str, Mapping[str, Any]]) -> bool:
        """Write down how the run ended, with the entries that no event told of, and leave its file to be flushed.

        Returns whether there was a run.
        """
        if self._started:
            for check_id, entry in entries.items():
                if check_id not in self.results:
                    self._add(entry)
            self._file.end(
                status=_run_status(result.exception),
                message=scrubbed(str(result.exception)) if result.exception else None,
                finished_at=datetime.now(timezone.utc).isoformat(),
            )
        self._file.close()
        return self._started

    def discard(self) -> None:
        """Leave no file: there is no record that could take the run."""
        if self._started:
            self._file.remove()
        self._file.close()


def _recorder(project: Project, facts: Mapping[str, Any]) -> _Recorder | None:
    try:
        return _Recorder(project, facts)
    except OSError as error:
        logger.warning(
            "%s cannot be written (%s): a run that is killed now leaves no trace. VIGIL_SPOOL can name another folder.",
            project.spool_directory, error.strerror,
        )  # fmt: skip
        return None


@contextmanager
def _hook_replaced() -> Iterator[None]:
    """The package's hook leaves the record to this process, which can try again, and never makes dbt's run fail."""
    os.environ["VIGIL_HARNESS"] = "true"
    try:
        yield
    finally:
        del os.environ["VIGIL_HARNESS"]


def _run_status(exception: BaseException | None) -> str:
    if exception is None:
        return "finished"
    return "interrupted" if isinstance(exception, (KeyboardInterrupt, SystemExit)) else "error"


def _entry(event: EventMsg) -> dict[str, Any]:
    """A NodeFinished event as an entry of run_results.json."""
    result = MessageToDict(event.data.run_result, preserving_proto_field_name=True)
    has_failures = result["status"] in ("pass", "warn", "fail")
    return {
        "unique_id": event.data.node_info.unique_id,
        "name": event.data.node_info.node_name,
        "status": result["status"],
        "failures": event.data.run_result.num_failures if has_failures else None,
        "message": scrubbed(result.get("message")),
        "timing": result.get("timing_info", []),
        "adapter_response": result.get("adapter_response", {}),
    }


def _entries(result: dbtRunnerResult) -> dict[str, Mapping[str, Any]]:
    """By id, the data tests of dbt's own result as entries of run_results.json."""
    if not isinstance(result.result, RunExecutionResult):
        return {}
    nodes: list[Any] = [entry for entry in result.result.results if str(entry.node.resource_type) == "test"]
    return {
        entry.node.unique_id: {
            "unique_id": entry.node.unique_id,
            "name": entry.node.name,
            "status": str(entry.status),
            "failures": entry.failures,
            "message": scrubbed(entry.message),
            "timing": [timing.to_dict() for timing in entry.timing],
            "adapter_response": entry.adapter_response,
        }
        for entry in nodes
    }


def _others_failed(result: dbtRunnerResult) -> bool:
    results: list[Any] = list(result.result.results) if isinstance(result.result, RunExecutionResult) else []
    return any(
        str(entry.status) in ("error", "fail", "partial success") and str(entry.node.resource_type) != "test"
        for entry in results
    )


def close_connections(project: Project) -> None:
    """Let go of what dbt's adapters hold open."""
    # dbt-duckdb keeps the database open, and with it locked, until the process ends.
    if project.engine == "duckdb":
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
