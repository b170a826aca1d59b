"""Answers aggregates from what a table's own metadata say of its files, where that is exact; all others are scanned.

Asked are only tables of Iceberg, which keep of each file its number of rows, and of each column nulls, NaN and
bounds. A test is answered only as a whole: of one moment's files, not of some now and rows a little later.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dbt_vigil.plan.forms import Aggregate, Form, Known

__all__ = ["BOUNDED", "ROWS", "known_by_metadata", "statistic"]

ROWS = "`rows`"
"""The number of a file's rows."""
STATISTIC = re.compile(r"`((?:[^`]|``)+)\.(?:lower|upper|nulls|nans)`")
ICEBERG = re.compile("iceberg", re.IGNORECASE)
PLAIN_NAME = re.compile(r"\w+")
INFORMATION = re.compile(r"^(Type|Provider): (.*)$", re.MULTILINE)
COLUMN = re.compile(r"^ \|-- (.+): ([a-z_]+(?:\([0-9,]+\))?) \(nullable = ", re.MULTILINE)
COUNT = re.compile(r"\bRelationV2.*\bStatistics\(sizeInBytes=[^,)]*(?:, rowCount=([0-9.E+]+))?\)")
LARGE = 1_000_000
"""Rows of a table: to scan fewer takes no longer than to ask."""
TYPES = {"byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint"}
"""What Spark calls otherwise where it describes a table."""
BOUNDED = re.compile(r"tinyint|smallint|int|bigint|date|timestamp|timestamp_ntz|decimal\(.*\)")
"""Types whose bounds are values. Those of text are cut, and those of floating point leave NaN and the sign of 0 out."""
COUNTED = re.compile(rf"{BOUNDED.pattern}|float|double|boolean|string|binary")
"""Types that have no parts, whose nulls would be counted in place of theirs."""

Rows = Callable[[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Table:
    """A table that has metadata of its files."""

    name: str
    """As SQL."""
    columns: Mapping[str, str]
    """The types of the columns without parts, by their names in small letters."""


def statistic(column: str, what: str) -> str:
    """The column that has a statistic, of a relation that has a row for each file.

    Args:
        column: A column of the table, which has its type.
        what: `lower` and `upper` bound of the values that are not null, `nulls` or `nans`; null where it is not
            known. Only a type of BOUNDED has bounds.
    """
    return f"`{column.lower().replace('`', '``')}.{what}`"


def known_by_metadata(forms: Sequence[Form], rows: Rows) -> list[Form]:
    """The same tests, with values in place of aggregates, where they are exactly known.

    Args:
        forms: The tests.
        rows: Executes a query of Spark and returns its rows.
    """
    wanted: dict[str, dict[Aggregate, None]] = {}
    for form in forms:
        for aggregate in form.aggregates:
            if isinstance(aggregate, Aggregate):
                wanted.setdefault(aggregate.table, {})[aggregate] = None
    if not wanted:
        return list(forms)
    asked = [_Question.of(table, wanted[table.name]) for table in _large(_tables(wanted, rows), rows)]
    known = _answers([question for question in asked if question.aggregates], rows)

    def answered(form: Form) -> Form:
        found = [known[a] for a in form.aggregates if isinstance(a, Aggregate) and a in known]
        is_whole = form.aggregates and len(found) == len(form.aggregates)
        return replace(form, aggregates=tuple(found)) if is_whole else form

    return [answered(form) for form in forms]


def _tables(names: Iterable[str], rows: Rows) -> list[Table]:
    """Those of the tables that have metadata of their files."""
    settings = {str(name): str(value) for name, value, *_ in _tried("set", rows)}
    if any(name.startswith("spark.wap.") for name in settings):
        return []  # what is read may be a branch, and the metadata are those of the table
    folders: dict[str, dict[str, str]] = {}
    for name in names:
        *folder, table = (part.strip("`") for part in name.split("."))
        default = settings.get("spark.sql.defaultCatalog", "spark_catalog")
        catalogs = folder[:1] if folder[:1] == ["spark_catalog"] else [*folder[:1], default]
        given = [settings[key] for catalog in catalogs if (key := f"spark.sql.catalog.{catalog}") in settings]
        if folder and given and ICEBERG.search(given[0]) and all(map(PLAIN_NAME.fullmatch, (*folder, table))):
            folders.setdefault(".".join(f"`{part}`" for part in folder), {})[table.lower()] = name
    found = []
    for path, tables in folders.items():
        described = _tried(f"show table extended in {path} like '{'|'.join(tables)}'", rows)
        given_names = Counter(name.lower() for _, name, *_ in described)
        for _, name, _, information in described:
            # A view has its text there, behind its own facts.
            facts = dict(reversed(INFORMATION.findall(information)))
            if given_names[name.lower()] == 1 and (facts["Type"] != "VIEW", facts.get("Provider")) == (True, "iceberg"):
                found.append(Table(tables[name.lower()], _columns(information.partition("\nSchema: ")[2])))
    return found


def _columns(schema: str) -> dict[str, str]:
    listed = COLUMN.findall(schema)
    names = Counter(name.lower() for name, _ in listed)
    kinds = ((name.lower(), TYPES.get(kind, kind)) for name, kind in listed if names[name.lower()] == 1)
    # The metadata name the parts of a column so, too.
    return {name: kind for name, kind in kinds if COUNTED.fullmatch(kind) and "." not in name}


def _large(tables: Sequence[Table], rows: Rows) -> list[Table]:
    """Those of the tables that take longer to scan than to ask, or may do so."""
    if not tables:
        return []
    scans = " union all ".join(f"select 1 from {table.name}" for table in tables)
    counts = [count for plan, *_ in _tried(f"explain cost {scans}", rows) for count in COUNT.findall(plan)]
    if len(counts) != len(tables):
        return []
    return [table for table, count in zip(tables, counts, strict=True) if not count or float(count) >= LARGE]


def _tried(sql: str, rows: Rows) -> Sequence[Sequence[Any]]:
    """The rows of a statement; none if it fails: whoever asks for a table that is not there will be told."""
    try:
        return rows(sql)
    except Exception:
        return []


@dataclass(frozen=True)
class _Question:
    """What a table is asked: of each aggregate, over how many rows of a file it is."""

    table: Table
    aggregates: Mapping[Aggregate, str]

    @classmethod
    def of(cls, table: Table, aggregates: Iterable[Aggregate]) -> _Question:
        from dbt_vigil.plan.files import rows_of  # it imports sqlglot, which is slow

        counts = {aggregate: rows_of(aggregate, table.columns) for aggregate in aggregates}
        return cls(table, {aggregate: count for aggregate, count in counts.items() if count})

    @property
    def query(self) -> str:
        """One row: the values of the aggregates as SQL, in a JSON array; null where one is not known."""
        counts = list(dict.fromkeys(self.aggregates.values()))
        counted = ", ".join(f"{count} as count_{k}" for k, count in enumerate(counts))
        values = ", ".join(self._value(a, f"count_{counts.index(count)}") for a, count in self.aggregates.items())
        names = {name.replace("``", "`") for name in STATISTIC.findall(counted)}
        names |= {_name(a) for a in self.aggregates if a.function != "count"}
        return f"""\
select case when count_if(not is_of_rows) = 0 then to_json(array({values})) end as found
from (select *, {counted} from ({_files(self.table, sorted(names))}) as files) as counted"""

    def _value(self, aggregate: Aggregate, count: str) -> str:
        if aggregate.function == "count":
            return f"case when count({count}) = count(*) then concat(coalesce(sum({count}), 0), 'L') end"
        column, function = _name(aggregate), aggregate.function
        bound, reaches = ("lower", ">=") if function == "min" else ("upper", "<=")
        bound, nulls = (statistic(column, what) for what in (bound, "nulls"))
        # A file that counts with all of its values has the extreme that it says; no other may go beyond it.
        is_whole = f"coalesce({count} = {ROWS} - {nulls} and {bound} is not null, false)"
        is_other = f"(coalesce({count} > 0, true) and not {is_whole})"
        extreme = f"{function}(case when {count} > 0 and {is_whole} then {bound} end)"
        other = f"{function}(case when {is_other} then {bound} end)"
        is_known = (
            f"count_if({is_other}) = 0 or count_if({is_other} and {bound} is null) = 0 and {other} {reaches} {extreme}"
        )
        return f"case when {is_known} then {_as_sql(extreme, self.table.columns[column])} end"


def _name(aggregate: Aggregate) -> str:
    return aggregate.argument.strip("`").replace("``", "`").lower()


def _files(table: Table, columns: Iterable[str]) -> str:
    statistics = [f"record_count as {ROWS}", "content = 0 as is_of_rows"]
    for column in columns:
        metrics, kind = f"readable_metrics.`{column.replace('`', '``')}`", table.columns[column]
        values = {
            "nulls": f"case when {metrics}.value_count = record_count then {metrics}.null_value_count end",
            "nans": f"{metrics}.nan_value_count",
        }
        if BOUNDED.fullmatch(kind):
            values |= {"lower": f"{metrics}.lower_bound", "upper": f"{metrics}.upper_bound"}
        statistics += [f"{value} as {statistic(column, what)}" for what, value in values.items()]
    return f"select {', '.join(statistics)} from {table.name}.files"


def _as_sql(value: str, kind: str) -> str:
    if kind == "timestamp":  # as text it would be one of two where the clocks show an hour twice
        text = f"concat('timestamp_micros(', unix_micros({value}), 'L)')"
    else:
        text = f"""concat("cast('", cast({value} as string), "' as {kind})")"""
    return f"coalesce({text}, 'cast(null as {kind})')"


def _answers(questions: Sequence[_Question], rows: Rows) -> dict[Aggregate, Known]:
    """What is known, by one statement. Of a table that cannot be asked that is nothing: a scan will tell why."""
    if not questions:
        return {}
    parts = (f"select {k} as question, found from ({one.query}) as one" for k, one in enumerate(questions))
    statement = "\nunion all\n".join(parts)
    try:
        answers = rows(statement)
    except Exception:
        middle = len(questions) // 2
        return _answers(questions[:middle], rows) | _answers(questions[middle:], rows) if middle else {}
    return {
        aggregate: Known(aggregate.function, value)
        for k, found in answers
        if found
        for aggregate, value in zip(questions[k].aggregates, json.loads(found), strict=True)
        if value is not None
    }
