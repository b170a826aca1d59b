"""What does a check's SQL cost against the best that a person would write? On DuckDB, side by side in one run.

Builds a table of 20 million rows (or as many as the first argument says), compiles each check through dbt, and runs its
query and a hand-written one in turns. Run it with `.venv/bin/python -m benchmarks.check_sql`, after `make test-fast`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from tests.engines import DuckDB
from tests.project import Project

ROUNDS = 7
TABLE = """
select
  i as id,
  i % 1000 as small_key,
  hash(i) % {rows} as large_key,
  (i * 7919) % 100000 / 100 as amount,
  random() as measure,
  case when i % 997 <> 0 then 'n' || i % 50 end as name,
  timestamp '2013-01-01' + to_seconds(i * 5000000 // {rows}) as happened_at
from range({rows}) as r(i)
"""
RECENT = "happened_at >= timestamp '2013-02-20' and happened_at < timestamp '2013-02-27'"
BASELINE = "happened_at >= timestamp '2013-01-23' and happened_at < timestamp '2013-02-20'"
PSI = {"timestamp_column": "happened_at", "window": "7 days", "baseline_window": "28 days"}


def psi_sql(column: str, *, numeric: bool) -> str:
    """A PSI as one would write it: DuckDB's quantiles of the baseline, or the values, and one pass to count."""
    deciles = f"quantile_disc({column}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])"
    return f"""
        with edges as materialized (
          select list_distinct({deciles if numeric else "[1]"}) as edges from big where {BASELINE}
        ),
        bins as (
          select
            {f"list_sum([({column} > e)::int for e in (select edges from edges)])" if numeric else column} as bin,
            count(*) filter ({BASELINE}) as b,
            count(*) filter ({RECENT}) as w
          from big where ({BASELINE}) or ({RECENT}) group by 1
        ),
        shares as (
          select greatest(b / sum(b) over (), 1e-4) as e, greatest(w / sum(w) over (), 1e-4) as a from bins
        )
        select sum((a - e) * ln(a / e)) from shares"""


CHECKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "null_rate, no nulls": ("null_rate", {"column_name": "id"}, "select 1 - count(id) / count(*) from big"),
    "null_rate, nulls": ("null_rate", {"column_name": "name"}, "select 1 - count(name) / count(*) from big"),
    "null_rate, floating point": (
        "null_rate",
        {"column_name": "measure"},
        "select count(*) - count(measure) + (select count(*) from big where isnan(measure)), count(*) from big",
    ),
    "null_rate, window": (
        "null_rate",
        {"column_name": "name", "timestamp_column": "happened_at", "window": "7 days"},
        f"select 1 - count(name) / count(*) from big where {RECENT}",
    ),
    "freshness": (
        "freshness",
        {"timestamp_column": "happened_at", "max_age": "1 day"},
        "select max(happened_at), (select count(*) from big where happened_at > timestamp '2013-02-27 00:05') from big"
        " where happened_at <= timestamp '2013-02-27 00:05'",
    ),
    "row_count_ratio": (
        "row_count_ratio",
        {"timestamp_column": "happened_at"},
        "select (select count(*) from big where happened_at >= date '2013-02-26' and happened_at < date '2013-02-27')"
        " / (select count(*) from big where happened_at >= date '2013-02-19' and happened_at < date '2013-02-26') * 7",
    ),
    "orphan_rate, small parent": (
        "orphan_rate",
        {"column_name": "small_key", "to": "ref('small')", "field": "small_key"},
        "select (select count(*) from big anti join small using (small_key) where small_key is not null)"
        " / (select count(small_key) from big)",
    ),
    "orphan_rate, large parent": (
        "orphan_rate",
        {"column_name": "large_key", "to": "ref('large')", "field": "large_key"},
        "select (select count(*) from big anti join large using (large_key) where large_key is not null)"
        " / (select count(large_key) from big)",
    ),
    "psi, 50 categories": ("psi", {"column_name": "name", **PSI}, psi_sql("name", numeric=False)),
    "psi, 100,000 numbers": ("psi", {"column_name": "amount", **PSI}, psi_sql("amount", numeric=True)),
    "psi, all numbers distinct": ("psi", {"column_name": "measure", **PSI}, psi_sql("measure", numeric=True)),
}


def main(rows: int) -> None:
    """Print the time of each check's query, of the hand-written one, and their ratio."""
    table = Table(
        "check", "check's SQL, ms", "by hand, ms", "ratio", title=f"{rows:,} rows, DuckDB {duckdb.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        queries = compile_checks(directory, rows)
        with duckdb.connect(str(directory / "cases.duckdb")) as connection:
            for name, (_, _, by_hand) in CHECKS.items():
                seconds: dict[str, list[float]] = {queries[name]: [], by_hand: []}
                for _ in range(ROUNDS):
                    for sql, spent in seconds.items():
                        started = time.perf_counter()
                        connection.execute(sql).fetchall()
                        spent.append(time.perf_counter() - started)
                ours, theirs = (1000 * median(spent) for spent in seconds.values())
                table.add_row(name, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}")
    Console().print(table)


def compile_checks(directory: Path, rows: int) -> dict[str, str]:
    """Build the tables and compile each check, through dbt."""
    project = Project(directory, DuckDB(), {"vigil_as_of": "2013-02-27"})
    materialized = "{{ config(materialized='table') }}"
    project.write("models/big.sql", materialized + TABLE.format(rows=rows))
    project.write("models/small.sql", f"{materialized} select i as small_key from range(990) as r(i)")
    project.write(
        "models/large.sql", f"{materialized} select i::ubigint as large_key from range({rows * 3 // 4}) as r(i)"
    )
    tests = [
        {f"vigil.{check}": {"name": f"check_{number}", "arguments": arguments}}
        for number, (check, arguments, _) in enumerate(CHECKS.values())
    ]
    project.write_yaml("models/big.yml", {"models": [{"name": "big", "data_tests": tests}]})
    results = project.test_results(project.run("build"))
    return {name: results[f"check_{number}"].compiled_sql for number, name in enumerate(CHECKS)}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000)
