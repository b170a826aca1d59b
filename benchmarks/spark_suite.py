"""What does the whole suite cost on Spark? 48 checks on TPC-H's lineitem in parquet, on one warm Thrift Server.

Run it as `python -m benchmarks.spark_suite 1 3` for scale factor 1 and 3 rounds, and with `--write` to keep the results
in benchmarks/results. `dbt test`, `vigil test` and the floor, the best hand-written SQL by PyHive, take turns on the
server. Then Deequ verifies the checks that it has words for, in an environment and a warm session of its own, because
it runs on no later Spark than 3.5; `vigil test, Deequ's` are the same checks by themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from pyhive import hive
from rich.console import Console

from benchmarks.handwritten import Statement, counted, literal, outside, psi, ratio_days, unaccepted
from benchmarks.lineitem import (
    ACCEPTED,
    AS_OF,
    DATES,
    DRIFT,
    EXPRESSIONS,
    PARENTS,
    RANGES,
    RATED,
    REQUIRED,
    Check,
    checks,
    write_project,
)
from benchmarks.suite import Contestant, Result, Run, about, compare, race, run_dbt, run_vigil, spend, table, write
from benchmarks.tpch import FOLDER, TABLES, environment, parquet
from tests.project import Project
from tests.spark.server import ThriftServer, thrift_server

DEEQU = "com.amazon.deequ:deequ:2.1.0-spark-3.5"
DEEQU_REQUIREMENTS = ("pyspark==3.5.9", "pydeequ==1.7.0", "setuptools<80")
DEEQU_WORDS = (
    "vigil.null_rate", "not_null", "accepted_range", "expression_is_true", "accepted_values", "row_count_at_least",
)  # fmt: skip
SETTINGS = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}


def main(scale: int, rounds: int) -> None:
    """Runs the contestants, and prints the medians."""
    with tempfile.TemporaryDirectory() as directory, thrift_server(Path(directory)) as server:
        folder = Path(directory) / "suite"
        with hive.connect(**address(server, Path(directory))) as connection, connection.cursor() as cursor:
            cursor.execute("create database tpch")
            for name in TABLES:
                cursor.execute(f"create table tpch.{name} using parquet location '{parquet(scale) / name}.parquet'")
            project = write_project(folder, server, "tpch", checks(spark=True))
            shared = [check for check in checks(spark=True) if check.test in DEEQU_WORDS]
            shared_project = write_project(folder.with_name("shared"), server, "tpch", shared)
            cursor.execute("use tpch")
            measured = measure(project, cursor)
            everything = len(checks(spark=True))
            results = race(
                [
                    Contestant("dbt test", everything, lambda: run_dbt(project, 0)),
                    Contestant("vigil test, first", everything, lambda: run_vigil(project, 0, first=True)),
                    Contestant("vigil test, again", everything, lambda: run_vigil(project, 0)),
                    Contestant("vigil test, Deequ's", len(shared), lambda: run_vigil(shared_project, 0)),
                    Contestant("floor", everything, lambda: run_floor(cursor, measured)),
                ],
                rounds,
            )
    results.append(run_deequ(scale, rounds))
    Console().print(table(f"Spark, scale factor {scale}", results))
    if "--write" in sys.argv:
        title = f"48 checks on lineitem, Spark, scale factor {scale}"
        write("spark_suite", title, about(rounds, [DEEQU, DEEQU_REQUIREMENTS[0]], spark=True), {"parquet": results})


def address(server: ThriftServer, directory: Path) -> dict[str, Any]:
    """Where the server is."""
    profile = server.profile(directory)
    return {"host": profile["host"], "port": profile["port"]}


def measure(project: Project, cursor: Any) -> dict[str, float]:
    """What each check measures, by the SQL that dbt compiles: orphans, a value of ours, failing rows of the others."""
    compiled: Any = project.run("compile").result
    queries = {result.node.name: result.node.compiled_code for result in compiled}
    return {
        check.name: ask(cursor, f"select {measure_of(check)} from ({queries[check.name]})")[0]
        for check in checks(spark=True)
    }


def measure_of(check: Check) -> str:
    """The column of a check's result that says what it measured."""
    if check.test == "vigil.orphan_rate":
        return "numerator"
    return "value" if check.test.startswith("vigil.") else "count(*)"


def ask(cursor: Any, sql: str) -> list[float]:
    """The only row of a query."""
    cursor.execute(sql)
    [row] = cursor.fetchall()
    return [float(value) for value in row]


def floor() -> list[Statement]:
    """One shared scan without distinct and joins, an anti-join for each parent, and one statement of grouped counts."""
    scan = {f"null_rate_{c}": f"1 - count({c}) / count(*)" for c in (*RATED, *REQUIRED)}
    scan |= {f"not_null_{c}": f"count(*) - count({c})" for c in REQUIRED}
    scan["row_count"] = "case when count(*) < 1 then 1 else 0 end"
    conditions = {f"range_{c}": outside(c) for c in RANGES}
    conditions |= {name: f"not ({sql})" for name, sql in EXPRESSIONS.items()}
    conditions |= {f"accepted_{c}": unaccepted(c) for c in ACCEPTED}
    scan |= {name: f"count(case when {condition} then 1 end)" for name, condition in conditions.items()}
    for column in DATES:
        newest = f"max(case when {column} <= {literal(AS_OF)} then {column} end)"
        scan[f"freshness_{column}"] = f"datediff({literal(AS_OF)}, {newest}) * 86400"
    last, before = (f"count(case when l_shipdate >= {a} and l_shipdate < {b} then 1 end)" for a, b in ratio_days())
    scan["row_count_ratio"] = f"{last} / ({before} / 7)"
    drift = {f"psi_{c}": psi(c) for c in DRIFT}
    return [
        Statement(tuple(scan), f"select {', '.join(scan.values())} from lineitem"),
        *(
            Statement(
                (f"orphans_{key}",),
                f"select count(*) from lineitem left anti join {parent} on {key} = {field} where {key} is not null",
            )
            for key, (parent, field) in PARENTS.items()
        ),
        Statement(tuple(drift), f"with counted as ({counted(*DRIFT)}) select {', '.join(drift.values())}"),
    ]


def run_floor(cursor: Any, measured: dict[str, float]) -> Run:
    """The floor, whose answers must be those of the checks."""
    started = time.perf_counter()
    answers = {
        name: value
        for statement in floor()
        for name, value in zip(statement.checks, ask(cursor, statement.sql), strict=True)
    }
    wall = time.perf_counter() - started
    compare(answers, measured)
    return Run(wall)


def run_deequ(scale: int, rounds: int) -> Result:
    """Deequ on the checks that it has words for, warm."""
    python = environment("deequ", *DEEQU_REQUIREMENTS) / "python"
    jars = FOLDER / "jars"
    jar = jars / f"{DEEQU.split(':')[1]}-{DEEQU.split(':')[2]}.jar"
    if not jar.exists():
        # The jar alone: what it depends on is in Spark, or (f2j, dqdl) not used here.
        copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy"
        subprocess.run(["mvn", "-q", copy, f"-Dartifact={DEEQU}", f"-DoutputDirectory={jars}"], check=True)
    expressions = [(f"range_{c}", f"not {outside(c)}") for c in RANGES] + list(EXPRESSIONS.items())
    content = {
        "jar": str(jar),
        "settings": SETTINGS,
        "lineitem": str(parquet(scale) / "lineitem.parquet"),
        "rounds": rounds,
        "rated": [*RATED, *REQUIRED],
        "required": REQUIRED,
        "expressions": expressions,
        "accepted": list(ACCEPTED.items()),
    }
    file = FOLDER / "deequ.json"
    file.write_text(json.dumps(content))
    _, output = spend([str(python), str(Path(__file__).parent / "run_deequ.py"), str(file)], FOLDER, {0})
    said = json.loads(output.splitlines()[-1])
    assert set(said["statuses"]) == {"Success"}, said
    return Result("deequ", len(said["statuses"]), median(said["seconds"]), None)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3] or (1, 3)))
