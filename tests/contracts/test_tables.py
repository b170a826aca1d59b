"""What one schema of a table breaks of another, and how it is read from files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbt_vigil.contracts.changes import Direction
from dbt_vigil.contracts.formats.tables import Column, TableSchema
from dbt_vigil.project import VigilError
from tests.contracts.schema_cases import Case, check, read_cases

ICEBERG = [
    "boolean", "int", "long", "float", "double", "decimal(9,2)", "decimal(11,2)", "decimal(11,4)", "date", "time",
    "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns", "string", "uuid", "fixed[16]", "fixed[8]", "binary",
    "unknown", "variant", "geometry(srid:1)",
]  # fmt: skip
PROMOTED = {("int", "long"), ("float", "double"), ("decimal(9,2)", "decimal(11,2)")}
PROMOTED_IN_V3 = PROMOTED | {("date", "timestamp"), ("date", "timestamp_ns")}
DELTA = [
    "byte", "short", "integer", "long", "float", "double", "date", "timestamp_ntz", "timestamp", "string", "binary",
    "boolean", "decimal(10,0)", "decimal(11,2)", "decimal(12,2)", "decimal(20,0)",
]  # fmt: skip
DELTA_DECIMALS = ("decimal(10,0)", "decimal(12,2)", "decimal(20,0)")
WIDENED = {
    ("byte", "short"), ("byte", "integer"), ("byte", "long"), ("short", "integer"), ("short", "long"),
    ("integer", "long"), ("float", "double"), ("byte", "double"), ("short", "double"), ("integer", "double"),
    ("date", "timestamp_ntz"), ("decimal(10,0)", "decimal(12,2)"), ("decimal(10,0)", "decimal(20,0)"),
    ("decimal(11,2)", "decimal(12,2)"), ("long", "decimal(20,0)"),
    *((kind, decimal) for kind in ("byte", "short", "integer") for decimal in DELTA_DECIMALS),
}  # fmt: skip


def table(columns: Mapping[str, str | None], format: str) -> TableSchema:  # noqa: A002
    dialect = "spark" if format in ("delta", "iceberg") else "duckdb"
    split = {name: (type_ or "").removesuffix(" not null") or None for name, type_ in columns.items()}
    given = (Column(name, split[name], split[name] == type_) for name, type_ in columns.items())
    return TableSchema.of_columns(given, dialect, format or "dbt")


@pytest.mark.parametrize("case", read_cases("tables"), ids=lambda case: case.name)
def test_what_breaks(case: Case) -> None:
    check(case, table(case.old, case.format), table(case.new, case.format))


def iceberg(folder: Path, type_: Any, version: int = 2, **more: Any) -> TableSchema:
    field = {"id": 1, "name": "x", "required": False, "type": type_, **more}
    schemas = [{"type": "struct", "schema-id": 7, "fields": [field]}, {"type": "struct", "schema-id": 8, "fields": []}]
    file = folder / "00001-a.metadata.json"
    file.write_text(json.dumps({"format-version": version, "current-schema-id": 7, "schemas": schemas}))
    return TableSchema.read(file, "t")


def delta(folder: Path, type_: Any) -> TableSchema:
    file = folder / "schema.json"
    field = {"name": "x", "type": type_, "nullable": True, "metadata": {}}
    file.write_text(json.dumps({"type": "struct", "fields": [field]}))
    return TableSchema.read(file, "t")


def readable(tables: Mapping[str, TableSchema]) -> set[tuple[str, str]]:
    pairs = permutations(tables, 2)
    return {(old, new) for old, new in pairs if not tables[old].changes_to(tables[new], [Direction.BACKWARD])}


@pytest.mark.parametrize(("version", "promoted"), [(2, PROMOTED), (3, PROMOTED_IN_V3)])
def test_all_pairs_of_iceberg(version: int, promoted: set[tuple[str, str]], tmp_path: Path) -> None:
    tables = {type_: iceberg(tmp_path, type_, version) for type_ in ICEBERG}
    of_null = {("unknown", type_) for type_ in ICEBERG if type_ != "unknown"} if version == 3 else set()
    assert readable(tables) == promoted | of_null
    assert all(not tables[type_].changes_to(iceberg(tmp_path, type_, version), tuple(Direction)) for type_ in ICEBERG)


def test_all_pairs_of_delta(tmp_path: Path) -> None:
    assert readable({type_: delta(tmp_path, type_) for type_ in DELTA}) == WIDENED


def test_two_formats_have_the_rules_of_both() -> None:
    old = {"a": "int", "b": "int"}
    new = {"a": "bigint", "b": "double"}
    changes = table(old, "delta").changes_to(table(new, "iceberg"), [Direction.BACKWARD])
    assert [change.field for change in changes] == ["b"]


def test_texts() -> None:
    (change,) = table({"total": None}, "").changes_to(table({"total": None}, ""), [Direction.BACKWARD])
    assert "run `dbt docs generate`" in change.why
    (change,) = table({"total": "int"}, "").changes_to(table({"total": "text"}, ""), [Direction.FORWARD])
    assert change.why == "A reader with the old schema expects int, and the new data has string."


def test_nested_types_of_iceberg(tmp_path: Path) -> None:
    def nested(city: str, key: str, *, required: bool) -> Any:
        fields = [{"id": 2, "name": "city", "required": required, "type": city}]
        entries = {"type": "map", "key-id": 3, "key": key, "value-id": 4, "value-required": False, "value": "int"}
        fields.append({"id": 5, "name": "m", "required": False, "type": entries})
        struct = {"type": "struct", "fields": fields}
        return {"type": "list", "element-id": 6, "element": struct, "element-required": True}

    old = iceberg(tmp_path, nested("int", "int", required=False))
    wide = iceberg(tmp_path, nested("long", "int", required=False))
    strict = iceberg(tmp_path, nested("int", "int", required=True))
    key = iceberg(tmp_path, nested("int", "long", required=False))
    assert not old.changes_to(wide, [Direction.BACKWARD])
    for new, direction, field in [
        (wide, Direction.FORWARD, "x[].city"),
        (strict, Direction.BACKWARD, "x[].city"),
        (key, Direction.BACKWARD, "x[].m"),
    ]:
        assert [change.field for change in old.changes_to(new, [direction])] == [field]


def test_a_default_of_iceberg_is_that_of_rows_of_before(tmp_path: Path) -> None:
    empty = TableSchema((), "iceberg", 3)
    for default, breaks in [({}, True), ({"write-default": 1}, True), ({"initial-default": 1}, False)]:
        new = iceberg(tmp_path, "int", 3, required=True, **default)
        assert bool(empty.changes_to(new, [Direction.BACKWARD])) == breaks


def test_lengths_of_delta(tmp_path: Path) -> None:
    def text(kind: str) -> TableSchema:
        field = {"name": "x", "type": "string", "nullable": True, "metadata": {"__CHAR_VARCHAR_TYPE_STRING": kind}}
        file = tmp_path / "schema.json"
        file.write_text(json.dumps({"type": "struct", "fields": [field]}))
        return TableSchema.read(file, "t")

    assert not text("varchar(5)").changes_to(text("varchar(6)"), [Direction.BACKWARD])
    assert text("varchar(5)").changes_to(text("varchar(6)"), [Direction.FORWARD])


SCHEMA = {
    "type": "struct",
    "fields": [
        {"name": "a", "type": "integer", "nullable": False, "metadata": {}},
        {"name": "b", "type": {"type": "array", "elementType": "string", "containsNull": True}, "nullable": True},
        {
            "name": "c",
            "type": {"type": "map", "keyType": "string", "valueType": "decimal(5,1)", "valueContainsNull": False},
            "nullable": True,
        },
    ],
}


def commit(log: Path, version: int, schema: Any = None) -> None:
    log.mkdir(parents=True, exist_ok=True)
    actions: list[Any] = [{"commitInfo": {}}]
    if schema:
        actions.append({"metaData": {"id": "x", "schemaString": json.dumps(schema)}})
    (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)))


def names(schema: TableSchema) -> list[str]:
    return [field["name"] for field in schema.record()["fields"]]


def test_the_newest_schema_of_a_log(tmp_path: Path) -> None:
    commit(tmp_path / "_delta_log", 0, {"type": "struct", "fields": []})
    commit(tmp_path / "_delta_log", 9, SCHEMA)
    commit(tmp_path / "_delta_log", 10)
    assert names(TableSchema.read(tmp_path, "t")) == ["a", "b", "c"]


def test_the_schema_of_a_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    commit(log, 10, SCHEMA)
    commit(log, 11)
    (log / f"{10:020}.json").unlink()
    with pytest.raises(VigilError, match="neither commit 10 nor a checkpoint of it is there"):
        TableSchema.read(tmp_path, "t")
    text = json.dumps(SCHEMA).replace("'", "''")
    rows = f"from (values (null), ({{'schemaString': '{text}'}})) t(metaData)"
    duckdb.execute(f"copy ({rows}) to '{log / f'{10:020}.checkpoint.parquet'}' (format parquet)")
    assert names(TableSchema.read(tmp_path, "t")) == ["a", "b", "c"]


def test_a_table_that_delta_wrote(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    arrow = pytest.importorskip("pyarrow")
    for columns in ({"a": [1]}, {"a": [1], "b": ["x"]}):
        deltalake.write_deltalake(str(tmp_path), arrow.table(columns), mode="append", schema_mode="merge")
    assert names(TableSchema.read(tmp_path, "t")) == ["a", "b"]
    lake = deltalake.DeltaTable(str(tmp_path))
    lake.create_checkpoint()
    for file in (tmp_path / "_delta_log").glob("*.json"):
        file.unlink()
    assert names(TableSchema.read(tmp_path, "t")) == ["a", "b"]


def test_the_newest_metadata_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    iceberg(tmp_path / "metadata", "int")
    file = tmp_path / "metadata" / "00001-a.metadata.json"
    file.rename(file.with_name("v9.metadata.json"))
    old = TableSchema.read(tmp_path, "t")
    iceberg(tmp_path / "metadata", "long")
    file.rename(file.with_name("v10.metadata.json"))
    new = TableSchema.read(tmp_path, "t")
    assert old.changes_to(new, [Direction.FORWARD])
    iceberg(tmp_path / "metadata", "long")
    file.rename(file.with_name("00010-b.metadata.json"))
    with pytest.raises(VigilError, match="only the catalog knows"):
        TableSchema.read(tmp_path, "t")


def test_the_collation_of_a_text_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table plain (x varchar); create table sorted (x varchar collate nocase, n integer)")
    plain, collated = TableSchema.read(file, "plain"), TableSchema.read(file, "sorted")
    assert [change.is_undecided for change in plain.changes_to(collated, [Direction.FORWARD])] == [True]
    assert plain.changes_to(plain, [Direction.FORWARD]) == []
    for metadata, expected in (({}, []), ({"__COLLATIONS": {"x": "icu.UNICODE_CI"}}, [True])):
        field = {"name": "x", "type": "string", "nullable": True, "metadata": metadata}
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps({"type": "struct", "fields": [field]}))
        delta = TableSchema.read(schema, "t")
        assert [change.is_undecided for change in delta.changes_to(delta, [Direction.FORWARD])] == expected


def test_a_database_of_duckdb(tmp_path: Path) -> None:
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create type mood as enum ('good', 'it''s bad')")
        connection.execute('create table orders (id integer primary key, "Total" decimal(10, 2), m mood)')
        connection.execute(
            "create schema other; create table other.orders (x integer); create table other.y (x integer)"
        )
    schema = TableSchema.read(file, "main.orders")
    assert schema.record()["fields"] == [
        {"name": "id", "type": {"type": "int"}},
        {"name": "Total", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}]},
        {"name": "m", "type": ["null", {"type": "enum", "name": "m", "symbols": ["good", "it's bad"]}]},
    ]
    assert names(TableSchema.read(file, "Y")) == ["x"]
    for name, message in [("orders", "in more than one schema: main, other"), ("none", "there is no table `none`")]:
        with pytest.raises(VigilError, match=message):
            TableSchema.read(file, name)


def written(files: Iterable[tuple[str, str]], folder: Path) -> Path:
    path = folder
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("schema.json", '{"type":\n}', "schema.json:2: not JSON"),
        ("schema.json", "[]", "not a schema of Delta"),
        (
            "schema.json",
            '{"type": "struct", "fields": [{"name": "a"}]}',
            "not a schema of Delta: the struct is not one",
        ),
        ("schema.json", '{"type": "struct", "fields": [{"name": "a", "type": "int", "required": true}]}', "of Delta"),
        ("1.metadata.json", '{"type": "struct"}', "not the metadata of a table of Iceberg"),
        ("1.metadata.json", '{"format-version": 2, "current-schema-id": 1, "schemas": []}', "not a schema of Iceberg"),
        ("a.duckdb", "no database", "cannot be read"),
        ("a.csv", "a,b", "the schema of a table is a folder of Delta"),
    ],
)
def test_what_is_no_table(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(VigilError, match=message):
        TableSchema.read(written([(name, text)], tmp_path), "t")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("_delta_log/x.txt", "", "no schema is in it"),
        (f"_delta_log/{0:020}.json", "{}\n{", f"{0:020}.json:2: not JSON"),
        (f"_delta_log/{0:020}.checkpoint.parquet", "x", "cannot be read"),
        ("metadata/x.txt", "", r"no \*.metadata.json is in it"),
        ("other/x.txt", "", "the schema of a table is a folder of Delta"),
    ],
)
def test_what_is_no_folder_of_a_table(name: str, text: str, message: str, tmp_path: Path) -> None:
    written([(name, text)], tmp_path)
    with pytest.raises(VigilError, match=message):
        TableSchema.read(tmp_path, "t")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VigilError, match="no such file or folder"):
        TableSchema.read(tmp_path / "x.json", "t")


@pytest.mark.parametrize(
    ("text", "dialect", "type_"),
    [
        ("tinyint", "duckdb", {"type": "int", "column": "tinyint"}),
        ("bigint", "duckdb", {"type": "long"}),
        ("decimal(5)", "spark", {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 0}),
        ("timestamp", "duckdb", {"type": "long", "logicalType": "local-timestamp-micros"}),
        ("timestamp", "spark", {"type": "long", "logicalType": "timestamp-micros"}),
        ("uuid", "duckdb", {"type": "string", "logicalType": "uuid"}),
        ("json", "duckdb", {"type": "bytes", "undecided": "Avro has no word for JSON"}),
        ("mood", "duckdb", {"type": "bytes", "undecided": "the type mood is not known"}),
        ("map(integer, varchar)", "duckdb", {"type": "bytes", "undecided": "Avro's maps have texts as keys"}),
        ("array<string>", "spark", {"type": "array", "items": ["null", {"type": "string"}]}),
        ("map(varchar, date)", "duckdb", {"type": "map", "values": ["null", {"type": "int", "logicalType": "date"}]}),
    ],
)  # fmt: skip
def test_types_of_avro(text: str, dialect: str, type_: Any) -> None:
    (field,) = TableSchema.of_columns([Column("x", text)], dialect, "dbt").record()["fields"]
    assert field["type"] == (type_ if "undecided" in type_ else ["null", type_])


def test_a_column_without_a_type_is_undecided() -> None:
    (field,) = TableSchema.of_columns([Column("x", None)], "duckdb", "dbt").record()["fields"]
    assert "declare its `data_type`" in field["type"]["undecided"]
