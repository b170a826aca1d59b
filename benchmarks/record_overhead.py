"""What the record adds to a run of 1,000 tests on DuckDB: the same `dbt test` with it and without, in turn.

Run it as `python -m benchmarks.record_overhead`. It prints the CPU seconds of the whole command, and those of the hooks
by the clock of dbt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.engines import DuckDB
from tests.project import Project

TURNS = 3
MODELS, COLUMNS = 50, 20


def main() -> None:
    """Builds the project, runs it in turns, and prints what the record adds."""
    with tempfile.TemporaryDirectory() as directory:
        project = suite(Path(directory))
        for record in (True, False):
            run(project, record)  # parses
        turns = [(run(project, True), run(project, False), hook_seconds(project)) for _ in range(TURNS)]
    recorded, plain, hooks = (median(column) for column in zip(*turns, strict=True))
    print(f"dbt test of {MODELS * COLUMNS:,} tests, median of {TURNS}, seconds of CPU:")
    print(f"{recorded:.2f} with the record, {plain:.2f} without; its hooks take {hooks:.2f} s by dbt's own clock.")


def suite(directory: Path) -> Project:
    """A project of tables with one row, and a `not_null` test on each of their columns."""
    project = Project(directory, DuckDB(), {"vigil_record": True})
    columns = [f"c{number}" for number in range(COLUMNS)]
    models = []
    for number in range(MODELS):
        selected = ", ".join(f"1 as {column}" for column in columns)
        project.write(f"models/m{number}.sql", f"{{{{ config(materialized='table') }}}} select {selected}")
        tested = [{"name": column, "data_tests": ["not_null"]} for column in columns]
        models.append({"name": f"m{number}", "columns": tested})
    project.write_yaml("models/models.yml", {"models": models})
    assert project.run("run").success
    return project


def run(project: Project, record: bool) -> float:
    """The CPU seconds of one `dbt test`. Each kind has a target folder of its own, so that neither parses again."""
    dbt = str(Path(sys.executable).parent / "dbt")
    where = ["--project-dir", ".", "--profiles-dir", ".", "--target-path", f"target_{record}"]
    before = os.times()
    subprocess.run(
        [dbt, "--quiet", "test", *where, "--vars", f"vigil_record: {str(record).lower()}"],
        cwd=project.directory,
        check=True,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def hook_seconds(project: Project) -> float:
    """The seconds of both hooks in the last run with the record, as dbt has measured them."""
    results = json.loads((project.directory / "target_True/run_results.json").read_text())["results"]
    hooks = [result for result in results if result["unique_id"].startswith("operation.vigil.")]
    assert len(hooks) == 2
    return sum(
        (datetime.fromisoformat(timing["completed_at"]) - datetime.fromisoformat(timing["started_at"])).total_seconds()
        for hook in hooks
        for timing in hook["timing"]
    )


if __name__ == "__main__":
    main()
