"""Who is hit by a change of a field: consumers that declare it, and what dbt derives from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from graphlib import TopologicalSorter

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbt_vigil.contracts.graph import TABLES, Column, Graph, Node
from dbt_vigil.contracts.lineage import MAYBE, NO, SURE, UNNAMED, Level, Reach, Reader, Tables, unknown
from dbt_vigil.contracts.paths import head, overlap
from dbt_vigil.contracts.registry import Contract, Dependency, Owner, Registry, Subject

__all__ = ["Consumer", "How", "Impact", "Reached", "Related", "changed", "impact"]


class How(str, Enum):
    """How a field reaches what is hit."""

    SELECTED = "selected"
    """A column derives from it."""
    CONDITION = "condition"
    """It decides which rows there are: a join, a filter, a grouping, an order. All columns are hit."""
    UNKNOWN = "unknown"
    """It may: that it does not could not be shown."""


@dataclass(frozen=True)
class Consumer:
    """A contract that declares what is hit."""

    name: str
    owner: Owner
    where: str
    """`file:line`."""
    subject: Subject
    """What it depends on."""
    field: str
    """Empty is all that it reads of the subject."""
    how: How
    distance: int
    """How many models are between; 0 is the field itself, and where its topic lands."""


@dataclass(frozen=True)
class Reached:
    """A node of dbt that is hit."""

    unique_id: str
    kind: str
    name: str
    owner: Owner | None
    file: str
    distance: int
    """1 reads the field itself."""
    columns: tuple[tuple[str, How], ...]
    """Those that derive from the field, or may."""
    how: tuple[How, ...]
    why: str = ""
    """Why it is unknown how the node reads the field."""


@dataclass(frozen=True)
class Related:
    """A topic and the table that it lands in have the same data."""

    subject: Subject
    owner: Owner | None
    where: str


@dataclass(frozen=True)
class Impact:
    """All that a change hits."""

    subject: Subject
    field: str | None
    """Null is the whole subject."""
    related: tuple[Related, ...]
    """The topics that land in the subject, or where the subject lands."""
    consumers: tuple[Consumer, ...]
    nodes: tuple[Reached, ...]
    """Tables and exposures, the nearest first."""
    tests: tuple[Reached, ...]
    """Those that read it; with `unknown`, those that may."""
    notes: tuple[str, ...]
    """What is not known."""

    @property
    def owners(self) -> list[str]:
        """Whom to ask."""
        owners = [entry.owner for entry in self.consumers] + [entry.owner for entry in (*self.nodes, *self.tests)]
        return sorted({str(owner) for owner in owners if owner})


def impact(registry: Registry, graph: Graph, subject: Subject, field: str | None = None) -> Impact:
    """Find who is hit by a change.

    Args:
        registry: The contracts.
        graph: dbt's nodes, with their compiled SQL.
        subject: What changes.
        field: Its field that changes. Default: all of it.
    """
    producer = registry.producers.get(subject)
    landing = producer.lands_in if producer else None
    node = graph.tables.get(landing or subject)
    start, notes = _start(node, field, is_landing=landing is not None)
    if landing and not node:
        notes += (f"dbt has no {landing}, where {subject} lands.",)
    if not landing and not node:
        notes += (f"dbt does not have {subject}: nothing that derives from it is known.",)
    reached = _descend(graph, node, start) if node else {}
    consumers = list(_declared(registry, subject, start, 0, field))
    if landing:
        consumers += _declared(registry, landing, start, 0, field)
    for step in reached.values():
        if step.node.kind in TABLES:
            consumers += _declared(registry, step.node.subject, step.reach, step.distance)
    hit = sorted(reached.values(), key=lambda step: (step.distance, step.node.kind, step.node.unique_id))
    return Impact(
        subject=subject,
        field=field,
        related=tuple(_related(registry, graph, subject, landing)),
        consumers=tuple(sorted(consumers, key=lambda entry: (entry.distance, entry.name, entry.where, entry.field))),
        nodes=tuple(_shown(step) for step in hit),
        tests=tuple(_tests(graph, reached, _Step(node, start, 0))) if node else (),
        notes=notes,
    )


def changed(old: Graph, new: Graph) -> list[tuple[Subject, str | None]]:
    """Tables that are gone, with None for the field, and columns that are gone or have another type.

    A model's SQL says which columns it has, where no star stands for some; else the catalog does, or an enforced
    contract. Where the new graph has none of these, a column is gone if it is no longer in the YAML.
    """
    found: list[tuple[Subject, str | None]] = []
    kept = {(subject.kind, subject.name.lower()): node for subject, node in new.tables.items()}
    for subject, before in sorted(old.tables.items()):
        now = kept.get((subject.kind, subject.name.lower()))
        if now is None:
            found.append((subject, None))
        elif (before.sql, before.declared, before.built) != (now.sql, now.declared, now.built):
            found += ((subject, name) for name in _changed_columns(old.engine, before, now))
    return found


def _changed_columns(engine: str, before: Node, now: Node) -> Iterator[str]:
    had, _ = _names(before, engine)
    has, is_listed = _names(now, engine)
    for name, written in had.items():
        if name not in has:
            if is_listed or (name in before.declared and name not in now.declared):
                yield written
        elif any(
            _differs(name, *pair, engine) for pair in ((before.declared, now.declared), (before.built, now.built))
        ):
            yield written


def _names(node: Node, engine: str) -> tuple[Mapping[str, str], bool]:
    """A table's columns, as written by their names in small letters, and whether these are surely all."""
    reader = Reader(Tables([], engine), {})
    found = reader.read(node.sql, engine) if node.sql and node.kind == "model" else None
    known = {name: column.name for name, column in (node.columns or node.declared).items()}
    if found and found.is_whole and not any(name.startswith(UNNAMED) for name in found.columns):
        return {name: known.get(name, name) for name in found.columns}, True
    return known, node.has_all_columns


def _differs(name: str, old: Mapping[str, Column] | None, new: Mapping[str, Column] | None, engine: str) -> bool:
    """Whether both say a column's type, and not the same."""
    kinds = [columns[name].type for columns in (old, new) if columns and name in columns]
    return len({_type(kind, engine) for kind in kinds if kind}) == 2


def _type(written: str, engine: str) -> str:
    try:
        return exp.DataType.build(written, dialect=engine).sql(engine).lower()
    except (SqlglotError, ValueError):
        return " ".join(written.lower().split())


@dataclass(frozen=True)
class _Step:
    """A node that is hit."""

    node: Node
    reach: Reach
    distance: int
    why: str = ""


def _start(node: Node | None, field: str | None, *, is_landing: bool) -> tuple[Reach, tuple[str, ...]]:
    """What of the changed table is hit, and what is not known of it."""
    names: Mapping[str, Column] = node.columns if node else {}
    is_whole = node is not None and node.has_all_columns
    if field is None:
        return Reach(dict.fromkeys(names, SURE), SURE, SURE), ()
    column = _head(field)
    columns = dict.fromkeys(names, NO) | {column: SURE}
    if node is None or column in names:
        return Reach(columns, is_whole=is_whole), ()
    if is_landing:
        text = (
            f"{node.subject}, where the topic lands, has no column `{column}` that is known: it may have another name."
        )
        return unknown(columns), (text,)
    text = f"{node.subject} has no column `{column}` that dbt knows."
    return Reach(columns, is_whole=is_whole), (text,) if is_whole else ()


def _head(path: str) -> str:
    """The column that a path starts with, in small letters."""
    return head(path).lower()


def _declared(
    registry: Registry, subject: Subject, reach: Reach, distance: int, path: str | None = None
) -> Iterator[Consumer]:
    for contract, dependency in registry.consumers.get(subject, ()):
        hit = {} if distance == 0 and path is None else dict(_fields(dependency, reach, path))
        for name, level in hit.items():
            where = dependency.lines.get(name, dependency.where)
            yield _consumer(contract, dependency, name, where, _how(level, How.SELECTED), distance)
        if reach.rows and not hit:
            yield _consumer(contract, dependency, "", dependency.where, _how(reach.rows, How.CONDITION), distance)


def _consumer(contract: Contract, dependency: Dependency, name: str, where: str, how: How, distance: int) -> Consumer:
    return Consumer(contract.consumer, contract.owner, where, dependency.subject, name, how, distance)


def _fields(dependency: Dependency, reach: Reach, path: str | None) -> Iterator[tuple[str, Level]]:
    """Which of the fields that a contract declares are hit; the column of its freshness is one of them."""
    timestamp = dependency.freshness.timestamp_column if dependency.freshness else None
    for name in dict.fromkeys(
        (*(declared.name for declared in dependency.fields), *((timestamp,) if timestamp else ()))
    ):
        level = reach.of(_head(name))
        if path is not None and _head(name) == _head(path):
            level = SURE if overlap(name, path) else NO
        if level:
            yield name, level


def _how(level: Level, sure: How) -> How:
    return sure if level == SURE else How.UNKNOWN


def _related(registry: Registry, graph: Graph, subject: Subject, landing: Subject | None) -> Iterator[Related]:
    for producer in registry.producers.values():
        if producer.lands_in == subject:
            yield Related(producer.subject, producer.owner, producer.where)
    if landing:
        node = graph.tables.get(landing)
        yield Related(landing, node.owner if node else None, node.file if node else "")


def _shown(step: _Step) -> Reached:
    node, reach = step.node, step.reach
    names = {name: column.name for name, column in node.columns.items()}
    names = {name: names.get(name, name) for name in (*reach.columns, *(names if reach.rest else ()))}
    columns = tuple(
        (written, _how(reach.of(name), How.SELECTED))
        for name, written in names.items()
        if reach.of(name) and not name.startswith(UNNAMED)
    )
    hows = {_how(reach.any_column, How.SELECTED)} if reach.any_column else set()
    hows |= {_how(reach.rows, How.CONDITION)} if reach.rows else set()
    how = tuple(how for how in How if how in hows)
    return Reached(node.unique_id, node.kind, node.name, node.owner, node.file, step.distance, columns, how, step.why)


def _tests(graph: Graph, reached: Mapping[str, _Step], start: _Step) -> Iterator[Reached]:
    """Tests of what is hit, but for those of a column that is not."""
    steps = {start.node.unique_id: start, **reached}
    for node in sorted((node for node in graph.nodes.values() if node.kind == "test"), key=lambda test: test.unique_id):
        parents = [steps[parent] for parent in node.depends_on if parent in steps]
        if not parents:
            continue
        own, others = (parents[:1], parents[1:]) if node.column and node.depends_on[0] in steps else ([], parents)
        distance = min(step.distance for step in parents) + 1
        column = (node.column or "").lower()
        levels = {How.SELECTED: max((step.reach.of(column) for step in own), default=NO)}
        levels[How.CONDITION] = max((step.reach.rows for step in parents), default=NO)
        hows = {_how(level, how) for how, level in levels.items() if level}
        # Which columns it reads of other tables is in its arguments, which are not read.
        hows |= {How.UNKNOWN} if not hows and others else set()
        if hows:
            how = tuple(how for how in How if how in hows)
            yield Reached(node.unique_id, node.kind, node.name, node.owner, node.file, distance, (), how)


def _descend(graph: Graph, start: Node, reach: Reach) -> dict[str, _Step]:
    """All tables and exposures that are hit."""
    below = set[str]()
    todo = [start.unique_id]
    while todo:
        for child in graph.children.get(todo.pop(), ()):
            if child.unique_id not in below and child.kind != "test":
                below.add(child.unique_id)
                todo.append(child.unique_id)
    below.discard(start.unique_id)
    steps = {start.unique_id: _Step(start, reach, 0)}
    reaches = {start.unique_id: reach}
    tables = Tables([node for node in graph.nodes.values() if node.kind in TABLES], graph.engine)
    order = TopologicalSorter({key: [p for p in graph.nodes[key].depends_on if p in below] for key in below})
    for key in order.static_order():
        node = graph.nodes[key]
        parents = [steps[parent] for parent in node.depends_on if parent in steps]
        if parents:
            found, why = _through(graph, tables, node, parents, reaches)
            if found.most:
                reaches[key] = found
                steps[key] = _Step(node, found, min(step.distance for step in parents) + 1, why)
    del steps[start.unique_id]
    return steps


def _through(
    graph: Graph, tables: Tables, node: Node, parents: Sequence[_Step], reaches: Mapping[str, Reach]
) -> tuple[Reach, str]:
    """What of a node is hit, given what of its parents is; and why that is unknown."""
    if node.kind == "exposure":
        rows = max(step.reach.rows for step in parents)
        return Reach(rest=MAYBE if any(step.reach.any_column for step in parents) else NO, rows=rows), ""
    if node.sql is None:
        return unknown(dict.fromkeys(node.columns, NO)), "it is not compiled"
    reader = Reader(tables, reaches)
    found = reader.read(node.sql, graph.engine)
    if found is None:
        return unknown(dict.fromkeys(node.columns, NO)), "its SQL cannot be read"
    unseen = [step.node.name for step in parents if step.node.unique_id not in reader.seen]
    if unseen:
        names = dict.fromkeys((*node.columns, *found.columns), NO) | dict(found.columns)
        return unknown(names), f"its SQL does not show how it reads {', '.join(unseen)}"
    if found.rest == MAYBE:
        return found, "some of its columns have no name in its SQL"
    return found, ""
