"""Kills `vigil test` at random moments, and looks whether the record tells what happened.

Run it as `python -m tests.killing --runs 200 --seed 1`; a few of its runs are part of the test suite.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb

from dbt_vigil.project import find_project
from dbt_vigil.spool import abandoned_runs
from tests.engines import DuckDB
from tests.project import Project

CHECKS = 50
THREADS = 2
INTERVAL = timedelta(hours=1)
VIGIL = str(Path(sys.executable).parent / "vigil")


@dataclass
class Tally:
    """What was seen, for the last line of the script."""

    killed: int = 0
    started: int = 0
    ended_before_the_kill: int = 0
    with_some_results: int = 0
    killed_watches: int = 0
    invocations: set[str] = field(default_factory=set)


def suite(directory: Path) -> Project:
    """A project of 50 checks that each expect a result every hour, and have had one."""
    project = Project(directory, DuckDB())
    columns = [f"c{number}" for number in range(CHECKS)]
    selected = ", ".join(f"1 as {column}" for column in columns)
    project.write("models/wide.sql", f"{{{{ config(materialized='table') }}}} select {selected}")
    tested = [{"name": column, "data_tests": [{"not_null": {"name": f"check_{column}"}}]} for column in columns]
    meta = {"expect_every": "1 hour", "grace": "0 seconds"}
    project.write_yaml("models/wide.yml", {"models": [{"name": "wide", "config": {"meta": meta}, "columns": tested}]})
    assert vigil(project, "build") == 0
    return project


def vigil(project: Project, *arguments: str) -> int:
    """The exit code of a `vigil` command that is left alone."""
    return subprocess.run([VIGIL, *arguments], cwd=project.directory, capture_output=True, check=False).returncode


def kill(project: Project, arguments: list[str], after: float, how: signal.Signals) -> tuple[str, bool]:
    """Start a `vigil` command and kill it; return what it had printed, and whether it had ended by then."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [VIGIL, *arguments], cwd=project.directory, stdout=output, stderr=subprocess.STDOUT, env=os.environ
        )
        try:
            process.wait(timeout=after)
            ended = True
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            process.wait()
            ended = False
        output.seek(0)
        return output.read(), ended


def overdue(project: Project, as_of: datetime) -> set[str]:
    """The checks that `vigil watch` names as overdue at a moment."""
    watch = subprocess.run(
        [VIGIL, "watch", "--as-of", as_of.isoformat()],
        cwd=project.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    named = set(re.findall(r"^overdue +(\S+) ", watch.stdout, flags=re.MULTILINE))
    assert watch.returncode == (3 if named else 0), watch.stdout + watch.stderr
    return named


def rehearse(directory: Path, runs: int, seed: int) -> Tally:
    """Kill as many runs, then let one end; look at the record after each. An AssertionError says what was lost."""
    chance = random.Random(seed)
    project = suite(directory)
    spool = find_project(directory, directory).spool_directory
    began = time.monotonic()
    assert vigil(project, "test") == 0
    usual = time.monotonic() - began
    names = {f"check_c{number}" for number in range(CHECKS)}
    tally = Tally()
    while tally.killed < runs:
        how = (signal.SIGTERM, signal.SIGKILL)[tally.killed % 2]
        began = time.monotonic()
        started_at = datetime.now(timezone.utc)
        output, ended = kill(project, ["test"], chance.triangular(0, usual * 1.1, usual * 0.9), how)
        usual = time.monotonic() - began if ended else usual
        printed = re.findall(r"(?i)\bpass +(check_c\d+)", output)
        with abandoned_runs(spool) as left:
            invocations = {str(run.facts["invocation_id"]) for run in left}
        if chance.random() < 0.25:
            kill(project, ["watch"], chance.uniform(0, usual), chance.choice((signal.SIGTERM, signal.SIGKILL)))
            tally.killed_watches += 1
        missing = overdue(project, started_at + INTERVAL)
        # A result is printed just before it is handed on: at the kill, each thread may have had one in between.
        have = names - missing
        assert have <= set(printed), f"{have - set(printed)} have a result that dbt never printed"
        assert set(printed[:-THREADS]) <= have, f"{set(printed) - have} were lost"
        tally.killed += not ended
        tally.started += bool(invocations) or ended or bool(printed)
        tally.ended_before_the_kill += ended
        tally.with_some_results += bool(have) and bool(missing)
        tally.invocations |= invocations
    assert vigil(project, "test") == 0
    assert overdue(project, datetime.now(timezone.utc)) == set()
    assert list(spool.glob("*.jsonl")) == []
    _look_at_the_record(project, tally)
    return tally


def _look_at_the_record(project: Project, tally: Tally) -> None:
    with duckdb.connect(str(project.directory / "cases.duckdb"), read_only=True) as connection:
        statuses = dict(connection.execute("select invocation_id, status from invocations").fetchall())
        assert tally.invocations <= set(statuses), (
            f"{tally.invocations - set(statuses)} started and are not in the record"
        )
        assert set(statuses.values()) <= {"finished", "interrupted"}
        twice = connection.execute(
            "select invocation_id, check_id from check_runs group by all having count(*) > 1"
        ).fetchall()
        assert twice == []
        incomplete = connection.execute(
            f"""select invocation_id from invocations where status = 'finished' and
                (select count(*) from check_runs as c where c.invocation_id = invocations.invocation_id) <> {CHECKS}"""
        ).fetchall()
        assert incomplete == []


def main() -> None:
    """Reads the arguments, and prints what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        tally = rehearse(Path(directory), arguments.runs, arguments.seed)
    print(f"{tally.killed} runs killed, {tally.with_some_results} of them with only some results.")
    print(f"{tally.ended_before_the_kill} more ended first; {tally.killed_watches} watches killed.")
    print("Every run that started is in the record, no row twice, none lost.")


if __name__ == "__main__":
    main()
