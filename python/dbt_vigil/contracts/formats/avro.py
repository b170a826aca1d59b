"""Schemas of Avro: https://avro.apache.org/docs/1.12.0/specification/."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import avro.errors
import avro.schema

from dbt_vigil.contracts.changes import Change, Direction
from dbt_vigil.contracts.formats import Record, Schema, undecided
from dbt_vigil.contracts.formats.avro_changes import found_changes
from dbt_vigil.contracts.formats.json_text import read_json
from dbt_vigil.contracts.formats.places import in_order, other_format
from dbt_vigil.project import VigilError

__all__ = ["AvroSchema"]

NAMED = ("record", "enum", "fixed")
OF_PROTOCOLS = ("error", "error_union", "request")


@dataclass(frozen=True)
class AvroSchema(Schema):
    """A file of Avro (.avsc)."""

    schema: Any
    """As the library has it."""

    @staticmethod
    def read(file: Path) -> AvroSchema:
        """The schema in a file.

        Raises:
            VigilError: It cannot be read, or is not a schema: with the line, if it is not JSON.
        """
        content = read_json(file)
        try:
            with warnings.catch_warnings():
                # Of logical types that it does not know: they are compared by their names.
                warnings.simplefilter("ignore")
                return AvroSchema(avro.schema.parse(json.dumps(_explicit(content, ""))))
        except RecursionError as error:
            raise VigilError(f"{file}: too deeply nested to be read.") from error
        except (avro.errors.AvroException, AttributeError, KeyError, TypeError, ValueError) as error:
            # The innermost reason: around it, the library quotes the schema once for each level.
            reason = str(error).rpartition(" not a valid Avro schema: ")[2].rstrip(".")
            raise VigilError(f"{file}: not a schema of Avro: {reason}.") from error

    def changes_to(self, new: Schema, directions: Sequence[Direction]) -> list[Change]:
        """What another version of it breaks, in the order of the fields."""
        if not isinstance(new, AvroSchema):
            return other_format(directions)
        return in_order(
            entry for direction in directions for entry in found_changes(self.schema, new.schema, direction)
        )

    def record(self) -> Record:
        """The schema, with each named type written out where it is used."""
        if self.schema.type != "record":
            return undecided(f"the whole is of type {self.schema.type}, not a record")
        written: Record = _inlined(self.schema, ())
        return written


def _explicit(content: Any, namespace: str) -> Any:
    """A schema whose aliases have their namespaces; what the library would misread is refused."""
    if isinstance(content, list):
        return [_explicit(branch, namespace) for branch in content]
    if not isinstance(content, dict):
        return content
    if content.get("type") in OF_PROTOCOLS:
        raise ValueError(f"type {content['type']} is for protocols, not for data")
    said = dict(content)
    if content.get("type") in NAMED:
        name = str(content.get("name"))
        if "." in name:
            namespace = name.rpartition(".")[0]
        elif "namespace" in content:
            if content["namespace"] == "" and namespace:
                raise ValueError(f"the namespace of `{name}` is empty, although it is within {namespace}: give it one")
            namespace = content["namespace"]
        aliases = _aliases(content)
        said |= {"aliases": [f"{namespace}.{one}" if namespace and "." not in one else one for one in aliases]}
    if content.get("type") == "enum" and not isinstance(content.get("symbols"), list):
        raise ValueError(f"the symbols of `{content.get('name')}` are not a list")
    if isinstance(content.get("fields"), list):
        said["fields"] = [_explicit_field(field, namespace) for field in content["fields"]]
    return said | {part: _explicit(content[part], namespace) for part in ("items", "values") if part in content}


def _explicit_field(field: Any, namespace: str) -> Any:
    if not isinstance(field, dict):
        return field
    _aliases(field)
    return field | {"type": _explicit(field.get("type"), namespace)}


def _aliases(content: dict[str, Any]) -> list[str]:
    aliases = content.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise ValueError(f"the aliases of `{content.get('name')}` are not a list of names")
    return aliases


def _inlined(schema: Any, within: tuple[str, ...]) -> Any:
    if schema.type == "union":
        return [_inlined(branch, within) for branch in schema.schemas]
    if schema.type == "record":
        if schema.fullname in within:
            return undecided("recursive")
        inner = (*within, schema.fullname)
        fields = [{**field.props, "type": _inlined(field.type, inner)} for field in schema.fields]
        return {**schema.props, "fields": fields}
    for part in ("items", "values"):
        if part in schema.props:
            return {**schema.props, part: _inlined(schema.props[part], within)}
    return dict(schema.props) if len(schema.props) > 1 else schema.type
