"""Gate A: who reads with the schema of before or after a change can read the data of after or before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_vigil.contracts.changes import Change, Direction, Mode
from dbt_vigil.contracts.formats import Record, Schema, tables
from dbt_vigil.contracts.graph import Column, Graph
from dbt_vigil.contracts.paths import is_within
from dbt_vigil.contracts.registry import Producer, Registry, Subject
from dbt_vigil.project import VigilError

__all__ = ["SubjectChange", "Version", "changes", "changes_between", "fields_of", "removed", "table_schema"]


@dataclass(frozen=True)
class Version:
    """All that is given, and declared, at one time."""

    registry: Registry
    graph: Graph | None
    """None where dbt has written nothing."""
    root: Path | None = None
    """The folder that all files are in which are of this time; None if there is no other."""


@dataclass(frozen=True)
class SubjectChange:
    """A change of a subject that breaks somebody who reads it."""

    subject: Subject
    change: Change
    where: str


def changes(old: Version, new: Version) -> Iterator[SubjectChange]:
    """What is broken by a change from one version to another.

    Topics, and tables that dbt does not know, are judged as their files say; of dbt's models and sources those that a
    consumer depends on, that are public, or whose contract dbt enforces. The mode is that of before: it cannot be
    changed together with the schema. What is removed is there in any mode.
    """
    for subject, producer in old.registry.producers.items():
        where = producer.where
        if subject in new.registry.producers:
            where = str(new.registry.producers[subject].schema_file)
            found = _of_producer(producer, new.registry.producers[subject], old.root)
        else:
            found = [_removed("")]
        yield from (SubjectChange(subject, change, where) for change in dict.fromkeys(found))
    for subject in _governed(old, new):
        yield from _of_table(subject, old.graph, new.graph)


def changes_between(old: Schema, new: Schema, mode: Mode) -> list[Change]:
    """What one schema breaks of another, in the directions of a mode, and what it removes."""
    if type(old) is not type(new):
        text = f"The format is another: {_format(old)} before, {_format(new)} now."
        instead = "Give the data of the new format a new topic, and announce the removal of the old one."
        return [Change("", direction, text, instead) for direction in mode.directions]
    found = old.changes_to(new, tuple(Direction))
    known = {change.field for change in found if change.is_removal}
    kept = [change for change in found if change.direction in mode.directions or change.is_removal]
    # Who has the old schema may have a default for it: that the data are gone is for the deprecation to say.
    return kept + [_removed(field) for field in removed(old.record(), new.record()) if field not in known]


def removed(old: Record, new: Record) -> list[str]:
    """The fields that are there no more, without the parts of those that are gone as a whole."""
    kept: dict[str, list[Records]] = defaultdict(list)
    for path, records in _fields(new, "", ()):
        kept[path.lower()].append(records)
    gone = [
        path for path, records in _fields(old, "", ()) if not any(_are(records, those) for those in kept[path.lower()])
    ]
    found = [path for path in gone if not any(path != other and is_within(path, other) for other in gone)]
    return list(dict.fromkeys(found))


def fields_of(given: Any) -> set[str]:
    """The paths of all fields of a type of Avro."""
    return {path for path, _ in _fields(given, "", ())}


Records = tuple[str | None, ...]
"""The names of the records that a field is within, None of one that is the only one there."""


def _fields(given: Any, path: str, records: Records) -> Iterator[tuple[str, Records]]:
    """Those of a type, each before its parts."""
    if isinstance(given, list):
        is_choice = sum(isinstance(branch, dict) and branch["type"] == "record" for branch in given) > 1
        for branch in given:
            name = str(branch["name"]) if is_choice and isinstance(branch, dict) and "name" in branch else None
            yield from _fields(branch, path, (*records, name))
    elif isinstance(given, dict) and given["type"] == "record":
        for field in given["fields"]:
            name = f"{path}.{field['name']}" if path else field["name"]
            yield name, records
            yield from _fields(field["type"], name, records)
    elif isinstance(given, dict) and given["type"] == "array":
        yield from _fields(given["items"], f"{path}[]", records)
    elif isinstance(given, dict) and given["type"] == "map":
        yield from _fields(given["values"], f"{path}{{}}", records)


def _are(old: Records, new: Records) -> bool:
    """Whether what is within some records still is: the only one there may be another."""
    named = [name for name in old if name]
    return not named or not any(new) or named == [name for name in new if name]


def table_schema(columns: Mapping[str, Column], engine: str) -> tables.TableSchema:
    """The columns of a model or source."""
    given = (tables.Column(column.name, column.type, column.nullable) for column in columns.values())
    return tables.TableSchema.of_columns(given, engine, "dbt")


def _of_producer(old: Producer, new: Producer, root: Path | None) -> list[Change]:
    schema = new.schema
    if root and not old.schema_file.resolve().is_relative_to(root.resolve()):
        why = f"What it was is not known: {old.schema_file} is not in the repository, and is what it is now."
        instead = "Give its schema as a file of the repository, by a relative path: of a table its metadata.json, say."
        return [_undecided(why, instead)]
    try:
        earlier = [old.schema, *(old.version(file) for file in old.versions if old.mode.is_transitive)]
    except VigilError as error:
        return [_undecided(f"What it was cannot be read: {error}", "Mend it on the base branch first.")]
    return [change for before in earlier for change in changes_between(before, schema, old.mode)]


def _governed(old: Version, new: Version) -> Sequence[Subject]:
    declared = {*old.registry.consumers, *new.registry.consumers}
    public = {node.subject for node in old.graph.nodes.values() if node.is_public} if old.graph else set()
    return sorted(subject for subject in declared | public if subject.kind in ("model", "source"))


def _of_table(subject: Subject, old: Graph | None, new: Graph | None) -> Iterator[SubjectChange]:
    before = old.tables.get(subject) if old else None
    after = new.tables.get(subject) if new else None
    if old is None:
        text = "What it was is not known: there are no artifacts of the base branch."
        instead = "Give the folder of its manifest.json and catalog.json as --state."
        yield SubjectChange(subject, _undecided(text, instead), after.file if after else "")
    elif before and not after:
        yield SubjectChange(subject, _removed(""), before.file)
    elif before and after and not (before.has_all_columns and after.has_all_columns):
        which = "of the base branch " if not before.has_all_columns else ""
        text = f"Its columns are not known: there is no catalog {which}that has it."
        yield SubjectChange(subject, _undecided(text, "Run dbt docs generate."), after.file)
    elif before and after and new:
        if before.table != after.table:
            why = f"It is the table {after.table} now, and was {before.table}: who reads that finds it no more."
            moved = Change("", Direction.FORWARD, why, "Keep the name, or leave a view of the old name.")
            yield SubjectChange(subject, moved, after.file)
        earlier, later = table_schema(before.columns, old.engine), table_schema(after.columns, new.engine)
        found = changes_between(earlier, later, Mode.FULL)
        yield from (SubjectChange(subject, change, after.file) for change in found)


def _removed(field: str) -> Change:
    why, instead = f"`{field}` is gone." if field else "It is gone.", "Announce the removal first."
    return Change(field, Direction.FORWARD, why, instead, is_removal=True)


def _undecided(why: str, instead: str) -> Change:
    return Change("", Direction.FORWARD, why, instead, is_undecided=True)


def _format(schema: Schema) -> str:
    return {"JsonSchema": "JSON Schema"}.get(name := type(schema).__name__, name.removesuffix("Schema"))
