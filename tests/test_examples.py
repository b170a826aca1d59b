"""The example projects, each run as its reader would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.project import REPO


def results_of(example: str, directory: Path) -> dict[str, Any]:
    """The results of the tests of a copy of an example, by their names."""
    project = directory / example
    shutil.copytree(
        REPO / "examples" / example, project, ignore=shutil.ignore_patterns("dbt_packages", "target", "*.duckdb")
    )
    (project / "packages.yml").write_text(json.dumps({"packages": [{"local": str(REPO)}]}))
    for command in (["dbt", "deps"], ["vigil", "build"]):
        program = Path(sys.executable).with_name(command[0])
        run = subprocess.run(
            [program, *command[1:], "--profiles-dir", "."], cwd=project, capture_output=True, text=True
        )
        assert run.returncode in (0, 1), run.stdout + run.stderr
    results = json.loads((project / "target/run_results.json").read_text())["results"]
    return {r["unique_id"].split(".")[2]: r for r in results if r["unique_id"].startswith("test.")}


def test_change_data_capture(tmp_path: Path) -> None:
    results = results_of("change_data_capture", tmp_path)
    said = {name: (result["status"], result["message"].split(": ", 1)[-1]) for name, result in results.items()}
    assert said == {
        "lag_does_not_grow": ("fail", "slope 853.38 in payments, at most 100; 1 of 2 segments fail"),
        "slots_above_1_gb": ("warn", "retained 2.12 GB in debezium_payments, from 0 GB to 1 GB; 2 of 3 segments fail"),
        "slots_above_10_gb": (
            "fail",
            "retained 0.28 GB in reporting, from 0 GB to 10 GB; the slot is not active; 1 of 3 segments fail",
        ),
        "notes_survive_updates": (
            "fail",
            "nulls after an update 26.1% (6 of 23 updates of a value), at most 0%",
        ),
    }
