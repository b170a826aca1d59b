"""Schemas of tables: columns with their types, of DuckDB, Delta and Iceberg, or as dbt declares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbt_vigil.contracts.changes import Change, Direction
from dbt_vigil.contracts.formats import Record, Schema
from dbt_vigil.contracts.formats.places import Found, Place, Reading, in_order, other_format, ranks
from dbt_vigil.contracts.formats.table_files import read_table
from dbt_vigil.contracts.formats.table_types import (
    Array,
    Entry,
    Map,
    Struct,
    Type,
    Unknown,
    as_avro,
    of_sql,
)  # fmt: skip
from dbt_vigil.contracts.formats.table_widening import is_readable

__all__ = ["Column", "TableSchema"]


@dataclass(frozen=True)
class Column:
    """A column, as SQL or dbt declares it."""

    name: str
    type: str | None
    """None if it is not known."""
    nullable: bool = True


@dataclass(frozen=True)
class TableSchema(Schema):
    """The columns of a table."""

    columns: tuple[Entry, ...]
    format: str
    """`delta` and `iceberg` have rules of their own for types that may be read as others."""
    version: int = 2
    """That of Iceberg's format: what it reads as what depends on it."""

    @staticmethod
    def of_columns(columns: Iterable[Column], dialect: str, format: str) -> TableSchema:  # noqa: A002
        """A table whose types are texts of SQL.

        Args:
            columns: In any order.
            dialect: `duckdb` or `spark`.
            format: `delta`, `iceberg`, or any other, such as `duckdb`.
        """
        entries = tuple(Entry(one.name, of_sql(one.type, dialect), one.nullable) for one in columns)
        return TableSchema(entries, format)

    @staticmethod
    def read(path: Path, name: str) -> TableSchema:
        """The schema of a table of files.

        Args:
            path: A folder of Delta or Iceberg, a `*.metadata.json` of Iceberg, a Delta `schemaString` in a file of
                JSON, or a file of DuckDB (`*.duckdb`, `*.db`).
            name: Of the table in DuckDB: `TABLE` or `SCHEMA.TABLE`.

        Raises:
            VigilError: It is none of these, or cannot be read.
        """
        return TableSchema(*read_table(path, name))

    def changes_to(self, new: Schema, directions: Sequence[Direction]) -> list[Change]:
        """What another version of it breaks, in the order of the columns."""
        if not isinstance(new, TableSchema):
            return other_format(directions)
        rules = frozenset({(self.format, self.version), (new.format, new.version)})
        if self.format == new.format:
            rules = frozenset({(new.format, new.version)})
        found: list[Found] = []
        for direction in directions:
            _Comparison(direction, found, rules).fields(self.columns, new.columns, Place())
        return in_order(found)

    def record(self) -> Record:
        """The columns, as a record of Avro."""
        return {
            "type": "record",
            "name": "table",
            "fields": [{"name": column.name, "type": as_avro(column)} for column in self.columns],
        }


@dataclass(frozen=True)
class _Comparison(Reading):
    """Of who reads and who writes, in one direction."""

    rules: frozenset[tuple[str, int]] = frozenset()
    """Of each format, and its version."""

    def fields(self, old: Sequence[Entry], new: Sequence[Entry], place: Place) -> None:
        """Compare fields by their names, as engines do: without regard to case."""
        order = ranks(*([one.name.lower() for one in fields] for fields in (old, new)))
        names = {one.name.lower(): one.name for one in (*new, *old)}
        before, after = ({one.name.lower(): one for one in fields} for fields in (old, new))
        twice = set(_repeated(old)) | set(_repeated(new))
        for key, rank in order.items():
            here = place.named(rank, names[key])
            if key in twice:
                why = f"More than one column is called `{names[key]}`, without regard to case."
                self.add(here, why, "Give each a name of its own.", is_undecided=True)
            elif key not in after:
                self.removed(names[key], here)
            elif key not in before:
                self.added(after[key], here)
            else:
                self.entry(before[key], after[key], here)

    def removed(self, name: str, place: Place) -> None:
        if not self.is_backward:
            why = f"{self.who} reads `{name}`, and {self.data} has none."
            instead = f"Keep `{name}`, add what replaces it beside it and announce the removal."
            self.add(place, why, instead, is_removal=True)

    def added(self, entry: Entry, place: Place) -> None:
        if self.is_backward and not entry.nullable and not entry.has_default:
            why = f"{self.who} expects `{entry.name}` never to be null, and {self.data} has none."
            self.add(place, why, f"Let `{entry.name}` be null.")

    def entry(self, old: Entry, new: Entry, place: Place) -> None:
        """Compare a column, or what an array or a map holds."""
        reader, writer = (new, old) if self.is_backward else (old, new)
        if writer.nullable and not reader.nullable:
            why = f"{self.who} expects no null, and {self.data} may have one."
            self.add(place, why, "Let it be null." if self.is_backward else "Keep it without null.")
        self.types(old.type, new.type, place)

    def types(self, old: Type, new: Type, place: Place) -> None:
        for type_ in (old, new):
            if isinstance(type_, Unknown):
                why = f"It cannot be judged: {type_.why}."
                self.add(place, why, "Make its type known in both versions.", is_undecided=True)
                return
        if isinstance(old, Struct) and isinstance(new, Struct):
            self.fields(old.fields, new.fields, place)
        elif isinstance(old, Array) and isinstance(new, Array) and old.length == new.length:
            self.entry(old.items, new.items, place.part("[]"))
        elif isinstance(old, Map) and isinstance(new, Map):
            self.key(old.key, new.key, place)
            self.entry(old.values, new.values, place.part("{}"))
        else:
            self.readable(old, new, place)

    def key(self, old: Type, new: Type, place: Place) -> None:
        """Keys of a map must stay as they are."""
        if old != new:
            self.add(place, f"Its keys were {old}, and are {new} now.", "Keep the type of its keys.")

    def readable(self, old: Type, new: Type, place: Place) -> None:
        reader, writer = (new, old) if self.is_backward else (old, new)
        if not all(is_readable(reader, writer, *rule) for rule in self.rules):
            why = f"{self.who} expects {reader}, and {self.data} has {writer}."
            instead = "Keep its type, add a column of the new type beside it and announce the removal of the old."
            self.add(place, why, instead)


def _repeated(fields: Iterable[Entry]) -> Iterator[str]:
    counts = Counter(one.name.lower() for one in fields)
    return (name for name, count in counts.items() if count > 1)
