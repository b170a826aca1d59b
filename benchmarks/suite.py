"""What does the whole suite cost? 40 checks on TPC-H's lineitem in DuckDB, all contestants in turns in one run.

Run it as `python -m benchmarks.suite --scale 10 --rounds 3`. `--write` writes benchmarks/results/suite.md; `--kind`
and `--only` choose. `dbt test` and `vigil test` keep their record, as they do by default. Soda and Great Expectations
run the checks that they have words for. Each contestant's answers are looked at before its time counts.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.handwritten import Statement, floor, obvious
from benchmarks.lineitem import REQUIRED, checks, write_project
from benchmarks.peers import GX_REQUIREMENTS, SODA_REQUIREMENTS, write_gx, write_soda
from benchmarks.tpch import ENVIRONMENT, FOLDER, KINDS, database, environment
from tests.engines import DuckDB
from tests.project import Project

RESULTS = Path(__file__).parent / "results"
PROGRAMS = Path(sys.executable).parent
THREADS = 2
QUIET = {"SODA_CORE_TELEMETRY_ENABLED": "false", "GX_ANALYTICS_ENABLED": "false"}
WHERE = ["--project-dir", ".", "--profiles-dir", "."]


@dataclass(frozen=True)
class Run:
    """One run of a contestant: its wall seconds, and those before the checks, where they are known."""

    wall: float
    start: float | None = None


@dataclass(frozen=True)
class Contestant:
    """Something that runs the suite, or `checks` of it."""

    name: str
    checks: int
    run: Callable[[], Run]


@dataclass(frozen=True)
class Result:
    """The medians of a contestant's rounds."""

    name: str
    checks: int
    wall: float
    start: float | None

    @property
    def after_start(self) -> float:
        """The seconds of the checks themselves."""
        return self.wall - (self.start or 0)


class TpchDuckDB(DuckDB):
    """A DuckDB file that is there already."""

    def __init__(self, path: Path) -> None:
        """The file is at `path`."""
        self.path = path

    def profile(self, directory: Path) -> dict[str, Any]:
        """As an output of profiles.yml."""
        return {"type": "duckdb", "path": str(self.path), "threads": THREADS}


def main() -> None:
    """Runs the contestants on each kind of data, and prints their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--only", action="append", help="the start of a contestant's name")
    parser.add_argument("--json", type=Path, dest="file")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = {}
    for kind in options.kind or KINDS:
        contestants = [
            contestant
            for contestant in contest(options.scale, kind)
            if not options.only or contestant.name.startswith(tuple(options.only))
        ]
        found[kind] = race(contestants, options.rounds)
        Console().print(table(kind, found[kind]))
    print(about(options.rounds))
    if options.file:
        rows = {kind: [vars(result) for result in results] for kind, results in found.items()}
        options.file.write_text(json.dumps(rows, indent=2))
    if options.write:
        write("suite", f"40 checks on lineitem, DuckDB, scale factor {options.scale}", about(options.rounds), found)


def contest(scale: int, kind: str) -> list[Contestant]:
    """The contestants on one kind of data. The answers of those who only say pass or fail are checked in each run."""
    path = database(scale, kind)
    project = write_project(path.with_suffix(""), TpchDuckDB(path), "main", checks())
    measured = measure(project, path)
    failing = len(REQUIRED) if kind == "nulls" else 0
    everything = len(checks())
    # In another environment and read-only: as others see the data.
    soda = environment("soda", *SODA_REQUIREMENTS) / "soda"
    soda_arguments, soda_checks = write_soda(project.directory, path)
    gx = environment("gx", *GX_REQUIREMENTS) / "python"
    gx_arguments, gx_checks = write_gx(project.directory, path)
    return [
        Contestant("dbt test", everything, lambda: run_dbt(project, failing)),
        Contestant("vigil test, first", everything, lambda: run_vigil(project, failing, first=True)),
        Contestant("vigil test, again", everything, lambda: run_vigil(project, failing)),
        Contestant("soda", soda_checks, lambda: run_soda([str(soda), *soda_arguments], project.directory, failing)),
        Contestant("great expectations", gx_checks, lambda: run_gx([str(gx), *gx_arguments], failing)),
        Contestant("obvious statements", everything, lambda: run_statements(obvious(), path, measured)),
        Contestant("floor", everything, lambda: run_statements(floor(kind, scale), path, measured)),
    ]


def measure(project: Project, path: Path) -> dict[str, float]:
    """What each check measures, by the SQL that dbt compiles: a value of ours, failing rows of the others."""
    compiled: Any = project.run("compile").result
    queries = {result.node.name: result.node.compiled_code for result in compiled}
    measures = {check.name: "value" if check.test.startswith("vigil.") else "count(*)" for check in checks()}
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = {
            name: connection.execute(f"select {what} from ({queries[name]})").fetchone()
            for name, what in measures.items()
        }
    return {name: float(row[0]) for name, row in rows.items() if row}


def race(contestants: list[Contestant], rounds: int) -> list[Result]:
    """The medians of interleaved rounds. One round before them is not counted: it fills the caches."""
    runs: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant in contestants:
            run = contestant.run()
            if number:
                runs[contestant.name].append(run)
            print(f"{datetime.now():%H:%M:%S} {contestant.name}: {run}", file=sys.stderr)
    return [
        Result(
            contestant.name,
            contestant.checks,
            median(run.wall for run in runs[contestant.name]),
            _median(run.start for run in runs[contestant.name]),
        )
        for contestant in contestants
    ]


def _median(seconds: Iterable[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return median(known) if known else None


def spend(command: list[str], directory: Path, codes: set[int]) -> tuple[float, str]:
    """The wall seconds of a command, and what it printed."""
    started = time.perf_counter()
    run = subprocess.run(command, cwd=directory, env=ENVIRONMENT | QUIET, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if run.returncode not in codes:
        raise RuntimeError(f"{command} exited with {run.returncode}:\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}")
    return wall, run.stdout


def run_dbt(project: Project, failing: int) -> Run:
    """`dbt test`. Start-up is all but the time from the start of its first test to the end of its last one."""
    command = [str(PROGRAMS / "dbt"), "--quiet", "test", *WHERE, "--vars", project.variables()]
    wall, _ = spend(command, project.directory, {int(failing > 0)})
    results = json.loads((project.directory / "target" / "run_results.json").read_text())["results"]
    tests = [result for result in results if result["unique_id"].startswith("test.")]
    assert sum(result["status"] != "pass" for result in tests) == failing
    times = [
        datetime.fromisoformat(at[key])
        for test in tests
        for at in test["timing"]
        for key in ("started_at", "completed_at")
    ]
    return Run(wall, wall - (max(times) - min(times)).total_seconds())


def run_vigil(project: Project, failing: int, *, first: bool = False) -> Run:
    """`vigil test`, without a stored plan or with one."""
    if first:
        shutil.rmtree(project.directory / ".vigil", ignore_errors=True)
    command = [str(PROGRAMS / "vigil"), "test", "--json", *WHERE, "--vars", project.variables()]
    wall, output = spend(command, project.directory, {int(failing > 0)})
    found = json.loads(output)
    assert sum(check["status"] != "pass" for check in found["checks"]) == failing
    return Run(wall, wall - found["seconds"]["checks"])


def run_soda(command: list[str], directory: Path, failing: int) -> Run:
    """Soda's verification of its contract. Start-up is what it takes to only read it."""
    wall, _ = spend(command, directory, {int(failing > 0)})
    start, _ = spend([command[0], "contract", "test", "--contract", "soda_contract.yml"], directory, {0})
    return Run(wall, start)


def run_gx(command: list[str], failing: int) -> Run:
    """The script for Great Expectations, which says how long the validation took."""
    wall, output = spend(command, FOLDER, {0})
    said = json.loads(output)
    assert len(said["failed"]) == failing, said
    return Run(wall, wall - said["checks"])


def run_statements(statements: list[Statement], path: Path, measured: dict[str, float]) -> Run:
    """Hand-written statements in the client of this process, whose answers must be those of the checks."""
    started = time.perf_counter()
    with duckdb.connect(str(path), read_only=True, config={"threads": THREADS}) as connection:
        connected = time.perf_counter()
        rows = [connection.execute(statement.sql).fetchall() for statement in statements]
        done = time.perf_counter()
    answers = {
        name: float(value)
        for statement, [row] in zip(statements, rows, strict=True)
        for name, value in zip(statement.checks, row, strict=True)
    }
    compare(answers, measured)
    return Run(done - started, connected - started)


def compare(answers: dict[str, float], measured: dict[str, float]) -> None:
    """Raises unless the hand-written answers are those of the checks."""
    assert set(answers) == set(measured)
    wrong = {name for name in answers if not math.isclose(answers[name], measured[name], rel_tol=1e-9, abs_tol=1e-12)}
    assert not wrong, wrong


HEADINGS = ("contestant", "checks", "wall, s", "start-up, s", "after it, s", "to the floor", "to dbt test")


def cells(results: list[Result]) -> list[tuple[str, ...]]:
    """The rows of a table. The ratio to the floor is of the time after start-up, that to `dbt test` of all of it."""
    by_name = {result.name: result for result in results}

    def ratio(seconds: float, other: str, what: Callable[[Result], float]) -> str:
        return f"{seconds / what(by_name[other]):.2f}" if other in by_name else ""

    return [
        (
            result.name,
            str(result.checks),
            f"{result.wall:.2f}",
            "" if result.start is None else f"{result.start:.2f}",
            f"{result.after_start:.2f}",
            ratio(result.after_start, "floor", lambda other: other.after_start),
            ratio(result.wall, "dbt test", lambda other: other.wall),
        )
        for result in results
    ]


def table(kind: str, results: list[Result]) -> Table:
    """The results for a terminal."""
    shown = Table(*HEADINGS, title=kind)
    for row in cells(results):
        shown.add_row(*row)
    return shown


def markdown(kind: str, results: list[Result]) -> str:
    """The results for a file."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *cells(results)]
    return "\n".join([f"## {kind}", "", *(f"| {' | '.join(row)} |" for row in rows)])


def write(name: str, title: str, measured: str, found: Mapping[str, list[Result]]) -> None:
    """Keeps results in the repository."""
    RESULTS.mkdir(exist_ok=True)
    parts = [f"# {title}", measured, *map(markdown, found, found.values())]
    (RESULTS / f"{name}.md").write_text("\n\n".join(parts) + "\n")


def about(rounds: int, theirs: Sequence[str] = (SODA_REQUIREMENTS[0], GX_REQUIREMENTS[0]), spark: bool = False) -> str:
    """When and with what this was measured."""
    engine = ("dbt-spark", "pyspark") if spark else ("dbt-duckdb", "duckdb")
    ours = [f"{name} {version(name)}" for name in ("dbt-vigil", "dbt-core", *engine)]
    versions = ", ".join([*ours, *(requirement.replace("==", " ") for requirement in theirs)])
    return (
        f"{date.today()}, medians of {rounds} interleaved rounds, {THREADS} threads, "
        f"Python {platform.python_version()}, {versions}. The ratio to the floor is of the time after start-up, that "
        "to `dbt test` of the whole. `dbt test` and `vigil test` write their record too."
    )


if __name__ == "__main__":
    main()
