"""Reads YAML strictly, and says of what is wrong in which line it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from dbt_vigil.project import VigilError

__all__ = ["Document", "Loader", "Place", "problems", "read_documents"]

Place = tuple[str | int, ...]
"""Where something is in a document: keys, and numbers of entries from 0."""

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The quickest that there is."""
SCALARS = ("null", "bool", "int", "float")
"""Types that a value has by how it is written."""
TEXTS = ("str", "timestamp", "value", "merge")
"""Those of which it is text here."""
TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """A mapping in a file of YAML."""

    file: Path
    text: str
    """All of the file."""
    content: Mapping[str, Any]
    lines: Mapping[Place, int]
    """The lines of keys and of entries, from 1."""

    def at(self, place: Sequence[str | int] = ()) -> str:
        """The file and the line of what is nearest to a place, as `file:line`."""
        parts = tuple(place)
        while parts not in self.lines:
            parts = parts[:-1]
        return f"{self.file}:{self.lines[parts]}"


def read_documents(file: Path) -> list[Document]:
    """The documents in a file.

    Raises:
        VigilError: The file cannot be read; it is not YAML; a key is there twice; an alias or a tag is used.
    """
    try:
        text = file.read_text(encoding="utf-8")
        nodes = [node for node in yaml.compose_all(text, Loader) if node]
    except (OSError, UnicodeDecodeError) as error:
        raise VigilError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise VigilError(f"{file}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise VigilError(f"{file}:1: not YAML: {error}.") from error
    return [_document(file, text, node) for node in nodes]


def _document(file: Path, text: str, root: yaml.Node) -> Document:
    lines: dict[Place, int] = {}
    seen: set[int] = set()

    def value(node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        lines.setdefault(place, line)
        if id(node) in seen:
            raise VigilError(f"{file}:{line}: an anchor is not read here: write the value out.")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            content: dict[str, Any] = {}
            for key, entry in node.value:
                where = f"{file}:{key.start_mark.line + 1}"
                if not isinstance(key, yaml.ScalarNode):
                    raise VigilError(f"{where}: a key is a word.")
                if key.value in content:
                    raise VigilError(f"{where}: `{key.value}` is there twice.")
                lines[(*place, key.value)] = key.start_mark.line + 1
                content[key.value] = value(entry, (*place, key.value))
            return content
        if isinstance(node, yaml.SequenceNode):
            return [value(entry, (*place, number)) for number, entry in enumerate(node.value)]
        return _scalar(node, f"{file}:{line}")

    content = value(root, ())
    if not isinstance(content, dict):
        raise VigilError(f"{file}:{lines[()]}: not a mapping.")
    return Document(file, text, content, lines)


def _scalar(node: yaml.Node, where: str) -> Any:
    if node.tag.removeprefix(TAG) in SCALARS:
        try:
            return Loader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise VigilError(f"{where}: `{node.value}` is no value: {error}.") from error
    if node.tag.removeprefix(TAG) not in TEXTS:
        raise VigilError(f"{where}: the tag {node.tag} is not read here.")
    return node.value


def problems(document: Document, validator: Draft202012Validator) -> Iterator[str]:
    """What of a document is not as its schema has it, in the order of the lines: `file:line: what`."""
    found = [problem for error in validator.iter_errors(document.content) for problem in _problems(document, error)]
    yield from (text for _, text in sorted(found))


def _problems(document: Document, error: ValidationError) -> Iterable[tuple[int, str]]:
    place = tuple(error.absolute_path)
    schema: Any = error.schema
    wanted: Any = error.validator_value
    given: Any = error.instance
    written = _written(place)
    if error.validator == "additionalProperties":
        known = schema.get("properties", {})
        for key in given:
            if key not in known:
                where = (*place, key)
                within = f" in {written}" if written else ""
                yield (
                    document.lines[where],
                    f"{document.at(where)}: unknown key `{key}`{within}; known are {', '.join(known)}.",
                )
        return
    text: str | None = schema.get("description") if error.validator in ("pattern", "oneOf", "anyOf") else None
    if error.validator == "type":
        text = f"{_shown(given)} is not {_typed(wanted)}"
    if error.validator == "enum":
        text = f"{_shown(given)} is none of {', '.join(map(str, wanted))}"
    if error.validator == "required":
        text = error.message.replace("'", "`", 2).replace("is a required property", "is missing")
    shown = f"{_shown(given)}: " if text and error.validator == "pattern" else ""
    yield (
        int(document.at(place).rpartition(":")[2]),
        f"{document.at(place)}: {f'{written}: ' if written else ''}{shown}{text or error.message}.",
    )


def _typed(kinds: str | Sequence[str]) -> str:
    names = {"string": "a text (put it in quotes)", "object": "a mapping", "array": "a list", "number": "a number"}
    given = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(names.get(kind, kind) for kind in given)


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str | int | float) or value is None else f"a {type(value).__name__}"


def _written(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")
