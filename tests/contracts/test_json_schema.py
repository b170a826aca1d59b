"""What one JSON Schema breaks of another."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dbt_vigil.contracts.changes import Direction
from dbt_vigil.contracts.formats.json_schema import JsonSchema
from dbt_vigil.project import VigilError
from tests.contracts.schema_cases import Case, check, read_cases

HAS_LIBRARY = sys.version_info >= (3, 11)
needs_library = pytest.mark.skipif(not HAS_LIBRARY, reason="there is no jsoncompat for Python 3.10")
WHOLE = {"type", "allOf", "$ref"}


def schema(folder: Path, content: Any, is_lenient: bool = False) -> JsonSchema:
    file = folder / "schema.json"
    if not WHOLE & content.keys():
        content = {"type": "object", "properties": content, "additionalProperties": False}
    file.write_text(json.dumps(content))
    return JsonSchema.read(file, is_lenient)


@needs_library
@pytest.mark.parametrize("case", read_cases("json_schema"), ids=lambda case: case.name)
def test_what_breaks(case: Case, tmp_path: Path) -> None:
    check(case, schema(tmp_path, case.old), schema(tmp_path, case.new))


@needs_library
@pytest.mark.parametrize("case", read_cases("json_schema"), ids=lambda case: case.name)
def test_other_way_round(case: Case, tmp_path: Path) -> None:
    """What breaks who goes from old to new breaks who goes back, in the other direction."""
    old, new = (schema(tmp_path, content) for content in (case.old, case.new))
    assert {change.field for change in new.changes_to(old, [Direction.FORWARD])} == set(case.backward)


names = st.sampled_from(["a", "b"])
kinds = st.lists(st.sampled_from(["string", "integer", "number", "object"]), min_size=1, unique=True)
choices = st.lists(st.sampled_from(["x", "y", 1, 2, None]), min_size=1, unique=True)
leaves = st.one_of(
    st.sampled_from([True, False, {}, {"type": "null"}, {"type": "boolean"}, {"multipleOf": 0.5}, {"pattern": "^x"}]),
    st.fixed_dictionaries({"type": kinds}),
    st.fixed_dictionaries({"enum": choices}),
    st.fixed_dictionaries({"minimum": st.integers(0, 2), "maximum": st.integers(1, 3)}),
    st.fixed_dictionaries({"type": st.just("string"), "minLength": st.integers(0, 3)}),
)


def within(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(names, schemas)},
        optional={
            "required": st.lists(names, unique=True),
            "additionalProperties": schemas,
            "patternProperties": st.dictionaries(st.just("b"), schemas),
            "dependentRequired": st.just({"a": ["b"]}),
            "minProperties": st.integers(0, 2),
        },
    )
    arrays = st.fixed_dictionaries({"type": st.just("array"), "items": schemas}, optional={"minItems": st.just(1)})
    parts = st.lists(schemas, min_size=1, max_size=2)
    combined = st.builds(lambda key, parts: {key: parts}, st.sampled_from(["anyOf", "oneOf", "allOf"]), parts)
    return st.one_of(objects, objects, arrays, combined)


schemas = st.recursive(leaves, within, max_leaves=5)
scalars = st.sampled_from(["x", "y", "xyz", "", 0, 1, 1.5, 2, 3, None, True])
keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(scalars, lambda parts: st.lists(parts, max_size=2) | st.dictionaries(keys, parts), max_leaves=4)


@needs_library
@settings(max_examples=300, deadline=None)
@given(old=schemas, new=schemas, data=st.lists(values, min_size=15, max_size=15))
def test_what_passes_is_read(old: Any, new: Any, data: list[Any]) -> None:
    """The validator is the oracle: a direction that passes has no value of the one that the other rejects."""
    old, new = ({"$defs": {"whole": content}, "$ref": "#/$defs/whole"} for content in (old, new))
    pair = JsonSchema(Path("old"), old), JsonSchema(Path("new"), new)
    found = {change.direction for change in pair[0].changes_to(pair[1], tuple(Direction))}
    for direction, (written, read) in {Direction.BACKWARD: (old, new), Direction.FORWARD: (new, old)}.items():
        if direction not in found:
            for value in filter(Draft202012Validator(written).is_valid, data):
                assert Draft202012Validator(read).is_valid(value), (direction, value)


@needs_library
def test_lenient(tmp_path: Path) -> None:
    """Nobody writes what is not declared: all else breaks as before."""
    old = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    new = {"type": "object", "properties": {"a": {"type": "string"}, "c": {"type": "string"}}}

    def fields(is_lenient: bool, new: Any) -> list[tuple[str, Direction]]:
        pair = schema(tmp_path, old, is_lenient), schema(tmp_path, new, is_lenient)
        return [(change.field, change.direction) for change in pair[0].changes_to(pair[1], tuple(Direction))]

    assert fields(False, new) == [("b", Direction.FORWARD), ("c", Direction.BACKWARD)]
    assert fields(True, new) == []
    assert fields(True, {**new, "additionalProperties": False})[0] == ("b", Direction.BACKWARD)
    assert fields(True, {**new, "required": ["c"]}) == [("c", Direction.BACKWARD)]
    assert fields(True, {**old, "properties": {"a": {"type": "integer"}}})[0] == ("a", Direction.BACKWARD)


@needs_library
def test_texts(tmp_path: Path) -> None:
    old, new = schema(tmp_path, {"a": {"type": "integer"}}), schema(tmp_path, {"a": {"type": "number"}})
    (change,) = old.changes_to(new, tuple(Direction))
    assert change.why == 'Field `a` was {"type": "integer"} and is {"type": "number"}: the old rejects data of the new.'
    assert change.instead == "Add another field beside `a`, and deprecate it."


@needs_library
def test_a_panic_of_the_library_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jsoncompat

    class Panic(BaseException):
        pass

    def panic(*_: str) -> bool:
        raise Panic

    monkeypatch.setattr(jsoncompat, "check_compat", panic)
    old, new = schema(tmp_path, {"a": {"type": "integer"}}), schema(tmp_path, {"a": {"type": "number"}})
    assert all(change.is_undecided for change in old.changes_to(new, tuple(Direction)))
    assert {change.field for change in old.changes_to(new, tuple(Direction))} == {"a"}


def test_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsoncompat", None)
    with pytest.raises(VigilError, match=r"schema.json: .*jsoncompat 0.3.1, which is not there: it needs Python 3.11"):
        schema(tmp_path, {}).changes_to(schema(tmp_path, {}), tuple(Direction))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "object",\n"properties": }', r"schema.json:2: not JSON"),
        ('{"properties": {\n"a": {"type": "string"},\n"a": {}}}', r"schema.json:\d: not JSON: `a` is there twice"),
        ("[]", r"schema.json:1: not a JSON Schema: that is an object"),
        ('{"properties": {"a": {"type": "text"}}}', r"not a JSON Schema: properties.a.type: 'text' is not"),
        ('{"$schema": "https://example.invalid/mine"}', r"json:1: `\$schema` is https://example.invalid/mine;"),
    ],
)  # fmt: skip
def test_what_is_no_schema(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(text)
    with pytest.raises(VigilError, match=message):
        JsonSchema.read(file)


def test_record(tmp_path: Path) -> None:
    content = {
        "type": "object",
        "required": ["i", "s", "e", "o", "n"],
        "properties": {
            "i": {"type": "integer"},
            "s": {"type": ["string", "null"]},
            "d": {"type": "number"},
            "b": {"type": "boolean"},
            "e": {"enum": ["x", "not a name"]},
            "at": {"type": "string", "format": "date-time"},
            "on": {"type": "string", "format": "date"},
            "o": {"$ref": "#/$defs/o"},
            "r": {"type": "array", "items": {"$ref": "#/$defs/o"}},
            "m": {"type": "object", "additionalProperties": {"type": "integer"}},
            "n": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "together": {"allOf": [{"$ref": "#/$defs/o"}, {"properties": {"q": {"type": "string"}}}]},
            "within": {"$ref": "#"},
            "one": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            "mixed": {"type": ["string", "integer"]},
            "any": {},
        },
        "$defs": {"o": {"type": "object", "properties": {"p": {"type": "string"}}, "required": ["p"]}},
    }
    inner = {"type": "record", "name": "o", "fields": [{"name": "p", "type": "string"}]}
    types = {field["name"]: field["type"] for field in schema(tmp_path, content).record()["fields"]}
    unjudged = {name: types.pop(name)["undecided"] for name in ("within", "one", "mixed", "any")}
    assert unjudged == {
        "within": "recursive",
        "one": "`oneOf`",
        "mixed": "a value of string or integer",
        "any": "a value of no type",
    }
    together = [{"name": "p", "type": "string"}, {"name": "q", "type": ["null", "string"]}]
    assert types == {
        "i": "long",
        "s": ["null", "string"],
        "d": ["null", "double"],
        "b": ["null", "boolean"],
        "e": {"type": "enum", "name": "e", "symbols": ["x", "not a name"]},
        "at": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
        "on": ["null", {"type": "int", "logicalType": "date"}],
        "o": inner,
        "r": ["null", {"type": "array", "items": {**inner, "name": "r"}}],
        "m": ["null", {"type": "map", "values": "long"}],
        "n": ["null", "long"],
        "together": ["null", {"type": "record", "name": "together", "fields": together}],
    }


def test_record_of_what_is_none(tmp_path: Path) -> None:
    assert "not an object" in schema(tmp_path, {"type": "array", "items": {"type": "string"}}).record()["undecided"]
