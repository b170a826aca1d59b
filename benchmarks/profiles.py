"""Does a profile's run cost more, the longer its history is? 30 new days after 300 days of history, and after 30.

On DuckDB, and on Spark with parquet partitioned by day. Says the rows that the engine scanned of the table, and the
time of the model's run: the median of as many rounds as the first argument of `python -m benchmarks.profiles` says, by
default 5.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from tests.engines import DuckDB, Engine, Spark
from tests.project import Project

HISTORIES = (30, 300)
NEW_DAYS = 30
START = date(2013, 1, 1)
COLUMNS = ["amount", "kind", "delay", "name"]
VALUES = """
  cast(n * 7919 % 10000 as double) / 100 as amount,
  cast(n % 7 as int) as kind,
  case when n % 50 > 0 then cast(n * 31 % 600 as int) end as delay,
  concat('name ', cast(n * n % 300 as {text})) as name"""
ROWS = {
    "duckdb": f"select date '{START}' + cast(n // {{a_day}} as int) as day, {VALUES} from range({{rows}}) as r(n)",
    "spark": f"select {VALUES}, date '{START}' + cast(n div {{a_day}} as int) as day from range({{rows}}) as r(n)",
}
ROWS_A_DAY = {"duckdb": 50_000, "spark": 20_000}


def main(rounds: int) -> None:
    """Print what each engine scanned, and how long it took, after each history."""
    columns = ("engine", "rows a day", "days of history", "rows scanned", "ratio", "seconds", "ratio")
    with tempfile.TemporaryDirectory() as folder:
        spark = Spark(Path(folder) / "spark")
        found: list[tuple[Engine, Callable[[Project, str], int]]] = [
            (DuckDB(), scanned_by_duckdb),
            (spark, lambda _, sql: scanned_by_spark(spark, sql)),
        ]
        for engine, scanned in found:
            table = Table(*columns, title=f"{NEW_DAYS} new days")
            projects = {days: profiled(Path(folder) / f"{engine.name}_{days}", engine, days) for days in HISTORIES}
            seconds: dict[int, list[float]] = {days: [] for days in HISTORIES}
            # The first round warms the engine up, and turns keep what else the machine does out of the ratio.
            for number in range(rounds + 1):
                for days, project in projects.items():
                    node, time = run(project, days)
                    if number:
                        seconds[days].append(time)
                    if number == rounds:
                        projects[days] = replace(project, vars={**project.vars, "sql": node.compiled_code})
            rows = {days: scanned(project, project.vars["sql"]) for days, project in projects.items()}
            base = HISTORIES[0]
            for days in HISTORIES:
                spent, of_base = median(seconds[days]), median(seconds[base])
                row = [f"{rows[days]:,}", f"{rows[days] / rows[base]:.2f}", f"{spent:.2f}", f"{spent / of_base:.2f}"]
                table.add_row(engine.name, f"{ROWS_A_DAY[engine.name]:,}", str(days), *row)
            Console().print(table)


def profiled(directory: Path, engine: Engine, days: int) -> Project:
    """A project with a table of the history and of the new days, and a profile of the history."""
    project = Project(directory, engine)
    a_day = ROWS_A_DAY[engine.name]
    config = "{{ config(materialized='table', partition_by='day') }}\n"
    sql = ROWS[engine.name].format(a_day=a_day, rows=(days + NEW_DAYS) * a_day, text=engine.type_name("string"))
    project.write("models/events.sql", config + sql)
    call = f"vigil.column_profile(ref('events'), timestamp_column='day', columns={COLUMNS}, lookback=0, history={days})"
    project.write("models/events_profile.sql", f"{{{{ {call} }}}}")
    succeed(project, "run", "--select", "events")
    history = replace(project, vars={"vigil_as_of": str(START + timedelta(days=days))})
    succeed(history, "run", "--select", "events_profile")
    return project


def run(project: Project, days: int) -> tuple[Any, float]:
    """The profile's node and its seconds in a run of the new days, which the profile has forgotten before."""
    new = [START + timedelta(days=days + number) for number in range(NEW_DAYS + 1)]
    project.engine.rows(project.directory, forget(project, new))
    result = succeed(replace(project, vars={"vigil_as_of": str(new[-1])}), "run", "--select", "events_profile")
    return result.node, result.execution_time


def forget(project: Project, days: list[date]) -> str:
    """A statement that takes days out of the profile."""
    if project.engine.name == "duckdb":
        return f"delete from events_profile where period_start >= '{days[0]}'"
    schema = project.engine.profile(project.directory)["schema"]
    partitions = ", ".join(f"partition (period_start = '{day}')" for day in days)
    return f"alter table {schema}.events_profile drop if exists {partitions}"


def succeed(project: Project, *command: str) -> Any:
    """The result of the only model of a run."""
    found: Any = project.run(*command)
    assert found.success, found.exception or [result.message for result in found.result]
    [result] = [result for result in found.result if result.node.resource_type == "model"]
    return result


def scanned_by_duckdb(project: Project, sql: str) -> int:
    """The rows that the scan of the table read, by DuckDB's profiler."""
    with duckdb.connect(str(project.directory / "cases.duckdb")) as connection:
        connection.execute("pragma enable_profiling = 'no_output'")
        connection.execute(sql).fetchall()
        profile = json.loads(connection.get_profiling_information())
    return sum(node["rows_scanned"] for node in nodes(profile["operator"]) if table_of(node) == "events")


def nodes(operators: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The operators of a query, and those below them."""
    for operator in operators:
        yield operator
        yield from nodes(operator.get("children", []))


def table_of(node: dict[str, Any]) -> str:
    """The table that an operator scans."""
    return str(node.get("extra_info", {}).get("Table", "")).split(".")[-1]


def scanned_by_spark(spark: Spark, sql: str) -> int:
    """The rows that the scans of the table's files gave, by Spark's metrics."""
    frame = spark.session.sql(sql)
    frame.collect()
    return sum(scans(frame._jdf.queryExecution().executedPlan()))


def scans(plan: Any) -> Iterator[int]:
    """The rows of each scan in an executed plan."""
    name = plan.nodeName()
    if name.startswith("Scan parquet") and name.endswith(".events"):
        yield plan.metrics().apply("numOutputRows").value()
    inner = {"AdaptiveSparkPlan": "executedPlan", "ResultQueryStage": "plan", "ShuffleQueryStage": "plan"}
    children = plan.children()
    found = [children.apply(i) for i in range(children.size())]
    if name in inner or "QueryStage" in name:
        found.append(getattr(plan, inner.get(name, "plan"))())
    for child in found:
        yield from scans(child)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
