"""The command `vigil plan`, on DuckDB."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from dbt_vigil.cli import main
from tests.engines import DuckDB
from tests.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("planning"), DuckDB())
    project.write("models/rows.sql", "{{ config(materialized='table') }} select 1 as id, 2 as x")
    accepted = {"accepted_values": {"name": "accepted", "arguments": {"values": [1], "quote": False}}}
    null_rate = {"vigil.null_rate": {"name": "rate", "arguments": {"max_rate": "{{ var('rate', 0.5) }}"}}}
    stored = {"not_null": {"name": "stored", "config": {"store_failures": True}}}
    columns = [{"name": "id", "data_tests": [accepted, null_rate]}, {"name": "x", "data_tests": [stored]}]
    project.write_yaml("models/rows.yml", {"models": [{"name": "rows", "columns": columns}]})
    project.write("tests/singular.sql", "select * from {{ ref('rows') }} where id > x order by id")
    assert project.run("run").success
    return project


def plan(project: Project, *arguments: str, variables: str = "{vigil_record: false}") -> Result:
    where = ["--project-dir", str(project.directory), "--profiles-dir", str(project.directory)]
    return CliRunner().invoke(main, ["plan", *where, "--vars", variables, *arguments])


def test_the_tests_and_why(project: Project) -> None:
    result = plan(project)
    assert result.exit_code == 0, result.output
    assert "-- Statement 1 of 1: 3 tests" in result.output
    assert '--   accepted: rows outside the list of "cases"."main"."rows"' in result.output
    assert '--   rate: aggregates of "cases"."main"."rows"' in result.output
    assert "--   singular: its own query" in result.output
    assert "-- Left to dbt: stored" in result.output
    assert result.output.rstrip().endswith("-- 4 tests, 2 statements")


def test_select_variables_and_explain(project: Project) -> None:
    result = plan(project, "--select", "rate", "--explain", variables="{vigil_record: false, rate: 0.25}")
    statement, _, explained = result.output.partition("-- The engine's plan of statement 1\n")
    assert "-- 1 test, 1 statement\n" in statement
    assert "cast(0.25 as double)" in statement.lower()
    assert "CTE Name: vigil_scan_0" in explained


@pytest.mark.parametrize("folder", ["tests", "models"])
def test_what_does_not_compile_keeps_no_other_test_from_its_plan(project: Project, folder: str) -> None:
    broken = project.directory / folder / "broken.sql"
    broken.write_text("select {{ exceptions.raise_compiler_error('so broken') if execute else 1 }}")
    artifacts = [project.directory / "target" / name for name in ("manifest.json", "run_results.json")]
    before = [artifact.read_text() for artifact in artifacts]
    try:
        result = plan(project)
    finally:
        broken.unlink()
    assert result.exit_code == 0
    assert "-- Statement 1 of 1: 3 tests" in result.output
    assert ("-- Left to dbt: broken, which does not compile: " in result.output) == (folder == "tests")
    assert ("so broken" in result.output) == (folder == "tests")
    assert [artifact.read_text() for artifact in artifacts] == before


def test_a_project_that_cannot_be_parsed_is_an_error(project: Project) -> None:
    broken = project.directory / "tests" / "broken.sql"
    broken.write_text("select {{ 1")
    try:
        result = plan(project)
    finally:
        broken.unlink()
    assert result.exit_code == 2
    assert "vigil: dbt cannot" in result.output
    assert "broken.sql" in result.output
