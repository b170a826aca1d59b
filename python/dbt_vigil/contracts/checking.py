"""Lets a change go through the gates."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dbt_vigil.contracts.findings import Finding, Gate, Hit, Verdict, merged
from dbt_vigil.contracts.gates.consumers import Offer, unreadable
from dbt_vigil.contracts.gates.deprecation import Announcements, declaring, too_early
from dbt_vigil.contracts.gates.ownership import ownerless
from dbt_vigil.contracts.gates.schema import SubjectChange, Version, changes, table_schema
from dbt_vigil.contracts.git import Base, base_of
from dbt_vigil.contracts.graph import Graph, read_graph
from dbt_vigil.contracts.registry import KEYS, Registry, Subject, read_registry
from dbt_vigil.project import VigilError

__all__ = ["Against", "check", "read_schemas"]

KEY = re.compile(rf"^({'|'.join(sorted(set().union(*KEYS.values())))}):", re.MULTILINE)
"""What a document of a registry begins with."""


@dataclass(frozen=True)
class Against:
    """What a change is compared with."""

    ref: str
    """The branch that it is to land in."""
    state: Path | None = None
    """A folder with the manifest.json and catalog.json of that branch."""
    registry: Path | None = None
    """Where that branch has the registry, relative to the repository. Default: where the change has it."""


def check(
    folder: Path, project: Path, graph: Graph | None, gates: AbstractSet[Gate], against: Against, now: datetime
) -> list[Finding]:
    """What is broken, or could not be judged, in the order of what it is about.

    Args:
        folder: The registry.
        project: The folder of the dbt project.
        graph: What dbt knows of it; None where there is no dbt project.
        gates: Which to ask. With one that compares, consumers count as the base branch has them, too.
        against: What to compare with.
        now: When the change is to land.

    Raises:
        VigilError: The registry, a schema in it, dbt's artifacts or the base branch cannot be read.
    """
    new = Version(read_schemas(read_registry(folder)), graph)
    if not new.registry.contracts and not new.registry.producers:
        raise VigilError(f"{folder}: there is no contract in it, nor a producer.")
    of_consumers = list(_of_consumers(new, new)) if Gate.CONSUMERS in gates else []
    findings = [*of_consumers]
    if gates & {Gate.SCHEMA, Gate.DEPRECATION}:
        findings += _compared(folder, project, new, gates, against, now, of_consumers)
    if Gate.OWNERSHIP in gates and graph:
        findings += ownerless(graph)
    return merged(findings)


def read_schemas(registry: Registry) -> Registry:
    """The same, once each schema in it was read.

    Raises:
        VigilError: Of each that cannot be read, a line.
    """
    wrong = []
    for producer in registry.producers.values():
        try:
            producer.schema.record()
        except VigilError as error:
            wrong.append(str(error))
    if wrong:
        raise VigilError("\n".join(wrong))
    return registry


def _compared(
    folder: Path,
    project: Path,
    new: Version,
    gates: AbstractSet[Gate],
    against: Against,
    now: datetime,
    of_consumers: Sequence[Finding],
) -> Iterator[Finding]:
    base = base_of(folder, against.ref)
    before = read_graph(against.state / "manifest.json") if against.state else None
    if before and new.graph and before.invocation_id == new.graph.invocation_id is not None:
        raise VigilError(f"{against.state} has the artifacts of the change itself, not those of {against.ref}.")
    with tempfile.TemporaryDirectory() as exported:
        root = Path(exported)
        base.export(root)
        try:
            registry = _registry_of(root, against.registry or Path(base.path_of(folder)), new.registry)
        except VigilError as error:
            text = str(error).replace(f"{exported}/", "")
            yield Finding(
                gate=Gate.SCHEMA,
                verdict=Verdict.UNDECIDED,
                subject=f"registry {folder}",
                field="",
                direction="",
                why=f"What {against.ref} has cannot be read: {text}",
                instead=f"Mend it on {against.ref} first.",
                where=str(folder),
            )
            return
        old = Version(registry, before, root)
        announcements = Announcements(base, old, root, project)
        for found in (_without(f"{exported}/", found) for found in changes(old, new)):
            if found.change.is_removal and Gate.DEPRECATION in gates:
                what = found.subject, found.change.field
                hits = declaring(new, *what)
                names = {hit.consumer for hit in hits}
                hits += (_landed(hit, base, root) for hit in declaring(old, *what) if hit.consumer not in names)
                yield from too_early(found, announcements.of(*what), hits, now)
            elif Gate.SCHEMA in gates:
                hits = declaring(new, found.subject, found.change.field)
                yield Finding.of(found.change, str(found.subject), found.where, hits)
        if Gate.CONSUMERS in gates:
            yield from _of_earlier_consumers(old, new, base, root, of_consumers)


def _landed(hit: Hit, base: Base, root: Path) -> Hit:
    """A consumer, as the base branch has it: who changes that in this very change has not landed it."""
    return replace(hit, where=f"{base.ref}:{hit.where.removeprefix(f'{root}/')}")


def _of_earlier_consumers(
    old: Version, new: Version, base: Base, root: Path, of_consumers: Sequence[Finding]
) -> Iterator[Finding]:
    """What those of the base branch can no longer read, but for what they could not before, or cannot as of now."""
    known = {_what(found) for found in (*of_consumers, *_of_consumers(old, old))}
    for found in _of_consumers(old, new):
        if _what(found) not in known:
            hit = _landed(found.hit[0], base, root)
            yield replace(found, hit=(hit,), where=hit.where)
    for subject, producer in old.registry.producers.items():
        after = new.registry.producers.get(subject)
        consumers = [(c, d) for c, d in old.registry.consumers.get(subject, ()) if d.tested or d.freshness]
        if producer.lands_in and after and not after.lands_in and consumers:
            yield Finding(
                gate=Gate.CONSUMERS,
                verdict=Verdict.BROKEN,
                subject=str(subject),
                field="",
                direction="",
                why="It no longer says where it lands: what its consumers say of its data would not be tested.",
                instead=f"Keep `lands_in`, here {producer.lands_in}.",
                where=after.where,
                hit=tuple(_landed(Hit(c.consumer, c.owner, d.where), base, root) for c, d in consumers),
            )


def _what(found: Finding) -> tuple[str, str, str, str]:
    """What a finding of a consumer is, wherever the contract is."""
    return found.subject, found.field, found.why, found.hit[0].consumer


def _without(folder: str, found: SubjectChange) -> SubjectChange:
    """A change whose texts name files as the repository does."""
    change = replace(found.change, why=found.change.why.replace(folder, ""))
    return replace(found, change=change, where=found.where.removeprefix(folder))


def _registry_of(root: Path, folder: Path, new: Registry) -> Registry:
    """That of the base branch, where there may be none yet."""
    if (root / folder).is_dir():
        return read_registry(root / folder, new)
    for file in root.rglob("*.y*ml"):
        if KEY.search(file.read_text(errors="replace")):
            where = file.parent.relative_to(root)
            raise VigilError(f"there is no {folder}, but there are contracts in {where}: give that as --base-registry.")
    return Registry(root / folder, (), {})


def _of_consumers(declared: Version, given: Version) -> Iterator[Finding]:
    """What the consumers of one version cannot read of what is given in another."""
    for subject, consumers in declared.registry.consumers.items():
        offers = list(_offers(subject, given))
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
