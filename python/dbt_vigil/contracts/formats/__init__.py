"""The formats that schemas are written in, each behind one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbt_vigil.contracts.changes import Change, Direction
from dbt_vigil.project import VigilError

__all__ = ["SUFFIXES", "Record", "Schema", "read_schema", "undecided"]

Record = dict[str, Any]
"""A record of Avro, as JSON: https://avro.apache.org/docs/1.12.0/specification/."""

SUFFIXES = {".avsc": "Avro", ".proto": "Protobuf", ".json": "JSON Schema"}


class Schema(ABC):
    """What a producer says of its data, in one format."""

    @abstractmethod
    def changes_to(self, new: Schema, directions: Sequence[Direction]) -> list[Change]:
        """What another version of it breaks, in the order of the fields; empty if that is nothing.

        Args:
            new: The other version, in the same format.
            directions: Which to judge.
        """

    @abstractmethod
    def record(self) -> Record:
        """What a consumer reads, as one record: a type that Avro has no word for is `undecided`."""


def undecided(why: str) -> dict[str, Any]:
    """A type, in a record, that cannot be judged."""
    return {"type": "bytes", "undecided": why}


def read_schema(file: Path, message: str | None = None, *, is_lenient: bool = False) -> Schema:
    """The schema in a file, whose suffix says the format.

    Args:
        file: One of Avro (.avsc), Protobuf (.proto) or JSON Schema (.json).
        message: The full name of a message of Protobuf. Default: the only one at the file's top level.
        is_lenient: Of JSON Schema: nobody sends a property that the schema does not name, though it may be sent.

    Raises:
        VigilError: The file cannot be read, or is not a schema: with the line, where the format's parser says it.
    """
    # Each imports a library that the other formats do not need.
    if file.suffix == ".avsc":
        from dbt_vigil.contracts.formats.avro import AvroSchema

        return AvroSchema.read(file)
    if file.suffix == ".proto":
        from dbt_vigil.contracts.formats.protobuf import ProtobufSchema

        return ProtobufSchema.read(file, message)
    if file.suffix == ".json":
        from dbt_vigil.contracts.formats.json_schema import JsonSchema

        return JsonSchema.read(file, is_lenient)
    known = ", ".join(f"{suffix} ({name})" for suffix, name in SUFFIXES.items())
    raise VigilError(f"{file}: a schema's file ends in {known}.")
