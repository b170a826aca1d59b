"""The registry: a folder of YAML in which consumers say what they depend on, and producers of topics what they give."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from dbt_vigil.contracts.changes import Mode
from dbt_vigil.contracts.documents import Document, Place, problems, read_documents
from dbt_vigil.contracts.formats import SUFFIXES, Schema, read_schema
from dbt_vigil.contracts.paths import is_nested
from dbt_vigil.project import VigilError

__all__ = [
    "KEYS",
    "KINDS",
    "Contract",
    "Dependency",
    "Deprecation",
    "Field",
    "Freshness",
    "Owner",
    "Producer",
    "Registry",
    "Subject",
    "read_registry",
]

KINDS = ("topic", "model", "source", "table")
KEYS = {"contract": {"consumer"}, "producer": {"topic", "table"}}
"""Which keys tell the documents apart."""
VALIDATORS = {
    name: Draft202012Validator(json.loads((files("dbt_vigil.contracts") / f"{name}.schema.json").read_text()))
    for name in KEYS
}


@dataclass(frozen=True, order=True)
class Subject:
    """What a consumer depends on."""

    kind: str
    """One of KINDS."""
    name: str
    """Of a source `SOURCE.TABLE`."""

    def __str__(self) -> str:
        """As a person says it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, order=True)
class Owner:
    """Whom to ask."""

    team: str
    email: str | None = None
    slack: str | None = None

    def __str__(self) -> str:
        """The team and how to reach it."""
        reached = ", ".join(part for part in (self.email, self.slack) if part)
        return f"{self.team} ({reached})" if reached else self.team


@dataclass(frozen=True)
class Field:
    """A field that a consumer reads."""

    name: str
    """A path: `address.city` is within a record, `items[].price` of each entry, `prices{}` each value of a map."""
    type: str
    """A family of types: one of string, number, integer, boolean, timestamp, date, bytes, decimal, decimal(p, s)."""
    required: bool = False
    """It is never null."""
    allowed_values: tuple[str | int | float, ...] = ()
    min: float | None = None
    max: float | None = None
    max_rate: float = 0.0
    """The greatest part of the values that may be outside of `min` and `max`."""
    description: str = ""

    @property
    def has_rules(self) -> bool:
        """Whether it says more about data than their type."""
        return self.required or bool(self.allowed_values) or self.min is not None or self.max is not None


@dataclass(frozen=True)
class Freshness:
    """How old the newest row may be."""

    max_age: str
    timestamp_column: str | None = None
    """Default: what dbt knows, `event_time` of a model or `loaded_at_field` of a source."""


@dataclass(frozen=True)
class Dependency:
    """What a consumer reads of one subject."""

    subject: Subject
    fields: tuple[Field, ...]
    freshness: Freshness | None
    max_null_rate: float | None
    """Of each field that is not `required`."""
    where: str
    """`file:line`."""
    lines: Mapping[str, str]
    """Of each field's name, `file:line`."""

    @property
    def tested(self) -> tuple[Field, ...]:
        """The fields that have a rule about data, and are within no other."""
        has_rate = self.max_null_rate is not None
        return tuple(f for f in self.fields if (has_rate or f.has_rules) and not is_nested(f.name))


@dataclass(frozen=True)
class Contract:
    """What a consumer depends on."""

    consumer: str
    owner: Owner
    depends_on: tuple[Dependency, ...]
    where: str
    description: str = ""
    runbook: str | None = None


@dataclass(frozen=True)
class Deprecation:
    """That a field will go."""

    announced: str
    remove_after: str
    replacement: str | None = None


@dataclass(frozen=True)
class Producer:
    """A topic, or a table that dbt does not know, and its schema."""

    subject: Subject
    owner: Owner
    schema_file: Path
    message: str | None
    is_lenient: bool
    """Of JSON Schema: nobody sends what the schema does not name, though it may."""
    mode: Mode
    versions: tuple[Path, ...]
    """Earlier schemas, from the oldest."""
    lands_in: Subject | None
    """The model or source that has its data."""
    is_landed: bool
    """Whether the file says where it lands: nowhere is an answer too."""
    deprecations: Mapping[str, Deprecation]
    file: Path
    where: str

    @cached_property
    def schema(self) -> Schema:
        """Its schema.

        Raises:
            VigilError: It cannot be read.
        """
        return self.version(self.schema_file)

    def version(self, file: Path) -> Schema:
        """Its schema as a file has it, which may be an earlier one.

        Raises:
            VigilError: It cannot be read.
        """
        if not file.exists():
            raise VigilError(f"{self.where}: there is no {file}.")
        if self.subject.kind == "topic":
            return read_schema(file, self.message, is_lenient=self.is_lenient)
        from dbt_vigil.contracts.formats.tables import TableSchema

        return TableSchema.read(file, self.subject.name)


@dataclass(frozen=True)
class Registry:
    """All contracts and producers of a folder."""

    folder: Path
    contracts: tuple[Contract, ...]
    """In the order of the consumers' names."""
    producers: Mapping[Subject, Producer]
    texts: AbstractSet[str] = frozenset()
    """Of its files."""

    @cached_property
    def consumers(self) -> Mapping[Subject, list[tuple[Contract, Dependency]]]:
        """Who depends on what: on a topic, and on those of its fields that are tested where it lands."""
        found: dict[Subject, list[tuple[Contract, Dependency]]] = defaultdict(list)
        for contract in self.contracts:
            for dependency in contract.depends_on:
                found[dependency.subject].append((contract, dependency))
                producer = self.producers.get(dependency.subject)
                if producer and producer.lands_in and (tested := dependency.tested):
                    landed = replace(dependency, subject=producer.lands_in, fields=tested)
                    found[producer.lands_in].append((contract, landed))
        return dict(found)


def read_registry(folder: Path, like: Registry | None = None) -> Registry:
    """All contracts (documents with `consumer`) and producers (with `topic` or `table`) below a folder.

    Args:
        folder: It and its folders are read; files of it whose names do not end in .yml or .yaml are not.
        like: Another version of it: what both have is not validated twice, which takes the most time.

    Raises:
        VigilError: Of everything that is wrong, a line each: `file:line: what`.
    """
    if not folder.is_dir():
        raise VigilError(f"{folder}: there is no such folder of contracts.")
    contracts: dict[str, Contract] = {}
    producers: dict[Subject, Producer] = {}
    texts: set[str] = set()
    wrong: list[str] = []
    for file in sorted(folder.rglob("*")):
        suffixes = [suffix.lower() for suffix in file.suffixes]
        if file.is_symlink() and file.is_dir():
            wrong.append(f"{file}: a link to a folder is not read: put the folder here.")
            continue
        if not file.is_file() or not set(suffixes) & {".yml", ".yaml"}:
            continue
        if suffixes[-1] not in (".yml", ".yaml"):
            wrong.append(
                f"{file}: its name does not end in .yml or .yaml, so it is not read: rename it, or take it away."
            )
            continue
        try:
            for document in read_documents(file):
                if not like or document.text not in like.texts:
                    _validate(document)
                _add(document, contracts, producers)
                texts.add(document.text)
        except VigilError as error:
            wrong.append(str(error))
    if wrong:
        raise VigilError("\n".join(wrong))
    return Registry(folder, tuple(contracts[name] for name in sorted(contracts)), producers, texts)


def _validate(document: Document) -> None:
    names = [name for name, keys in KEYS.items() if keys & document.content.keys()]
    if not names:
        raise VigilError(f"{document.at()}: a contract has `consumer`, a producer `topic` or `table`.")
    if found := list(problems(document, VALIDATORS[names[0]])):
        raise VigilError("\n".join(found))


def _add(document: Document, contracts: dict[str, Contract], producers: dict[Subject, Producer]) -> None:
    if "consumer" in document.content:
        contract = _contract(document)
        if contract.consumer in contracts:
            other = contracts[contract.consumer].where
            raise VigilError(f"{contract.where}: consumer `{contract.consumer}` is in {other} too: make it one.")
        contracts[contract.consumer] = contract
    else:
        producer = _producer(document)
        if producer.subject in producers:
            other = producers[producer.subject].where
            raise VigilError(f"{producer.where}: {producer.subject} is in {other} too: make it one.")
        producers[producer.subject] = producer


def _contract(document: Document) -> Contract:
    content = document.content
    depends_on: list[Dependency] = []
    for number, entry in enumerate(content["depends_on"]):
        place: Place = ("depends_on", number)
        dependency = _dependency(document, place, entry)
        if any(other.subject == dependency.subject for other in depends_on):
            raise VigilError(f"{dependency.where}: {dependency.subject} is there twice.")
        depends_on.append(dependency)
    return Contract(
        consumer=content["consumer"],
        owner=Owner(**content["owner"]),
        depends_on=tuple(depends_on),
        where=document.at(),
        description=content.get("description", ""),
        runbook=content.get("runbook"),
    )


def _dependency(document: Document, place: Place, entry: Mapping[str, Any]) -> Dependency:
    [kind] = (kind for kind in KINDS if kind in entry)
    fields: dict[str, Field] = {}
    lines: dict[str, str] = {}
    for number, given in enumerate(entry["fields"]):
        where = document.at((*place, "fields", number))
        field = _field(given, where)
        if field.name in fields:
            raise VigilError(f"{where}: field `{field.name}` is there twice.")
        fields[field.name], lines[field.name] = field, where
    checks = entry.get("checks") or {}
    freshness = checks.get("freshness")
    if isinstance(freshness, str):
        freshness = {"max_age": freshness}
    return Dependency(
        subject=Subject(kind, entry[kind]),
        fields=tuple(fields.values()),
        freshness=Freshness(**freshness) if freshness else None,
        max_null_rate=checks.get("max_null_rate"),
        where=document.at(place),
        lines=lines,
    )


def _field(given: Mapping[str, Any], where: str) -> Field:
    constraints = given.get("constraints", {})
    low, high = constraints.get("min"), constraints.get("max")
    if low is None and high is None and constraints:
        raise VigilError(f"{where}: `max_rate` says how much may be outside of `min` and `max`: there is neither.")
    if not all(isfinite(bound) for bound in (low, high) if bound is not None):
        raise VigilError(f"{where}: `min` and `max` are numbers, not NaN or infinity.")
    if low is not None and high is not None and low > high:
        raise VigilError(f"{where}: min {low} is more than max {high}.")
    if constraints and not re.match("number|integer|decimal", given["type"]):
        raise VigilError(f"{where}: `min` and `max` are of numbers; `{given['name']}` is a {given['type']}.")
    return Field(
        name=given["name"],
        type=given["type"],
        required=given.get("required", False),
        allowed_values=tuple(given.get("allowed_values", ())),
        min=low,
        max=high,
        max_rate=constraints.get("max_rate", 0.0),
        description=given.get("description", ""),
    )


def _producer(document: Document) -> Producer:
    content, folder = document.content, document.file.parent
    kind = "topic" if "topic" in content else "table"
    lands_in = content.get("lands_in")
    deprecations: dict[str, Deprecation] = {}
    for number, given in enumerate(content.get("deprecations", ())):
        name = given["field"]
        if name in deprecations:
            raise VigilError(f"{document.at(('deprecations', number))}: field `{name}` is there twice.")
        deprecations[name] = Deprecation(given["announced"], given["remove_after"], given.get("replacement"))
    file = folder / content["schema"]
    if kind == "topic" and file.suffix not in SUFFIXES:
        raise VigilError(f"{document.at(('schema',))}: a topic's schema ends in {', '.join(SUFFIXES)}.")
    mode = Mode(content.get("mode", "FULL"))
    versions = _versions(folder, content["versions"]) if "versions" in content else ()
    if mode.is_transitive and not versions:
        raise VigilError(f"{document.at()}: {mode.value} compares with `versions`, and there are none.")
    return Producer(
        subject=Subject(kind, content[kind]),
        owner=Owner(**content["owner"]),
        schema_file=file,
        message=content.get("message"),
        is_lenient=content.get("lenient", False),
        mode=mode,
        versions=versions,
        lands_in=Subject(*next(iter(lands_in.items()))) if lands_in else None,
        is_landed="lands_in" in content,
        deprecations=deprecations,
        file=document.file,
        where=document.at(),
    )


def _versions(folder: Path, pattern: str) -> tuple[Path, ...]:
    """In the order of the numbers in their names."""

    def key(path: Path) -> list[tuple[int, str]]:
        parts: Iterable[str] = re.split(r"(\d+)", path.as_posix())
        return [(int(part), "") if part.isdigit() else (0, part) for part in parts]

    return tuple(sorted(folder.glob(pattern), key=key))
