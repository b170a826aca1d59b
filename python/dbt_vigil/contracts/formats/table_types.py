"""Types of columns, read from SQL or from the JSON of Delta and Iceberg, and said as types of Avro."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbt_vigil.contracts.formats import undecided

__all__ = ["Array", "Entry", "Enum", "Map", "Scalar", "Struct", "Type", "Unknown", "as_avro", "of_lake", "of_sql"]


@dataclass(frozen=True)
class Scalar:
    """A type without parts."""

    name: str
    """One of AVRO, `unknown` (Iceberg's, whose values are all null), or the text of one that Avro has no word for."""
    size: tuple[int, ...] = ()
    """Precision and scale of a decimal, the greatest length of a string, the length of what is fixed."""

    def __str__(self) -> str:
        """As SQL has it."""
        return f"{self.name}({', '.join(map(str, self.size))})" if self.size else self.name


@dataclass(frozen=True)
class Enum:
    """One of a list of texts."""

    symbols: tuple[str, ...]

    def __str__(self) -> str:
        """As SQL has it."""
        return f"enum({', '.join(self.symbols)})"


@dataclass(frozen=True)
class Entry:
    """A column, a field of a struct, or what an array or a map holds."""

    name: str
    type: Type
    nullable: bool = True
    has_default: bool = False
    """Rows of before have a value of it."""


@dataclass(frozen=True)
class Struct:
    """Named fields."""

    fields: tuple[Entry, ...]

    def __str__(self) -> str:
        """As SQL has it."""
        return f"struct({', '.join(field.name for field in self.fields)})"


@dataclass(frozen=True)
class Array:
    """Many values of one type."""

    items: Entry
    length: int | None = None

    def __str__(self) -> str:
        """As SQL has it."""
        return f"{self.items.type}[{self.length or ''}]"


@dataclass(frozen=True)
class Map:
    """Values by their keys."""

    key: Type
    values: Entry

    def __str__(self) -> str:
        """As SQL has it."""
        return f"map({self.key}, {self.values.type})"


@dataclass(frozen=True)
class Unknown:
    """What cannot be judged."""

    why: str


Type = Scalar | Enum | Struct | Array | Map | Unknown

NO_TYPE = Unknown("its type is not known: run `dbt docs generate` for a catalog, or declare its `data_type`")
NAMES = {
    "int": "int",
    "int128": "hugeint",
    "uint": "uinteger",
    "uint128": "uhugeint",
    "utinyint": "utinyint",
    "usmallint": "usmallint",
    "ubigint": "ubigint",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "bigint": "bigint",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "text": "string",
    "varchar": "string",
    "char": "string",
    "varbinary": "binary",
    "binary": "binary",
    "uuid": "uuid",
    "date": "date",
    "time": "time",
    "timetz": "timetz",
    "timestampntz": "timestamp",
    "timestamptz": "timestamptz",
    "timestampltz": "timestamptz",
    "timestamp_s": "timestamp_s",
    "timestamp_ms": "timestamp_ms",
    "timestamp_ns": "timestamp_ns",
}
"""Of sqlglot's types, those that are judged by more than their text."""
OPAQUE = ("bignum", "bit", "geography", "geometry", "interval", "json", "time_ns", "union", "variant")
LAKE = {
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "int": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "string": "string",
    "uuid": "uuid",
    "binary": "binary",
    "date": "date",
    "time": "time",
    "unknown": "unknown",
    "timestamp_ntz": "timestamp",
    "timestamptz": "timestamptz",
    "timestamp_ns": "timestamp_ns",
    "timestamptz_ns": "timestamptz_ns",
    "variant": "variant",
}
"""Of Delta and Iceberg; what they both call `timestamp` is not the same."""
AVRO: Mapping[str, Mapping[str, Any]] = {
    "tinyint": {"type": "int", "column": "tinyint"},
    "smallint": {"type": "int", "column": "smallint"},
    "utinyint": {"type": "int", "column": "utinyint"},
    "usmallint": {"type": "int", "column": "usmallint"},
    "int": {"type": "int"},
    "uinteger": {"type": "long", "column": "uinteger"},
    "bigint": {"type": "long"},
    "ubigint": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0, "column": "ubigint"},
    "hugeint": {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 0, "column": "hugeint"},
    "uhugeint": {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 0, "column": "uhugeint"},
    "float": {"type": "float"},
    "double": {"type": "double"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "uuid": {"type": "string", "logicalType": "uuid"},
    "binary": {"type": "bytes"},
    "fixed": {"type": "bytes", "column": "fixed"},
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "long", "logicalType": "time-micros"},
    "timestamp_s": {"type": "long", "logicalType": "local-timestamp-millis", "column": "timestamp_s"},
    "timestamp_ms": {"type": "long", "logicalType": "local-timestamp-millis"},
    "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
    "timestamp_ns": {"type": "long", "logicalType": "local-timestamp-nanos"},
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros"},
    "timestamptz_ns": {"type": "long", "logicalType": "timestamp-nanos"},
}
"""`column` is the type where Avro's own word does not tell it."""


@lru_cache(maxsize=10_000)
def of_sql(text: str | None, dialect: str) -> Type:
    """A column's type.

    Args:
        text: As SQL has it; None if it is not declared.
        dialect: That of sqlglot: `duckdb` or `spark`.
    """
    if text is None or not text.strip():
        return NO_TYPE
    if re.search(r"\bcollate\b|;", text, re.IGNORECASE):  # which sqlglot leaves out
        return Unknown(f"the type {text} is more than a type")
    try:
        return _of_sql(exp.DataType.build(text, dialect=dialect), dialect)
    except (SqlglotError, TypeError, ValueError):
        return Unknown(f"the type {text} is not known")


def _of_sql(parsed: exp.DataType, dialect: str) -> Type:
    parts: Sequence[Any] = parsed.expressions
    kind = parsed.this.value.lower() if isinstance(parsed.this, exp.DType) else "interval"
    if kind in OPAQUE:
        return Scalar(parsed.sql(dialect).lower() if kind == "interval" else parsed.sql(dialect))
    if kind == "struct" and parts and all(isinstance(part, exp.ColumnDef) and part.kind for part in parts):
        return Struct(tuple(Entry(part.name, _of_sql(part.kind, dialect), _is_nullable(part)) for part in parts))
    if kind in ("array", "list") and len(parts) == 1:
        lengths = [int(length.name) for length in parsed.args.get("values") or ()]
        return Array(Entry("", _of_sql(parts[0], dialect)), *lengths)
    if kind == "map" and len(parts) == 2:
        key, value = (_of_sql(part, dialect) for part in parts)
        return Map(key, Entry("", value))
    if kind == "enum" and parts:
        return Enum(tuple(part.name for part in parts))
    size = tuple(int(part.name) for part in parts)
    if kind == "decimal" and len(size) < 3:
        return Scalar("decimal", (*size, *(10, 0)[len(size) :]))
    if kind in NAMES and (not size or kind in ("varchar", "char")):
        return Scalar(NAMES[kind], size)
    return Unknown(f"the type {parsed.sql(dialect)} is not known")


def _is_nullable(part: exp.ColumnDef) -> bool:
    kinds = [constraint.kind for constraint in part.args.get("constraints") or ()]
    return not any(isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null") for kind in kinds)


def of_lake(said: Any, format: str) -> Type:  # noqa: A002
    """A type from the JSON of a lake's table.

    Args:
        said: A text, or an object of parts.
        format: `delta` or `iceberg`.
    """
    if isinstance(said, str):
        return _of_word(said, format)
    kind = said.get("type") if isinstance(said, dict) else None
    is_delta = format == "delta"
    try:
        if kind == "struct":
            return Struct(tuple(_of_field(field, format) for field in said["fields"]))
        if kind in ("array", "list"):
            items, nullable = (
                ("elementType", said["containsNull"]) if is_delta else ("element", not said["element-required"])
            )
            return Array(Entry("", of_lake(said[items], format), nullable))
        if kind == "map":
            key, value = ("keyType", "valueType") if is_delta else ("key", "value")
            nullable = said["valueContainsNull"] if is_delta else not said["value-required"]
            return Map(of_lake(said[key], format), Entry("", of_lake(said[value], format), nullable))
    except (KeyError, TypeError, AttributeError):
        return Unknown(f"the {kind} is not one of {format}'s")
    return Unknown(f"the type {kind} is not known")


def _of_field(said: Mapping[str, Any], format: str) -> Entry:  # noqa: A002
    type_ = of_lake(said["type"], format)
    if format == "iceberg":
        return Entry(said["name"], type_, not said["required"], said.get("initial-default") is not None)
    metadata = said.get("metadata") or {}
    if metadata.get("__COLLATIONS"):
        return Entry(said["name"], Unknown("the collation of a text is not read"), said["nullable"])
    length = re.fullmatch(r"(?:var)?char\((\d+)\)", str(metadata.get("__CHAR_VARCHAR_TYPE_STRING")))
    return Entry(said["name"], Scalar("string", (int(length[1]),)) if length else type_, said["nullable"])


def _of_word(text: str, format: str) -> Type:  # noqa: A002
    word, *sizes = re.findall(r"\w+", text)
    if text == "timestamp":
        return Scalar("timestamptz" if format == "delta" else "timestamp")
    if word == "decimal" and len(sizes) == 2:
        return Scalar("decimal", (int(sizes[0]), int(sizes[1])))
    if word == "fixed" and len(sizes) == 1:
        return Scalar("fixed", (int(sizes[0]),))
    if word in ("varchar", "char") and len(sizes) == 1:
        return Scalar("string", (int(sizes[0]),))
    if text in LAKE:
        return Scalar(LAKE[text])
    return Scalar(text) if word in OPAQUE else Unknown(f"the type {text} is not known")


def as_avro(entry: Entry, path: str = "") -> Any:
    """The type of Avro that a reader gets: a union with null, if it may be null."""
    type_ = _as_avro(entry.type, f"{path}_{entry.name}")
    return ["null", type_] if entry.nullable and "undecided" not in type_ else type_


def _as_avro(type_: Type, path: str) -> dict[str, Any]:
    if isinstance(type_, Struct):
        fields = [{"name": field.name, "type": as_avro(field, path)} for field in type_.fields]
        return {"type": "record", "name": _named(path), "fields": fields}
    if isinstance(type_, Array):
        return {"type": "array", "items": as_avro(type_.items, path)}
    if isinstance(type_, Map):
        if type_.key != Scalar("string"):
            return undecided("Avro's maps have texts as keys")
        return {"type": "map", "values": as_avro(type_.values, path)}
    if isinstance(type_, Enum):
        return {"type": "enum", "name": _named(path), "symbols": list(type_.symbols)}
    if isinstance(type_, Unknown):
        return undecided(type_.why)
    if type_.name == "decimal":
        precision, scale = type_.size
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    said = AVRO.get(type_.name)
    return dict(said) if said else undecided(f"Avro has no word for {type_}")


def _named(path: str) -> str:
    return re.sub(r"\W", "_", path).strip("_") or "table"
