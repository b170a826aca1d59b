"""What do answers from metadata cost? Freshness, a row count and 16 null rates of a table in Iceberg, and in Delta.

Run it as `python -m benchmarks.metadata 5` for 5 rounds, and with `--write` to keep the results in benchmarks/results.
The table is TPC-H's lineitem, with the time at which each row was loaded; the same 500 files hold 60 million rows, or 6
million. Both ways take turns on a warm Thrift Server of a cluster of two workers: as `vigil test` plans the checks, and
every one of them in the one scan that they share where there are no metadata. The tables are kept in .benchmarks, where
they take 6 GB.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from pyhive import hive
from rich.console import Console
from rich.table import Table

from benchmarks.suite import RESULTS
from benchmarks.tpch import parquet
from dbt_vigil.macros import Relation
from dbt_vigil.plan import CompiledTest, Form, assembled, findings, probed
from dbt_vigil.plan.delta import DETAIL
from dbt_vigil.plan.reading import read
from tests.project import REPO, package_macros
from tests.spark.cluster import FORMATS, cluster
from tests.spark.processes import HOST

FOLDER = REPO / ".benchmarks/metadata"
SCALES = (1, 10)
FILES, DAYS = 500, 50
START, AS_OF = "2024-01-01 00:00:00", datetime(2024, 2, 20, tzinfo=timezone.utc)
LOADED = "loaded_at"
HEADINGS = ("format", "rows", "files", "from metadata, s", "by a scan, s", "times faster")

Answer = list[Any]
Way = Callable[[], Answer]


def main(rounds: int) -> None:
    """Makes the tables that are not there yet, asks both ways in turns, and prints the medians."""
    measured: list[tuple[str, ...]] = []
    for table_format in FORMATS:
        folder = FOLDER / table_format
        # Tests run with a quicker compiler, which writes slower code.
        java = {"driver": f"-Dderby.system.home={folder / 'derby'}", "executor": "-XX:+UseParallelGC"}
        settings = {f"spark.{who}.extraJavaOptions": options for who, options in java.items()}
        with cluster(table_format, folder, settings | {"spark.driver.memory": "3g"}) as started:
            settings = {"spark.sql.ansi.enabled": "false"}  # as dbt
            with hive.connect(HOST, started.engine.port, configuration=settings).cursor() as cursor:
                measured += [(table_format, *row_of(cursor, table_format, scale, rounds)) for scale in SCALES]
    table = Table(*HEADINGS, title="Freshness, a row count and 16 null rates, on Spark")
    for row in measured:
        table.add_row(*row)
    Console().print(table)
    if "--write" in sys.argv:
        write(measured, rounds)


def row_of(cursor: Any, table_format: str, scale: int, rounds: int) -> tuple[str, ...]:
    """The figures of one size. The first round warms the engine up."""

    def asked(sql: str) -> list[tuple[Any, ...]]:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []

    table = made(asked, table_format, scale)
    [(rows,)] = asked(f"select count(*) from {table}")
    forms = forms_of(table, [column for column, *_ in asked(f"describe {table}") if column.startswith("l_")])

    def from_metadata() -> Answer:
        known, _ = probed(forms, "spark", asked)
        assert "scan" not in {form.source for form in known}
        return answer(asked, known)

    ways: dict[str, Way] = {"metadata": from_metadata, "scan": lambda: answer(asked, forms)}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        answers = []
        for name, way in ways.items():
            started = time.perf_counter()
            answers.append(way())
            if number:
                spent[name].append(time.perf_counter() - started)
        assert answers[0] == answers[1]
    metadata, scan = (median(spent[name]) for name in ways)
    return f"{rows:,}", f"{FILES}", f"{metadata:.2f}", f"{scan:.2f}", f"{scan / metadata:.0f}"


def made(asked: Callable[[str], Any], table_format: str, scale: int) -> str:
    """A table of as many rows, a tenth of a day in each file, which is there from an earlier run or is made."""
    schema, name = "bench", f"lineitem_{scale}"
    asked(f"create schema if not exists {schema}")
    if not asked(f"show tables in {schema} like '{name}'"):
        files = loaded(scale)
        for setting in ("maxPartitionBytes", "openCostInBytes"):  # a task for each file, which writes one
            asked(f"set spark.sql.files.{setting} = 1g")
        asked(
            f"create table {schema}.{name} using {table_format} tblproperties ('write.distribution-mode' = 'none') "
            f"as select * except (file) from parquet.`{files}`"
        )
        shutil.rmtree(files)
    if table_format == "iceberg":
        [(files,)] = asked(f"select count(*) from {schema}.{name}.files")
    else:
        files = asked(f"describe detail {schema}.{name}")[0][DETAIL.index("numFiles")]
    assert files == FILES
    return f"{schema}.{name}"


def loaded(scale: int) -> Path:
    """A folder of Parquet files, with the rows of lineitem in their order, evenly over the days."""
    folder, lineitem = FOLDER / f"loaded_{scale}", parquet(scale) / "lineitem.parquet"
    part = f"file_row_number::hugeint * {{}} // (select count(*) from '{lineitem}')"
    at = f"timestamptz '{START}Z' + to_microseconds(({part.format(DAYS * 86_400_000_000)})::bigint)"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"copy (select * exclude file_row_number, {at} as {LOADED}, ({part.format(FILES)})::int as file "
            f"from read_parquet('{lineitem}', file_row_number = true)) "
            f"to '{folder}' (format parquet, partition_by (file), overwrite)"
        )
    return folder


def forms_of(table: str, rated: Sequence[str]) -> list[Form]:
    """The checks, as the planner reads them."""
    macros = package_macros("spark", AS_OF, FOLDER / "macros")
    time_of = {"timestamp_column": LOADED}
    checks: list[tuple[str, dict[str, Any]]] = [("freshness", {**time_of, "max_age": "1 day"})]
    checks += [("row_count_ratio", time_of), *(("null_rate", {"column_name": column}) for column in rated)]
    compiled = [
        CompiledTest(
            f"{name} {arguments}",
            str(macros.call(f"test_{name}", model=Relation(table, table), **arguments)),
            "coalesce(sum(failed), 1)",
            is_check=True,
        )
        for name, arguments in checks
    ]
    forms = [form for test in compiled if (form := read(test, "spark"))]
    assert len(forms) == len(checks)
    return forms


def answer(asked: Callable[[str], Any], forms: Sequence[Form]) -> Answer:
    """What the tests find."""
    return [
        (found.failures, found.measured)
        for statement in assembled(forms, "spark")
        for found in findings(statement.forms, asked(statement.sql), "spark")
        if found
    ]


def write(measured: Sequence[tuple[str, ...]], rounds: int) -> None:
    """Keeps the results in the repository."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("dbt-vigil", "pyspark"))
    lines = [
        "# Freshness, a row count and 16 null rates from metadata, Spark",
        "",
        f"{date.today()}, medians of {rounds} interleaved rounds, 2 cores, {versions}.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{' --- |' * len(HEADINGS)}",
        *(f"| {' | '.join(row)} |" for row in measured),
    ]
    Path(RESULTS / "metadata.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(next((argument for argument in sys.argv[1:] if argument.isdigit()), "5")))
