"""Writes a dbt project that installs the package as a user would, and runs dbt in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.events.base_types import EventMsg

from dbt_vigil.macros import PackageMacros
from tests.engines import Engine

REPO = Path(__file__).parent.parent


def package_macros(engine: str, as_of: date, cache: Path) -> PackageMacros:
    """The package's macros as of a moment, in UTC, without a project."""
    variables = {"vigil_as_of": str(as_of), "vigil_timezone": "UTC"}
    now = datetime.now(timezone.utc)
    package = REPO / "macros"
    return PackageMacros(
        engine, variables, now, directory=package, cache=cache, tables={}, project_name="", target_name=""
    )


@dataclass(frozen=True)
class TestResult:
    """What dbt said of one data test."""

    __test__ = False

    status: str
    message: str
    failures: int | None
    compiled_sql: str


@dataclass(frozen=True)
class Project:
    """A dbt project in `directory` for one engine. `vars` hold for every run, which is recorded only if they say so."""

    directory: Path
    engine: Engine
    vars: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write_yaml(
            "dbt_project.yml",
            {
                "name": "cases",
                "profile": "cases",
                "flags": {"require_generic_test_arguments_property": True, "send_anonymous_usage_stats": False},
                "models": {"cases": {"+materialized": "view"} | self._where_set("+file_format")},
                "vars": self._where_set("vigil_file_format"),
            },
        )
        profile = {"target": self.engine.name, "outputs": {self.engine.name: self.engine.profile(self.directory)}}
        self.write_yaml("profiles.yml", {"cases": profile})
        self.write_yaml("packages.yml", {"packages": [{"local": str(REPO)}]})
        assert self.run("deps").success

    def _where_set(self, key: str) -> dict[str, str]:
        """The engine's file format under a key, if it has one."""
        return {key: self.engine.file_format} if self.engine.file_format else {}

    def write(self, path: str, text: str) -> None:
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def write_yaml(self, path: str, content: Any) -> None:
        self.write(path, yaml.safe_dump(content, sort_keys=False))

    def variables(self, **more: Any) -> str:
        """What `--vars` takes: those of the project, and more."""
        return yaml.safe_dump({"vigil_record": False} | self.vars | more, default_flow_style=True)

    def run(self, command: str, *arguments: str, on_event: Callable[[EventMsg], None] | None = None) -> dbtRunnerResult:
        """Runs a dbt command in-process, quietly."""
        where = ["--project-dir", str(self.directory), "--profiles-dir", str(self.directory)]
        variables = [] if command in ("deps", "clean") else ["--vars", self.variables()]
        quietly = ["--quiet", "--no-use-colors", "--log-level", "none"]
        try:
            runner = dbtRunner(callbacks=[on_event] if on_event else [])
            return runner.invoke([*quietly, command, *where, *variables, *arguments])
        finally:
            self.engine.release()

    def operate(self, macro: str, **arguments: Any) -> None:
        """Runs a macro, as `dbt run-operation` does; its error is raised."""
        run = self.run("run-operation", macro, "--args", yaml.safe_dump(arguments))
        if not run.success:
            reason = run.exception or [result.message for result in run.result.results]  # type: ignore[union-attr]
            raise RuntimeError(reason)

    def test_results(self, result: dbtRunnerResult) -> dict[str, TestResult]:
        """The results of a run's data tests, by the test's name. A run that never got to its tests raises."""
        if not isinstance(result.result, RunExecutionResult):
            raise RuntimeError("dbt stopped") from result.exception
        nodes: list[Any] = list(result.result.results)
        return {
            r.node.name: TestResult(str(r.status), r.message or "", r.failures, r.node.compiled_code)
            for r in nodes
            if r.node.resource_type == "test"
        }
