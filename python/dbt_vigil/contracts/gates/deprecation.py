"""Gate C: what is removed was announced long enough ago, on the base branch, and nobody declares it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dbt_vigil.contracts.documents import Loader
from dbt_vigil.contracts.findings import Finding, Gate, Hit, Verdict
from dbt_vigil.contracts.gates.schema import SubjectChange, Version
from dbt_vigil.contracts.git import Base, Commit, base_of
from dbt_vigil.contracts.paths import is_within, overlap
from dbt_vigil.contracts.registry import Contract, Dependency, Deprecation, Subject
from dbt_vigil.report import counted

__all__ = ["DAYS", "WHOLE", "Announced", "Announcements", "declaring", "entries_of", "too_early"]

DAYS = 28
"""How long a field stays after its deprecation has landed."""
WHOLE = "*"
"""The field of a deprecation that is of a whole topic or table."""

Entry = dict[str, Any]


def declaring(version: Version, subject: Subject, field: str) -> list[Hit]:
    """The consumers that declare a field, a part of it, or what it is a part of.

    Args:
        version: Whose contracts.
        subject: Whose field.
        field: Its path; empty is the whole subject.
    """
    consumers: list[tuple[Contract, Dependency]] = version.registry.consumers.get(subject, [])
    return [
        Hit(contract.consumer, contract.owner, dependency.lines[declared.name] if field else dependency.where)
        for contract, dependency in consumers
        for declared in (dependency.fields if field else dependency.fields[:1])
        if not field or overlap(declared.name, field)
    ]


@dataclass(frozen=True)
class Announced:
    """The commit that announced something, if any."""

    base: Base
    commit: Commit | None
    until: date = date.min
    """The day until which it stays, as the announcement says."""


@dataclass(frozen=True)
class Announcements:
    """Since when the base branch has announced removals."""

    base: Base
    """In the registry's repository."""
    old: Version
    """What the base branch has."""
    exported: Path
    """The folder that its files were written to."""
    project: Path
    """The folder of the dbt project."""

    def of(self, subject: Subject, field: str) -> Announced:
        """Who announced the removal of a field, if that was never taken back since.

        Args:
            subject: Whose field.
            field: Its path; empty is the whole subject.

        Raises:
            VigilError: dbt's project is in no repository, or in one that does not have the base branch.
        """
        found = self._commit(subject, field)
        days = (_day(said.remove_after) for said in self._said(subject, field))
        return replace(found, until=max(days, default=date.min))

    def _said(self, subject: Subject, field: str) -> Iterator[Deprecation]:
        """What the base branch says of the removal."""
        producer = self.old.registry.producers.get(subject)
        if producer:
            yield from (said for name, said in producer.deprecations.items() if _covers(name, field))
        node = self.old.graph.tables.get(subject) if self.old.graph else None
        column = node.declared.get(field.lower()) if node else None
        if column and column.deprecation:
            yield column.deprecation

    def _commit(self, subject: Subject, field: str) -> Announced:
        producer = self.old.registry.producers.get(subject)
        if producer:
            path = producer.file.relative_to(self.exported).as_posix()
            return self._since(self.base, path, lambda document: _of_producer(document, subject, field))
        node = self.old.graph.tables.get(subject) if self.old.graph else None
        if node and node.file.endswith((".yml", ".yaml")):
            path = self._project_base.path_of(self.project / node.file)
            return self._since(self._project_base, path, lambda document: _of_table(document, subject, field))
        return Announced(self.base, None)

    @cached_property
    def _project_base(self) -> Base:
        """In the repository of the dbt project, which may be another."""
        return base_of(self.project, self.base.ref)

    def _since(self, base: Base, path: str, announces: Callable[[Entry], bool]) -> Announced:
        since = None
        for commit, text in base.history(path):
            try:
                documents = [document for document in yaml.load_all(text, Loader) if isinstance(document, dict)]
                if not any(map(announces, documents)):
                    break
            except (yaml.YAMLError, ValueError, TypeError, AttributeError):
                break
            since = commit
        return Announced(base, since)


def too_early(found: SubjectChange, announced: Announced, hits: Sequence[Hit], now: datetime) -> Iterator[Finding]:
    """Why a removal must wait; nothing once it may go.

    Args:
        found: A removal.
        announced: Who announced it.
        hits: The consumers that declare it, before the change or after it: they take it out in one of their own.
        now: When it is to land.
    """
    subject, change = found.subject, found.change
    what = f"`{change.field}`" if change.field else f"The {subject.kind}"
    base, commit = announced.base, announced.commit
    verdict, why, instead = Verdict.BROKEN, "", ""
    if not commit:
        why = f"{what} is removed, and that was never announced on {base.ref}."
        instead = f"Keep it, and announce the removal: {_command(subject, change.field)}."
    elif (days := (now.date() - commit.landed_at.date()).days) < DAYS:
        why = f"{what} is removed {counted(days, 'day')} after that was announced on {base.ref}, by {commit.name[:12]}."
        instead = f"Keep it for {counted(DAYS - days, 'day')} more: {DAYS} are promised."
        if base.is_shallow:
            verdict = Verdict.UNDECIDED
            instead = "Fetch the whole history (fetch-depth: 0): it may have been announced before what is here."
    elif now.date() < announced.until:
        why = f"{what} is removed, and was announced to stay until {announced.until}."
        instead = "Keep it until then."
    elif hits:
        why = f"{what} is removed, and is still declared."
        instead = "Wait until no consumer declares it any more."
    if why:
        yield Finding(
            gate=Gate.DEPRECATION,
            verdict=verdict,
            subject=str(subject),
            field=change.field,
            direction=change.direction.value,
            why=why,
            instead=instead,
            where=found.where,
            hit=tuple(hits),
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min


def _command(subject: Subject, field: str) -> str:
    return " ".join(part for part in ("vigil contracts announce", f"{subject.kind}:{subject.name}", field) if part)


def _of_producer(document: Entry, subject: Subject, field: str) -> bool:
    if document.get(subject.kind) != subject.name:
        return False
    return any(_covers(str(given["field"]), field) for given in document.get("deprecations") or ())


def _of_table(document: Entry, subject: Subject, field: str) -> bool:
    """As dbt has it: under a model, or a table of a source, and its columns."""
    for table in entries_of(document, subject):
        if _is_deprecated(table):
            return True
        for column in table.get("columns") or ():
            if field and _is_deprecated(column) and _covers(str(column["name"]).lower(), field.lower()):
                return True
    return False


def entries_of(document: Entry, subject: Subject) -> list[Entry]:
    """What YAML of dbt says of a model, a seed, a snapshot, or a table of a source."""
    tables = [entry for kind in ("models", "seeds", "snapshots") for entry in document.get(kind) or ()]
    name = subject.name
    if subject.kind == "source":
        source, _, name = subject.name.partition(".")
        sources = [entry for entry in document.get("sources") or () if entry["name"] == source]
        tables = [table for entry in sources for table in entry.get("tables") or ()]
    return [table for table in tables if table["name"] == name]


def _is_deprecated(entry: Entry) -> bool:
    return any(bool((place.get("meta") or {}).get("deprecation")) for place in (entry, entry.get("config") or {}))


def _covers(announced: str, field: str) -> bool:
    """Whether the removal of one is that of the other, too."""
    return announced == WHOLE or (bool(field) and is_within(field, announced))
