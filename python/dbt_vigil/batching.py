"""Answers dbt's data tests from statements that answer many of them.

dbt selects, compiles, schedules, logs and writes as ever: only how a test gets its result is replaced. When dbt
executes a test, every other one that could run now is compiled and planned with it. A statement that fails is asked
again by halves; where that says not enough, dbt asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from dbt.artifacts.schemas.results import TestStatus
from dbt.artifacts.schemas.run import RunResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, SingularTestNode, TestNode
from dbt.flags import get_flags
from dbt.task.runnable import GraphRunnableTask
from dbt.task.test import TestResultData, TestRunner

from dbt_vigil.connecting import KEEP_FOOTERS
from dbt_vigil.measurements import KEY, first_to_see
from dbt_vigil.plan import (
    AntiJoin,
    CompiledTest,
    Finding,
    Form,
    Statement,
    assembled,
    findings,
    halved,
    probed,
)
from dbt_vigil.plan.reading import read
from dbt_vigil.report import Measurement, describe
from dbt_vigil.summary import StatementRun

__all__ = ["Batches", "Executed", "batching", "compiled_test", "is_judged_by_dbt_alone"]

# What decides how dbt reads a test's result. A project or package that has its own is left to dbt.
RESULT_MACROS = tuple(
    f"{prefix}{name}"
    for name in ("get_test_sql", "get_limit_subquery_sql", "should_store_failures", "statement")
    for prefix in ("", "default__", "duckdb__", "spark__")
)
ENGINES = ("duckdb", "spark")

Row = Mapping[str, Any]


@dataclass
class Executed:
    """A statement that was executed, or is about to be."""

    statement: Statement
    seconds: float | None = None
    """None until it was."""
    failed: bool = False
    found: dict[str, Finding | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class Batches:
    """What was seen of dbt while it ran, and the statements that answered its tests."""

    manifest: Manifest | None = None
    config: Any = None
    started: float | None = None
    """When the first test was planned."""
    executed: list[Executed] = field(default_factory=list)
    compiled: dict[str, TestNode] = field(default_factory=dict)
    forms: dict[str, Form | None] = field(default_factory=dict)
    _task: GraphRunnableTask | None = None
    _matches: dict[AntiJoin, Sequence[str]] = field(default_factory=dict)
    _of_test: dict[str, Executed] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def compiling(self) -> threading.Lock:
        """Held by whoever compiles."""
        return self._lock

    def finding(self, runner: TestRunner, test: TestNode, manifest: Manifest) -> Finding | None:
        """What a test found; None where dbt must ask itself."""
        with self._lock:
            self.manifest, self.config = manifest, runner.config
            self.started = self.started or monotonic()
            if test.unique_id not in self.forms:
                self._plan(runner, test, manifest)
        while executed := self._of_test.get(test.unique_id):
            with executed.lock:
                if executed.seconds is None:
                    self._execute(runner, executed)
                if not executed.failed or len(executed.statement.forms) == 1:
                    return executed.found.get(test.unique_id)
                self._split(executed, runner.adapter.type())
        return None

    def statements(self) -> tuple[StatementRun, ...]:
        """Those that were executed."""
        return tuple(
            StatementRun.of(run.statement, run.seconds, failed=run.failed)
            for run in self.executed
            if run.seconds is not None
        )

    def _split(self, executed: Executed, engine: str) -> None:
        """Ask a statement that failed again by halves, so that in the end only the guilty test is alone."""
        with self._lock:
            if self._of_test[executed.statement.forms[0].test.test_id] is executed:
                for statement in halved(executed.statement, engine, self._matches):
                    self._add(statement)

    def _add(self, statement: Statement) -> None:
        executed = Executed(statement)
        self.executed.append(executed)
        self._of_test |= {form.test.test_id: executed for form in statement.forms}

    def _plan(self, runner: TestRunner, test: TestNode, manifest: Manifest) -> None:
        nodes = [test, *self._ready(manifest, test.unique_id)]
        for node in nodes:
            self.forms[node.unique_id] = self._read(runner, node, manifest)
        engine = runner.adapter.type()
        forms = [form for node in nodes if (form := self.forms[node.unique_id])]
        if engine == "duckdb":
            with suppress(Exception):  # the profile may lock the configuration
                _rows(runner, KEEP_FOOTERS)
        with suppress(Exception):  # a table is missing, say: whoever asks for it will be told
            forms, matches = probed(forms, engine, lambda sql: _rows(runner, sql))
            self._matches |= matches
        for statement in assembled(forms, engine, self._matches):
            self._add(statement)

    def _ready(self, manifest: Manifest, but: str) -> list[TestNode]:
        """Every other test all of whose parents are done, and which was not planned yet."""
        queue = None if self._task is None else self._task.job_queue
        if self._task is None or queue is None:
            return []
        with queue.lock:
            ready = {str(unique_id) for unique_id in (*queue.queued, *queue.in_progress)}
        ready -= {but, *self.forms, *self._task._skipped_children}
        nodes = (manifest.nodes.get(unique_id) for unique_id in sorted(ready))
        return [node for node in nodes if isinstance(node, (GenericTestNode, SingularTestNode))]

    def _read(self, runner: TestRunner, node: TestNode, manifest: Manifest) -> Form | None:
        if not is_judged_by_dbt_alone(node, manifest, runner.config.project_name, runner.adapter.type()):
            return None
        if node.unique_id not in self.compiled:
            try:
                runner.compiler.compile_node(node, manifest, {})
            except Exception:  # dbt will meet it again when it is this test's turn, and say so
                return None
            self.compiled[node.unique_id] = node
        return read(compiled_test(node), runner.adapter.type())

    def _execute(self, runner: TestRunner, executed: Executed) -> None:
        started = monotonic()
        try:
            rows = _rows(runner, executed.statement.sql)
            found = findings(executed.statement.forms, rows, runner.adapter.type())
            executed.found = {
                form.test.test_id: finding for form, finding in zip(executed.statement.forms, found, strict=True)
            }
        except Exception:  # also of the engine itself, while the rows come: the guilty test will be told by dbt
            executed.failed = True
        executed.seconds = monotonic() - started


@contextmanager
def batching() -> Iterator[Batches]:
    """Within it, dbt's tests share statements, and a check's result has what it measured in its `adapter_response`."""
    batches = Batches()
    execute, compile_, judge = TestRunner.execute_data_test, TestRunner.compile, TestRunner.build_test_run_result
    execute_nodes = GraphRunnableTask.execute_nodes

    def execute_data_test(self: TestRunner, data_test: TestNode, manifest: Manifest) -> TestResultData:
        finding = batches.finding(self, data_test, manifest)
        if finding is None:
            result = execute(self, data_test, manifest)
            rows = _stored_rows(self, data_test)
        else:
            result = TestResultData(
                finding.failures, finding.should_warn, finding.should_error, adapter_response={"_message": "OK"}
            )
            rows = finding.measured
        if rows:
            result.adapter_response[KEY] = first_to_see(rows, finding.source if finding else "scan")
        return result

    def compile_once(self: TestRunner, manifest: Manifest) -> Any:
        with batches.compiling:  # two threads that compile one node, or one ephemeral model, would spoil its text
            unique_id = self.node.unique_id
            if unique_id not in batches.compiled:
                batches.compiled[unique_id] = compile_(self, manifest)
            return batches.compiled[unique_id]

    def build_test_run_result(self: TestRunner, test: TestNode, result: TestResultData) -> RunResult:
        judged = judge(self, test, result)
        row = judged.adapter_response.get(KEY)
        if row and judged.status in (TestStatus.Fail, TestStatus.Warn):
            judged.message = describe(Measurement.from_row(row))
        return judged

    def seen_nodes(self: GraphRunnableTask) -> Any:
        batches._task = self
        return execute_nodes(self)  # type: ignore[no-untyped-call]

    TestRunner.execute_data_test = execute_data_test  # type: ignore[method-assign]
    TestRunner.compile = compile_once  # type: ignore[method-assign, assignment]
    TestRunner.build_test_run_result = build_test_run_result  # type: ignore[method-assign]
    GraphRunnableTask.execute_nodes = seen_nodes  # type: ignore[method-assign]
    try:
        yield batches
    finally:
        TestRunner.execute_data_test = execute  # type: ignore[method-assign]
        TestRunner.compile = compile_  # type: ignore[method-assign]
        TestRunner.build_test_run_result = judge  # type: ignore[method-assign]
        GraphRunnableTask.execute_nodes = execute_nodes  # type: ignore[method-assign]


def compiled_test(node: TestNode) -> CompiledTest:
    """A test that dbt has compiled, as the planner reads it."""
    return CompiledTest(
        node.unique_id,
        node.compiled_code or "",
        node.config.fail_calc,
        node.config.warn_if,
        node.config.error_if,
        node.config.limit,
        _is_check(node),
    )


def _is_check(node: TestNode) -> bool:
    return isinstance(node, GenericTestNode) and node.test_metadata.namespace == "vigil"


def is_judged_by_dbt_alone(node: TestNode, manifest: Manifest, project_name: str, engine: str) -> bool:
    """Whether nothing but the test's query, its configuration and dbt's own macros decide its result."""
    if engine not in ENGINES or _stores_failures(node) or node.config.get("sql_header"):
        return False
    materialization = manifest.find_materialization_macro_by_name(project_name, node.config.materialized, engine)
    return (
        materialization is not None
        and materialization.package_name == "dbt"
        and all(
            macro.package_name == "dbt"
            for name in RESULT_MACROS
            for macro in manifest.get_macros_by_name().get(name, ())
        )
    )


def _stores_failures(node: TestNode) -> bool:
    configured = node.config.store_failures
    flags: Any = get_flags()  # type: ignore[no-untyped-call]
    return bool(flags.STORE_FAILURES if configured is None else configured)


def _stored_rows(runner: TestRunner, node: TestNode) -> Sequence[Row]:
    if not _is_check(node) or not _stores_failures(node) or not node.relation_name:
        return ()
    return _rows_by_name(runner, f"select * from {node.relation_name}")


def _rows(runner: TestRunner, query: str) -> list[Sequence[Any]]:
    _, cursor = runner.adapter.connections.add_query(query, auto_begin=False)
    return list(cursor.fetchall())


def _rows_by_name(runner: TestRunner, query: str) -> list[Row]:
    _, cursor = runner.adapter.connections.add_query(query, auto_begin=False)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
