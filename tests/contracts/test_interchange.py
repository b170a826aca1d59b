"""Contracts of the Open Data Contract Standard, written and read."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import OpenDataContractStandard

from dbt_vigil.contracts.graph import Column, Node
from dbt_vigil.contracts.interchange import Imported, from_odcs, to_odcs
from dbt_vigil.contracts.registry import Deprecation, Owner, Producer, Subject, read_registry
from dbt_vigil.project import VigilError

SCHEMA = json.loads((files("open_data_contract_standard") / "schema.json").read_text("utf-8"))
for rule in SCHEMA["$defs"]["SchemaBaseProperty"]["allOf"]:
    if "required" in rule.get("then", {}):  # https://github.com/bitol-io/open-data-contract-standard/pull/324
        rule["if"]["required"] = ["logicalType"]
STANDARD = Draft201909Validator(SCHEMA)
ADDRESS = {"type": "record", "name": "Address", "fields": [{"name": "city", "type": "string"}]}
ORDER: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "namespace": "shop.events",
    "doc": "An order: <it> says \"all\".",
    "fields": [
        {"name": "id", "type": "long", "doc": "Its key."},
        {"name": "count", "type": "int"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "ratio", "type": "float"},
        {"name": "share", "type": ["null", "double"], "default": None},
        {"name": "is_paid", "type": "boolean"},
        {"name": "raw", "type": "bytes"},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "hour", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 16}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["new", "paid"]}},
        {"name": "address", "type": ADDRESS},
        {"name": "billed", "type": ["null", "Address"], "default": None},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "prices", "type": {"type": "map", "values": "double"}},
        {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "sku", "type": "string"}, {"name": "state", "type": "State"}]}}},
    ],
}  # fmt: skip
PRODUCER = """
topic: order-events
owner: {team: shop, email: shop@example.com, slack: "#shop"}
schema: order.avsc
mode: BACKWARD
lands_in: {source: shop.orders}
deprecations:
  - {field: note, announced: 2026-01-01, remove_after: 2026-06-01, replacement: address.city}
  - {field: address.city, announced: 2026-01-01, remove_after: 2026-06-01}
"""


def producer(folder: Path, schema: dict[str, Any], document: str = PRODUCER, file: str = "order.avsc") -> Producer:
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps(schema))
    (folder / "producer.yml").write_text(document)
    [found] = read_registry(folder).producers.values()
    return found


def taken_in(folder: Path, text: str) -> tuple[Producer, Imported]:
    """A contract that has been read, and the producer that is in its files then."""
    (folder / "contract.odcs.yaml").write_text(text)
    [found] = from_odcs(folder / "contract.odcs.yaml")
    into = folder / "taken in"
    into.mkdir()
    (into / f"{found.name}.yml").write_text(found.document)
    (into / f"{found.name}.avsc").write_text(found.schema)
    [read] = read_registry(into).producers.values()
    return read, found


def standard(text: str) -> dict[str, Any]:
    """A contract that the standard's schema and its library take."""
    content = yaml.safe_load(text)
    assert [error.message for error in STANDARD.iter_errors(content)] == []
    OpenDataContractStandard.from_string(text)
    return dict(content)


def written(*properties: dict[str, Any], **others: Any) -> str:
    content = {
        "version": "1.0.0",
        "kind": "DataContract",
        "apiVersion": "v3.1.0",
        "id": "a",
        "team": {"name": "shop"},
        "schema": [{"name": "orders", "physicalType": "topic", "properties": list(properties)}],
    }
    return yaml.safe_dump(json.loads(json.dumps(content | others)), sort_keys=False)


def test_a_round_trip(tmp_path: Path) -> None:
    given = producer(tmp_path / "given", ORDER)
    text, lost = to_odcs(given)
    assert lost == []
    standard(text)
    read, found = taken_in(tmp_path, text)
    assert read.schema.record() == given.schema.record()
    for name in ("subject", "owner", "mode", "lands_in", "is_landed", "deprecations"):
        assert getattr(read, name) == getattr(given, name), name
    assert [what for what in found.lost if not what.startswith("Of the contract, `")] == []
    assert {what.split("`")[1] for what in found.lost} == {"version", "id", "name", "status"}
    again, _ = to_odcs(read)
    assert yaml.safe_load(again) == yaml.safe_load(text)


def test_what_the_standard_has(tmp_path: Path) -> None:
    content = standard(to_odcs(producer(tmp_path / "given", ORDER))[0])
    assert content["apiVersion"] == "v3.2.0"
    assert content["team"] == {"name": "shop"}
    assert [(entry["channel"], entry["tool"]) for entry in content["support"]] == [
        ("shop@example.com", "email"),
        ("#shop", "slack"),
    ]
    [table] = content["schema"]
    assert (table["name"], table["physicalType"]) == ("order-events", "topic")
    fields = {entry["name"]: entry for entry in table["properties"]}
    assert fields["id"] == {
        "name": "id",
        "physicalType": "long",
        "description": "Its key.",
        "logicalType": "integer",
        "logicalTypeOptions": {"format": "i64"},
        "required": True,
    }
    assert fields["note"]["required"] is False
    assert fields["note"]["deprecated"] is True
    assert [value["value"] for value in fields["state"]["enum"]] == ["new", "paid"]
    assert fields["local"]["logicalTypeOptions"] == {"timezone": False}
    assert fields["tags"]["items"]["logicalType"] == "string"
    assert fields["prices"]["map"]["value"]["logicalType"] == "number"


@pytest.mark.parametrize(
    ("field", "lost"),
    [
        ({"type": ["string", "long"]}, "The type of `x`, which is one of several"),
        ({"type": "string", "default": "a"}, 'Of `x`, `default`: "a".'),
        ({"type": ["string", "null"], "default": "a"}, 'Of `x`, `default`: "a".'),
        ({"type": "string", "aliases": ["y"]}, "Of `x`, `aliases`"),
        ({"type": {"type": "string", "pii": True}}, "Of the type of `x`, `pii`: true."),
        ({"type": {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}}, "That `x` is a duration"),
        (
            {"type": {"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal", "precision": 9, "scale": 1}},
            "That `x` is in 8 bytes",
        ),
        ({"type": {"type": "record", "name": "A", "doc": "said", "fields": []}}, 'Of the type of `x`, `doc`: "said".'),
        (
            {"type": {"type": "record", "name": "A", "fields": [{"name": "a", "type": ["null", "A"]}]}},
            "The type of `x.a`: recursive.",
        ),
    ],
)
def test_what_is_lost_when_it_is_written(tmp_path: Path, field: dict[str, Any], lost: str) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", **field}]}
    text, found = to_odcs(producer(tmp_path / "given", schema, "topic: t\nowner: {team: a}\nschema: order.avsc\n"))
    standard(text)
    assert len(found) == 1
    assert found[0].startswith(lost)


def test_what_is_lost_of_a_producer(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/v1.avsc").write_text("{}")
    more = PRODUCER.replace("mode: BACKWARD", "mode: FULL_TRANSITIVE\nversions: v*.avsc").replace(
        "field: note", "field: gone"
    )
    text, lost = to_odcs(producer(tmp_path / "given", ORDER, more))
    assert lost == ["The 1 earlier schemas.", "The deprecation of `gone`, which the schema does not have."]
    _, found = taken_in(tmp_path, text)
    assert any("FULL_TRANSITIVE" in what for what in found.lost)


def test_a_model() -> None:
    columns = {
        "id": Column("Id", "BIGINT", nullable=False),
        "price": Column("price", "DECIMAL(9, 2)", deprecation=Deprecation("2026-01-01", "2026-06-01", "cost")),
        "at": Column("at", "TIMESTAMP WITH TIME ZONE"),
        "items": Column("items", "STRUCT(sku VARCHAR, n INTEGER)[]"),
        "odd": Column("odd", None),
    }
    node = Node(
        "model.shop.orders", "model", "orders", Owner("shop"), (), "models/a.yml", "shop",
        built=columns, relation='"db"."main"."orders"', timestamp_column="at",
    )  # fmt: skip
    text, lost = to_odcs(node)
    content = standard(text)
    [table] = content["schema"]
    fields = {entry["name"]: entry for entry in table["properties"]}
    assert (table["name"], table["physicalName"], table["physicalType"]) == ("orders", '"db"."main"."orders"', "table")
    assert (fields["Id"]["logicalType"], fields["Id"]["physicalType"], fields["Id"]["required"]) == (
        "integer",
        "BIGINT",
        True,
    )
    assert (fields["price"]["logicalType"], fields["price"]["deprecated"]) == ("number", True)
    assert fields["at"]["logicalTypeOptions"] == {"timezone": True}
    assert [entry["name"] for entry in fields["items"]["items"]["properties"]] == ["sku", "n"]
    assert "logicalType" not in fields["odd"]
    assert len(lost) == 2
    assert lost[0] == "That `at` says how new a row is."
    assert lost[1].startswith("The type of `odd`")


def test_a_model_of_which_little_is_known() -> None:
    node = Node("model.shop.orders", "model", "orders", None, (), "models/a.yml", "shop")
    text, lost = to_odcs(node)
    standard(text)
    assert [what.split(":")[0] for what in lost] == [
        "Its columns",
        "Columns that are not declared, if there are any",
        "Its owner",
    ]


@pytest.mark.parametrize(
    ("given", "type_", "lost"),
    [
        ({"logicalType": "string"}, "string", []),
        ({"logicalType": "string", "physicalType": "VARCHAR(2)"}, "string", ["How `x` is stored: VARCHAR(2)."]),
        ({"logicalType": "string", "logicalTypeOptions": {"maxLength": 2}}, "string",
         ["Of the type of `x`, `maxLength`: 2."]),
        ({"logicalType": "string", "enum": [{"value": "a"}, {"value": "b"}]}, "string", ["That `x` is one of a, b."]),
        ({"logicalType": "integer"}, "long", []),
        ({"logicalType": "integer", "logicalTypeOptions": {"format": "i32"}}, "int", []),
        ({"logicalType": "integer", "logicalTypeOptions": {"format": "u8"}}, "int",
         ['Of the type of `x`, `format`: "u8".']),
        ({"logicalType": "number"}, "double", []),
        ({"logicalType": "number", "physicalType": "NUMERIC(9,2)"},
         {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, []),
        ({"logicalType": "timestamp"}, {"type": "long", "logicalType": "timestamp-micros"}, []),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}},
         {"type": "long", "logicalType": "local-timestamp-micros"}, []),
        ({"logicalType": "integer", "physicalType": "string"}, "long", ["How `x` is stored: string."]),
        ({"physicalType": "long"}, "long", []),
        ({"logicalType": "string", "unique": True, "primaryKey": True}, "string",
         ["Of `x`, `unique`: true.", "Of `x`, `primaryKey`: true."]),
        ({"logicalType": "string", "deprecated": True}, "string",
         ["That `x` is deprecated: since when and until when is not said."]),
        ({"logicalType": "string", "customProperties": [{"property": "pii", "value": 1}]}, "string",
         ["Of `x`, the custom property `pii`: 1."]),
        ({"logicalType": "array", "items": {"logicalType": "date", "required": True}},
         {"type": "array", "items": {"type": "int", "logicalType": "date"}}, []),
    ],
)  # fmt: skip
def test_what_is_lost_when_it_is_read(tmp_path: Path, given: dict[str, Any], type_: Any, lost: list[str]) -> None:
    text = written({"name": "x", "required": True, **given})
    standard(text)
    (tmp_path / "a.yaml").write_text(text)
    [found] = from_odcs(tmp_path / "a.yaml")
    assert json.loads(found.schema)["fields"] == [{"name": "x", "type": type_}]
    assert [what for what in found.lost if not what.startswith("Of the contract, `")] == lost


@pytest.mark.parametrize(
    "given",
    [
        {"logicalType": "object"},
        {"logicalType": "array"},
        {"physicalType": "GEOGRAPHY"},
        {},
        {"logicalType": "vector", "logicalTypeOptions": {"dimensions": 3}},
        {"logicalType": "map", "map": {"key": {"logicalType": "integer"}, "value": {"logicalType": "string"}}},
    ],
)
def test_a_type_that_avro_does_not_have_is_undecided(tmp_path: Path, given: dict[str, Any]) -> None:
    read, found = taken_in(tmp_path, written({"name": "x", "required": True, **given}))
    [field] = read.schema.record()["fields"]
    assert "undecided" in field["type"]
    assert any(what.startswith("The type of `x`:") for what in found.lost)


def test_types_of_an_engine_are_not_taken_for_avros(tmp_path: Path) -> None:
    """`float` of BigQuery or Snowflake has twice the bytes of Avro's."""
    column = {"name": "x", "required": True, "logicalType": "number", "physicalType": "float"}
    text = written(schema=[{"name": "t", "physicalType": "table", "properties": [column]}])
    read, found = taken_in(tmp_path, text)
    assert read.schema.record()["fields"][0]["type"] == "double"
    assert "How `x` is stored: float." in found.lost
    assert "That it is a table: it is read as a topic, whose schema is a file." in found.lost


def test_names_that_avro_does_not_have(tmp_path: Path) -> None:
    inner = {"name": "a b", "logicalType": "object", "properties": [{"name": "1", "logicalType": "string"}]}
    read, found = taken_in(tmp_path, written(inner, {**inner, "name": "c"}))
    assert [field["name"] for field in read.schema.record()["fields"]] == ["a_b", "c"]
    assert "The name `1`, which is none in Avro: it is `a_b._1`." in found.lost


def test_a_name_that_two_types_have(tmp_path: Path) -> None:
    own = [{"property": "avroName", "value": "A", "vendor": "vigil"}]
    first, second = (
        {
            "name": n,
            "logicalType": "object",
            "customProperties": own,
            "properties": [{"name": n, "logicalType": "string"}],
        }
        for n in "xy"
    )
    read, found = taken_in(tmp_path, written(first, second))
    assert [field["type"][1]["fields"][0]["name"] for field in read.schema.record()["fields"]] == ["x", "y"]
    assert "The name of the type of `y`, A, which another type has." in found.lost


def test_all_else_of_a_contract_is_named(tmp_path: Path) -> None:
    text = written(
        {"name": "x", "logicalType": "string"},
        servers=[{"server": "s", "type": "kafka", "host": "h"}],
        tags=["a"],
        description={"purpose": "To know.", "usage": "Daily."},
        support=[
            {"channel": "#a", "tool": "slack"},
            {"channel": "#b", "tool": "slack"},
            {"channel": "b@c", "tool": "email"},
        ],
        team={"name": "shop", "members": [{"username": "ada"}]},
        slaProperties=[{"property": "latency", "value": 4}],
        customProperties=[{"property": "vault", "value": "x"}],
    )
    standard(text)
    read, found = taken_in(tmp_path, text)
    assert read.owner == Owner("shop", "b@c", "#a")
    assert yaml.safe_load(found.document)["description"] == "To know."
    for what in ("`servers`", "`tags`", "`usage`", "#b", "ada", "`slaProperties`", "`vault`"):
        assert sum(what in said for said in found.lost) == 1, what


def test_an_older_contract(tmp_path: Path) -> None:
    team = [{"username": "ada", "role": "Owner", "name": "Ada"}, {"username": "bob"}]
    text = written({"name": "x", "logicalType": "string"}, team=team, apiVersion="v3.0.2")
    read, found = taken_in(tmp_path, text)
    assert read.owner == Owner("Ada")
    assert "That bob is of the team." in found.lost


def test_objects_are_files_of_their_own(tmp_path: Path) -> None:
    tables = [
        {"name": name, "physicalType": "topic", "properties": [{"name": "x", "logicalType": "string"}]} for name in "ab"
    ]
    (tmp_path / "a.yaml").write_text(written(schema=tables))
    found = from_odcs(tmp_path / "a.yaml")
    assert [one.name for one in found] == ["a", "b"]
    assert all("That the contract has other objects too: each is a file of its own." in one.lost for one in found)


def test_a_name_stays_within_its_folder(tmp_path: Path) -> None:
    table = {"name": "../../etc/x", "physicalType": "topic", "properties": [{"name": "x", "logicalType": "string"}]}
    (tmp_path / "a.yaml").write_text(written(schema=[table]))
    [found] = from_odcs(tmp_path / "a.yaml")
    assert "/" not in found.name and not found.name.startswith(".")
    assert yaml.safe_load(found.document)["topic"] == "../../etc/x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: DataContract\n", ":1: `version` is missing"),
        (written({"logicalType": "string"}), ":11: schema[0].properties[0]: `name` is missing"),
        (written({"name": "x", "logicalType": "text"}), ":12: schema[0].properties[0].logicalType: `text` is none of"),
        (written({"name": "x"}, team={}), ":5: the contract has no team with a name"),
        (written(), ":8: `orders` has no properties"),
        (written(schema=[]), ":1: the contract has no `schema`"),
        (written({"name": "a b"}, {"name": "a_b"}), ":12: in Avro, `a_b` would be there twice"),
        ("a: ]", ":1: not YAML"),
        ("a: 1\n---\nb: 1\n", ": a contract is one document; these are 2."),
    ],
)
def test_wrong_contracts(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(VigilError) as error:
        from_odcs(file)
    assert f"{file}{said}" in str(error.value)


def test_subjects_are_the_same_again() -> None:
    """The id of a contract stays when it is written again, and differs between subjects."""
    ids = [standard(to_odcs(Node(name, "model", name, None, (), "a.yml", "p"))[0])["id"] for name in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
    assert Subject("model", "a") != Subject("model", "b")
