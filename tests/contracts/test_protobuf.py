"""What one schema in Protobuf breaks of another."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from dbt_vigil.contracts.changes import Direction
from dbt_vigil.contracts.formats.protobuf import ProtobufSchema
from dbt_vigil.project import VigilError
from tests.contracts.schema_cases import Case, check, read_cases

HAS_BUF = Path(sys.executable).with_name("buf").exists() or shutil.which("buf")
pytestmark = pytest.mark.skipif(not HAS_BUF, reason="buf is not installed")


def schema(folder: Path, content: str, message: str | None = None) -> ProtobufSchema:
    file = folder / "schema.proto"
    file.parent.mkdir(parents=True, exist_ok=True)
    is_file = content.startswith(("syntax", "edition"))
    imports = 'import "google/protobuf/timestamp.proto";' if "google.protobuf.Timestamp" in content else ""
    file.write_text(content if is_file else f'syntax = "proto3"; {imports} message M {{ {content} }}')
    return ProtobufSchema.read(file, message)


@pytest.mark.parametrize("case", read_cases("protobuf"), ids=lambda case: case.name)
def test_what_breaks(case: Case, tmp_path: Path) -> None:
    check(case, schema(tmp_path, case.old), schema(tmp_path, case.new))


def test_texts(tmp_path: Path) -> None:
    old, new = schema(tmp_path, "int32 a = 1; string b = 2;"), schema(tmp_path, "int64 a = 1; string c = 2;")
    a, b = old.changes_to(new, [Direction.FORWARD])
    assert a.why == "Field `a` was int32 and is int64: who reads the narrower type gets wrong numbers."
    assert a.instead == "Add a field with a new name and a new number, and deprecate `a`."
    assert b.why == "Field 2 was `b` and is now `c`: who reads JSON looks for the name."


def test_rules_of_buf_alone(tmp_path: Path) -> None:
    """What only buf finds is of the field in which it is, or of the whole."""
    old = schema(tmp_path, "I i = 1; message I { string a = 1; reserved 2; }")
    new = schema(tmp_path, "I i = 1; message I { string a = 1; }")
    assert {change.field for change in old.changes_to(new, tuple(Direction))} == {"i"}


def test_imports_are_found_beside_and_above(tmp_path: Path) -> None:
    folder = tmp_path / "registry" / "orders"
    folder.mkdir(parents=True)
    (tmp_path / "registry" / "shared").mkdir()
    money, beside = tmp_path / "registry" / "shared" / "money.proto", folder / "beside.proto"
    money.write_text('syntax = "proto3"; package shared; message Money { int64 units = 1; }')
    beside.write_text('syntax = "proto3"; import "shared/money.proto"; message Line { shared.Money price = 1; }')
    order = 'syntax = "proto3";\nimport "beside.proto";\nmessage Order { repeated Line lines = 1; }'
    old = schema(folder, order)
    money.write_text(money.read_text().replace("int64", "string"))
    changes = old.changes_to(schema(folder, order), [Direction.BACKWARD])
    assert [change.field for change in changes] == ["lines[].price.units"]


def test_which_message(tmp_path: Path) -> None:
    content = 'syntax = "proto3"; package x; message A { int32 n = 1; message B { string s = 1; } } message C {}'
    with pytest.raises(VigilError, match=r"schema.proto:1: `message` must name one of its messages: x.A, x.C"):
        schema(tmp_path, content)
    with pytest.raises(VigilError, match=r"there is no message `C`; known are x.A, x.C"):
        schema(tmp_path, content, "C")
    assert schema(tmp_path, content, "x.A.B").record()["name"] == "B"
    changes = schema(tmp_path, content, "x.A").changes_to(schema(tmp_path, content, "x.C"), tuple(Direction))
    assert {change.field for change in changes} == {"", "n"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('syntax = "proto3";\nmessage M { strin a = 1; }', r"schema.proto:2: not Protobuf: cannot find `strin`"),
        ('syntax = "proto3";\nimport "gone.proto";\nmessage M {}', r"schema.proto:2: not Protobuf: imported file does"),
        ('syntax = "proto3";\nmessage M { string a = 1; string b = 1; }', r"schema.proto:2: not Protobuf"),
        ('syntax = "proto3";', "it has none"),
    ],
)
def test_what_is_no_schema(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(VigilError, match=message):
        schema(tmp_path, content)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(VigilError, match=r"gone.proto cannot be read: No such file"):
        ProtobufSchema.read(tmp_path / "gone.proto")


def test_no_buf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VigilError, match=r"buf is not there, .* pip install 'dbt-vigil\[contracts\]'"):
        schema(tmp_path, "string a = 1;")


def test_nothing_is_written_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    schema(tmp_path / "registry", "string a = 1;")
    assert not list(home.iterdir())


def test_record(tmp_path: Path) -> None:
    content = """syntax = "proto3";
        import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto"; import "google/protobuf/duration.proto";
        message M {
          int32 i = 1; uint32 u = 2; sfixed64 l = 3; double d = 4; bytes b = 5; optional string o = 6;
          oneof k { bool x = 7; I y = 8; }
          repeated I r = 9; map<string, E> m = 10; M within = 11;
          google.protobuf.Timestamp at = 12; google.protobuf.Int32Value w = 13; google.protobuf.Struct s = 14;
          google.protobuf.Duration took = 15;
        }
        message I { E e = 1; }
        enum E { NONE = 0; SOME = 1; }"""
    enum = {"type": "enum", "name": "E", "symbols": ["NONE", "SOME"]}
    inner = {"type": "record", "name": "I", "fields": [{"name": "e", "type": enum}]}
    types = {field["name"]: field["type"] for field in schema(tmp_path, content, "M").record()["fields"]}
    unjudged = {name: types.pop(name)[1]["undecided"] for name in ("within", "s", "took")}
    assert types == {
        "i": "int",
        "u": "long",
        "l": "long",
        "d": "double",
        "b": "bytes",
        "o": ["null", "string"],
        "x": ["null", "boolean"],
        "y": ["null", inner],
        "r": {"type": "array", "items": inner},
        "m": {"type": "map", "values": enum},
        "at": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
        "w": ["null", "int"],
    }
    assert "recursive" in unjudged["within"]
    assert "google.protobuf.Struct has no type" in unjudged["s"]
    assert "google.protobuf.Duration" in unjudged["took"]


def test_record_of_proto2(tmp_path: Path) -> None:
    content = 'syntax = "proto2"; message M { required string a = 1; optional string b = 2; }'
    assert schema(tmp_path, content).record()["fields"] == [
        {"name": "a", "type": "string"},
        {"name": "b", "type": ["null", "string"]},
    ]
