"""Draws histories of small tables in Iceberg and in Delta, and the tests of what has become of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from dbt_vigil.macros import PackageMacros, Relation
from dbt_vigil.plan import CompiledTest
from dbt_vigil.plan.lakes import quoted

__all__ = ["AS_OF", "History", "draw_history", "drawn_tests"]

AS_OF = datetime(2024, 3, 10, tzinfo=timezone.utc)
CHECK_FAIL_CALC = "coalesce(sum(failed), 1)"
NUMBERS = {
    "int": ["0", "-1", "7", "2147483647", "-2147483648"],
    "bigint": ["0", "5", "-9223372036854775808", "9007199254740993"],
    "float": ["cast('NaN' as float)", "cast('-Infinity' as float)", "cast('-0.0' as float)", "1.5f", "7f"],
    "double": ["cast('NaN' as double)", "cast('Infinity' as double)", "cast('-0.0' as double)", "0d", "1e300"],
    "decimal(10,2)": ["0.01", "99999999.99", "-7.00"],
}
TEXTS = ["''", "'a'", "'NaN'", "repeat('z', 40)", "repeat('\U0001f600', 20)"]
WIDER = {"int": "bigint", "float": "double", "decimal(10,2)": "decimal(12,2)"}
ODD_NAMES = {"iceberg": "Odd `name", "delta": "Odd`Name"}
"""Delta has no spaces in a name."""
TIMES = ("timestamp", "timestamp_ntz", "date")


@dataclass
class History:
    """A table that is made and changed by statements, and its columns as they are after these."""

    table_format: str
    table: str
    random: random.Random
    columns: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    day: int = -12
    """Of the next rows, counted from AS_OF."""
    is_partitioned: bool = False

    def add(self, statement: str) -> None:
        self.statements.append(statement)


def draw_history(table_format: str, number: int) -> History:
    """The history with a number, which is the same whenever it is drawn."""
    draw = random.Random(number)
    history = History(table_format, f"histories.t_{number}", draw)
    kinds = ["bigint", "int", "float", "double", "decimal(10,2)", "string", "boolean", "struct<a:int>"]
    history.columns = {"at": draw.choice(TIMES), "on": draw.choice(TIMES)} | dict(
        zip(["id", "n", "f", "d", ODD_NAMES[table_format], "s", "b", "st"], kinds, strict=True)
    )
    history.add((_created if table_format == "iceberg" else _created_in_delta)(history))
    steps = [*STEPS, *(ICEBERG_STEPS if table_format == "iceberg" else DELTA_STEPS)]
    _insert(history)
    calm = draw.random() < 0.5  # most tables are only ever appended to
    for _ in range(draw.randint(2, 7)):
        step = _insert if calm or draw.random() < 0.5 else draw.choice(steps)
        step(history)
    return history


def _created(history: History) -> str:
    draw = history.random
    mode = draw.choice(["copy-on-write", "merge-on-read"])
    properties = {f"write.{what}.mode": mode for what in ("delete", "update", "merge")}
    properties["format-version"] = draw.choice("1223")
    if properties["format-version"] == "1":
        properties = {"format-version": "1"}
    if draw.random() < 0.15:
        properties["write.format.default"] = draw.choice(["orc", "avro"])
    if draw.random() < 0.15:
        properties[f"write.metadata.metrics.{draw.choice(['default', 'column.at', 'column.n'])}"] = draw.choice(
            ["none", "counts", "truncate(2)"]
        )
    day = "at" if history.columns["at"] == "date" else "days(at)"
    partition = draw.choice(["", "", f"partitioned by ({day})", "partitioned by (bucket(3, id))"])
    listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
    return f"create table {history.table} ({_declared(history)}) using iceberg {partition} tblproperties ({listed})"


def _created_in_delta(history: History) -> str:
    draw = history.random
    properties = {
        "delta.enableDeletionVectors": draw.choice(["true", "false"]),
        "delta.checkpointInterval": draw.choice(["2", "3", "10"]),
        "delta.dataSkippingNumIndexedCols": draw.choice(["32", "32", "32", "4", "0"]),
    }
    if draw.random() < 0.2:
        properties["delta.checkpoint.writeStatsAsJson"] = "false"
    if draw.random() < 0.2:
        properties["delta.checkpointPolicy"] = "v2"
    days = [name for name in ("at", "on") if history.columns[name] == "date"]
    partition = draw.choice(["", "", "partitioned by (n)", "partitioned by (s)", "partitioned by (at)", *days[:1]])
    partition = f"partitioned by ({partition})" if partition in days else partition
    listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
    return f"create table {history.table} ({_declared(history)}) using delta {partition} tblproperties ({listed})"


def _declared(history: History) -> str:
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in history.columns.items())


def _insert(history: History) -> None:
    """Rows of some days, or of one, and now and then of none."""
    draw = history.random
    days = draw.choice([1, 1, 1, 2, 4])
    nulls = {name: draw.choice([0, 0, 0, 0.3, 1]) for name in history.columns}
    rows = [
        ", ".join(_value(history, name, kind, nulls[name], days) for name, kind in history.columns.items())
        for _ in range(draw.choice([1, 2, 3, 8, 8, 8]))
    ]
    if draw.random() < 0.8:
        history.day += days
    if history.day > 1:
        history.day = draw.randint(-12, 0)
    names = ", ".join(map(quoted, history.columns))
    selected = " union all ".join(f"select {row}" for row in rows)
    where = " where false" if draw.random() < 0.05 else ""
    hint = f"/*+ repartition({draw.choice([1, 1, 2])}) */ "
    history.add(f"insert into {history.table} ({names}) select {hint}* from ({selected}){where}")


def _value(history: History, name: str, kind: str, nulls: float, days: int) -> str:
    draw = history.random
    if draw.random() < nulls:
        return f"cast(null as {kind})"
    if kind in TIMES:
        return _moment(draw, kind, history.day + draw.randrange(days))
    if kind == "string":
        return draw.choice(TEXTS)
    if kind == "boolean":
        return draw.choice(["true", "false"])
    if kind.startswith("struct"):
        return draw.choice(["named_struct('a', 1)", "named_struct('a', cast(null as int))"])
    narrow = next((one for one, other in WIDER.items() if other == kind), kind)
    values = NUMBERS.get(kind, NUMBERS[narrow])
    return f"cast({draw.choice(values if draw.random() < 0.4 else ['1', '2', '3', '7'])} as {kind})"


def _moment(draw: random.Random, kind: str, day: int) -> str:
    """A time of a day, which may be its first or its last, in whole seconds or to the microsecond."""
    seconds = draw.choice([0, 86399, draw.randrange(86400)])
    microseconds = draw.choice([0, 0, 1, 999, 1000, 999999, draw.randrange(10**6)])
    moment = AS_OF + timedelta(days=day, seconds=seconds, microseconds=microseconds)
    if draw.random() < 0.01:
        moment = moment.replace(year=draw.choice([1, 1582, 1969, 9999]), month=1)
    if kind == "date":
        return f"date '{moment:%Y-%m-%d}'".replace(f"'{moment.year}-", f"'{moment.year:04}-")
    text = f"{moment.year:04}-{moment:%m-%d %H:%M:%S.%f}"
    return f"timestamp '{text}Z'" if kind == "timestamp" else f"timestamp_ntz '{text}'"


def _some_rows(history: History) -> str:
    draw = history.random
    if "at" in history.columns and draw.random() < 0.5:
        day = (AS_OF + timedelta(days=draw.randint(-12, 0))).date()
        return f"at >= date '{day}' and at < date '{day + timedelta(days=1)}'"
    column = draw.choice([c for c in ("id", "n", "d") if c in history.columns] or ["at"])
    return draw.choice([f"{quoted(column)} is null", f"{quoted(column)} = 7", f"{quoted(column)} = 1"])


def _delete(history: History) -> None:
    history.add(f"delete from {history.table} where {_some_rows(history)}")


def _update(history: History) -> None:
    name = history.random.choice([n for n, kind in history.columns.items() if "struct" not in kind])
    value = _value(history, name, history.columns[name], 0.3, 1)
    history.add(f"update {history.table} set {quoted(name)} = {value} where {_some_rows(history)}")


def _add_column(history: History) -> None:
    draw = history.random
    name, kind = draw.choice(["d", "extra", "n"]), draw.choice(["int", "double", "date", "timestamp"])
    if name in history.columns:
        return
    history.add(f"alter table {history.table} add column {quoted(name)} {kind}")
    history.columns[name] = kind


def _rename_column(history: History) -> None:
    draw = history.random
    old, new = draw.choice(["n", "d", "id", "on"]), draw.choice(["renamed", "n", "d"])
    if old not in history.columns or new in history.columns:
        return
    history.add(f"alter table {history.table} rename column {quoted(old)} to {quoted(new)}")
    history.columns = {new if name == old else name: kind for name, kind in history.columns.items()}


def _drop_column(history: History) -> None:
    name = history.random.choice(["n", "d", "f", "s", "on"])
    if name not in history.columns:
        return
    history.add(f"alter table {history.table} drop column {quoted(name)}")
    history.columns.pop(name)


def _swap_columns(history: History) -> None:
    """One column takes the name of another."""
    if {"n", "id"} <= set(history.columns) and not history.is_partitioned:
        for old, new in (("n", "third"), ("id", "n"), ("third", "id")):
            history.add(f"alter table {history.table} rename column {old} to {new}")
        history.columns["n"], history.columns["id"] = history.columns["id"], history.columns["n"]


def _widen_column(history: History) -> None:
    name = history.random.choice([n for n, kind in history.columns.items() if kind in WIDER] or [""])
    if name:
        history.add(f"alter table {history.table} alter column {quoted(name)} type {WIDER[history.columns[name]]}")
        history.columns[name] = WIDER[history.columns[name]]


def _compact(history: History) -> None:
    if history.table_format == "delta":
        history.add(f"optimize {history.table}{history.random.choice(['', ' zorder by (id)'])}")
    else:
        options = "map('rewrite-all', 'true')"
        history.add(f"call lake.system.rewrite_data_files(table => '{history.table}', options => {options})")


def _rewrite_manifests(history: History) -> None:
    history.add(f"call lake.system.rewrite_manifests('{history.table}')")


def _partition(history: History) -> None:
    terms = ["truncate(4, s)" if "s" in history.columns else "bucket(2, at)", "months(at)", "identity(n)"]
    if not history.is_partitioned:
        history.add(f"alter table {history.table} add partition field {history.random.choice(terms)}")
        history.is_partitioned = True


def _metrics(history: History) -> None:
    mode = history.random.choice(["none", "counts", "full"])
    history.add(f"alter table {history.table} set tblproperties ('write.metadata.metrics.default' = '{mode}')")


def _branch(history: History) -> None:
    history.add(f"alter table {history.table} create or replace branch side")
    history.add(f"delete from {history.table}.branch_side where true")


def _indexed_columns(history: History) -> None:
    number = history.random.choice([0, 1, 3, 32])
    properties = f"('delta.dataSkippingNumIndexedCols' = '{number}')"
    history.add(f"alter table {history.table} set tblproperties {properties}")


def _deletion_vectors(history: History) -> None:
    properties = f"('delta.enableDeletionVectors' = '{history.random.choice(['true', 'false'])}')"
    history.add(f"alter table {history.table} set tblproperties {properties}")


def _purge(history: History) -> None:
    history.add(f"reorg table {history.table} apply (purge)")


def _restore(history: History) -> None:
    history.add(f"restore table {history.table} to version as of {history.random.randint(1, 3)}")


def _map_columns(history: History) -> None:
    mode = "('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')"
    history.add(f"alter table {history.table} set tblproperties {mode}")
    _rename_column(history)


STEPS = [_delete, _delete, _update, _add_column, _compact, _compact]
ICEBERG_STEPS = [
    _rename_column, _drop_column, _swap_columns, _widen_column, _rewrite_manifests, _partition, _metrics, _branch,
]  # fmt: skip
DELTA_STEPS = [_indexed_columns, _deletion_vectors, _deletion_vectors, _purge, _restore, _map_columns]


def drawn_tests(history: History, macros: Callable[[datetime], PackageMacros]) -> Iterator[CompiledTest]:
    """Checks and dbt's own tests of every column, as they are compiled."""
    draw = history.random
    relation = Relation(history.table, history.table)
    as_of = AS_OF + timedelta(seconds=draw.choice([0, 0, 0, 1, 43200]), days=draw.choice([0, 0, -3]))
    number = 0

    def check(name: str, **arguments: object) -> CompiledTest:
        nonlocal number
        number += 1
        sql = str(macros(as_of).call(f"test_{name}", model=relation, **arguments))
        return CompiledTest(f"{history.table} {number} {name} {arguments}", sql, CHECK_FAIL_CALC, is_check=True)

    def count(where: str) -> CompiledTest:
        return CompiledTest(f"{history.table} {where}", f"select * from {history.table} where {where}")

    for name in ("at", "on"):
        if name in history.columns:
            yield check("freshness", timestamp_column=name, max_age="1 day")
            yield check("freshness", timestamp_column=name, max_age="1 day", window="2 days")
            yield check("future_rate", timestamp_column=name)
            yield check("row_count_ratio", timestamp_column=name)
            yield check("row_count_ratio", timestamp_column=name, baseline_periods=1, seasonality="week")
    for name, kind in history.columns.items():
        # Of a column of dates, a window of hours is an error.
        hours = ["36 hours"] if history.columns.get("at") != "date" else []
        window = draw.choice(["1 day", "2 days", "8 days", *hours])
        over = {"timestamp_column": "at", "window": window} if "at" in history.columns and draw.random() < 0.5 else {}
        yield check("null_rate", column_name=name, nan_is_null=draw.random() < 0.8, **over)
        column = quoted(name)
        yield count(f"{column} is null")
        if kind in TIMES:
            for limit in (_moment(draw, kind, draw.randint(-12, 1)), "date '2024-03-08'"):
                yield count(draw.choice([f"{column} >= {limit}", f"not {column} <= {limit}", f"{column} = {limit}"]))
        elif kind in NUMBERS or kind in WIDER.values():
            yield count(draw.choice([f"{column} < 0", f"not ({column} between 1 and 7)", f"1.5 > {column}"]))
            yield count(draw.choice([f"{column} in (1, 2)", f"{column} <> 7", f"{column} > 3 or {column} is null"]))
