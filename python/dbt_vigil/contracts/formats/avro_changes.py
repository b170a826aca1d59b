"""What one schema of Avro breaks of another.

The library `avro` judges each pair of types; this walks both schemas, so that each verdict has the path of its field.
It is stricter where the library lets through what a reader cannot read, or reads as another value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from dbt_vigil.contracts.changes import Direction
from dbt_vigil.contracts.formats.places import Found, Place, Reading, ranks

__all__ = ["found_changes"]

NAMED = ("record", "enum", "fixed")
BITS = {"int": 31, "long": 63}
VALUES: dict[str, Any] = {"null": type(None), "string": str, "float": (int, float), "double": (int, float)}


def found_changes(old: Any, new: Any, direction: Direction) -> list[Found]:
    """What cannot be read in a direction, anywhere in two schemas of the library's."""
    is_backward = direction is Direction.BACKWARD
    reader, writer = (new, old) if is_backward else (old, new)
    comparison = _Comparison(direction)
    comparison.compare(reader, writer, Place())
    if not comparison.found and not _is_readable(reader, writer):
        comparison.add(Place(), "Avro's own check says that it cannot be read.", "Keep the schema as it was.")
    return comparison.found


def _is_readable(reader: Any, writer: Any) -> bool:
    checker: Any = ReaderWriterCompatibilityChecker
    result = checker().get_compatibility(reader, writer)
    return result.compatibility is SchemaCompatibilityType.compatible


@dataclass(frozen=True)
class _Comparison(Reading):
    """Of who reads and who writes, in one direction."""

    within: set[tuple[int, int]] = field(default_factory=set)
    """The pairs that are being compared: a recursive type is judged once."""
    fine: set[tuple[int, int]] = field(default_factory=set)
    """Those in which nothing was found."""

    def compare(self, reader: Any, writer: Any, place: Place) -> None:
        """Note what a reader cannot read.

        Of a union, all that may be read must be readable: nothing is tried and taken back, so that a pair that is
        within itself may be left out.
        """
        pair = (id(reader), id(writer))
        if pair in self.within or pair in self.fine:
            return
        before = len(self.found)
        self.within.add(pair)
        self._compare(reader, writer, place)
        self.within.remove(pair)
        if len(self.found) == before:
            self.fine.add(pair)

    def _compare(self, reader: Any, writer: Any, place: Place) -> None:
        if writer.type == "union":
            for branch in writer.schemas:
                self.compare(reader, branch, place)
        elif reader.type == "union":
            branches = _branches(reader.schemas, writer)
            for branch in branches:
                self.compare(branch, writer, place)
            if not branches:
                self._mismatch(reader, writer, place)
        elif _logical(reader) != _logical(writer):
            self._mismatch(reader, writer, place)
        elif reader.type in NAMED and reader.type == writer.type and not _is_named(reader, writer):
            why = f"{self.who} expects the {reader.type} {reader.fullname}, and {self.data} has {writer.fullname}."
            kept = writer.fullname if self.is_backward else reader.fullname
            self.add(place, why, f"keep the name {kept}, with its namespace.")
        elif reader.type == writer.type == "record":
            self._fields(reader, writer, place)
        elif reader.type == writer.type == "array":
            self.compare(reader.items, writer.items, place.part("[]"))
        elif reader.type == writer.type == "map":
            self.compare(reader.values, writer.values, place.part("{}"))
        elif not _is_readable(reader, writer):
            self._mismatch(reader, writer, place)

    def _mismatch(self, reader: Any, writer: Any, place: Place) -> None:
        beside = "keep its type, add a field of the new type beside it and announce the removal of the old."
        if writer.type == "null":
            why = f"{self.data} may have null, and {self.who} expects {_written(reader)}."
            self.add(place, why, "keep null among its types." if self.is_backward else beside)
        elif reader.type == writer.type == "enum":
            missing = ", ".join(symbol for symbol in writer.symbols if symbol not in reader.symbols)
            why = f"{self.data} may have {missing}, which {self.who} does not know, and its enum has no default."
            keep = "keep these symbols, or give the enum a default."
            grow = "give the enum a default in a version before, so that readers have it; only then add symbols."
            self.add(place, why, keep if self.is_backward else grow)
        else:
            self.add(place, f"{self.who} expects {_written(reader)}, and {self.data} has {_written(writer)}.", beside)

    def _fields(self, reader: Any, writer: Any, place: Place) -> None:
        old, new = (writer, reader) if self.is_backward else (reader, writer)
        order = ranks(*([one.name for one in record.fields] for record in (old, new)))
        read: dict[str, str] = {}
        for one in reader.fields:
            here = place.named(order[one.name], one.name)
            known = dict.fromkeys((one.name, *one.props.get("aliases", ())))
            names = [name for name in known if name in writer.fields_dict]
            if not names:
                self._missing(one, writer, here)
            for name in names:
                if read.setdefault(name, one.name) != one.name or name != names[0]:
                    why = f"by its aliases, `{one.name}` is not the one field that reads one of {self.data}: `{name}`."
                    self.add(here, why, f"drop the alias `{name}`.")
            for name in names[:1]:
                self.compare(one.type, writer.fields_dict[name].type, here)

    def _missing(self, one: Any, writer: Any, place: Place) -> None:
        if one.has_default and _is_default(one.type, one.default):
            return
        name = one.name
        if self.is_backward:
            wrong = "its default is not of its type, or of a union's first" if one.has_default else "it has no default"
            instead = f"give `{name}` a default, such as null, with null as the first of its types."
            self.add(place, f"{self.data} has no `{name}`, and {wrong}.", instead)
        else:
            heirs = [f"`{other.name}`" for other in writer.fields if name in other.props.get("aliases", ())]
            why = f"{self.who} reads `{name}`, and {self.data} has none."
            instead = f"keep `{name}`, add {', '.join(heirs) or 'what replaces it'} beside it and announce the removal."
            self.add(place, why, instead, is_removal=True)


def _branches(branches: Sequence[Any], writer: Any) -> list[Any]:
    """Those of a reader's union that may be taken for what is written: all of them must be able to read it."""
    same = [branch for branch in branches if branch.type == writer.type]
    if writer.type in NAMED:
        named = [branch for branch in same if _is_named(branch, writer)]
        return named or [branch for branch in same if branch.name == writer.name]
    return same or [branch for branch in branches if _is_readable(branch, writer)][:1]


def _is_named(reader: Any, writer: Any) -> bool:
    """Whether a reader finds a type by its full name, as Python's does, and Java's in unions."""
    return writer.fullname in (reader.fullname, *reader.props.get("aliases", ()))


def _logical(schema: Any) -> tuple[Any, ...]:
    """What changes the meaning of the same bytes."""
    kind = schema.props.get("logicalType")
    return (kind, schema.props.get("precision"), schema.props.get("scale", 0)) if kind == "decimal" else (kind,)


def _written(schema: Any) -> str:
    if schema.type == "union":
        return " or ".join(map(_written, schema.schemas)) or "nothing"
    kind, *sizes = _logical(schema)
    name = f"{schema.type} {schema.fullname}" if schema.type in NAMED else str(schema.type)
    size = f" of {schema.size} bytes" if schema.type == "fixed" else ""
    logical = f"{kind}{'({}, {})'.format(*sizes) if sizes else ''}"
    return f"{name}{size}{f' ({logical})' if kind else ''}"


def _is_default(schema: Any, value: Any, within: tuple[str, ...] = ()) -> bool:
    """Whether a reader can take a default: of a union, older readers take it for the first type only.

    Args:
        schema: The type of it.
        value: The default.
        within: The records whose own fields' defaults are being taken.
    """
    if schema.type == "union":
        return bool(schema.schemas) and _is_default(schema.schemas[0], value, within)
    if schema.type == "record":
        return isinstance(value, dict) and all(_is_given(schema, one, value, within) for one in schema.fields)
    if schema.type == "array":
        return isinstance(value, list) and all(_is_default(schema.items, entry, within) for entry in value)
    if schema.type == "map":
        return isinstance(value, dict) and all(_is_default(schema.values, entry, within) for entry in value.values())
    if schema.type == "enum":
        return value in schema.symbols
    if schema.type in ("bytes", "fixed"):
        is_text = isinstance(value, str) and all(ord(letter) < 256 for letter in value)
        return is_text and (schema.type == "bytes" or len(value) == schema.size)
    if isinstance(value, bool) or schema.type == "boolean":
        return isinstance(value, bool) and schema.type == "boolean"
    if schema.type in BITS:
        bound = 1 << BITS[schema.type]
        return isinstance(value, int) and -bound <= value < bound
    return isinstance(value, VALUES[schema.type])


def _is_given(record: Any, one: Any, value: dict[str, Any], within: tuple[str, ...]) -> bool:
    if one.name in value:
        return _is_default(one.type, value[one.name], within)
    # A default that needs itself is none.
    is_endless = record.fullname in within
    return one.has_default and not is_endless and _is_default(one.type, one.default, (*within, record.fullname))
