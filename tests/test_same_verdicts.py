"""`vigil test` says of every data test what `dbt test` says: random suites, run by both, on both engines.

VIGIL_SUITES=3000 runs as many suites on DuckDB instead of 50, and some of them on Spark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from dbt.task import test as dbt_test

from dbt_vigil.plan import probing
from dbt_vigil.running import run
from dbt_vigil.summary import RunSummary
from dbt_vigil.warm import run_stored
from tests.engines import DuckDB, Engine
from tests.project import Project
from tests.suites import MACROS, TAGS, VARS, Suite, described, draw_suites, smaller, tables, write_suite

SUITES = int(os.environ.get("VIGIL_SUITES", "50"))
IN_A_PROJECT = {"duckdb": 50, "spark": 8}
QUIETLY = ["--log-level-file", "none"]
SHARE = {"duckdb": 1, "spark": 20}
# Where in its SQL an engine found a mistake, what else it was looking at, and which of several bad rows it met first.
BY_CHANCE = re.compile(
    r"[;.]? ?\(?line \d+,? pos \d+[);]*| Did you mean one of .*"
    r"|(?<=string )(['\"]).*\1|(?<=value )(['\"]).*?\2|\(-?\d+ .*\)!"
)
PROJECTS = [
    pytest.param(engine, number, marks=[pytest.mark.spark] if engine == "spark" else [])
    for engine, share in SHARE.items()
    for number in range(-(-SUITES // share // IN_A_PROJECT[engine]))
]


@dataclass(frozen=True)
class Verdict:
    """What a run says of one node. Of what is not an error, it counts only whether there is a message."""

    status: str
    failures: int | None
    message: str


@dataclass(frozen=True)
class Run:
    """What a run says, by the node's name, what it stored in tables and views, and whether it says that all is well."""

    verdicts: dict[str, Verdict]
    stored: dict[str, str]
    success: bool | None

    def facts(self) -> dict[str, Any]:
        """All of it, by name."""
        return (
            self.verdicts | {f"{name}, stored": what for name, what in self.stored.items()} | {"success": self.success}
        )


class Judge:
    """A project of suites, in which dbt and vigil are both run."""

    def __init__(self, directory: Path, engine: Engine, suites: Sequence[Suite] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.engine = directory, engine
        self.together = 0  # how many tests shared a statement when vigil last ran
        self.project = Project(directory, engine, VARS)
        self.project.write("macros/tests.sql", MACROS)
        schema = "main" if engine.name == "duckdb" else str(engine.profile(directory)["schema"])
        made = [] if engine.name == "duckdb" else [f"create database {schema}"]
        for number, suite in enumerate(suites):
            write_suite(self.project, suite, number)
            made += tables(engine, schema, suite, number).values()
        for script in [";\n".join([*made, "select 1"])] if engine.name == "duckdb" else made:
            engine.rows(directory, script)

    def dbt(self, *arguments: str) -> Run:
        """Runs a command of dbt, by default all tests."""
        command, *others = arguments or ("test",)
        result = self.project.run(command, *QUIETLY, *others)
        return self._run(result.success, result.exception)

    def vigil(self, *arguments: str) -> Run:
        """The same with vigil."""
        command, *others = arguments or ("test",)
        summary = run(command, [*self._where, *others])
        self.together = sum(len(s.check_ids) for s in summary.statements if len(s.check_ids) > 1 and not s.failed)
        return self._said(summary, others)

    def vigil_stored(self, *arguments: str) -> Run | None:
        """The same with vigil and without dbt, from the plan that the run before has stored, where that can be."""
        command, *others = arguments or ("test",)
        summary = run_stored([*self._where, *others]) if command == "test" else None
        return self._said(summary, others) if summary else None

    def differences(self, *arguments: str) -> dict[str, str]:
        """By name, the tests of which dbt and vigil say not the same; under `success`, the exit code.

        Of all tests, vigil is asked twice: what errs may keep others from sharing a statement, so it is once left out.
        """
        dbt = self.dbt(*arguments)
        compared = [("vigil", dbt.facts(), self.vigil(*arguments))]
        if stored := self.vigil_stored(*arguments):
            compared.append(("stored plan", dbt.facts(), stored))
        erring = [name for name, verdict in dbt.verdicts.items() if verdict.status == "error"]
        if erring and not arguments:
            alone = {name: fact for name, fact in dbt.facts().items() if name not in {*erring, "success"}}
            without = replace(self.vigil("test", "--exclude", *erring), success=None)
            compared.append(("vigil without what errs", alone, without))
        return {
            key: f"dbt {expected.get(key)}, {who} {actual.get(key)}"
            for who, expected, actual in ((who, expected, run.facts()) for who, expected, run in compared)
            for key in expected | actual
            if expected.get(key) != actual.get(key)
        }

    @property
    def _where(self) -> list[str]:
        where = ["--project-dir", str(self.directory), "--profiles-dir", str(self.directory)]
        quietly = ["--quiet", "--no-use-colors", "--log-level", "none", *QUIETLY]
        return [*where, *quietly, "--vars", self.project.variables()]

    def _said(self, summary: RunSummary, options: list[str]) -> Run:
        """A run of vigil, whose own list of checks says what its run_results.json says."""
        found = self._run(summary.exit_code == 0, summary.stopped_by)
        if not {"--empty", "--fail-fast"} & set(options):
            said = {c.check_id.split(".")[2]: "fail" if c.status == "no_data" else c.status for c in summary.checks}
            assert said == {name: found.verdicts[name].status for name in said}
        return found

    def _run(self, success: bool, stopped_by: object) -> Run:
        path = self.directory / "target/run_results.json"
        if not path.exists():
            raise RuntimeError(f"dbt stopped: {stopped_by}")
        results = json.loads(path.read_text())["results"]
        path.unlink()
        verdicts = {
            str(r["unique_id"].split(".")[2]): _verdict(r) for r in results if "operation." not in r["unique_id"]
        }
        return Run(verdicts, self._take_stored(verdicts) if self.engine.name == "duckdb" else {}, success)

    def _take_stored(self, verdicts: dict[str, Verdict]) -> dict[str, str]:
        """What is in the tables of the tests' failures, which are then no more; of a view, only that there is one."""
        audit = "main_dbt_test__audit"
        known = f"select table_name, table_type from information_schema.tables where table_schema = '{audit}'"
        kinds = {row["table_name"]: row["table_type"] for row in self.engine.rows(self.directory, known)}
        read = [
            f"select '{name}' as name, cast(list(cast(t as varchar) order by cast(t as varchar)) as varchar) as held "
            f'from {audit}."{name}" as t'
            for name, kind in kinds.items()
            if kind == "BASE TABLE"
        ]
        held = self.engine.rows(self.directory, "\nunion all ".join(read)) if read else []
        self.engine.rows(self.directory, f"drop schema if exists {audit} cascade; select 1")
        stored = kinds | {row["name"]: row["held"] for row in held}
        return {name: what for name, what in stored.items() if verdicts[name].status != "error"}


def _verdict(result: dict[str, Any]) -> Verdict:
    status, message = result["status"], result["message"] or ""
    if status != "error":
        return Verdict(status, result["failures"], "a message" if status in ("fail", "warn") and message else "")
    said = [line.strip() for line in message.splitlines()]
    said = [line for line in said if line and not re.match(r"[A-Z]\w+ Error( in |$)", line)]
    return Verdict(status, result["failures"], BY_CHANCE.sub("", said[0]) if said else "")


def smallest(directory: Path, engine: Engine, suite: Suite, differences: str) -> str:
    """The smallest suite to be found that is still judged differently, with its differences."""
    for turn in range(15):
        candidates = [other for other in smaller(suite) if other.size < suite.size][: IN_A_PROJECT[engine.name]]
        wrong = by_suite(Judge(directory / f"smaller_{turn}", engine, candidates).differences())
        if not wrong:
            break
        number = min(wrong, key=lambda number: candidates[number].size)
        suite, differences = candidates[number], wrong[number]
    return f"{described(engine, suite)}\n{differences}"


def by_suite(differences: dict[str, str]) -> dict[int, str]:
    """The differences of each suite, by its number."""
    found: dict[int, str] = {}
    for name, difference in differences.items():
        if number := re.match(r"s(\d+)_(t.*)", name):
            found[int(number[1])] = f"{found.get(int(number[1]), '')}{number[2]}: {difference}\n"
    return found


@pytest.mark.parametrize(("engine_name", "number"), PROJECTS)
def test_random_suites(
    engine_name: str, number: int, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "LARGE", 0)
    engine = DuckDB() if engine_name == "duckdb" else request.getfixturevalue("spark")
    suites = draw_suites(engine, number, IN_A_PROJECT[engine_name])
    judge = Judge(tmp_path, engine, suites)
    differences = judge.differences()
    if wrong := by_suite(differences):
        worst = min(wrong, key=lambda number: suites[number].size)
        text = smallest(tmp_path, engine, suites[worst], wrong[worst])
        pytest.fail(f"{len(wrong)} suites differ:\n{differences}\nThe smallest:\n{text}", pytrace=False)
    assert differences == {}
    assert judge.together > 0, "no tests shared a statement, and so nothing was judged"


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """A small project on DuckDB."""
    return Judge(tmp_path_factory.mktemp("options"), DuckDB(), draw_suites(DuckDB(), 1005, 10))


@pytest.mark.parametrize(
    "options",
    [
        ["--threads", "4", "--store-failures"],
        ["--select", *(f"tag:{tag}" for tag in TAGS), "s3_rows", "s3_child", "--exclude", "test_type:singular"],
        ["--warn-error"],
    ],
    ids=lambda options: options[0],
)
def test_options(judge: Judge, options: list[str]) -> None:
    assert judge.differences("test", *options) == {}


def test_fail_fast(judge: Judge) -> None:
    assert (judge.dbt("test", "--fail-fast").success, judge.vigil("test", "--fail-fast").success) == (False, False)


@pytest.mark.parametrize("statuses", [["pass", "warn"], ["warn", "fail"], ["pass", "error"]], ids=" ".join)
def test_exit_codes(judge: Judge, verdicts: dict[str, Verdict], statuses: list[str]) -> None:
    chosen = [name for name, verdict in verdicts.items() if verdict.status in statuses]
    assert {verdicts[name].status for name in chosen} == set(statuses)
    assert judge.differences("test", "--select", *chosen) == {}


@pytest.fixture(scope="module")
def verdicts(judge: Judge) -> dict[str, Verdict]:
    """What dbt says of the small project."""
    return judge.dbt().verdicts


def test_a_wrong_verdict_is_seen(judge: Judge, verdicts: dict[str, Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = next(name for name, verdict in verdicts.items() if verdict.status == "fail")
    original = Judge.vigil

    def vigil(self: Judge, *arguments: str) -> Run:
        with pytest.MonkeyPatch.context() as patch:
            runner_class = dbt_test.TestRunner
            build = runner_class.build_test_run_result
            patch.setattr(
                runner_class,
                "build_test_run_result",
                lambda runner, test, result: build(
                    runner, test, replace(result, should_error=result.should_error and test.name != wrong)
                ),
            )
            return original(self, *arguments)

    monkeypatch.setattr(Judge, "vigil", vigil)
    assert wrong in judge.differences()


BUILT = {
    "failed": "select 1 as id union all select null",
    "below_failed": "select * from {{ ref('failed') }}",
    "warned": "select 1 as id union all select null",
    "below_warned": "select * from {{ ref('warned') }}",
    "erring": "select 'x' as id",
    "below_erring": "select * from {{ ref('erring') }}",
    "far_below": "select id from {{ ref('below_failed') }} union all select 1 from {{ ref('below_warned') }}",
    "not_built": "select no_such_column from {{ ref('warned') }}",
}


@pytest.mark.parametrize("options", [[], ["--empty"]], ids=["all", "empty"])
def test_build(tmp_path: Path, options: list[str]) -> None:
    judge = Judge(tmp_path, DuckDB())
    models = []
    for name, sql in BUILT.items():
        judge.project.write(f"models/{name}.sql", f"{{{{ config(materialized='table') }}}} {sql}")
        config = {"severity": "warn" if name == "warned" else "error"}
        config |= {"where": "cast(id as int) = 1"} if name == "erring" else {}
        tests = [{test: {"name": f"{name}_{test}", "config": config}} for test in ("not_null", "unique")]
        models.append({"name": name, "columns": [{"name": "id", "data_tests": tests}]})
    judge.project.write_yaml("models/built.yml", {"models": models})
    assert judge.differences("build", *options) == {}
