"""Lets a change go through the gates."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dbt_vigil.contracts.findings import Finding, Gate, Hit, Verdict, merged
from dbt_vigil.contracts.gates.consumers import Offer, unreadable
from dbt_vigil.contracts.gates.deprecation import Announcements, declaring, too_early
from dbt_vigil.contracts.gates.ownership import ownerless
from dbt_vigil.contracts.gates.schema import SubjectChange, Version, changes, table_schema
from dbt_vigil.contracts.git import base_of
from dbt_vigil.contracts.graph import Graph, read_graph
from dbt_vigil.contracts.registry import Registry, Subject, read_registry
from dbt_vigil.project import VigilError

__all__ = ["check"]


def check(
    folder: Path,
    project: Path,
    graph: Graph | None,
    gates: AbstractSet[Gate],
    base: str,
    state: Path | None,
    now: datetime,
) -> list[Finding]:
    """What is broken, or could not be judged, in the order of what it is about.

    Args:
        folder: The registry.
        project: The folder of the dbt project.
        graph: What dbt knows of it; None where there is no dbt project.
        gates: Which to ask.
        base: The branch that the change is to land in.
        state: A folder with the manifest.json and catalog.json of that branch.
        now: When the change is to land.

    Raises:
        VigilError: The registry, a schema in it, dbt's artifacts or the base branch cannot be read.
    """
    new = Version(read_registry(folder), graph)
    _read_schemas(new.registry)
    findings: list[Finding] = []
    if gates & {Gate.SCHEMA, Gate.DEPRECATION}:
        findings += _compared(folder, project, new, gates, base, state, now)
    if Gate.CONSUMERS in gates:
        findings += _of_consumers(new)
    if Gate.OWNERSHIP in gates and graph:
        findings += ownerless(graph)
    return merged(findings)


def _read_schemas(registry: Registry) -> None:
    """See that each can be read, before anything is judged."""
    wrong = []
    for producer in registry.producers.values():
        try:
            producer.schema.record()
        except VigilError as error:
            wrong.append(str(error))
    if wrong:
        raise VigilError("\n".join(wrong))


def _compared(
    folder: Path,
    project: Path,
    new: Version,
    gates: AbstractSet[Gate],
    ref: str,
    state: Path | None,
    now: datetime,
) -> Iterator[Finding]:
    base = base_of(folder, ref)
    before = read_graph(state / "manifest.json") if state else None
    with tempfile.TemporaryDirectory() as exported:
        root = Path(exported)
        base.export(root)
        try:
            registry = _registry_of(root / base.path_of(folder), new.registry)
        except VigilError as error:
            text = str(error).replace(f"{exported}/", "")
            yield Finding(
                gate=Gate.SCHEMA,
                verdict=Verdict.UNDECIDED,
                subject=f"registry {folder}",
                field="",
                direction="",
                why=f"What {ref} has cannot be read: {text}",
                instead=f"Mend it on {ref} first.",
                where=str(folder),
            )
            return
        old = Version(registry, before)
        announcements = Announcements(base, old, root, project)
        for found in (_without(f"{exported}/", found) for found in changes(old, new)):
            if found.change.is_removal and Gate.DEPRECATION in gates:
                what = found.subject, found.change.field
                hits = declaring(new, *what)
                names = {hit.consumer for hit in hits}
                # Who takes it out in this very change has not landed that.
                hits += (
                    replace(hit, where=f"{ref}:{hit.where.removeprefix(f'{exported}/')}")
                    for hit in declaring(old, *what)
                    if hit.consumer not in names
                )
                yield from too_early(found, announcements.of(*what), hits, now)
            elif Gate.SCHEMA in gates:
                yield _of_schema(found, new)


def _without(folder: str, found: SubjectChange) -> SubjectChange:
    """A change whose texts name files as the repository does."""
    change = replace(found.change, why=found.change.why.replace(folder, ""))
    return replace(found, change=change, where=found.where.removeprefix(folder))


def _registry_of(folder: Path, new: Registry) -> Registry:
    """That of the base branch, where there may be none yet."""
    return read_registry(folder, new) if folder.is_dir() else Registry(folder, (), {})


def _of_schema(found: SubjectChange, new: Version) -> Finding:
    change = found.change
    return Finding(
        gate=Gate.SCHEMA,
        verdict=Verdict.UNDECIDED if change.is_undecided else Verdict.BROKEN,
        subject=str(found.subject),
        field=change.field,
        direction=change.direction.value,
        why=change.why,
        instead=change.instead,
        where=found.where,
        hit=tuple(declaring(new, found.subject, change.field)),
    )


def _of_consumers(new: Version) -> Iterator[Finding]:
    for subject, consumers in new.registry.consumers.items():
        offers = list(_offers(subject, new))
        if offers:
            yield from unreadable(subject, offers, consumers)
        for contract, dependency in consumers if not offers else ():
            yield Finding(
                gate=Gate.CONSUMERS,
                verdict=Verdict.UNDECIDED,
                subject=str(subject),
                field="",
                direction="",
                why="Nobody produces it: it is in no file of the registry, and dbt does not know it.",
                instead=f"Mend the name, or declare it: a {subject.kind} is {_declared_in(subject)}.",
                where=dependency.where,
                hit=(Hit(contract.consumer, contract.owner, dependency.where),),
            )


def _declared_in(subject: Subject) -> str:
    if subject.kind in ("topic", "table"):
        return f"a document of the registry with `{subject.kind}: {subject.name}`"
    return "in dbt's manifest.json (dbt parse writes it)"


def _offers(subject: Subject, version: Version) -> Iterator[Offer]:
    producer = version.registry.producers.get(subject)
    if producer:
        is_table = subject.kind == "table"
        yield Offer(producer.schema.record(), has_required=not is_table, ignores_case=is_table)
    node = version.graph.tables.get(subject) if version.graph else None
    if node and version.graph:
        for how, columns in node.offers.items():
            record = table_schema(columns, version.graph.engine).record()
            yield Offer(record, has_required=False, ignores_case=True, has_all=node.has_all_columns, how=how)
