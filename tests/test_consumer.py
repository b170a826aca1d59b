"""A project that installs the package: what it gets, on both engines, through the `dbt` command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENGINES
from tests.project import REPO

CONSUMER = REPO / "tests" / "consumer"
PARSE = ["parse", "--warn-error", "--show-all-deprecations"]


def dbt(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "dbt"), "--no-use-colors", *arguments]
    return subprocess.run(
        [*command, "--profiles-dir", str(directory)],
        cwd=directory,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The artifacts of `dbt deps`, `dbt build` and `dbt docs generate`."""
    directory = tmp_path_factory.mktemp(f"consumer_{request.param}")
    environment = {"CONSUMER_DATABASE": str(directory / "consumer.duckdb"), "SPARK_CONF_DIR": str(directory)}
    (directory / "spark-defaults.conf").write_text(
        f"spark.sql.warehouse.dir {directory}/warehouse\n"
        f"spark.driver.extraJavaOptions -Dderby.system.home={directory}/derby\n"
    )
    target = ["--target", request.param, "--target-path", str(directory)]
    for command in (["deps"], ["build", *target], ["docs", "generate", *target]):
        run = dbt(CONSUMER, *command, **environment)
        assert run.returncode == 0, run.stdout + run.stderr
        if command[0] == "build":
            results = json.loads((directory / "run_results.json").read_text())["results"]
    artifacts = {name: json.loads((directory / f"{name}.json").read_text()) for name in ("manifest", "catalog")}
    yield {"results": results, **artifacts}


MODELS = ["check_runs", "check_registry", "invocations", "check_status", "overdue_checks"]
LOGS = ["vigil_check_log", "vigil_registry_log", "vigil_invocation_log", "vigil_baseline_log"]


def test_every_check_passes(built: dict[str, Any]) -> None:
    statuses = {r["unique_id"].split(".")[2].split("_flights")[0]: r["status"] for r in built["results"]}
    assert statuses == {
        "flights": "success",
        "planes": "success",
        **dict.fromkeys(MODELS, "success"),
        "vigil-on-run-start-0": "success",
        "vigil-on-run-end-0": "success",
        "vigil_freshness": "pass",
        "vigil_row_count_ratio": "pass",
        "vigil_null_rate": "pass",
        "vigil_orphan_rate": "pass",
        "vigil_psi": "pass",
    }


def test_nothing_but_macros_docs_and_the_record_comes_with_the_package(built: dict[str, Any]) -> None:
    ours = {
        section: {key for key in entries if ".vigil." in key}
        for section, entries in built["manifest"].items()
        if isinstance(entries, dict) and section not in ("parent_map", "child_map")
    }
    assert ours["nodes"] == {
        *(f"model.vigil.{name}" for name in MODELS),
        "operation.vigil.vigil-on-run-start-0",
        "operation.vigil.vigil-on-run-end-0",
    }
    assert ours["sources"] == {f"source.vigil.vigil.{name}" for name in LOGS}
    assert {section for section, keys in ours.items() if keys} == {"macros", "docs", "nodes", "sources"}


def test_the_docs_show_where_the_record_comes_from(built: dict[str, Any]) -> None:
    logs = {name: f"source.vigil.vigil.{name}" for name in LOGS}
    models = {name: f"model.vigil.{name}" for name in MODELS}
    assert {name: set(built["manifest"]["parent_map"][key]) for name, key in models.items()} == {
        "check_runs": {logs["vigil_check_log"]},
        "check_registry": {logs["vigil_registry_log"]},
        "invocations": {logs["vigil_invocation_log"]},
        "check_status": {models["check_runs"], models["check_registry"]},
        "overdue_checks": {models["check_status"]},
    }
    assert set(models.values()) <= set(built["catalog"]["nodes"])
    assert set(logs.values()) <= set(built["catalog"]["sources"])


def test_the_docs_describe_the_checks(built: dict[str, Any]) -> None:
    for check in ("freshness", "row_count_ratio", "null_rate", "orphan_rate", "psi"):
        macro = built["manifest"]["macros"][f"macro.vigil.test_{check}"]
        assert macro["description"]
        assert macro["arguments"]
        assert all(argument["description"] and "{{" not in argument["description"] for argument in macro["arguments"])


def test_the_consumer_parses_without_warnings() -> None:
    assert dbt(CONSUMER, "deps").returncode == 0
    run = dbt(CONSUMER, *PARSE, "--no-partial-parse")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("demo", ["true", "false"])
def test_the_package_parses_without_warnings(demo: str) -> None:
    run = dbt(REPO, *PARSE, "--no-partial-parse", "--vars", f"vigil_demo: {demo}")
    assert run.returncode == 0, run.stdout
