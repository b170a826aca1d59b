"""What does a check cost where there is next to no data? 1,000 checks over 50 tables of 10 rows, and 1 check on 1 row.

Run it as `python -m benchmarks.many_checks 3` for three rounds, on DuckDB, and with `--write` to keep the results in
benchmarks/results. `vigil test, first` has no stored plan.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.suite import Contestant, about, race, run_dbt, run_vigil, table, write
from tests.engines import DuckDB
from tests.project import Project

TABLES, ROWS = 50, 10
CHECKS = 20  # of each table
COLUMNS = ("id", "code", "name", "status", "parent_id", "updated_at")
MODEL = """{{{{ config(materialized='table') }}}}
select
  i as id, 100 + i as code, 'name ' || i as name, ['new', 'paid', 'sent'][i % 3 + 1] as status, i as parent_id,
  timestamp '2024-01-01' + to_hours(i) as updated_at
from range({rows}) as r(i)
"""


def main(rounds: int) -> None:
    """Runs both suites and prints their medians."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        suites = {
            f"{TABLES * CHECKS:,} checks, {TABLES} tables of {ROWS} rows": many(folder / "many"),
            "1 check, 1 row": one(folder / "one"),
        }
        found = {}
        for title, project in suites.items():
            assert project.run("run").success
            found[title] = race(contest(project), rounds)
            Console().print(table(title, found[title]))
    if "--write" in sys.argv:
        write("many_checks", "Many checks on next to no data, and one, DuckDB", about(rounds, theirs=()), found)


def contest(project: Project) -> list[Contestant]:
    """All of the project's checks, which pass."""
    checks = len(list((project.run("ls", "--resource-type", "test")).result))  # type: ignore[arg-type]
    return [
        Contestant("dbt test", checks, lambda: run_dbt(project, 0)),
        Contestant("vigil test, first", checks, lambda: run_vigil(project, 0, first=True)),
        Contestant("vigil test, again", checks, lambda: run_vigil(project, 0)),
    ]


def many(directory: Path) -> Project:
    """Fifty tables with twenty checks each."""
    project = new_project(directory)
    models = []
    for number in range(TABLES):
        name = f"m{number}"
        project.write(f"models/{name}.sql", MODEL.format(rows=ROWS))
        parent = {"to": f"ref('m{(number + 1) % TABLES}')", "field": "id"}
        tests: dict[str, list[Any]] = {column: ["not_null"] for column in COLUMNS}
        for column in ("id", "code", "name", "updated_at"):
            tests[column].append("unique")
        for column in ("code", "name", "status", "parent_id"):
            tests[column].append({"vigil.null_rate": {"arguments": {"max_rate": 0.01}}})
        tests["status"].append({"accepted_values": {"arguments": {"values": ["new", "paid", "sent"]}}})
        for column in ("id", "parent_id"):
            tests[column].append({"relationships": {"arguments": parent}})
        tests["parent_id"].append({"vigil.orphan_rate": {"arguments": parent}})
        of_table = [
            {"vigil.freshness": {"arguments": {"timestamp_column": "updated_at", "max_age": "1 day"}}},
            {"vigil.row_count_ratio": {"arguments": {"timestamp_column": "updated_at", "period": "hour"}}},
        ]
        columns = [{"name": column, "data_tests": found} for column, found in tests.items()]
        models.append({"name": name, "data_tests": of_table, "columns": columns})
    project.write_yaml("models/models.yml", {"models": models})
    return project


def one(directory: Path) -> Project:
    """One check on one row."""
    project = new_project(directory)
    project.write("models/m.sql", MODEL.format(rows=1))
    columns = [{"name": "id", "data_tests": ["not_null"]}]
    project.write_yaml("models/models.yml", {"models": [{"name": "m", "columns": columns}]})
    return project


def new_project(directory: Path) -> Project:
    """A project on DuckDB that is judged as of the end of its data, and keeps a record."""
    directory.mkdir()
    return Project(directory, DuckDB(), {"vigil_as_of": "2024-01-01T10:00:00Z", "vigil_record": True})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
