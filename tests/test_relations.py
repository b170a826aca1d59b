"""What a check can look at, and dbt's own configs of a test, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Engine
from tests.project import Project, TestResult

RELATIONS = ["of_view", "of_table", "of_incremental", "of_ephemeral", "of_seed", "of_snapshot", "of_source"]
HALF_NULL = {"vigil.null_rate": {"arguments": {"max_rate": 0.4}}}


def on_x(name: str, test: dict[str, Any], **extra: Any) -> dict[str, Any]:
    [(check, body)] = test.items()
    return {
        "name": name,
        "columns": [{"name": "x", "data_tests": [{check: {**body, "name": f"test_{name}"}}]}],
        **extra,
    }


@pytest.fixture(scope="module")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp(f"relations_{engine.name}", numbered=False), engine)
    rows = "select 1 as id, 1 as x union all select 2 as id, null as x"
    for name in ("view", "table", "incremental", "ephemeral"):
        project.write(f"models/of_{name}.sql", f"{{{{ config(materialized='{name}') }}}}\n{rows}")
    project.write("seeds/of_seed.csv", "id,x\n1,1\n2,\n")
    models = [on_x(f"of_{name}", HALF_NULL) for name in ("view", "table", "incremental", "ephemeral")]
    models[0]["columns"][0]["quote"] = True  # dbt then hands over a quoted name
    source = {
        "name": "raw",
        "schema": "{{ target.schema }}",
        "tables": [on_x("of_source", HALF_NULL, identifier="of_table")],
    }
    # Spark keeps snapshots in Delta, Iceberg or Hudi tables only: there, a table stands in for one.
    if engine.name == "spark":
        project.write("models/of_snapshot.sql", "select * from {{ ref('of_table') }}")
        models.append(on_x("of_snapshot", HALF_NULL))
    snapshot = on_x(
        "of_snapshot",
        HALF_NULL,
        relation="ref('of_table')",
        config={"strategy": "check", "unique_key": "id", "check_cols": "all"},
    )
    project.write_yaml(
        "models/all.yml",
        {
            "models": models,
            "seeds": [on_x("of_seed", HALF_NULL)],
            "sources": [source],
            **({"snapshots": [snapshot]} if engine.name == "duckdb" else {}),
        },
    )
    return project


@pytest.fixture(scope="module")
def results(project: Project) -> dict[str, TestResult]:
    for command in ("seed", "run", *(["snapshot"] if project.engine.name == "duckdb" else [])):
        assert project.run(command).success
    return project.test_results(project.run("test"))


@pytest.mark.parametrize("relation", RELATIONS)
def test_relation(relation: str, results: dict[str, TestResult]) -> None:
    result = results[f"test_{relation}"]
    assert (result.status, result.failures) == ("fail", 1), result.message


@pytest.fixture
def checked(engine: Engine, tmp_path: Path) -> Callable[..., tuple[Project, dict[str, TestResult]]]:
    """Runs tests, given by name, on column x of a model with two rows, one of them null."""

    def run(tests: dict[str, Any], *flags: str) -> tuple[Project, dict[str, TestResult]]:
        project = Project(tmp_path, engine)
        project.write("models/subject.sql", "select 1 as x, 'a' as g union all select null as x, 'b' as g")
        listed = [{"vigil.null_rate": {"name": name, **test}} for name, test in tests.items()]
        project.write_yaml(
            "models/subject.yml", {"models": [{"name": "subject", "columns": [{"name": "x", "data_tests": listed}]}]}
        )
        return project, project.test_results(project.run("build", *flags))

    return run


def test_store_failures_keeps_the_row_of_every_verdict(
    engine: Engine, tmp_path: Path, checked: Callable[..., tuple[Project, dict[str, TestResult]]]
) -> None:
    stored = {"store_failures": True}
    _, results = checked(
        {
            "stored_pass": {"arguments": {"max_rate": 0.5}, "config": stored},
            "stored_fail": {"arguments": {"group_by": "g"}, "config": {**stored, "store_failures_as": "view"}},
        }
    )
    assert [results[name].status for name in ("stored_pass", "stored_fail")] == ["pass", "fail"]
    schema = "main_dbt_test__audit" if engine.name == "duckdb" else f"{tmp_path.name.replace('-', '_')}_dbt_test__audit"
    [row] = engine.rows(tmp_path, f"select verdict, value from {schema}.stored_pass")
    assert row == {"verdict": "pass", "value": 0.5}
    rows = engine.rows(tmp_path, f"select segment, verdict from {schema}.stored_fail order by segment")
    assert rows == [{"segment": "a", "verdict": "pass"}, {"segment": "b", "verdict": "fail"}]


def test_empty_is_a_dry_run(
    checked: Callable[..., tuple[Project, dict[str, TestResult]]], engine: Engine, tmp_path: Path
) -> None:
    _, results = checked(
        {
            "on_empty": {},
            "on_empty_where": {"config": {"where": "x > 0"}},
            "on_empty_grouped": {"arguments": {"group_by": "g"}},
            "on_empty_told_to_fail": {"arguments": {"on_no_data": "fail"}},
        },
        "--empty",
    )
    for result in results.values():
        assert (result.status, result.failures) == ("pass", 0), result.message
        [row] = engine.rows(tmp_path, result.compiled_sql)
        assert (row["verdict"], row["failed"]) == ("no_data", 0)


def test_a_row_that_goes_missing_fails(checked: Callable[..., tuple[Project, dict[str, TestResult]]]) -> None:
    _, results = checked({"limited_away": {"arguments": {"max_rate": 1}, "config": {"limit": 0}}})
    assert (results["limited_away"].status, results["limited_away"].failures) == ("fail", 1)
