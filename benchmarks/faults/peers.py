"""The same tables watched by Soda and by Great Expectations, each in an environment of its own.

Their checks look at the last day's rows alone, as a contract or a batch does; what they accept is what the days of the
whole clean year had, from the least to the greatest: the same knowledge that our own bounds were set by. They get the
view of derived columns too. Soda learns by itself only in its cloud, and Great Expectations not at all.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.faults.tables import FLIGHTS, FOLDER, LINEITEM, ORDERS, Table, WorkingCopy
from benchmarks.peers import GX_REQUIREMENTS, SODA_REQUIREMENTS
from benchmarks.suite import QUIET
from benchmarks.tpch import ENVIRONMENT, environment

MAX_VALUES = 120
"""A text column of at most so many different values is one whose values are known."""
PARENTS = {
    FLIGHTS.name: [("carrier", "airlines", "carrier"), ("dest", "airports", "faa"), ("tailnum", "planes", "tailnum")],
    ORDERS.name: [("o_custkey", "customer", "c_custkey")],
    LINEITEM.name: [("l_orderkey", "orders", "o_orderkey"), ("l_partkey", "partsupp", "ps_partkey")],
}
TIME_COLUMN = {FLIGHTS.name: "sched_dep_at", ORDERS.name: "o_orderdate", LINEITEM.name: "l_shipdate"}
Bounds = list[float]


class Peer:
    """A process in another environment, that judges the file of a table when it is told to."""

    def __init__(self, name: str, copy: WorkingCopy) -> None:
        """Learn the bounds, write them down, and start the process."""
        self.name = name
        self.copy = copy
        requirements = {"soda": SODA_REQUIREMENTS, "great expectations": GX_REQUIREMENTS}[name]
        short = {"soda": "soda", "great expectations": "gx"}[name]
        content = learnt(copy)
        file = copy.path.with_suffix(".json")
        file.write_text(json.dumps(content, indent=1))
        python = environment(short, *requirements) / "python"
        program = Path(__file__).parent / f"run_{short}.py"
        self._process = subprocess.Popen(
            [str(python), str(program), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=FOLDER,
            env={**ENVIRONMENT, **QUIET, "PYTHONPATH": "", "HOME": os.environ.get("HOME", "/tmp")},
        )
        self.checks = int(self._answer()["checks"])

    def red(self, as_of: date) -> frozenset[str]:
        """The checks that fail, err or cannot say."""
        assert self._process.stdin is not None
        self._process.stdin.write(
            json.dumps({"day": str(date.fromordinal(as_of.toordinal() - 1)), "as_of": str(as_of)})
        )
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return frozenset(self._answer()["red"])

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.name} ended with {self._process.wait()}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def learnt(copy: WorkingCopy) -> dict[str, Any]:
    """What the days of the clean year had."""
    table = copy.table
    with duckdb.connect(str(copy.path), read_only=True) as connection:
        relations = []
        for name, source in (
            (table.name, f"kept.{table.name}"),
            (table.view, f"(select {table.derived} from kept.{table.name})"),
        ):
            types = {row[0]: row[1] for row in connection.execute(f"describe from {source}").fetchall()}
            columns = {c: _column(connection, table, source, c, t) for c, t in types.items() if c != table.day}
            relations.append({"name": name, "types": types, "columns": columns})
        parents = [
            {
                "column": column,
                "to": to,
                "key": key,
                "max_rate": _greatest(
                    connection,
                    f"select count(*) filter ({column} not in (select {key} from {to} where {key} is not null)) "
                    f"/ count({column}) from kept.{table.name} where {_judged(table)} group by {table.day}",
                ),
            }
            for column, to, key in PARENTS[table.name]
        ]
        rows = connection.execute(
            f"select min(n), max(n), max(age) from (select count(*) as n, "
            f"date_diff('second', max({TIME_COLUMN[table.name]}), {table.day} + 1) / 3600 as age "
            f"from kept.{table.name} where {_judged(table)} group by {table.day})"
        ).fetchone()
    assert rows is not None
    least, most, age = rows
    return {
        "database": str(copy.path),
        "table": table.name,
        "day": table.day,
        "key": list(table.key),
        "segment": table.segment,
        "time_column": TIME_COLUMN[table.name],
        "max_age_hours": age,
        "rows": [least, most],
        "relations": relations,
        "parents": parents,
    }


def _judged(table: Table) -> str:
    return f"{table.day} between date '{table.first}' and date '{table.last}'"


def _greatest(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    row = connection.execute(f"select max(value) from ({query}) as found(value)").fetchone()
    return float(row[0]) if row else 0.0


def _column(
    connection: duckdb.DuckDBPyConnection, table: Table, source: str, column: str, type_: str
) -> dict[str, Any]:
    kind = "text" if type_ == "VARCHAR" else "time" if type_.startswith(("DATE", "TIMESTAMP")) else "number"
    value = {
        "text": "null",
        "time": f"date_diff('hour', cast({table.day} as timestamp), cast({column} as timestamp))",
        "number": f"cast({column} as double)",
    }[kind]
    row = connection.execute(
        f"""select
          max(nulls), min(n), max(n), min(least), max(least), min(greatest), max(greatest), min(mean), max(mean)
        from (
          select 1 - count({column}) / count(*) as nulls, count(distinct {column}) as n,
            min({value}) as least, max({value}) as greatest, avg({value}) as mean
          from {source} where {_judged(table)} group by {table.day}
        )"""
    ).fetchone()
    assert row is not None
    found: dict[str, Any] = {"kind": kind, "nulls": row[0], "distinct": list(row[1:3])}
    if kind != "text":
        found |= {"min": list(row[3:5]), "max": list(row[5:7]), "mean": list(row[7:9])}
    else:
        values = connection.execute(f"select distinct {column} from {source} where {column} is not null").fetchall()
        if len(values) <= MAX_VALUES:
            found["values"] = sorted(value for (value,) in values)
    return found
