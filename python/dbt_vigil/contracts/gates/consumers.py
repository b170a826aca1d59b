"""Gate B: what each consumer declares is still there, and still what it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_vigil.contracts.findings import Finding, Gate, Hit, Verdict
from dbt_vigil.contracts.formats import Record
from dbt_vigil.contracts.paths import parts
from dbt_vigil.contracts.registry import Contract, Dependency, Field, Subject

__all__ = ["Offer", "unreadable"]

DECIMAL = re.compile(r"decimal\((\d+), *(\d+)\)")
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "string": ("string", "enum", "uuid"),
    "number": ("int", "long", "float", "double", "decimal"),
    "integer": ("int", "long"),
    "boolean": ("boolean",),
    "timestamp": tuple(
        f"{local}timestamp-{unit}" for local in ("", "local-") for unit in ("millis", "micros", "nanos")
    ),
    "date": ("date",),
    "bytes": ("bytes", "fixed"),
    "decimal": ("decimal",),
}
"""Which types of Avro, or logical types, a consumer's type stands for."""


@dataclass(frozen=True)
class Offer:
    """What a producer gives, as it says or as it is built."""

    record: Record
    has_required: bool
    """Whether a field that may be null says so: a table's columns may, and their data are tested."""
    ignores_case: bool
    has_all: bool = True
    """Whether there is nothing else in it."""
    how: str = ""
    """`declared` or `built`, where there are both."""


class _UndecidedError(Exception):
    """A type that cannot be judged, and why."""


def unreadable(
    subject: Subject, offers: Iterable[Offer], consumers: Iterable[tuple[Contract, Dependency]]
) -> Iterator[Finding]:
    """What consumers declare, and can no longer read.

    Args:
        subject: What they depend on.
        offers: What its producer gives.
        consumers: Who depends on it.
    """
    for offer in offers:
        for contract, dependency in consumers:
            for field in dependency.fields:
                hit = Hit(contract.consumer, contract.owner, dependency.lines[field.name])
                for verdict, why, instead in _judged(offer, field):
                    yield Finding(
                        gate=Gate.CONSUMERS,
                        verdict=verdict,
                        subject=str(subject),
                        field=field.name,
                        direction="forward",
                        why=f"{why[:-1]}, as {offer.how}." if offer.how else why,
                        instead=instead,
                        where=dependency.lines[field.name],
                        hit=(hit,),
                    )


def _judged(offer: Offer, field: Field) -> Iterator[tuple[Verdict, str, str]]:
    try:
        found = _found(offer, field.name)
        if found is None and not offer.has_all:
            raise _UndecidedError("dbt's YAML may not name all columns, and there is no catalog")
        if found is None:
            yield (
                Verdict.BROKEN,
                f"`{field.name}` is declared by a consumer, and is not there.",
                f"Keep `{field.name}`. To remove it, announce that (vigil contracts announce), and wait until no "
                "consumer declares it.",
            )
            return
        types, nullable = found
        for given in types:
            name = _name(given)
            if not _is_of(field.type, given, name):
                yield (
                    Verdict.BROKEN,
                    f"`{field.name}` is declared as {field.type}, and is {_written(given, name)}.",
                    f"Keep the type, and add a field of the new type beside `{field.name}`.",
                )
            elif name == "enum" and field.allowed_values:
                new = [symbol for symbol in given["symbols"] if symbol not in map(str, field.allowed_values)]
                if new:
                    yield (
                        Verdict.BROKEN,
                        f"`{field.name}` may be {', '.join(f'`{s}`' for s in new)}, which is no value that is allowed.",
                        "Ask the consumer to allow the new value before it is sent.",
                    )
        if nullable and field.required and offer.has_required:
            yield (
                Verdict.BROKEN,
                f"`{field.name}` is declared as never null, and may be null.",
                f"Keep `{field.name}` required.",
            )
    except _UndecidedError as error:
        yield (
            Verdict.UNDECIDED,
            f"`{field.name}` cannot be judged: {error}.",
            "Give it a type that can be judged; of a dbt model, run dbt docs generate.",
        )


def _found(offer: Offer, path: str) -> tuple[list[Any], bool] | None:
    """The types that a field may have other than null, and whether it may be null or is within what may be."""
    types: list[Any] = [offer.record]
    nullable = False
    for part in parts(path):
        if len(types) > 1:
            raise _UndecidedError(f"there is a choice of types above `{part}`")
        inner = types[0] if types else None
        if isinstance(inner, dict) and "undecided" in inner:
            raise _UndecidedError(inner["undecided"])
        next_type = _part(inner, part, offer.ignores_case) if isinstance(inner, dict) else None
        if next_type is None:
            return None
        branches = next_type if isinstance(next_type, list) else [next_type]
        types = [branch for branch in branches if _name(branch) != "null"]
        nullable = nullable or len(types) < len(branches)
    for given in types:
        if isinstance(given, dict) and "undecided" in given:
            raise _UndecidedError(given["undecided"])
    return types, nullable


def _part(record: Record, part: str, ignores_case: bool) -> Any:
    if part == "[]":
        return record["items"] if record["type"] == "array" else None
    if part == "{}":
        return record["values"] if record["type"] == "map" else None
    if record["type"] != "record":
        return None
    same = [
        field
        for field in record["fields"]
        if field["name"] == part or (ignores_case and field["name"].lower() == part.lower())
    ]
    return same[0]["type"] if same else None


def _name(given: Any) -> str:
    """A logical type where there is one."""
    if isinstance(given, str):
        return given
    logical = given.get("logicalType")
    if isinstance(given["type"], dict):
        return _name(given["type"])
    return str(logical or given["type"])


def _is_of(family: str, given: Any, name: str) -> bool:
    if wanted := DECIMAL.fullmatch(family):
        precision, scale = int(wanted[1]), int(wanted[2])
        if name != "decimal":
            return False
        given_scale = given.get("scale", 0)
        return bool(given_scale <= scale and given["precision"] - given_scale <= precision - scale)
    if family == "integer" and name == "decimal":
        return bool(given.get("scale", 0) == 0)
    return name in FAMILIES[family]


def _written(given: Any, name: str) -> str:
    if name == "decimal":
        return f"decimal({given['precision']}, {given.get('scale', 0)})"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
