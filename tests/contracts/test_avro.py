"""What one schema of Avro breaks of another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from dbt_vigil.contracts.changes import Direction
from dbt_vigil.contracts.formats.avro import AvroSchema
from dbt_vigil.project import VigilError
from tests.contracts.schema_cases import Case, check, read_cases

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def schema(folder: Path, content: Any) -> AvroSchema:
    file = folder / "schema.avsc"
    file.write_text(json.dumps({"type": "record", "name": "R", "fields": content} if is_fields(content) else content))
    return AvroSchema.read(file)


def is_fields(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(field, dict) and "name" in field for field in content)


@pytest.mark.parametrize("case", read_cases("avro"), ids=lambda case: case.name)
def test_what_breaks(case: Case, tmp_path: Path) -> None:
    check(case, schema(tmp_path, case.old), schema(tmp_path, case.new))


@pytest.mark.parametrize("case", read_cases("avro"), ids=lambda case: case.name)
def test_other_way_round(case: Case, tmp_path: Path) -> None:
    """What breaks who goes from old to new breaks who goes back, in the other direction."""
    old, new = (schema(tmp_path, content) for content in (case.old, case.new))
    fields = {change.field for change in new.changes_to(old, [Direction.FORWARD])}
    assert fields == set(case.backward)


def test_primitive_types_are_as_avro_has_them(tmp_path: Path) -> None:
    for old in PRIMITIVES:
        for new in PRIMITIVES:
            pair = [schema(tmp_path, {"type": kind}) for kind in (old, new)]
            checker: Any = ReaderWriterCompatibilityChecker
            result = checker().get_compatibility(pair[1].schema, pair[0].schema)
            is_fine = result.compatibility is SchemaCompatibilityType.compatible
            assert bool(pair[0].changes_to(pair[1], [Direction.BACKWARD])) != is_fine, (old, new)


def test_texts(tmp_path: Path) -> None:
    old = schema(tmp_path, [{"name": "total", "type": "long"}, {"name": "at", "type": "long"}])
    millis = {"type": "long", "logicalType": "timestamp-millis"}
    new = schema(tmp_path, [{"name": "usd", "type": "long", "aliases": ["total"]}, {"name": "at", "type": millis}])
    total, at = old.changes_to(new, [Direction.FORWARD])
    assert total.why == "A reader with the old schema reads `total`, and the new data has none."
    assert total.instead == "Keep `total`, add `usd` beside it and announce the removal."
    assert at.why == "A reader with the old schema expects long, and the new data has long (timestamp-millis)."


def test_another_format(tmp_path: Path) -> None:
    from dbt_vigil.contracts.formats.tables import TableSchema

    (change,) = schema(tmp_path, []).changes_to(TableSchema((), "duckdb"), [Direction.FORWARD])
    assert change.is_undecided


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "record",\n"name": }', r"schema.avsc:2: not JSON"),
        ('{"type": "record",\n"fields": [{"name": "a",\n"name": "b"}]}', r"avsc:2: not JSON: `name` is there twice"),
        ('{"type": "int", "x": NaN}', "NaN is no number"),
        ("", r"schema.avsc:1: not JSON"),
        ("[" * 100000, "too deeply nested"),
        ('{"type": "record", "name": "R"}', "not a schema of Avro: Record schema requires"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "money"}]}', "object from money.$"),
        ('{"type": "enum", "name": "E", "symbols": "AB"}', "the symbols of `E` are not a list"),
        ('{"type": "enum", "name": "E", "symbols": ["A"], "aliases": "EE"}', "aliases of `E` are not a list"),
        ('{"type": "error", "name": "E", "fields": []}', "type error is for protocols"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "aliases": "b"}]}', "aliases of `a`"),
        (
            '{"type": "record", "name": "n.R", "fields": [{"name": "a", "type":'
            ' {"type": "fixed", "name": "F", "namespace": "", "size": 1}}]}',
            "the namespace of `F` is empty, although it is within n",
        ),
    ],
)  # fmt: skip
def test_what_is_no_schema(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.avsc"
    file.write_text(text)
    with pytest.raises(VigilError, match=message):
        AvroSchema.read(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VigilError, match="cannot be read: No such file"):
        AvroSchema.read(tmp_path / "schema.avsc")


def test_record_has_its_types_inlined(tmp_path: Path) -> None:
    address = {
        "type": "record",
        "name": "A",
        "fields": [{"name": "at", "type": {"type": "int", "logicalType": "date"}}],
    }
    node = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}
    fields = [
        {"name": "home", "type": address},
        {"name": "work", "type": ["null", "A"]},
        {"name": "list", "type": node},
    ]
    home, work, many = schema(tmp_path, fields).record()["fields"]
    (at,) = home["type"]["fields"]
    assert at == {"name": "at", "type": {"type": "int", "logicalType": "date"}}
    assert work["type"] == ["null", home["type"]]
    assert many["type"]["fields"][0]["type"] == ["null", {"type": "bytes", "undecided": "recursive"}]


def test_record_of_what_is_none(tmp_path: Path) -> None:
    assert schema(tmp_path, {"type": "array", "items": "int"}).record()["undecided"]


def test_the_library_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the walk miss what it finds, that is a change of the whole."""
    pair = [schema(tmp_path, [{"name": "a", "type": kind}]) for kind in ("string", "int")]
    monkeypatch.setattr("dbt_vigil.contracts.formats.avro_changes._Comparison.compare", lambda *_: None)
    (change,) = pair[0].changes_to(pair[1], [Direction.BACKWARD])
    assert change.field == ""


def test_a_deep_schema_of_shared_types_is_compared_once(tmp_path: Path) -> None:
    """Each record has the one before it twice: 2 to the power of 40 paths."""
    inner: Any = "int"
    for level in range(40):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"L{level - 1}" if level else "int"}]
        inner = {"type": "record", "name": f"L{level}", "fields": fields}
    pair = [avro.schema.parse(json.dumps(inner)) for _ in range(2)]
    assert AvroSchema(pair[0]).changes_to(AvroSchema(pair[1]), tuple(Direction)) == []
