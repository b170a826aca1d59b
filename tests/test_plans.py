"""The engines answer each check in the shape that costs least: the plans say so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.engines import DuckDB, Spark
from tests.project import Project

CHECKS: dict[str, dict[str, Any]] = {
    "windowed": {"vigil.null_rate": {"arguments": {"column_name": "x", "timestamp_column": "t", "window": "1 day"}}},
    "whole": {"vigil.null_rate": {"arguments": {"column_name": "x"}}},
    "fresh": {"vigil.freshness": {"arguments": {"timestamp_column": "t", "max_age": "1 day"}}},
    "counted": {"vigil.row_count_ratio": {"arguments": {"timestamp_column": "t"}}},
    "orphaned": {
        "vigil.orphan_rate": {"arguments": {"column_name": "x", "to": "ref('parents')", "field": "x"}},
    },
    "shifted": {
        "vigil.psi": {
            "arguments": {"column_name": "x", "timestamp_column": "t", "window": "1 day", "baseline_window": "7 days"}
        }
    },
}


def compiled(project: Project, subject: str) -> dict[str, str]:
    project.write("models/subject.sql", subject)
    project.write("models/parents.sql", "select 1 as x")
    tests = [{check: {"name": name, **body}} for name, test in CHECKS.items() for check, body in test.items()]
    project.write_yaml("models/subject.yml", {"models": [{"name": "subject", "data_tests": tests}]})
    results = project.test_results(project.run("build"))
    assert all(result.failures is not None for result in results.values())
    return {name: result.compiled_sql for name, result in results.items()}


@pytest.fixture(scope="module")
def duckdb_plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("plans_duckdb")
    engine = DuckDB()
    project = Project(directory, engine, {"vigil_as_of": "2013-02-10"})
    # More rows than a row group, in the order of time, so that zone maps have something to prune.
    queries = compiled(
        project,
        "{{ config(materialized='table') }}"
        "select i as x, timestamp '2013-01-01' + to_seconds(i * 12) as t from range(300000) as r(i)",
    )
    return {name: engine.rows(directory, f"explain {sql}")[0]["explain_value"] for name, sql in queries.items()}


def test_duckdb_answers_a_null_rate_from_statistics(duckdb_plans: dict[str, str]) -> None:
    # Neither the rows nor the column are read: without nulls in the statistics, count(x) is count(*).
    assert "isnan" not in duckdb_plans["whole"]
    assert "Filters" not in duckdb_plans["whole"]
    assert "count(" not in duckdb_plans["whole"]


@pytest.mark.skipif(
    duckdb.__version__ < "2", reason="DuckDB 1, on Python 3.10, keeps the comparison of types in the plan"
)
@pytest.mark.parametrize("name", ["windowed", "fresh", "counted", "shifted"])
def test_duckdb_pushes_the_window_into_the_scan(name: str, duckdb_plans: dict[str, str]) -> None:
    assert "Filters:" in duckdb_plans[name]
    assert re.search(r"\bt [<>]=? '2013", duckdb_plans[name])
    assert not re.search("typeof|error", duckdb_plans[name])
    # A CTE that is kept hides the rows of a table from the filter.
    assert "CTE Name" not in duckdb_plans[name]


def test_duckdb_joins_orphans_by_an_anti_join(duckdb_plans: dict[str, str]) -> None:
    assert re.search("(?i)anti", duckdb_plans["orphaned"])
    assert not re.search("CTE|delim", duckdb_plans["orphaned"])


@pytest.fixture(scope="module")
def spark_plans(spark: Spark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory: Path = tmp_path_factory.mktemp("plans_spark", numbered=False)
    project = Project(directory, spark, {"vigil_as_of": "2013-02-10"})
    queries = compiled(
        project,
        "{{ config(materialized='table', partition_by='t') }}"
        "select i as x, date '2013-01-01' + cast(i % 60 as int) as t from range(600) as r(i)",
    )
    return {name: spark.rows(directory, f"explain {sql}")[0]["plan"] for name, sql in queries.items()}


@pytest.mark.spark
@pytest.mark.parametrize("name", ["windowed", "fresh", "counted", "shifted"])
def test_spark_prunes_partitions(name: str, spark_plans: dict[str, str]) -> None:
    assert re.search(r"PartitionFilters: \[[^\]]*t#\d+ >=? ?(DATE )?2013", spark_plans[name]), spark_plans[name]
    assert "typeof" not in spark_plans[name]
    assert "raise_error" not in spark_plans[name]


@pytest.mark.spark
def test_spark_joins_orphans_by_an_anti_join(spark_plans: dict[str, str]) -> None:
    assert "LeftAnti" in spark_plans["orphaned"]


@pytest.mark.spark
def test_spark_reads_a_table_once_for_a_null_rate(spark_plans: dict[str, str]) -> None:
    assert spark_plans["whole"].count("FileScan") == 1
