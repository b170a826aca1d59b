"""Schemas in Protobuf: compared by their wire format and by their JSON, as buf does it, and more strictly."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from dbt_vigil.contracts.changes import Change, Direction
from dbt_vigil.contracts.formats import Record, Schema, undecided
from dbt_vigil.contracts.formats.places import other_format
from dbt_vigil.project import VigilError

__all__ = ["ProtobufSchema"]

MAIN = "__main__.proto"
"""What each version is called for buf, which compares files of one name."""
IMPORT = re.compile(rb'\bimport\s+(?:(?:public|weak|option)\s+)?"([^"\n]+)"')
BUILT_IN = "google/protobuf/"
RULES = {
    "use": [
        "WIRE_JSON",
        "ENUM_NO_DELETE",
        "ENUM_SAME_TYPE",
        "EXTENSION_MESSAGE_NO_DELETE",
        "EXTENSION_NO_DELETE",
        "FIELD_SAME_CARDINALITY",
        "FIELD_SAME_TYPE",
        "FIELD_SAME_UTF8_VALIDATION",
        "FILE_SAME_SYNTAX",
        "MESSAGE_NO_DELETE",
    ],
    "except": [  # required fields are compared here; a topic has messages, and no calls
        "MESSAGE_SAME_REQUIRED_FIELDS",
        "RPC_SAME_CLIENT_STREAMING",
        "RPC_SAME_IDEMPOTENCY_LEVEL",
        "RPC_SAME_REQUEST_TYPE",
        "RPC_SAME_RESPONSE_TYPE",
        "RPC_SAME_SERVER_STREAMING",
    ],
}
UNDECIDED_RULES = ("FIELD_SAME_UTF8_VALIDATION", "FILE_SAME_SYNTAX")
FINER_RULES = ("_TYPE", "_CARDINALITY")
"""Endings of those that say less of the direction than the comparison here."""
WIDER = {("int32", "int64"), ("uint32", "uint64"), ("uint32", "int64"), ("sint32", "sint64")}
"""Who reads the second reads all data of the first; who reads the first cuts data of the second."""
SCALARS = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), "int"),
    **dict.fromkeys(("uint32", "fixed32", "int64", "sint64", "sfixed64", "uint64", "fixed64"), "long"),
    **{"double": "double", "float": "float", "bool": "boolean", "string": "string", "bytes": "bytes"},
}
WRAPPED = {
    f"google.protobuf.{name}Value": SCALARS[name.lower()]
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
UNTYPED = [f"google.protobuf.{name}" for name in ("Any", "Duration", "ListValue", "Struct", "Value")]

Descriptor = Any
"""Of google.protobuf, which has no types: of a message, a field or an enum."""
Place = tuple[str, str]
"""The full name of a message or an enum, and the name of a field; each may be empty."""


@dataclass(frozen=True)
class ProtobufSchema(Schema):
    """A message, with all that it needs."""

    file: Path
    message: Descriptor = field(repr=False)
    image: bytes = field(repr=False)
    """What buf built of the file."""

    @classmethod
    def read(cls, file: Path, message: str | None = None) -> ProtobufSchema:
        """The schema in a file. What it imports is looked for in its folder, then in each folder above.

        Args:
            file: A .proto file.
            message: The full name of a message. Default: the only one at the file's top level.

        Raises:
            VigilError: The file cannot be read or built, or has no such message; buf is not installed.
        """
        image = _build(file)
        pool = _pool(image, file)
        known = [each.full_name for each in pool.FindFileByName(MAIN).message_types_by_name.values()]
        if message is None and len(known) != 1:
            raise VigilError(f"{file}:1: `message` must name one of its messages: {', '.join(known) or 'it has none'}.")
        try:
            return cls(file, pool.FindMessageTypeByName(message or known[0]), image)
        except KeyError as error:
            raise VigilError(f"{file}:1: there is no message `{message}`; known are {', '.join(known)}.") from error

    def changes_to(self, new: Schema, directions: Sequence[Direction]) -> list[Change]:
        """What another version of it breaks."""
        if not isinstance(new, ProtobufSchema):
            return other_format(directions)
        comparison = _Comparison(_findings(self, new))
        changes = comparison.of_messages(self.message, new.message)
        old_name, new_name = self.message.full_name, new.message.full_name
        if old_name != new_name:
            why = f"The message {old_name} is now {new_name}: readers look for it by its name."
            changes = [*_both("", why, f"Keep the name {old_name}."), *changes]
        changes += comparison.of_the_rest()
        return [change for change in _merged(changes) if change.direction in directions]

    def record(self) -> Record:
        """What a consumer reads. Extensions are not in it."""
        return _record(self.message, ())


@dataclass(frozen=True)
class _Finding:
    """What buf found."""

    rule: str
    text: str

    def changes(self, path: str, changes: Sequence[Change]) -> list[Change]:
        """It at a path, but for what other changes at the path say already."""
        known = {change.direction for change in changes if change.field.removesuffix("[]").removesuffix("{}") == path}
        if known and self.rule.endswith(FINER_RULES):
            return []
        why = self.text.partition(" See https://")[0]
        instead = (
            f"Undo it (https://buf.build/docs/breaking/rules/#{self.rule.lower()}), and add what is new beside it."
        )
        is_undecided = self.rule in UNDECIDED_RULES
        return [Change(path, each, why, instead, is_undecided) for each in Direction if each not in known]


@dataclass(frozen=True)
class _Comparison:
    """Of two versions, message by message: the paths are from the message that is compared."""

    found: Mapping[Place, list[_Finding]]
    used: set[Place] = field(default_factory=set)
    known: dict[tuple[str, str], list[Change]] = field(default_factory=dict)
    """The results so far."""
    open: list[tuple[str, str]] = field(default_factory=list)
    """What is being compared: the same within it adds nothing."""
    cut: set[tuple[str, str]] = field(default_factory=set)
    """Those of them that were met again: what is within them is not known in full until they are."""

    def of_messages(self, old: Descriptor, new: Descriptor) -> list[Change]:
        """In the order of the fields: the old ones, then those that are new."""
        pair = (old.full_name, new.full_name)
        if pair in self.known:
            return self.known[pair]
        if pair in self.open:
            self.cut.add(pair)
            return []
        self.open.append(pair)
        changes: list[Change] = []
        others = {each.number: each for each in _fields(new)}
        for each in _fields(old):
            other = others.pop(each.number, None)
            own = _removed(each, new) if other is None else self._of_fields(each, other)
            names = {_name(each), _name(other or each)}
            changes += self._with_found(_name(each), own, [(new.full_name, name) for name in sorted(names)])
        for each in others.values():
            changes += self._with_found(_name(each), _added(each, old), [(new.full_name, _name(each))])
        changes = self._with_found("", changes, [(new.full_name, "")])
        self.open.pop()
        self.cut.discard(pair)
        if not self.cut:
            self.known[pair] = changes
        return changes

    def of_the_rest(self) -> list[Change]:
        """What was found where no path leads to."""
        places = [place for place in self.found if place not in self.used]
        return [change for place in places for finding in self.found[place] for change in finding.changes("", ())]

    def _of_fields(self, old: Descriptor, new: Descriptor) -> list[Change]:
        name = _name(old)
        if name != _name(new):
            why = f"Field {old.number} was `{name}` and is now `{_name(new)}`: who reads JSON looks for the name."
            return _both(name, why, f"Keep `{name}`, and add `{_name(new)}` with a number of its own.")
        if _shape(old) != _shape(new):
            why = f"Field `{name}` was {_shape(old)} and is {_shape(new)}: a reader of the one loses data of the other."
            return _both(name, why, _another(name))
        declared = _declared(old, new)
        if _is_map(old):
            parts = [[each.message_type.fields_by_name[part] for each in (old, new)] for part in ("key", "value")]
            return [change for pair in parts for change in self._of_types(f"{name}{{}}", *pair)] + declared
        return self._of_types(f"{name}[]" if _is_repeated(old) else name, old, new) + declared

    def _of_types(self, path: str, old: Descriptor, new: Descriptor) -> list[Change]:
        old_type, new_type = _type(old), _type(new)
        if (old_type, new_type) in WIDER:
            why = f"Field `{path}` was {old_type} and is {new_type}: who reads the narrower type gets wrong numbers."
            return [Change(path, Direction.FORWARD, why, _another(path))]
        if (new_type, old_type) in WIDER:
            why = (
                f"Field `{path}` was {old_type} and is {new_type}: the wider numbers of old data are cut to wrong ones."
            )
            return [Change(path, Direction.BACKWARD, why, _another(path))]
        if old_type != new_type:
            why = f"Field `{path}` was {old_type} and is {new_type}: who expects the one does not read the other."
            return _both(path, why, _another(path))
        if old.enum_type:
            return self._with_found(path, _of_enums(path, old, new), [(new.enum_type.full_name, "")])
        if old.message_type:
            return _under(path, self.of_messages(old.message_type, new.message_type))
        return []

    def _with_found(self, path: str, changes: list[Change], places: Sequence[Place]) -> list[Change]:
        self.used.update(places)
        found = [finding for place in places for finding in self.found.get(place, ())]
        return changes + [change for finding in found for change in finding.changes(path, changes)]


def _removed(field: Descriptor, new: Descriptor) -> list[Change]:
    name, number = _name(field), field.number
    if not _is_reserved(number, new) or name not in _proto(new).reserved_name:
        why = f"Field `{name}` is removed, and its name or number ({number}) left free: what takes it is read as it."
        return _both(name, why, f'Deprecate it first, then remove it with `reserved {number}; reserved "{name}";`.')
    if _is_required(field):
        why = f"Field `{name}` is required: who has the old schema reads no message without it."
        return [Change(name, Direction.FORWARD, why, f"Keep `{name}`.")]
    why = f"Field `{name}` is no longer written: who reads it finds nothing."
    instead = f"Announce it as a deprecation, and keep `{name}` until its readers are gone."
    return [Change(name, Direction.FORWARD, why, instead, is_removal=True)]


def _added(field: Descriptor, old: Descriptor) -> list[Change]:
    name, number = _name(field), field.number
    if _is_reserved(number, old) or name in _proto(old).reserved_name:
        why = f"The name or the number ({number}) of `{name}` was reserved: older data has another field there."
        return _both(name, why, "Use a name and a number that never were another field's.")
    if _is_required(field):
        why = f"Field `{name}` is new and required: data that was written before has none, and is not read at all."
        return [Change(name, Direction.BACKWARD, why, f"Make `{name}` optional.")]
    return []


def _is_reserved(number: int, message: Descriptor) -> bool:
    return any(each.start <= number < each.end for each in _proto(message).reserved_range)


def _declared(old: Descriptor, new: Descriptor) -> list[Change]:
    """What is said of a field beside its type."""
    name, changes = _name(old), []
    if _is_required(old) != _is_required(new):
        direction = Direction.FORWARD if _is_required(old) else Direction.BACKWARD
        why = f"Field `{name}` is required in one version only: data of the other may lack it, and is not read at all."
        instead = f"Leave `{name}` {'required' if _is_required(old) else 'optional'}."
        changes.append(Change(name, direction, why, instead))
    if (_oneof(old) is None) != (_oneof(new) is None):
        why = f"Field `{name}` moves {'out of' if _oneof(old) else 'into'} a oneof, where each value clears the others."
        changes += _both(name, why, _another(name))
    if old.has_presence != new.has_presence:
        why = f"Field `{name}` can be unset in one version only: a reader takes unset for 0 or empty, or it for unset."
        changes += _both(name, why, f"Leave `{name}` {'`optional`' if old.has_presence else 'without `optional`'}.")
    if old.json_name != new.json_name:
        why = f"Field `{name}` is `{old.json_name}` in JSON and is now `{new.json_name}`: readers of JSON miss it."
        changes += _both(name, why, f'Set `json_name = "{old.json_name}"`.')
    if _default(old) != _default(new):
        why = f"The default of `{name}` was {_default(old)} and is {_default(new)}: data without it reads otherwise."
        changes += _both(name, why, f"Leave the default of `{name}`.")
    return changes


def _of_enums(path: str, old_field: Descriptor, new_field: Descriptor) -> list[Change]:
    old, new = old_field.enum_type, new_field.enum_type
    before, after = ({each.name: each.number for each in enum.values} for enum in (old, new))
    changes: list[Change] = []
    if old.values[0].name != new.values[0].name or old.values[0].number != new.values[0].number:
        why = (
            f"The first value of `{path}` was {old.values[0].name} and is {new.values[0].name}: unset reads otherwise."
        )
        changes += _both(path, why, f"Leave {old.values[0].name} the first value.")
    if old.is_closed != new.is_closed:
        why = f"The enum of `{path}` is closed in one of the versions only: values without a name are lost there."
        changes += _both(path, why, "Leave the enum as it is.")
    if moved := [name for name in before if name in after and before[name] != after[name]]:
        why = (
            f"In `{path}` {', '.join(moved)} has another number: each version reads the other's data as another value."
        )
        changes += _both(path, why, "Give each value its old number.")
    if gone := [name for name in before if name not in after]:
        why = f"Field `{path}` is no longer {' or '.join(gone)}: in old data that is a number without a name, or lost."
        changes.append(Change(path, Direction.BACKWARD, why, "Leave the value, and mark it deprecated."))
    if added := [name for name in after if name not in before]:
        why = f"Field `{path}` may be {' or '.join(added)}: with the old enum that is a number without a name, or lost."
        instead = "Give readers the new enum before writers, or add a field with an enum of its own."
        changes.append(Change(path, Direction.FORWARD, why, instead))
    return changes


def _another(path: str) -> str:
    return f"Add a field with a new name and a new number, and deprecate `{path}`."


def _both(path: str, why: str, instead: str) -> list[Change]:
    return [Change(path, direction, why, instead) for direction in Direction]


def _under(path: str, changes: Iterable[Change]) -> list[Change]:
    return [replace(change, field=f"{path}.{change.field}" if change.field else path) for change in changes]


def _merged(changes: Iterable[Change]) -> list[Change]:
    """One of each field and direction."""
    merged: dict[tuple[str, Direction], Change] = {}
    for change in changes:
        place = (change.field, change.direction)
        before = merged.setdefault(place, change)
        if change.why not in before.why:
            merged[place] = replace(
                before,
                why=f"{before.why} {change.why}",
                is_undecided=before.is_undecided and change.is_undecided,
                is_removal=before.is_removal and change.is_removal,
            )
    return list(merged.values())


def _fields(message: Descriptor) -> list[Descriptor]:
    """Those of its own, then its extensions."""
    extensions = message.file.pool.FindAllExtensions(message)
    return [*message.fields, *sorted(extensions, key=lambda each: each.number)]


def _name(field: Descriptor) -> str:
    return f"({field.full_name})" if field.is_extension else str(field.name)


def _type(field: Descriptor) -> str:
    if field.message_type:
        return f"{'group' if field.type == field.TYPE_GROUP else 'message'} {field.message_type.full_name}"
    if field.enum_type:
        return f"enum {field.enum_type.full_name}"
    return str(FieldDescriptorProto.Type.Name(field.type)).removeprefix("TYPE_").lower()


def _shape(field: Descriptor) -> str:
    return "a map" if _is_map(field) else "repeated" if _is_repeated(field) else "a single value"


def _is_map(field: Descriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _is_repeated(field: Descriptor) -> bool:
    # Newer versions of the library warn of `label`, older ones know nothing else.
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


def _is_required(field: Descriptor) -> bool:
    return bool(field.is_required if hasattr(field, "is_required") else field.label == field.LABEL_REQUIRED)


def _oneof(field: Descriptor) -> str | None:
    """The oneof it is in, unless it is the one that stands for `optional`."""
    oneof = field.containing_oneof
    is_optional = oneof is not None and [each.name for each in oneof.fields] == [oneof.name.removeprefix("_")]
    return None if oneof is None or is_optional else str(oneof.name)


def _default(field: Descriptor) -> str | None:
    return repr(field.default_value) if field.has_default_value else None


def _proto(message: Descriptor) -> Any:
    proto = DescriptorProto()
    message.CopyToProto(proto)
    return proto


def _record(message: Descriptor, within: tuple[str, ...]) -> Record:
    fields = [{"name": each.name, "type": _field_type(each, (*within, message.full_name))} for each in message.fields]
    return {"type": "record", "name": message.name, "fields": fields}


def _field_type(field: Descriptor, within: tuple[str, ...]) -> Any:
    if _is_map(field):
        return {"type": "map", "values": _value_type(field.message_type.fields_by_name["value"], within)}
    value = _value_type(field, within)
    if _is_repeated(field):
        return {"type": "array", "items": value}
    return ["null", value] if field.has_presence and not _is_required(field) else value


def _value_type(field: Descriptor, within: tuple[str, ...]) -> Any:
    if field.enum_type:
        enum = field.enum_type
        return {"type": "enum", "name": enum.name, "symbols": [value.name for value in enum.values]}
    if field.message_type is None:
        return SCALARS[_type(field)]
    name = field.message_type.full_name
    if name == "google.protobuf.Timestamp":
        return {"type": "long", "logicalType": "timestamp-micros"}
    if name in WRAPPED:
        return WRAPPED[name]
    if name in UNTYPED:
        return undecided(f"{name} has no type of its own in a table")
    if name in within:
        return undecided(f"recursive: {name} is within itself")
    return _record(field.message_type, within)


def _pool(image: bytes, file: Path) -> Any:
    pool = DescriptorPool()
    try:
        for each in FileDescriptorSet.FromString(image).file:
            pool.AddSerializedFile(each.SerializeToString())
    except TypeError as error:
        raise VigilError(f"{file}:1: the library protobuf cannot read it; a newer one may: {error}.") from error
    return pool


def _build(file: Path) -> bytes:
    """What buf makes of a file and of all that it imports."""
    with tempfile.TemporaryDirectory(prefix="vigil-") as temporary:
        folder = Path(temporary)
        sources = _copy(file, folder / "source")
        done = _buf(["build", "source", "--error-format", "json", "-o", "image.binpb"], folder)
        if done.returncode == 0:
            return (folder / "image.binpb").read_bytes()
        wrong = []
        for found in _lines(done):
            name = found.get("path", "").removeprefix("source/")
            wrong.append(f"{sources.get(name, file)}:{found.get('start_line', 1)}: not Protobuf: {found['message']}.")
        raise VigilError("\n".join(wrong) or f"{file}:1: buf cannot build it: {done.stderr.strip()}")


def _copy(file: Path, folder: Path) -> dict[str, Path]:
    """Copies a file and all that it imports under the names by which they are imported."""
    above = file.absolute().parent
    sources: dict[str, Path] = {}
    left = {MAIN: file}
    while left:
        name, source = left.popitem()
        sources[name] = source
        try:
            content = source.read_bytes()
        except OSError as error:
            raise VigilError(f"{source} cannot be read: {error.strerror}.") from error
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        for found in IMPORT.findall(content):
            imported = found.decode(errors="replace")
            if imported.startswith((BUILT_IN, "/")) or ".." in imported.split("/") or imported in sources:
                continue  # buf says what is wrong with those that are no names
            candidates = (parent / imported for parent in (above, *above.parents))
            if path := next((each for each in candidates if each.is_file()), None):
                left[imported] = path
    return sources


def _findings(old: ProtobufSchema, new: ProtobufSchema) -> dict[Place, list[_Finding]]:
    """What buf finds to break, by where it is in the new version."""
    with tempfile.TemporaryDirectory(prefix="vigil-") as temporary:
        folder = Path(temporary)
        (folder / "old.binpb").write_bytes(old.image)
        (folder / "new.binpb").write_bytes(new.image)
        config = json.dumps({"version": "v2", "breaking": RULES})
        command = ["breaking", "new.binpb", "--against", "old.binpb", "--config", config, "--error-format", "json"]
        done = _buf(command, folder)
    lines = _lines(done)
    if (done.returncode != 0) != bool(lines):
        raise VigilError(f"{new.file}:1: buf cannot compare it with {old.file}: {done.stderr.strip()}")
    files = {each.name: each for each in FileDescriptorSet.FromString(new.image).file}
    entries = _map_entries(old.image)
    found: dict[Place, list[_Finding]] = defaultdict(list)
    for line in lines:
        deleted = re.search(r'message "([^"]+)" was deleted', line["message"])
        if line["type"] == "MESSAGE_NO_DELETE" and deleted and deleted[1] in entries:
            continue  # of a map that is gone, which is found as a field
        message, name = _place(files.get(line.get("path", "")), line.get("start_line", 1), line.get("start_column", 1))
        if removed := re.search(r'present field "\d+" with name "([^"]+)"', line["message"]):
            name = removed[1]
        found[message, name].append(_Finding(line["type"], line["message"]))
    return found


def _map_entries(image: bytes) -> set[str]:
    """The names within their files of the messages that stand for maps."""
    entries: set[str] = set()

    def add(messages: Iterable[Any], prefix: str) -> None:
        for message in messages:
            if message.options.map_entry:
                entries.add(prefix + message.name)
            add(message.nested_type, f"{prefix}{message.name}.")

    for file in FileDescriptorSet.FromString(image).file:
        add(file.message_type, "")
    return entries


def _place(file: Any, line: int, column: int) -> Place:
    """What is written in a line and column, from 1, of a file: the innermost."""
    place: Place = ("", "")
    if file is None:
        return place
    names = _paths(file)
    for location in file.source_code_info.location:
        span = list(location.span)
        start, end = (span[0], span[1]), (span[-2] if len(span) == 4 else span[0], span[-1])
        # What is within another comes after it.
        if tuple(location.path) in names and start <= (line - 1, column - 1) < end:
            place = names[tuple(location.path)]
    return place


def _paths(file: Any) -> dict[tuple[int, ...], Place]:
    """The places by their paths in a FileDescriptorProto."""
    paths: dict[tuple[int, ...], Place] = {}

    def add_enums(enums: Iterable[Any], path: tuple[int, ...], prefix: str) -> None:
        paths.update({(*path, number): (prefix + enum.name, "") for number, enum in enumerate(enums)})

    def add_extensions(extensions: Iterable[Any], path: tuple[int, ...], prefix: str) -> None:
        for number, each in enumerate(extensions):
            paths[(*path, number)] = (each.extendee.removeprefix("."), f"({prefix}{each.name})")

    def add(messages: Iterable[Any], path: tuple[int, ...], prefix: str) -> None:
        for number, message in enumerate(messages):
            own, name = (*path, number), prefix + message.name
            paths[own] = (name, "")
            paths.update({(*own, 2, order): (name, each.name) for order, each in enumerate(message.field)})
            add(message.nested_type, (*own, 3), f"{name}.")
            add_enums(message.enum_type, (*own, 4), f"{name}.")
            add_extensions(message.extension, (*own, 6), f"{name}.")

    package = f"{file.package}." if file.package else ""
    add(file.message_type, (4,), package)
    add_enums(file.enum_type, (5,), package)
    add_extensions(file.extension, (7,), package)
    return paths


def _lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (done.stdout + done.stderr).splitlines() if line.startswith("{")]


def _buf(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs buf in a folder, in which its caches stay as well."""
    beside = Path(sys.executable).with_name("buf")
    binary = str(beside) if beside.is_file() else shutil.which("buf")
    if binary is None:
        raise VigilError("buf is not there, which compares schemas in Protobuf: pip install 'dbt-vigil[contracts]'.")
    environment = {**os.environ, "HOME": str(folder), "BUF_CACHE_DIR": str(folder / "cache")}
    return subprocess.run([binary, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
