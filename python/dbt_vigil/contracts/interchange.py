"""Reads and writes what producers give as contracts of the Open Data Contract Standard: https://bitol.io."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml
from jsonschema import Draft202012Validator
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from dbt_vigil.contracts.changes import Mode
from dbt_vigil.contracts.documents import Document, Place, problems, read_documents
from dbt_vigil.contracts.formats import SUFFIXES, Record, undecided
from dbt_vigil.contracts.formats.tables import Column, TableSchema
from dbt_vigil.contracts.graph import Node
from dbt_vigil.contracts.registry import Deprecation, Owner, Producer
from dbt_vigil.project import VigilError

__all__ = ["VERSION", "Imported", "from_odcs", "to_odcs"]

VERSION = "v3.2.0"
"""Of the standard, as written. Contracts of versions 3.0 and 3.1 are read too."""
VENDOR = "vigil"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+) *, *(\d+)\)", re.IGNORECASE)
FIXED = re.compile(r"fixed\((\d+)\)")
LOGICAL: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "string": ("string", {}),
    "uuid": ("string", {"format": "uuid"}),
    "bytes": ("string", {"format": "binary"}),
    "boolean": ("boolean", {}),
    "int": ("integer", {"format": "i32"}),
    "long": ("integer", {"format": "i64"}),
    "float": ("number", {"format": "f32"}),
    "double": ("number", {"format": "f64"}),
    "date": ("date", {}),
    **{f"time-{unit}": ("time", {}) for unit in ("micros", "millis")},
    **{f"timestamp-{unit}": ("timestamp", {"timezone": True}) for unit in ("micros", "millis", "nanos")},
    **{f"local-timestamp-{unit}": ("timestamp", {"timezone": False}) for unit in ("micros", "millis", "nanos")},
}
"""What the standard has for each of Avro's types. The first of several is what the standard's is read as."""
BASES = {"date": "int", "time-millis": "int", "uuid": "string"}
"""What Avro's logical types are written in; all others in a long."""
PLAIN = ("string", "bytes", "boolean", "int", "long", "float", "double")
INTEGERS = {"i8": "int", "i16": "int", "i32": "int", "u8": "int", "u16": "int", "i64": "long", "u32": "long"}
WIDE = {"u64": 20, "i128": 39, "u128": 39}
"""Integers that no integer of Avro holds, and their digits."""
KEPT_OF_CONTRACT = {"apiVersion", "kind", "schema", "team", "support", "customProperties", "description"}
KEPT_OF_OBJECT = {
    "name",
    "physicalName",
    "physicalType",
    "logicalType",
    "description",
    "properties",
    "customProperties",
}
KEPT_OF_PROPERTY = {
    "name", "description", "required", "deprecated", "logicalType", "logicalTypeOptions", "physicalType", "properties",
    "items", "map", "enum", "customProperties",
}  # fmt: skip
KEPT_OF_FIELD = {"name", "type", "doc"}
KEPT_OF_TYPE = {
    "type", "name", "namespace", "fields", "items", "values", "symbols", "size", "logicalType", "precision", "scale",
    "column",
}  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """A producer, as a contract describes it."""

    name: str
    """For its files: `NAME.yml` and `NAME.avsc`."""
    document: str
    """YAML for the folder of contracts."""
    schema: str
    """Avro, as JSON."""
    lost: tuple[str, ...]
    """What of the contract is in neither, one sentence each."""


def to_odcs(given: Producer | Node, engine: str = "duckdb") -> tuple[str, list[str]]:
    """Write a contract of what a producer, or a table of dbt, gives.

    Args:
        given: The one or the other.
        engine: The dialect of the types of dbt's columns: `duckdb` or `spark`.

    Returns:
        The contract as YAML, and what of the producer or the table it does not have, one sentence each.

    Raises:
        VigilError: The producer's schema cannot be read.
    """
    writer = _Writer()
    content = _of_producer(given, writer) if isinstance(given, Producer) else _of_node(given, engine, writer)
    return OpenDataContractStandard.model_validate(content).to_yaml(), writer.lost


def from_odcs(file: Path) -> list[Imported]:
    """Read a contract: each of its objects as a topic with a schema of Avro.

    Raises:
        VigilError: It cannot be read, or is not a contract of the standard: `file:line: what`, a line each.
    """
    documents = read_documents(file)
    if len(documents) != 1:
        raise VigilError(f"{file}: a contract is one document; these are {len(documents)}.")
    [document] = documents
    if found := list(problems(document, _validator())):
        raise VigilError("\n".join(found))
    try:
        OpenDataContractStandard.model_validate(document.content)
    except ValidationError as error:
        found = [f"{document.at(problem['loc'])}: {problem['msg']}." for problem in error.errors()]
        raise VigilError("\n".join(found)) from error
    if not document.content.get("schema"):
        raise VigilError(f"{document.at()}: the contract has no `schema`.")
    return [_imported(document, number) for number in range(len(document.content["schema"]))]


def _validator() -> Draft202012Validator:
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text("utf-8"))
    # As the library 3.2.0 has it, it asks what it asks of each logical type of properties without one too:
    # https://github.com/bitol-io/open-data-contract-standard/issues/322.
    for rule in schema["$defs"]["SchemaBaseProperty"]["allOf"]:
        if "if" in rule:
            rule["if"]["required"] = ["logicalType"]
    return Draft202012Validator(schema)


def _contract(subject: object, owner: Owner | None, version: int, table: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "version": f"{version}.0.0",
        "kind": "DataContract",
        "apiVersion": VERSION,
        "id": str(uuid5(NAMESPACE_URL, f"vigil:{subject}")),
        "name": str(subject),
        "status": "active",
        "schema": [table],
    }
    if owner:
        content["team"] = {"name": owner.team}
        reached = {"email": owner.email, "slack": owner.slack}
        support = [{"channel": channel, "tool": tool} for tool, channel in reached.items() if channel]
        content |= {"support": support} if support else {}
    return content


def _of_producer(producer: Producer, writer: _Writer) -> dict[str, Any]:
    record = producer.schema.record()
    kind, name = producer.subject.kind, producer.subject.name
    if kind == "topic" and (written := SUFFIXES[producer.schema_file.suffix]) != "Avro":
        writer.lose(f"That the schema is {written}: types are written as Avro has them.")
    if producer.versions:
        writer.lose(f"The {len(producer.versions)} earlier schemas.")
    properties = writer.properties(record, producer.deprecations)
    for path in sorted(producer.deprecations.keys() - writer.deprecated):
        writer.lose(f"The deprecation of `{path}`, which the schema does not have.")
    own: dict[str, Any] = {"mode": producer.mode.value, "avroName": _fullname(record, "")}
    if producer.is_landed:
        own["landsIn"] = {producer.lands_in.kind: producer.lands_in.name} if producer.lands_in else {}
    table = {"name": name, "physicalName": name, "physicalType": kind, "logicalType": "object"}
    table |= {"description": record["doc"]} if record.get("doc") else {}
    content = _contract(
        producer.subject, producer.owner, len(producer.versions) + 1, table | {"properties": properties}
    )
    return content | {"customProperties": _own(own)}


def _of_node(node: Node, engine: str, writer: _Writer) -> dict[str, Any]:
    if not node.columns:
        writer.lose("Its columns: dbt knows none.")
    if node.built is None and not node.is_enforced:
        writer.lose("Columns that are not declared, if there are any: there is no catalog.")
    if node.owner is None:
        writer.lose("Its owner: dbt knows none.")
    if node.timestamp_column:
        writer.lose(f"That `{node.timestamp_column}` says how new a row is.")
    if node.is_public:
        writer.lose("That others may rely on it: its access, or that dbt enforces its contract.")
    columns = [Column(column.name, column.type, column.nullable) for column in node.columns.values()]
    record = TableSchema.of_columns(columns, engine, engine).record()
    gone = {column.name: column.deprecation for column in node.columns.values() if column.deprecation}
    properties = writer.properties(record, gone)
    for written, column in zip(properties, columns, strict=True):
        written |= {"physicalType": column.type} if column.type else {}
        written["required"] = not column.nullable
    table: dict[str, Any] = {"name": node.name, "physicalType": "table", "logicalType": "object"}
    table |= {"physicalName": node.relation} if node.relation else {}
    return _contract(node.subject, node.owner, 1, table | ({"properties": properties} if properties else {}))


def _own(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the standard has no word for."""
    return [{"property": name, "value": value, "vendor": VENDOR} for name, value in values.items()]


def _fullname(type_: Mapping[str, Any], namespace: str) -> str:
    name = str(type_.get("name", ""))
    given = type_.get("namespace", namespace)
    return name if "." in name or not given else f"{given}.{name}"


@dataclass
class _Writer:
    """Writes types of Avro as the standard has them, and keeps what is lost."""

    lost: list[str] = field(default_factory=list)
    deprecated: set[str] = field(default_factory=set)
    """Paths of fields whose deprecations are written."""
    _deprecations: Mapping[str, Deprecation] = field(default_factory=dict)

    def lose(self, what: str) -> None:
        self.lost.append(what)

    def properties(self, record: Record, deprecations: Mapping[str, Deprecation]) -> list[dict[str, Any]]:
        """The fields of the whole."""
        self._deprecations = deprecations
        if "undecided" in record:
            self.lose(f"The fields: {record['undecided']}.")
            return []
        self._lose_keys("the record", record, KEPT_OF_TYPE | {"doc"})
        return self._fields(record, "", "")

    def _fields(self, record: Mapping[str, Any], path: str, namespace: str) -> list[dict[str, Any]]:
        namespace = _fullname(record, namespace).rpartition(".")[0]
        prefix = f"{path}." if path else ""
        return [self._field(entry, f"{prefix}{entry['name']}", namespace) for entry in record["fields"]]

    def _field(self, entry: Mapping[str, Any], path: str, namespace: str) -> dict[str, Any]:
        written = {"name": entry["name"], **self._type(entry["type"], path, namespace)}
        if entry.get("doc"):
            written["description"] = entry["doc"]
        has_null = isinstance(entry["type"], list) and entry["type"][0] == "null" and entry.get("default", 0) is None
        self._lose_keys(f"`{path}`", entry, KEPT_OF_FIELD | ({"default"} if has_null else set()))
        if gone := self._deprecations.get(path):
            self.deprecated.add(path)
            given = {"announced": gone.announced, "remove_after": gone.remove_after, "replacement": gone.replacement}
            own = _own({"deprecation": {key: value for key, value in given.items() if value}})
            written |= {"deprecated": True, "customProperties": [*written.get("customProperties", ()), *own]}
        return written

    def _lose_keys(self, what: str, given: Mapping[str, Any], kept: set[str]) -> None:
        for key, value in given.items():
            if key not in kept and value != []:
                self.lose(f"Of {what}, `{key}`: {json.dumps(value)}.")

    def _type(self, given: Any, path: str, namespace: str) -> dict[str, Any]:
        branches = [branch for branch in given if branch != "null"] if isinstance(given, list) else [given]
        is_required = not isinstance(given, list) or "null" not in given
        if len(branches) != 1:
            self.lose(f"The type of `{path}`, which is one of several: {json.dumps(given)}.")
            return {"required": is_required}
        return {"required": is_required, **self._one(branches[0], path, namespace)}

    def _one(self, given: Any, path: str, namespace: str) -> dict[str, Any]:
        type_: Mapping[str, Any] = given if isinstance(given, dict) else {"type": given}
        if isinstance(type_["type"], dict):
            return self._one(type_["type"], path, namespace)
        if "undecided" in type_:
            self.lose(f"The type of `{path}`: {type_['undecided']}.")
            return {}
        self._lose_keys(f"the type of `{path}`", type_, KEPT_OF_TYPE)
        word = type_["type"]
        named = {"customProperties": _own({"avroName": _fullname(type_, namespace)})}
        if word == "record":
            return {"logicalType": "object", "properties": self._fields(type_, path, namespace), **named}
        if word == "array":
            return {"logicalType": "array", "items": self._type(type_["items"], f"{path}[]", namespace)}
        if word == "map":
            value = self._type(type_["values"], f"{path}{{}}", namespace)
            key = {"logicalType": "string", "physicalType": "string", "required": True}
            return {"logicalType": "map", "map": {"key": key, "value": value}}
        if word == "enum":
            symbols = [{"value": symbol} for symbol in type_["symbols"]]
            return {"logicalType": "string", "physicalType": "enum", "enum": symbols, **named}
        return self._scalar(type_, path, named)

    def _scalar(self, type_: Mapping[str, Any], path: str, named: Mapping[str, Any]) -> dict[str, Any]:
        word, logical = type_["type"], type_.get("logicalType")
        if logical == "decimal":
            if word == "fixed":
                self.lose(f"That `{path}` is in {type_['size']} bytes: {type_['precision']} digits are kept.")
            physical = f"decimal({type_['precision']}, {type_.get('scale', 0)})"
            return {"logicalType": "number", "physicalType": physical}
        if word == "fixed":
            if logical:
                self.lose(f"That `{path}` is a {logical}: the {type_['size']} bytes are kept.")
            options = {"format": "binary"}
            physical = f"fixed({type_['size']})"
            return {"logicalType": "string", "logicalTypeOptions": options, "physicalType": physical, **named}
        if logical in LOGICAL and BASES.get(str(logical), "long") == word:
            word = logical
        elif logical:
            self.lose(f"That `{path}` is a {logical}: the {word} is kept.")
        if word not in LOGICAL:
            self.lose(f"The type of `{path}`: {json.dumps(word)}.")
            return {}
        kind, options = LOGICAL[word][0], dict(LOGICAL[word][1])
        written = {"logicalType": kind, "physicalType": word}
        return written | ({"logicalTypeOptions": options} if options else {})


def _imported(document: Document, number: int) -> Imported:
    place: Place = ("schema", number)
    content, given = document.content, document.content["schema"][number]
    reader = _Reader(document, given.get("physicalType") == "topic")
    own, others = _of_vendor(content.get("customProperties", ()))
    reader.lose_keys("the contract", content, KEPT_OF_CONTRACT)
    reader.lose_own("the contract", others)
    if len(content["schema"]) > 1:
        reader.lose("That the contract has other objects too: each is a file of its own.")
    if given.get("physicalType") != "topic":
        kind = given.get("physicalType", "table")
        reader.lose(f"That it is a {kind}: it is read as a topic, whose schema is a file.")
    owner = _owner(document, reader)
    name = given.get("physicalName", given["name"]) if given.get("physicalType") == "topic" else given["name"]
    record = reader.record(given, place, str(own.pop("avroName", "")))
    producer: dict[str, Any] = {"topic": name}
    description = content.get("description", {})
    reader.lose_keys("the contract's description", description, {"purpose"})
    producer |= {"description": description["purpose"]} if "purpose" in description else {}
    file = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "contract"
    producer |= {"owner": owner, "schema": f"{file}.avsc"}
    if (mode := own.pop("mode", None)) in [known.value for known in Mode]:
        is_transitive = Mode(mode).is_transitive
        producer["mode"] = mode.removesuffix("_TRANSITIVE")
        if is_transitive:
            reader.lose(f"That the mode is {mode}: it needs earlier schemas, which a contract does not have.")
    if "landsIn" in own:
        producer["lands_in"] = own.pop("landsIn") or None
    reader.lose_own("the contract", own)
    producer |= {"deprecations": reader.deprecations} if reader.deprecations else {}
    text = yaml.safe_dump(producer, sort_keys=False, allow_unicode=True)
    return Imported(file, text, json.dumps(record, indent=2) + "\n", tuple(reader.lost))


def _of_vendor(given: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Properties that vigil has written, and those of others."""
    own, others = (
        {entry["property"]: entry["value"] for entry in given if (entry.get("vendor") == VENDOR) is is_own}
        for is_own in (True, False)
    )
    return own, others


def _owner(document: Document, reader: _Reader) -> dict[str, str]:
    team: Any = document.content.get("team", {})
    members = team if isinstance(team, list) else team.get("members", [])
    name = "" if isinstance(team, list) else team.get("name", "")
    if not isinstance(team, list):
        reader.lose_keys("the team", team, {"name", "members"})
    for member in members:
        if not name and str(member.get("role", "")).lower() == "owner":
            name = member.get("name") or member["username"]
        else:
            reader.lose(f"That {member.get('name') or member['username']} is of the team.")
    if not name:
        raise VigilError(f"{document.at(('team',))}: the contract has no team with a name: whom to ask is not known.")
    owner = {"team": name}
    for number, channel in enumerate(document.content.get("support", ())):
        tool = channel.get("tool")
        if tool in ("email", "slack") and tool not in owner:
            owner[tool] = channel["channel"]
            reader.lose_keys(f"the contract's support {number + 1}", channel, {"channel", "tool"})
        else:
            reader.lose(f"The contract's support by {tool or 'an unnamed tool'}: {channel['channel']}.")
    return owner


@dataclass
class _Reader:
    """Reads types of the standard as Avro has them, and keeps what is lost."""

    document: Document
    has_avro: bool
    """Whether the contract's physical types are Avro's: an engine may mean another type by the same word."""
    lost: list[str] = field(default_factory=list)
    deprecations: list[dict[str, Any]] = field(default_factory=list)
    _named: dict[str, Any] = field(default_factory=dict)
    """The types of Avro that are written, by their full names."""

    def lose(self, what: str) -> None:
        self.lost.append(what)

    def lose_keys(self, what: str, given: Mapping[str, Any], kept: set[str]) -> None:
        for key, value in given.items():
            if key not in kept:
                self.lose(f"Of {what}, `{key}`: {json.dumps(value)}.")

    def lose_own(self, what: str, given: Mapping[str, Any]) -> None:
        for key, value in given.items():
            self.lose(f"Of {what}, the custom property `{key}`: {json.dumps(value)}.")

    def record(self, given: Mapping[str, Any], place: Place, name: str) -> dict[str, Any]:
        """An object of the contract."""
        if not given.get("properties"):
            raise VigilError(f"{self.document.at(place)}: `{given['name']}` has no properties.")
        self.lose_keys(f"`{given['name']}`", given, KEPT_OF_OBJECT)
        own, others = _of_vendor(given.get("customProperties", ()))
        self.lose_own(f"`{given['name']}`", own | others)
        name = name or re.sub(r"\W", "_", given["name"], flags=re.ASCII)
        doc = {"doc": given["description"]} if "description" in given else {}
        record: dict[str, Any] = {"type": "record", "name": name if NAME.match(name) else f"_{name}", **doc}
        self._named[record["name"]] = None
        record["fields"] = list(self._fields(given["properties"], (*place, "properties"), "", record["name"]))
        return record

    def _fields(
        self, properties: Sequence[Mapping[str, Any]], place: Place, path: str, namespace: str
    ) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for number, given in enumerate(properties):
            here = (*place, number)
            name = re.sub(r"\W", "_", given["name"], flags=re.ASCII)
            name = name if NAME.fullmatch(name) else f"_{name}"
            if name in seen:
                raise VigilError(f"{self.document.at(here)}: in Avro, `{name}` would be there twice.")
            seen.add(name)
            within = f"{path}.{name}" if path else name
            if name != given["name"]:
                self.lose(f"The name `{given['name']}`, which is none in Avro: it is `{within}`.")
            type_ = self._type(given, here, within, namespace)
            written: dict[str, Any] = {"name": name, "type": type_}
            written |= {"default": None} if isinstance(type_, list) else {}
            yield written | ({"doc": given["description"]} if "description" in given else {})

    def _type(self, given: Mapping[str, Any], place: Place, path: str, namespace: str) -> Any:
        own, others = _of_vendor(given.get("customProperties", ()))
        self.lose_keys(f"`{path}`", given, KEPT_OF_PROPERTY)
        self._deprecation(given, own.pop("deprecation", None), path)
        type_ = self._one(given, place, path, namespace, str(own.pop("avroName", "")))
        self.lose_own(f"`{path}`", own | others)
        if given.get("enum") and given.get("physicalType") != "enum":
            self.lose(f"That `{path}` is one of {', '.join(str(value['value']) for value in given['enum'])}.")
        return type_ if given.get("required") else ["null", type_]

    def _deprecation(self, given: Mapping[str, Any], own: Any, path: str) -> None:
        """It has days, or is lost: a contract of others says only that there is one."""
        if not given.get("deprecated") and own is None:
            return
        days = own if isinstance(own, dict) else {}
        if all(DAY.fullmatch(str(days.get(key, ""))) for key in ("announced", "remove_after")):
            self.deprecations.append({"field": path, **days})
        else:
            self.lose(f"That `{path}` is deprecated: since when and until when is not said.")

    def _one(self, given: Mapping[str, Any], place: Place, path: str, namespace: str, name: str) -> Any:
        logical, physical = given.get("logicalType"), str(given.get("physicalType") or "")
        options = dict(given.get("logicalTypeOptions", {}))
        own_name = name or f"{namespace}_{re.sub(r'[^A-Za-z0-9_]', '_', path)}"
        if logical == "object" and given.get("properties"):
            self._lose_physical(path, physical)
            self._lose_options(path, options)
            return self._once(own_name, path, given, lambda name: self._nested(name, given, place, path, namespace))
        if logical == "array" and given.get("items"):
            self._lose_physical(path, physical)
            self._lose_options(path, options)
            items = self._type(given["items"], (*place, "items"), f"{path}[]", namespace)
            return {"type": "array", "items": items}
        if logical == "map":
            self._lose_physical(path, physical)
            return self._map(given["map"], (*place, "map"), path, namespace)
        if logical == "string" and physical == "enum" and self._is_enum(given):
            symbols = [value["value"] for value in given["enum"]]
            for value in given["enum"]:
                self.lose_keys(f"the value {value['value']} of `{path}`", value, {"value"})
            return self._once(own_name, path, given, lambda name: {"type": "enum", "name": name, "symbols": symbols})
        if fixed := FIXED.fullmatch(physical):
            self._lose_options(path, {key: value for key, value in options.items() if value != "binary"})
            size = int(fixed[1])
            return self._once(own_name, path, given, lambda name: {"type": "fixed", "name": name, "size": size})
        return self._scalar(logical, physical, options, path)

    def _nested(self, name: str, given: Mapping[str, Any], place: Place, path: str, namespace: str) -> dict[str, Any]:
        fields = self._fields(given["properties"], (*place, "properties"), path, namespace)
        return {"type": "record", "name": name, "fields": list(fields)}

    def _once(self, name: str, path: str, given: Mapping[str, Any], make: Callable[[str], dict[str, Any]]) -> Any:
        """A type with a name: Avro writes it out where it is first, and names it from then on."""
        said = _shape({key: value for key, value in given.items() if key not in ("name", "required", "description")})
        if self._named.get(name) == said:
            make(name)  # for what is lost of it
            return name
        if name in self._named:
            self.lose(f"The name of the type of `{path}`, {name}, which another type has.")
            name = f"{name}_{len(self._named)}"
        self._named[name] = said
        return make(name)

    def _map(self, given: Mapping[str, Any], place: Place, path: str, namespace: str) -> dict[str, Any]:
        if given["key"].get("logicalType") != "string":
            return self._undecided(path, "Avro's maps have texts as keys")
        self.lose_keys(f"the key of `{path}`", given["key"], {"logicalType", "physicalType", "required"})
        return {"type": "map", "values": self._type(given["value"], (*place, "value"), f"{path}{{}}", namespace)}

    def _is_enum(self, given: Mapping[str, Any]) -> bool:
        symbols = [value["value"] for value in given.get("enum", ())]
        return bool(symbols) and all(isinstance(symbol, str) and NAME.fullmatch(symbol) for symbol in symbols)

    def _scalar(self, logical: str | None, physical: str, options: Mapping[str, Any], path: str) -> Any:
        decimal = DECIMAL.fullmatch(physical)
        if decimal and logical in (None, "number", "integer"):
            self._lose_options(path, options)
            return _decimal(int(decimal[1]), int(decimal[2]))
        if logical == "integer" and options.get("format") in WIDE:
            self._lose_physical(path, physical)
            self._lose_options(path, options)
            return _decimal(WIDE[options["format"]], 0)
        if self.has_avro and physical in LOGICAL and logical in (None, LOGICAL[physical][0]):
            word: str | None = physical
        else:
            self._lose_physical(path, physical)
            word = _word(logical, options)
        if word is None:
            return self._undecided(path, f"Avro has no word for {logical or physical or 'a type that is not said'}")
        kept = LOGICAL[word][1]
        self._lose_options(path, {key: value for key, value in options.items() if kept.get(key, {}) != value})
        return word if word in PLAIN else {"type": BASES.get(word, "long"), "logicalType": word}

    def _undecided(self, path: str, why: str) -> dict[str, Any]:
        self.lose(f"The type of `{path}`: {why}.")
        return undecided(why)

    def _lose_physical(self, path: str, physical: str) -> None:
        if physical:
            self.lose(f"How `{path}` is stored: {physical}.")

    def _lose_options(self, path: str, options: Mapping[str, Any]) -> None:
        for key, value in options.items():
            self.lose(f"Of the type of `{path}`, `{key}`: {json.dumps(value)}.")


def _shape(given: Any) -> Any:
    """A property but for what is not of its type."""
    if isinstance(given, Mapping):
        outside = ("deprecated", "customProperties")
        return {key: _shape(value) for key, value in given.items() if key not in outside}
    return [_shape(value) for value in given] if isinstance(given, list) else given


def _decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def _word(logical: str | None, options: Mapping[str, Any]) -> str | None:
    """Avro's type for one of the standard: where that leaves it open, the wider one."""
    form = options.get("format")
    words = {
        "string": {"binary": "bytes", "uuid": "uuid"}.get(str(form), "string"),
        "boolean": "boolean",
        "integer": INTEGERS.get(str(form), "long"),
        "number": "float" if form == "f32" else "double",
        "date": "date",
        "time": "time-micros",
        "timestamp": "local-timestamp-micros" if options.get("timezone") is False else "timestamp-micros",
    }
    return words.get(logical or "")
