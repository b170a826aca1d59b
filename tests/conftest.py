"""Runs every case once an engine, few dbt runs for all of them, and hands the results to the tests."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.case_table import DEFAULT_VARS, Case, load_cases, model_sql
from tests.engines import DuckDB, Engine, Row, Spark
from tests.parquet_cases import ParquetCases
from tests.profiled_cases import error_of, write_profiled_cases
from tests.project import Project, TestResult
from tests.spark.cluster import FORMATS, Cluster, cluster
from tests.spark.stored_cases import StoredCases

ENGINES = ["duckdb", pytest.param("spark", marks=pytest.mark.spark)]
AT_ONCE = 20
ALL_CASES = bool(os.environ.get("VIGIL_ALL_CASES"))
LAKES = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in FORMATS]


@dataclass(frozen=True)
class Outcome:
    """What one engine made of one case: dbt's result, and the rows of the compiled check."""

    result: TestResult
    rows: list[Row]


class ByCluster(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of a file run in one process, but those of a table format in one that has its cluster."""

    def _split_scope(self, nodeid: str) -> str:
        lake = re.search(rf"\[({'|'.join(FORMATS)})\b", nodeid)
        return lake[1] if lake else nodeid.split("::")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what takes Spark minutes, unless all cases are asked for."""
    left_out = [item for item in items if {"spark", "seldom_on_spark"} <= {mark.name for mark in item.iter_markers()}]
    if left_out and not ALL_CASES:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByCluster:
    return ByCluster(config, log)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    engine = Spark(tmp_path_factory.mktemp("spark"))
    yield engine
    engine.session.stop()


@pytest.fixture(scope="session")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster("delta", tmp_path_factory.mktemp("delta")) as started:
        yield started


@pytest.fixture(scope="session")
def iceberg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("iceberg")
    with cluster("iceberg", directory, two_catalogs(directory / "hadoop")) as started:
        yield started


def two_catalogs(warehouse: Path) -> dict[str, str]:
    """Settings of `current` and of `kept`: the same tables, in `kept` as a session has first read them."""
    given = {"type": "hadoop", "warehouse": str(warehouse)}
    catalogs = {"current": given | {"cache-enabled": "false"}, "kept": given}
    return {f"spark.sql.catalog.{name}": "org.apache.iceberg.spark.SparkCatalog" for name in catalogs} | {
        f"spark.sql.catalog.{name}.{key}": value for name, own in catalogs.items() for key, value in own.items()
    }


@pytest.fixture(scope="session", params=LAKES)
def lake(request: pytest.FixtureRequest) -> Cluster:
    """A cluster with a Thrift Server on it, and tables in Delta or in Iceberg."""
    started: Cluster = request.getfixturevalue(request.param)
    return started


def only(table_format: str) -> pytest.MarkDecorator:
    """For tests with a `lake` of one format."""
    given = pytest.param(table_format, marks=getattr(pytest.mark, table_format))
    return pytest.mark.parametrize("lake", [given], indirect=True)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request)


def engine_of(request: pytest.FixtureRequest) -> Engine:
    """The engine that a fixture's parameter names."""
    if request.param == "duckdb":
        return DuckDB()
    started: Spark | Cluster = request.getfixturevalue(request.param)
    return started.engine if isinstance(started, Cluster) else started


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """The outcome of each selected case, by its id: one dbt run for all cases that share their variables."""
    groups = grouped(selected_cases(request.session, engine, "case", "profiled_case", "parquet_case"))
    found: dict[str, Outcome] = {}
    for number, (variables, cases) in enumerate(groups.items()):
        directory = tmp_path_factory.mktemp(f"cases_{engine.name}_{number}_", numbered=False)
        project = Project(directory, engine, yaml.safe_load(variables))
        for case in cases:
            write_case(project, case)
        results = project.test_results(project.run("build"))
        rows = rows_of(engine, directory, [case for case in cases if results[case.id].failures is not None], results)
        found |= {case.id: Outcome(results[case.id], rows[case.id]) for case in cases}
    return found


@pytest.fixture(scope="session")
def profiled_outcomes(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Row] | str]:
    """What each selected case is judged from a profile: its rows, or the error of its query."""
    groups = grouped(selected_cases(request.session, engine, "profiled_case"))
    found: dict[str, list[Row] | str] = {}
    for number, (variables, cases) in enumerate(groups.items()):
        directory = tmp_path_factory.mktemp(f"profiled_{engine.name}_{number}_", numbered=False)
        project = Project(directory, engine, yaml.safe_load(variables))
        write_profiled_cases(project, cases)
        run = project.run("run")
        assert run.success, run.exception or [(r.node.name, r.message) for r in run.result if r.status == "error"]  # type: ignore[union-attr]
        # Spark describes a plan anew after each of its stages, and these have many.
        found |= compiled_and_asked(project, cases, at_once=3)
    return found


@pytest.fixture(scope="session")
def stored_outcomes(
    request: pytest.FixtureRequest, lake: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Row] | str]:
    """What each selected case is judged in a table of Delta or Iceberg: its rows, or the error of its query."""
    engine = lake.engine
    cases = selected_cases(request.session, engine, "stored_case")
    stored = StoredCases(Project(tmp_path_factory.mktemp(f"stored_{engine.name}", numbered=False), engine), cases)
    found: dict[str, list[Row] | str] = {}
    for number, (variables, members) in enumerate(grouped(cases).items()):
        directory = tmp_path_factory.mktemp(f"stored_{engine.name}_{number}_", numbered=False)
        project = Project(directory, engine, yaml.safe_load(variables))
        for case in members:
            write_case(project, case, stored)
        found |= compiled_and_asked(project, members)
    return found


@pytest.fixture(scope="session")
def parquet_outcomes(
    request: pytest.FixtureRequest,
    engine: Engine,
    outcomes: dict[str, Outcome],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[Row] | str]:
    """What DuckDB judges each selected case in a folder of Parquet files: its rows, or the error of its query."""
    files = ParquetCases(tmp_path_factory.mktemp("parquet"))
    cases = selected_cases(request.session, engine, "parquet_case")
    return {case.id: files.rows(case, outcomes[case.id].result.compiled_sql) for case in cases}


def selected_cases(session: pytest.Session, engine: Engine, *parameters: str) -> list[Case]:
    """The cases that a test of this session and of an engine has as one of the parameters."""
    given = [of for item in session.items if engine.name in (of := _parameters(item)).values()]
    selected = {case.id for of in given for name in parameters if (case := of.get(name))}
    return [case for case in load_cases() if case.id in selected]


def grouped(cases: list[Case]) -> dict[str, list[Case]]:
    """The cases that share their variables, by those in YAML."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[yaml.safe_dump(DEFAULT_VARS | case.vars)].append(case)
    return groups


def compiled_and_asked(project: Project, cases: list[Case], at_once: int = AT_ONCE) -> dict[str, list[Row] | str]:
    """The rows of the cases' checks as dbt compiles them, or the errors of those that have one."""
    compiled = project.run("compile", "--select", "test_type:generic")
    results = {name.removeprefix("of_"): result for name, result in project.test_results(compiled).items()}
    erring = [case for case in cases if "error" in case.expect]
    judged = [case for case in cases if case not in erring]
    return rows_of(project.engine, project.directory, judged, results, at_once) | {
        case.id: error_of(project, results[case.id].compiled_sql) for case in erring
    }


def rows_of(
    engine: Engine, directory: Path, cases: list[Case], results: dict[str, TestResult], at_once: int = AT_ONCE
) -> dict[str, list[Row]]:
    """The rows of the compiled checks. Many of one check are asked at once: Spark takes a second for each statement."""
    found: dict[str, list[Row]] = defaultdict(list)
    for _, of_check in groupby(cases, lambda case: case.check):
        queries = [f"select '{case.id}' as case_id, * from (\n{results[case.id].compiled_sql}\n)" for case in of_check]
        for start in range(0, len(queries), at_once):
            for row in engine.rows(directory, "\nunion all\n".join(queries[start : start + at_once])):
                found[row.pop("case_id")].append(row)
    return found


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def write_case(project: Project, case: Case, stored: StoredCases | None = None) -> None:
    """Adds a case's relations and its test to a project."""
    test = {f"vigil.{case.check}": {"name": case.id, "arguments": case.arguments, "config": case.config}}
    subject: dict[str, Any] = {"name": case.id}
    if case.column:
        subject["columns"] = [{"name": case.column, "data_tests": [test]}]
    else:
        subject["data_tests"] = [test]
    for name, spec in case.relations.items():
        project.write(f"models/{case.id}/{name}.sql", stored.model(name) if stored else model_sql(project.engine, spec))
    project.write_yaml(f"models/{case.id}/{case.id}.yml", {"models": [subject]})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many cases ran on each engine."""
    ran = [
        report.nodeid.split("[")[1].split("-")[0]
        for reports in (terminalreporter.getreports("passed"), terminalreporter.getreports("failed"))
        for report in reports
        if re.search(r"::test_(stored_)?case\[", report.nodeid)
    ]
    for name in dict.fromkeys(ran):
        terminalreporter.write_line(f"{ran.count(name)} cases on {name}")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends a process that had both engines in it at once: DuckDB's bindings would print pages about a leak at exit."""
    session = config.pluginmanager.get_plugin("session")
    if "pyspark" in sys.modules and session is not None:
        sys.stdout.flush()
        os._exit(session.exitstatus)
