"""The recipe for Airflow, carried out by Airflow: a day is judged as of that day, and each exit code has its state."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.engines import DuckDB, Row
from tests.project import REPO, Project

AIRFLOW = REPO / ".venv/airflow"
DAGS = REPO / "docs/recipes/airflow"

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(not (AIRFLOW / "installed").exists(), reason="there is no Airflow: `make test` installs it"),
]

LAST = datetime(2026, 2, 9, 6, tzinfo=timezone.utc)
DAYS = [LAST - timedelta(days=n) for n in reversed(range(int(os.environ.get("AIRFLOW_DAYS", "7"))))]
"""The past days of the backfill. AIRFLOW_DAYS=30 judges a month of them, in four times as many minutes."""
BAD = datetime(2026, 2, 4, 6, tzinfo=timezone.utc)
"""The run that judges 3 February."""
REPEATED = [LAST, DAYS[0], BAD]
"""The days of the second backfill. The bad one ends last: today's status must not follow it."""

ORDERS = """
select
  day + to_minutes(480 + 30 * n::int) as ordered_at,
  case when day <> timestamp '2026-02-03' then n end as amount
from range(timestamp '2026-01-01', timestamp '2026-02-10', interval '1 day') as days(day), range(20) as numbers(n)
where day <> timestamp '2026-02-03' or n < 5
"""
PROPERTIES = {
    "name": "orders",
    "config": {"materialized": "table"},
    "data_tests": [{"vigil.row_count_ratio": {"name": "rows", "arguments": {"timestamp_column": "ordered_at"}}}],
    "columns": [
        {
            "name": "amount",
            "data_tests": [
                {
                    "vigil.null_rate": {
                        "name": "nulls",
                        "arguments": {"timestamp_column": "ordered_at", "window": "1 day"},
                    }
                }
            ],
        }
    ],
}


@dataclass(frozen=True)
class Run:
    """What Airflow says of a DAG run: its state, and that of its only task after each try."""

    state: str
    tries: list[str]
    run_after: str
    data_interval_end: str | None


@dataclass(frozen=True)
class Airflow:
    """An Airflow of its own. `run` carries out DAG runs, and returns them and what Airflow logged."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DBT_", "VIGIL"))}
        return kept | {
            "AIRFLOW_HOME": str(self.directory),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_COLOR": "1",
            "PYTHONWARNINGS": "ignore",
            "VIGIL_COMMAND": str(Path(sys.executable).with_name("vigil")),
        }

    def call(self, *command: object) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run(self, *plan: dict[str, Any]) -> tuple[list[list[Run]], str]:
        plan_file, results = self.directory / "plan.json", self.directory / "results.json"
        plan_file.write_text(json.dumps(plan))
        log = self.call(AIRFLOW / "bin/python", REPO / "tests/airflow/dag_runs.py", plan_file, results)
        return [[Run(**run) for run in runs] for runs in json.loads(results.read_text())], log


def of_day(project: Path, first: datetime, last: datetime | None = None) -> dict[str, Any]:
    return {"dag_id": "vigil", "project": str(project), "between": [first.isoformat(), (last or first).isoformat()]}


def verdicts(project: Path) -> dict[tuple[datetime, str], list[str]]:
    """The verdicts of each moment and check, one for each time that it was judged."""
    sql = "select as_of, split_part(check_id, '.', 3) as name, list(status order by finished_at) as status"
    return {
        (row["as_of"].astimezone(timezone.utc), row["name"]): row["status"]
        for row in DuckDB().rows(project, f"{sql} from check_runs group by all order by all")
    }


def status(project: Path) -> list[Row]:
    """Today's judgement."""
    columns = "check_name, state, last_status, last_value, last_failures, last_message, failing_since"
    return DuckDB().rows(project, f"select {columns} from check_status order by check_name")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    airflow = Airflow(tmp_path_factory.mktemp("airflow"))
    airflow.call(AIRFLOW / "bin/airflow", "db", "migrate")
    return airflow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("orders"), DuckDB(), {"vigil_record": True})
    project.write("models/orders.sql", ORDERS)
    project.write_yaml("models/orders.yml", {"models": [PROPERTIES]})
    assert project.run("run").success
    return project.directory


@pytest.fixture(scope="module")
def backfill(airflow: Airflow, project: Path) -> list[Run]:
    """The runs of the past days."""
    [runs], _ = airflow.run(of_day(project, DAYS[0], LAST))
    return runs


@pytest.fixture(scope="module")
def copy(project: Path, backfill: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Copies the project as the backfill leaves it, and changes its database."""

    def copied(*statements: str) -> Path:
        directory = tmp_path_factory.mktemp("copy")
        shutil.copytree(project, directory, symlinks=True, dirs_exist_ok=True)
        profile = {"target": "duckdb", "outputs": {"duckdb": DuckDB().profile(directory)}}
        (directory / "profiles.yml").write_text(json.dumps({"cases": profile}))
        with duckdb.connect(str(directory / "cases.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)
        return directory

    return copied


def test_each_day_is_judged_as_of_that_day(backfill: list[Run], project: Path) -> None:
    assert [run.data_interval_end for run in backfill] == [day.isoformat() for day in DAYS]
    assert list(verdicts(project)) == [(day, name) for day in DAYS for name in ("nulls", "rows")]


def test_only_the_bad_day_fails_and_is_not_retried(backfill: list[Run], project: Path) -> None:
    of_days = dict(zip(DAYS, backfill, strict=True))
    bad = of_days.pop(BAD)
    assert (bad.state, bad.tries) == ("failed", ["failed"])
    assert {(run.state, *run.tries) for run in of_days.values()} == {("success", "success")}
    assert [key for key, found in verdicts(project).items() if found != ["pass"]] == [(BAD, "nulls"), (BAD, "rows")]
    assert verdicts(project)[BAD, "nulls"] == verdicts(project)[BAD, "rows"] == ["fail"]


def test_a_second_backfill_repeats_the_verdicts_and_leaves_todays_status(
    airflow: Airflow, copy: Callable[..., Path]
) -> None:
    project = copy()
    first, today = verdicts(project), status(project)
    assert [(row["check_name"], row["state"]) for row in today] == [("nulls", "ok"), ("rows", "ok")]
    again, _ = airflow.run(*(of_day(project, day) for day in REPEATED))
    assert [run.state for [run] in again] == ["success", "success", "failed"]
    assert verdicts(project) == {key: found * (2 if key[0] in REPEATED else 1) for key, found in first.items()}
    assert status(project) == today


def test_what_could_not_be_judged_is_retried(airflow: Airflow, copy: Callable[..., Path]) -> None:
    """By a manual run without a logical date: each try judges the moment at which it was triggered."""
    project = copy("drop table orders", "delete from vigil_check_log")
    [[run]], log = airflow.run({"dag_id": "vigil", "project": str(project), "between": None})
    assert (run.state, run.tries, run.data_interval_end) == ("failed", ["up_for_retry", "up_for_retry", "failed"], None)
    assert log.count("vigil test: something could not be judged (exit code 2)") >= 3
    triggered = datetime.fromisoformat(run.run_after)
    assert verdicts(project) == {(triggered, name): ["error"] * 3 for name in ("nulls", "rows")}


@pytest.fixture(scope="module")
def watched(airflow: Airflow, copy: Callable[..., Path]) -> tuple[dict[str, Run], str]:
    """What became of the watch, by the state of the record that it found."""
    long_ago = "set {0} = {0} - interval '3 days'".format
    projects = {
        "ok": copy(),
        "failing": copy(f"delete from vigil_check_log where as_of > '{BAD.isoformat()}'"),
        "unjudged": copy("drop table vigil_check_log cascade"),
        "overdue": copy(
            f"update vigil_check_log {long_ago('finished_at')}", f"update vigil_registry_log {long_ago('recorded_at')}"
        ),
    }
    plan = [{"dag_id": "vigil_watch", "project": str(path), "between": None} for path in projects.values()]
    runs, log = airflow.run(*plan)
    return {state: run for state, [run] in zip(projects, runs, strict=True)}, log


@pytest.mark.parametrize(
    ("state", "tries", "message"),
    [
        ("ok", ["success"], "Command exited with return code 0"),
        ("failing", ["failed"], "AirflowFailException: vigil watch: a check failed (exit code 1)"),
        (
            "unjudged",
            ["up_for_retry", "up_for_retry", "failed"],
            "AirflowException: vigil watch: something could not be judged (exit code 2)",
        ),
        (
            "overdue",
            ["failed"],
            "AirflowFailException: vigil watch: a check is overdue: what should have run it did not (exit code 3)",
        ),
    ],
)
def test_each_exit_code_of_the_watch_has_its_outcome(
    state: str, tries: list[str], message: str, watched: tuple[dict[str, Run], str]
) -> None:
    runs, log = watched
    assert (runs[state].state, runs[state].tries) == (tries[-1], tries)
    assert message in log
