"""What the record adds to a run of 1,000 tests on DuckDB: the same `dbt test` with it and without, in turn.

Run it as `python -m benchmarks.record_overhead`. It prints the seconds of the whole command, the best of the turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.engines import DuckDB
from tests.project import Project

TURNS = 3
MODELS, COLUMNS = 50, 20


def main() -> None:
    """Builds the project, runs it in turns, and prints the best of each kind."""
    with tempfile.TemporaryDirectory() as directory:
        project = suite(Path(directory))
        best: dict[bool, float] = {}
        for _ in range(TURNS + 1):  # the first turn parses
            for record in (True, False):
                seconds = run(project, record)
                best[record] = min(seconds, best.get(record, seconds))
        print(f"dbt test, {MODELS * COLUMNS:,} tests, best of {TURNS}: {best[True]:.2f} s with the record, {best[False]:.2f} s without")
        print(f"The record adds {best[True] - best[False]:.2f} s; its hook takes {hook_seconds(project):.2f} s.")


def suite(directory: Path) -> Project:
    """A project of tables with one row, and a `not_null` test on each of their columns."""
    project = Project(directory, DuckDB())
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
    """The seconds of one `dbt test`. Each kind has a target folder of its own, so that neither parses again."""
    dbt = str(Path(sys.executable).parent / "dbt")
    where = ["--project-dir", ".", "--profiles-dir", ".", "--target-path", f"target_{record}"]
    started = time.perf_counter()
    subprocess.run(
        [dbt, "--quiet", "test", *where, "--vars", f"vigil_record: {str(record).lower()}"],
        cwd=project.directory,
        check=True,
    )
    return time.perf_counter() - started


def hook_seconds(project: Project) -> float:
    """The seconds of the on-run-end hook, as dbt has measured it."""
    results = json.loads((project.directory / "target_True/run_results.json").read_text())["results"]
    [hook] = [result for result in results if result["unique_id"].endswith("on-run-end-0")]
    return sum(
        time_of(timing["completed_at"]) - time_of(timing["started_at"]) for timing in hook["timing"]
    )


def time_of(text: str) -> float:
    """Seconds since the epoch."""
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    main()
