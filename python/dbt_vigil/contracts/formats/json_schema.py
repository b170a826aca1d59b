"""Schemas in JSON Schema: a version can read the other's data if it accepts all that the other does."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import validators
from jsonschema.exceptions import best_match

from dbt_vigil.contracts.changes import Change, Direction
from dbt_vigil.contracts.formats import Record, Schema, undecided
from dbt_vigil.contracts.formats.json_text import read_json
from dbt_vigil.contracts.formats.places import other_format
from dbt_vigil.project import VigilError

__all__ = ["JsonSchema"]

DRAFTS = {
    "http://json-schema.org/draft-04/schema": validators.Draft4Validator,
    "http://json-schema.org/draft-06/schema": validators.Draft6Validator,
    "http://json-schema.org/draft-07/schema": validators.Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": validators.Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": validators.Draft202012Validator,
}
NEWEST = "https://json-schema.org/draft/2020-12/schema"
ANNOTATIONS = {"$anchor", "$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description"}
ANNOTATIONS |= {"examples", "id", "readOnly", "title", "writeOnly"}
"""Keywords that reject nothing. Definitions are compared where they are used."""
VALUES = {"type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
VALUES |= {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
OBJECTS = ("properties", "patternProperties", "additionalProperties", "required")
ARRAYS = ("items", "prefixItems", "additionalItems")
COMBINED = ("allOf", "anyOf", "oneOf")
LOOSE = (
    ("not",),
    ("pattern",),
    ("propertyNames",),
    ("dependencies",),
    ("dependentRequired",),
    ("dependentSchemas",),
    ("contains", "minContains", "maxContains"),
    ("if", "then", "else"),
)
"""What rejects by itself, so that a schema without it accepts no less; more is not known of it."""
REACHING = ("unevaluatedProperties", "unevaluatedItems")
"""What depends on all that is beside and within."""
SCOPED = ("$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef")
SAME_VALUE = (*COMBINED, "not", "if", "then", "else", "dependencies", "dependentSchemas")
"""Keywords whose schemas judge the value that the whole does."""
NOT_IN_DRAFT_4 = ("const", "contains", "if", "propertyNames")
MERGED = VALUES | {"properties", "required", "items"}
"""What `allOf` can put together, each from one of its schemas."""
JUDGED = VALUES | ANNOTATIONS | {"$ref", "properties", "additionalProperties", "required", "items", *COMBINED}
"""What jsoncompat judges rightly."""

ONE, MANY, NAMED = "one", "many", "named"
WITHIN = {
    **dict.fromkeys(("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not"), ONE),
    **dict.fromkeys(("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"), ONE),
    **dict.fromkeys((*COMBINED, "prefixItems"), MANY),
    **dict.fromkeys(("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"), NAMED),
    "properties": NAMED,
}
"""The keywords that have schemas within them, and how."""
SCALARS = {"string": "string", "number": "double", "integer": "long", "boolean": "boolean"}
FORMATS = {
    "date-time": {"type": "long", "logicalType": "timestamp-micros"},
    "date": {"type": "int", "logicalType": "date"},
}
ROLES = {Direction.BACKWARD: "deserializer", Direction.FORWARD: "serializer"}
"""What jsoncompat calls them: each is whether one schema accepts all that the other does."""
SIDES = {Direction.BACKWARD: ("old", "new"), Direction.FORWARD: ("new", "old")}
"""Of each the schema of the data, and that of who reads it."""

Node = Mapping[str, Any]
"""A schema, or one within it, as a mapping."""
ANY: Node = {}
NEVER: Node = {"not": {}}


@dataclass(frozen=True)
class JsonSchema(Schema):
    """A schema of JSON values."""

    file: Path
    root: Node = field(repr=False)
    is_lenient: bool = False
    """No data has properties that its schema does not declare, though the schema would accept them."""

    @classmethod
    def read(cls, file: Path, is_lenient: bool = False) -> JsonSchema:
        """The schema in a file.

        Args:
            file: A file of JSON.
            is_lenient: Take it that no data has properties that its schema does not declare.

        Raises:
            VigilError: The file cannot be read; it is not JSON, or a key is there twice; it is not a JSON Schema.
        """
        content = read_json(file)
        _validate(file, content)
        return cls(file, _node(content), is_lenient)

    def changes_to(self, new: Schema, directions: Sequence[Direction]) -> list[Change]:
        """What another version of it breaks."""
        if not isinstance(new, JsonSchema):
            return other_format(directions)
        compare = _library(self.file)
        if _text(self.root) == _text(new.root) and all(_is_within_reach(self.root, each) for each in _nodes(self.root)):
            return []
        if why := _unfit(self.root) or _unfit(new.root) or _other_draft(self.root, new.root):
            return [_undecided("", each, why) for each in directions]
        comparison = _Comparison(self.root, new.root, self.is_lenient, compare)
        try:
            changes = _merged(comparison.changes("", self.root, new.root, directions))
        except RecursionError:
            return [
                _undecided("", each, "It is nested too deeply, or refers to itself without end.") for each in directions
            ]
        return (
            changes
            if self.is_lenient
            else changes + comparison.doubts({change.direction for change in changes}, directions)
        )

    def record(self) -> Record:
        """What a consumer reads. The symbols of an enum may be no names of Avro."""
        try:
            kind = _Types(self.root).of(self.root, "", ())
        except RecursionError:
            return undecided("recursive")
        is_record = isinstance(kind, dict) and (kind["type"] == "record" or "undecided" in kind)
        return kind if is_record else undecided("the whole is not an object")


@dataclass(frozen=True)
class _Comparison:
    """Of two versions."""

    old: Node
    new: Node
    is_lenient: bool
    compare: Callable[[str, str, str], bool]
    """jsoncompat's: whether all data of one is accepted by the other."""
    open: list[tuple[int, int]] = field(default_factory=list)
    """What is being compared: the same within it adds nothing."""

    def changes(self, path: str, old: Any, new: Any, directions: Sequence[Direction]) -> Iterator[Change]:
        """Of two schemas within them, in the order of the fields."""
        if _is_same(self.old, old, self.new, new, set()):
            return
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        pair = (id(old), id(new))
        if pair in self.open:
            return
        old_node, new_node = _flat(self.old, old), _flat(self.new, new)
        left: list[Direction] = []
        for each in directions:
            data, reader = _sides(each, old_node, new_node)
            if _is_never(data) or _is_any(reader):
                continue
            if _is_never(reader):
                yield Change(path, each, f"The {SIDES[each][1]} accepts no value there.", _another(path))
            else:
                left.append(each)
        if left:
            self.open.append(pair)
            yield from self._of_nodes(path, old_node, new_node, left)
            self.open.pop()

    def doubts(self, found: Collection[Direction], directions: Sequence[Direction]) -> list[Change]:
        """Of the directions in which nothing was found, those in which jsoncompat does."""
        whole = _flat(self.old, self.old), _flat(self.new, self.new)
        left = [each for each in directions if each not in found and self.accepts(each, *whole) is False]
        return [
            _undecided("", each, "The library jsoncompat finds that it breaks readers, but not where.") for each in left
        ]

    def accepts(self, direction: Direction, old: Node, new: Node) -> bool | None:
        """Whether the readers of a direction accept all that the others write; None if jsoncompat does not know."""
        texts = _portable(self.old, old), _portable(self.new, new)
        try:
            return self.compare(*texts, ROLES[direction])
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # what Rust's panic becomes is no Exception
            return None

    def _of_nodes(self, path: str, old: Node, new: Node, directions: Sequence[Direction]) -> Iterator[Change]:
        if why := _beyond(self.old, old) or _beyond(self.new, new):
            yield from (_undecided(path, each, why) for each in directions)
            return
        yield from self._of_values(path, old, new, directions)
        yield from self._of_objects(path, old, new, directions)
        yield from self._of_arrays(path, old, new, directions)
        for keys in LOOSE:
            if not self._are_same(keys, old, new):
                for each in directions:
                    if any(key in _sides(each, old, new)[1] for key in keys):
                        yield _undecided(path, each, f"Changes of `{keys[0]}` are not judged.")
        known = {*VALUES, *OBJECTS, *ARRAYS, *COMBINED, *ANNOTATIONS, *(key for keys in LOOSE for key in keys)}
        for key in sorted({*old, *new} - known):
            if not self._are_same([key], old, new):
                yield from (_undecided(path, each, f"Changes of `{key}` are not judged.") for each in directions)

    def _of_values(self, path: str, old: Node, new: Node, directions: Sequence[Direction]) -> Iterator[Change]:
        """What is said of a value itself; unless it is unchanged, also by putting schemas together."""
        keys = {*VALUES, *(() if self._are_same(COMBINED, old, new) else COMBINED)}
        old, new = ({key: node[key] for key in node if key in keys} for node in (old, new))
        if self._are_same(keys, old, new):
            return
        shown = f"Field `{path}`" if path else "The whole"
        for each in directions:
            accepted = self._accepts_values(each, old, new)
            if accepted is None:
                yield _undecided(
                    path, each, f"{shown} was {_short(old, new)} and is {_short(new, old)}: that is not judged."
                )
            elif not accepted:
                whose, whom = SIDES[each]
                why = (
                    f"{shown} was {_short(old, new)} and is {_short(new, old)}: the {whom} rejects data of the {whose}."
                )
                yield Change(path, each, why, _another(path))

    def _accepts_values(self, direction: Direction, old: Node, new: Node) -> bool | None:
        if any(not _judged(root, node) for root, node in ((self.old, old), (self.new, new))):
            return None
        data, reader = _sides(direction, old, new)
        values = [data["const"]] if "const" in data else data.get("enum")
        if values is not None and not any(key in {**data, **reader} for key in COMBINED):
            validator = DRAFTS[_draft(self.old)]
            return all(validator(reader).is_valid(value) for value in values if validator(data).is_valid(value))
        step, other = data.get("multipleOf"), reader.get("multipleOf")
        if step is not None and other is not None and not _is_multiple(step, other):
            return False
        if step is not None or other is None:
            old, new = ({key: node[key] for key in node if key != "multipleOf"} for node in (old, new))
        return self.accepts(direction, old, new)

    def _of_objects(self, path: str, old: Node, new: Node, directions: Sequence[Direction]) -> Iterator[Change]:
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        old_rest, new_rest = _node(old.get("additionalProperties", True)), _node(new.get("additionalProperties", True))
        has_patterns = "patternProperties" in old or "patternProperties" in new
        is_undecided = has_patterns and not (
            old_fields.keys() == new_fields.keys() and self._are_same(OBJECTS[1:3], old, new)
        )
        if is_undecided:
            why = "What is beside `patternProperties` changes, or they do: that is not judged."
            yield from (_undecided(path, each, why) for each in directions)
        names = {**old_fields, **new_fields, **dict.fromkeys((*old.get("required", ()), *new.get("required", ())))}
        for name in names:
            at = f"{path}.{name}" if path else name
            for each in directions:
                yield from self._of_required(at, name, each, old, new)
            if name in old_fields and name in new_fields:
                yield from self.changes(at, old_fields[name], new_fields[name], directions)
            elif not is_undecided and (name in old_fields or name in new_fields):
                before, after = old_fields.get(name, old_rest), new_fields.get(name, new_rest)
                for each in directions:
                    yield from self._of_one_sided(at, each, before, after, name in new_fields)
        if not is_undecided:
            yield from self._of_rest(path, old_rest, new_rest, directions)

    def _of_required(self, path: str, name: str, direction: Direction, old: Node, new: Node) -> Iterator[Change]:
        data, reader = _sides(direction, old, new)
        if name in data.get("required", ()) or name not in reader.get("required", ()):
            return
        whose, whom = SIDES[direction]
        why = f"Field `{path}` is required by the {whom}, and data of the {whose} may lack it."
        if direction is Direction.BACKWARD:
            yield Change(path, direction, why, f"Make `{path}` optional.")
        else:
            is_removal = name not in new.get("properties", {})
            yield Change(path, direction, why, f"Keep `{path}` required, and deprecate it.", is_removal=is_removal)

    def _of_one_sided(
        self, path: str, direction: Direction, old: Node, new: Node, is_addition: bool
    ) -> Iterator[Change]:
        """Of a field that one version declares, the other's schema being that of all fields that it does not."""
        data, _ = _sides(direction, _resolved(self.old, old), _resolved(self.new, new))
        is_declared_by_reader = is_addition is (direction is Direction.BACKWARD)
        if self.is_lenient and is_declared_by_reader and _is_any(data):
            return
        changes = list(self.changes(path, old, new, [direction]))
        if not changes:
            return
        whose, whom = SIDES[direction]
        if is_declared_by_reader:
            why = f"The {whose} does not declare `{path}` and accepts it as anything, which the {whom} does not."
            instead = "Set `additionalProperties` to false beforehand, or `lenient: true` if nobody sends more."
        else:
            why = f"The {whose} declares `{path}`, and the {whom} rejects it as one that it does not declare."
            instead = "Let readers accept what is not declared (no `additionalProperties`) beforehand."
        is_undecided = all(change.is_undecided for change in changes)
        is_removal = not is_addition and direction is Direction.FORWARD
        yield Change(path, direction, why, instead, is_undecided, is_removal)

    def _of_rest(self, path: str, old: Node, new: Node, directions: Sequence[Direction]) -> Iterator[Change]:
        for each in directions:
            data, reader = _sides(each, old, new)
            if _is_never(reader) and not _is_never(data):
                whose, whom = SIDES[each]
                why = f"The {whom} accepts declared properties only, and data of the {whose} may have others."
                yield Change(path, each, why, "Leave `additionalProperties` as it is.")
            else:
                yield from self.changes(f"{path}{{}}", old, new, [each])

    def _of_arrays(self, path: str, old: Node, new: Node, directions: Sequence[Direction]) -> Iterator[Change]:
        if self._are_same(ARRAYS, old, new):
            return
        items = old.get("items", True), new.get("items", True)
        is_tuple = any(isinstance(each, list) for each in items) or any(key in {**old, **new} for key in ARRAYS[1:])
        if is_tuple:
            yield from (_undecided(path, each, "Changes of tuples are not judged.") for each in directions)
        else:
            yield from self.changes(f"{path}[]", *items, directions)

    def _are_same(self, keys: Iterable[str], old: Node, new: Node) -> bool:
        parts = ({key: node[key] for key in keys if key in node} for node in (old, new))
        before, after = parts
        return _is_same(self.old, before, self.new, after, set())


@dataclass(frozen=True)
class _Types:
    """Of Avro, for what is in a schema."""

    root: Node

    def of(self, schema: Any, name: str, within: tuple[int, ...]) -> Any:
        """That of a schema: a union with null if it may be null."""
        found = _resolved(self.root, schema)
        if id(found) in within:
            return undecided("recursive")
        node = _flat(self.root, found)
        within = (*within, id(found))
        for key in ("$ref", *REACHING, *SCOPED):
            if key in node:
                return undecided(f"`{key}`")
        if "anyOf" in node or "oneOf" in node:
            return self._of_choice(node, name, within)
        if "allOf" in node:
            return undecided("`allOf` of what cannot be put together")
        kinds, values = _kinds(node), _allowed(node)
        is_nullable = "null" in kinds or (values is not None and None in values and not kinds)
        given = [kind for kind in kinds if kind != "null"]
        if len(given) > 1 or (not given and values is None):
            return undecided(f"a value of {' or '.join(given) or 'no type'}")
        value = self._of_kind(node, given[0] if given else "", values, name, within)
        return ["null", value] if is_nullable and "undecided" not in value else value

    def _of_choice(self, node: Node, name: str, within: tuple[int, ...]) -> Any:
        """Of a choice, which has a type if it is one schema or null."""
        [key, *others] = (key for key in ("anyOf", "oneOf") if key in node)
        choices = [each for each in node[key] if _kinds(_resolved(self.root, each)) != ["null"]]
        if others or len(choices) != 1 or len(node[key]) != 2 or (VALUES | {*OBJECTS, *ARRAYS}) & node.keys():
            return undecided(f"`{key}`")
        value = self.of(choices[0], name, within)
        return value if isinstance(value, list) or "undecided" in value else ["null", value]

    def _of_kind(self, node: Node, kind: str, values: Sequence[Any] | None, name: str, within: tuple[int, ...]) -> Any:
        if values is not None and kind in ("", "string"):
            symbols = [value for value in values if value is not None]
            if all(isinstance(symbol, str) for symbol in symbols):
                return {"type": "enum", "name": name or "values", "symbols": symbols}
            return undecided("an enum of more than texts") if not kind else SCALARS[kind]
        if kind == "array":
            if any(key in node for key in ARRAYS[1:]) or not isinstance(node.get("items"), dict):
                return undecided("an array whose entries have no type, or each its own")
            return {"type": "array", "items": self.of(node["items"], name, within)}
        if kind == "object":
            return self._of_object(node, name, within)
        if kind == "string":
            return FORMATS.get(node.get("format", ""), "string")
        return SCALARS.get(kind) or undecided(f"a value of {kind}")

    def _of_object(self, node: Node, name: str, within: tuple[int, ...]) -> Any:
        rest = node.get("additionalProperties", True)
        fields = node.get("properties")
        if not fields:
            is_map = isinstance(rest, dict) and rest and "patternProperties" not in node
            return (
                {"type": "map", "values": self.of(rest, name, within)}
                if is_map
                else undecided("an object of any fields")
            )
        required = node.get("required", ())
        types = {each: self.of(schema, each, within) for each, schema in fields.items()}
        return {
            "type": "record",
            "name": name or "values",
            "fields": [
                {"name": each, "type": kind if each in required else _nullable(kind)} for each, kind in types.items()
            ],
        }


def _nullable(kind: Any) -> Any:
    return kind if isinstance(kind, list) or "undecided" in kind else ["null", kind]


def _kinds(node: Node) -> list[str]:
    kinds = node.get("type", "object" if "properties" in node else [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _allowed(node: Node) -> Sequence[Any] | None:
    return [node["const"]] if "const" in node else node.get("enum")


def _undecided(path: str, direction: Direction, why: str) -> Change:
    return Change(path, direction, why, "Undo it, or look at it yourself.", is_undecided=True)


def _another(path: str) -> str:
    return f"Add another field beside `{path}`, and deprecate it." if path else "Leave it as it was."


def _merged(changes: Iterable[Change]) -> list[Change]:
    """The first of each field and direction, but one that is decided before one that is not."""
    merged: dict[tuple[str, Direction], Change] = {}
    for change in changes:
        before = merged.setdefault((change.field, change.direction), change)
        if before.is_undecided and not change.is_undecided:
            merged[change.field, change.direction] = change
    return list(merged.values())


def _sides(direction: Direction, old: Node, new: Node) -> tuple[Node, Node]:
    """The schema of the data, and that of its reader."""
    return (old, new) if direction is Direction.BACKWARD else (new, old)


def _node(schema: Any) -> Node:
    return schema if isinstance(schema, dict) else ANY if schema else NEVER


def _is_any(node: Node) -> bool:
    return node.keys() <= ANNOTATIONS


def _is_never(node: Node) -> bool:
    return "not" in node and _is_any(_node(node["not"]))


def _text(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


def _short(node: Node, other: Node) -> str:
    """What one has and the other has not."""
    text = _text({key: node[key] for key in node if key not in other or _text(node[key]) != _text(other[key])})
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_multiple(step: float, other: float) -> bool:
    try:
        return Decimal(str(step)) % Decimal(str(other)) == 0
    except InvalidOperation:
        return False


def _resolved(root: Node, schema: Any) -> Node:
    """What a schema refers to, if it only does so and that is in the file."""
    node = _node(schema)
    seen: list[str] = []
    while "$ref" in node and node.keys() - {"$ref"} <= ANNOTATIONS and node["$ref"] not in seen:
        seen.append(node["$ref"])
        target = _target(root, node["$ref"])
        if target is None:
            break
        node = target
    return node


def _target(root: Node, reference: str) -> Node | None:
    if not reference.startswith("#"):
        return None
    content: Any = root
    for part in unquote(reference[1:]).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(content, list) and key.isdigit() and int(key) < len(content):
            content = content[int(key)]
        elif isinstance(content, dict) and key in content:
            content = content[key]
        else:
            return None
    is_schema = isinstance(content, dict | bool) and (reference == "#" or reference.startswith("#/"))
    return _node(content) if is_schema else None


def _flat(root: Node, node: Node) -> Node:
    """A schema with its `allOf` put into it, if no two of them say different things of one keyword."""
    if "allOf" not in node:
        return node
    rest = {key: node[key] for key in node if key != "allOf" and key not in ANNOTATIONS}
    merged: dict[str, Any] = {}
    for part in (rest, *(_flat(root, _resolved(root, each)) for each in node["allOf"])):
        for key in part.keys() - ANNOTATIONS:
            if key == "properties" and not merged.get(key, {}).keys() & part[key].keys():
                merged[key] = {**merged.get(key, {}), **part[key]}
            elif key == "required":
                merged[key] = [*merged.get(key, ()), *part[key]]
            elif key not in MERGED or merged.setdefault(key, part[key]) != part[key]:
                return node
    return merged


def _nodes(schema: Any) -> Iterator[Node]:
    """A schema and all that are within it, but for what it refers to."""
    node = _node(schema)
    yield node
    for key, how in WITHIN.items():
        if key in node:
            yield from (each for part in _parts(node[key], how) for each in _nodes(part))


def _parts(content: Any, how: str) -> list[Any]:
    """The schemas in the value of a keyword."""
    if how == NAMED:
        content = list(content.values())
    found = content if isinstance(content, list) else [content]
    return [each for each in found if isinstance(each, dict | bool)]


def _is_same(old_root: Node, old: Any, new_root: Node, new: Any, seen: set[tuple[int, int]]) -> bool:
    """Whether two schemas say the same, annotations aside; not if they refer to what is not in the file."""
    old, new = _node(old), _node(new)
    if (id(old), id(new)) in seen:
        return True
    seen.add((id(old), id(new)))

    def is_same(before: Any, after: Any, how: str | None) -> bool:
        if isinstance(before, list) and isinstance(after, list) and how:
            return len(before) == len(after) and all(map(is_same, before, after, [ONE] * len(before)))
        if isinstance(before, dict) and isinstance(after, dict) and how == NAMED:
            return before.keys() == after.keys() and all(is_same(before[key], after[key], ONE) for key in before)
        if how and isinstance(before, dict | bool) and isinstance(after, dict | bool):
            return _is_same(old_root, before, new_root, after, seen)
        return _text(before) == _text(after)

    if "$ref" in old or "$ref" in new:
        before, after = _resolved(old_root, old), _resolved(new_root, new)
        if "$ref" in before or "$ref" in after:
            if not ("$ref" in before and "$ref" in after):
                return False
            targets = _target(old_root, before["$ref"]), _target(new_root, after["$ref"])
            if targets[0] is None or targets[1] is None or not is_same(*targets, ONE):
                return False
            before, after = ({key: node[key] for key in node if key != "$ref"} for node in (before, after))
        old, new = before, after
    keys = old.keys() - ANNOTATIONS
    return keys == new.keys() - ANNOTATIONS and all(is_same(old[key], new[key], WITHIN.get(key)) for key in keys)


def _is_within_reach(root: Node, node: Node) -> bool:
    return "$ref" not in node or _target(root, node["$ref"]) is not None


def _beyond(root: Node, node: Node) -> str | None:
    """Why a schema cannot be compared keyword by keyword."""
    if "$ref" in node and not _is_within_reach(root, node):
        return f"A `$ref` leads to {node['$ref']}, which is not read: only what is in the file, by its path, is."
    for key in ("$ref", *REACHING):
        if key in node:
            return f"Changes of what is beside or within `{key}` are not judged."
    return None


def _judged(root: Node, node: Node) -> bool:
    """Whether jsoncompat judges all keywords in a schema, and in what it refers to."""
    left, seen = [node], set()
    while left:
        for each in _nodes(left.pop()):
            if not each.keys() <= JUDGED or isinstance(each.get("items"), list):
                return False
            if "$ref" in each and each["$ref"] not in seen:
                seen.add(each["$ref"])
                target = _target(root, each["$ref"])
                if target is None:
                    return False
                left.append(target)
    return True


def _portable(root: Node, node: Node) -> str:
    """A schema as jsoncompat reads it: of the newest draft, with the definitions that it may refer to."""
    definitions = {key: root[key] for key in ("$defs", "definitions") if key in root and '"$ref"' in _text(node)}
    return json.dumps(
        {key: each for key, each in {**definitions, **node}.items() if key not in ("$id", "$schema", "id")}
    )


def _draft(root: Node) -> str:
    return str(root.get("$schema", NEWEST)).rstrip("#")


def _other_draft(old: Node, new: Node) -> str | None:
    drafts = (_draft(old), _draft(new))
    return None if drafts[0] == drafts[1] else f"It was of {drafts[0]} and is of {drafts[1]}, whose keywords differ."


def _is_endless(root: Node) -> bool:
    """Whether a schema needs itself to judge one and the same value: jsoncompat then says yes to anything."""
    done: set[int] = set()

    def is_endless(node: Node, within: frozenset[int]) -> bool:
        if id(node) in within:
            return True
        if id(node) in done:
            return False
        parts = [each for key in SAME_VALUE if key in node for each in _parts(node[key], WITHIN[key])]
        parts.append(_target(root, node["$ref"]) if "$ref" in node else None)
        found = any(is_endless(_node(part), within | {id(node)}) for part in parts if part is not None)
        done.add(id(node))
        return found

    return any(is_endless(node, frozenset()) for node in _nodes(root))


def _unfit(root: Node) -> str | None:
    """Why a whole schema cannot be compared."""
    if _is_endless(root):
        return "A `$ref` leads back to itself."
    for node in _nodes(root):
        for key in SCOPED:
            if key in node:
                return f"What `{key}` means is not judged."
        if node is not root and (isinstance(node.get("$id"), str) or isinstance(node.get("id"), str)):
            return "An `$id` within a schema, which changes what `$ref` leads to, is not judged."
        for key in NOT_IN_DRAFT_4:
            if key in node and "draft-04" in _draft(root):
                return f"The keyword `{key}` is none of draft-04."
    return None


def _library(file: Path) -> Callable[[str, str, str], bool]:
    try:
        from jsoncompat import check_compat
    except ImportError as error:
        raise VigilError(
            f"{file}: JSON Schema is compared by jsoncompat 0.3.1, which is not there: it needs Python 3.11 or newer "
            "and pip install 'dbt-vigil[contracts]'."
        ) from error
    return check_compat  # type: ignore[return-value]


def _validate(file: Path, content: Any) -> None:
    if not isinstance(content, dict | bool):
        raise VigilError(f"{file}:1: not a JSON Schema: that is an object.")
    root = _node(content)
    validator = DRAFTS.get(_draft(root))
    if validator is None:
        raise VigilError(f"{file}:1: `$schema` is {root['$schema']}; known are {', '.join(DRAFTS)}.")
    error = best_match(validator(validator.META_SCHEMA).iter_errors(content))
    if error is not None:
        where = ".".join(map(str, error.absolute_path))
        raise VigilError(f"{file}:1: not a JSON Schema: {f'{where}: ' if where else ''}{error.message}.")
