"""Finds the tables whose files have statistics that a query can read: those of Iceberg and of Delta."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BOUNDED",
    "COUNTED",
    "ROWS",
    "TIMES",
    "Counted",
    "Rows",
    "Table",
    "quoted",
    "sizes_of_files",
    "statistic",
    "tables_with_files",
    "tried",
]

ROWS = "`rows`"
"""The number of a file's rows."""
LAKE = re.compile("iceberg|delta", re.IGNORECASE)
PLAIN_NAME = re.compile(r"\w+")
INFORMATION = re.compile(r"^(Type|Provider): (.*)$", re.MULTILINE)
BOUNDED = re.compile(r"tinyint|smallint|int|bigint|date|timestamp|timestamp_ntz|decimal\(.*\)")
"""Types whose bounds are values. Those of text are cut, and those of floating point leave NaN and the sign of 0 out."""
TIMES = ("date", "timestamp", "timestamp_ntz")
COUNTED = re.compile(rf"{BOUNDED.pattern}|float|double|boolean|string|binary")
"""Types that have no parts, whose nulls would be counted in place of theirs."""

FILES = re.compile(r"\bRelation .*\bStatistics\(sizeInBytes=([0-9.E+]+) (\w+)")
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}

Rows = Callable[[str], Sequence[Sequence[Any]]]
"""Executes a query of Spark and returns its rows."""


def quoted(name: str) -> str:
    """A name as SQL."""
    return f"`{name.replace('`', '``')}`"


def statistic(column: str, what: str) -> str:
    """The column that has a statistic, of a relation that has a row for each file.

    Args:
        column: A column of the table, which has its type.
        what: `lower` and `upper`, which no value that is not null is beyond, `nulls` or `nans`; null where it is not
            known. Only a type of BOUNDED has bounds.
    """
    return quoted(f"{column.lower()}.{what}")


@dataclass(frozen=True)
class Counted:
    """Over how many rows of a file an aggregate is, without those in which its argument is null."""

    rows: str
    """As SQL over the statistics of the file; null where they do not say."""
    by: str
    """A column of a time without which no row is counted, in small letters, or nothing."""


@dataclass(frozen=True)
class Table(ABC):
    """A table that has statistics of its files."""

    name: str
    """As SQL."""
    columns: Mapping[str, str]
    """The types of the columns without parts, by their names in small letters."""

    @property
    @abstractmethod
    def is_exact(self) -> str:
        """A condition over the files: that their statistics are those of the rows that the table has."""

    @property
    def cut(self) -> Collection[str]:
        """Types whose bounds are up to 999 microseconds too wide."""
        return ()

    @property
    def pinned(self) -> str:
        """The table as its statistics are of it, as SQL; empty if it cannot be read so."""
        return ""

    @abstractmethod
    def files(self, columns: Sequence[str]) -> str:
        """A query with a row for each file: its number of rows, and the statistics of columns."""


def tables_with_files(names: Iterable[str], rows: Rows) -> list[Table]:
    """Those of the tables that have statistics of their files, and are large enough to ask for them.

    Args:
        names: Of tables, as SQL.
        rows: Executes a query.
    """
    from dbt_vigil.plan import delta, iceberg

    settings = {str(name): str(value) for name, value, *_ in tried("set", rows)}
    folders: dict[str, dict[str, str]] = {}
    for name in names:
        *folder, table = (part.strip("`") for part in name.split("."))
        default = settings.get("spark.sql.defaultCatalog", "spark_catalog")
        catalogs = folder[:1] if folder[:1] == ["spark_catalog"] else [*folder[:1], default]
        given = [settings[key] for catalog in catalogs if (key := f"spark.sql.catalog.{catalog}") in settings]
        if folder and given and LAKE.search(given[0]) and all(map(PLAIN_NAME.fullmatch, (*folder, table))):
            folders.setdefault(".".join(map(quoted, folder)), {})[table.lower()] = name
    schemas: dict[str, dict[str, str]] = {"iceberg": {}, "delta": {}}
    for path, tables in folders.items():
        described = tried(f"show table extended in {path} like '{'|'.join(tables)}'", rows)
        given_names = Counter(name.lower() for _, name, *_ in described)
        for _, name, _, information in described:
            # A view has its text there, behind its own facts.
            facts = dict(reversed(INFORMATION.findall(information)))
            found = schemas.get(facts.get("Provider", ""))
            if given_names[name.lower()] == 1 and facts["Type"] != "VIEW" and found is not None:
                found[tables[name.lower()]] = information.partition("\nSchema: ")[2]
    return [
        *iceberg.tables(schemas["iceberg"], settings, rows),
        *delta.tables(schemas["delta"], settings, rows),
    ]


def tried(sql: str, rows: Rows) -> Sequence[Sequence[Any]]:
    """The rows of a statement; none if it fails: whoever asks for a table that is not there will be told."""
    try:
        return rows(sql)
    except Exception:
        return []


def sizes_of_files(plan: str) -> list[float]:
    """The bytes of each relation of files in a plan that Spark explains with its costs."""
    return [float(number) * UNITS[unit] for number, unit in FILES.findall(plan)]
