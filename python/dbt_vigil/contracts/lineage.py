"""What of a query's result derives from a column, read from its SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from enum import IntEnum

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbt_vigil.contracts.graph import Node

__all__ = ["MAYBE", "NO", "SURE", "UNNAMED", "Level", "Reach", "Reader", "Tables", "unknown"]

EPHEMERAL = "__dbt__cte__"
"""How dbt names the CTE of a model that has no relation."""
UNNAMED = "?"
"""Before the number of a column that has no name in the SQL."""
ROUNDS = 20
"""In which a recursive CTE settles."""
NOT_CONDITIONS = {
    "with_",
    "expressions",
    "from_",
    "joins",
    "laterals",
    "windows",
    "distinct",
    "limit",
    "offset",
    "hint",
}
"""Parts of a select that are read in other ways, or that no column is in. A part that is not known is a condition."""
BY_POSITION = ("group", "order", "sort", "cluster", "distribute")
POSITIONED = (exp.Group, exp.Ordered, exp.Cluster, exp.Distribute, exp.Sort)
EXPLODING = (exp.Unnest, exp.Explode, exp.Inline)


Key = tuple[str, ...]
"""The parts of a table's name, in small letters."""


class Level(IntEnum):
    """How surely something derives from the field."""

    NO = 0
    MAYBE = 1
    SURE = 2


NO, MAYBE, SURE = Level


@dataclass(frozen=True)
class Reach:
    """What of a table, or of a query's result, derives from the field."""

    columns: Mapping[str, Level] = field_of(default_factory=dict)
    """By their names in small letters."""
    rest: Level = NO
    """Of columns that are not in `columns`."""
    rows: Level = NO
    """Of which rows there are."""
    is_whole: bool = False
    """Whether `columns` has all of them, in their order."""

    def of(self, name: str) -> Level:
        """Of a column."""
        return self.columns.get(name, self.rest)

    @property
    def any_column(self) -> Level:
        """The most of any column."""
        return max(self.rest, *self.columns.values(), NO)

    @property
    def most(self) -> Level:
        """The most of anything."""
        return max(self.any_column, self.rows)


def unknown(columns: Mapping[str, Level]) -> Reach:
    """Anything may derive from the field; what surely does, does."""
    return Reach({name: max(level, MAYBE) for name, level in columns.items()}, MAYBE, MAYBE)


def _parsed(sql: str, engine: str) -> exp.Expr | None:
    """The only statement of a text, if it can be read."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read=engine) if tree]
    except (SqlglotError, ValueError, RecursionError):
        return None
    return trees[0] if len(trees) == 1 else None


class Tables:
    """Which node a table of some SQL is."""

    def __init__(self, nodes: Iterable[Node], engine: str) -> None:
        """Names are written in the dialect of `engine`."""
        self.ctes = {f"{EPHEMERAL}{node.name}".lower(): node for node in nodes if not node.relation}
        self._known: dict[Key, list[Node]] = defaultdict(list)
        self._whole: dict[Key, list[Node]] = defaultdict(list)
        for node in nodes:
            if node.relation and (name := _parts(node.relation, engine)):
                self._whole[name].append(node)
                for start in range(len(name)):
                    self._known[name[start:]].append(node)

    def find(self, name: Key) -> list[Node]:
        """Those that a name may be: the one, or the other, can be without its schema and its database."""
        if name in self._known:
            return self._known[name]
        shorter = (name[start:] for start in range(1, len(name)))
        return next((self._whole[part] for part in shorter if part in self._whole), [])


def _parts(relation: str, engine: str) -> Key | None:
    try:
        return tuple(part.name.lower() for part in exp.to_table(relation, dialect=engine).parts)
    except (SqlglotError, ValueError):
        return None


class _Scope:
    """What the columns of one select can be."""

    def __init__(self, outer: _Scope | None) -> None:
        self.sources: dict[str, Reach] = {}
        self.aliases: dict[str, Level] = {}
        """Of the select's own columns, those read so far."""
        self.windows: dict[str, Level] = {}
        self.joined: set[str] = set()
        """Columns that a join makes one of."""
        self._outer = outer

    @property
    def all(self) -> Level:
        """The most of any column."""
        return max((reach.any_column for reach in self.sources.values()), default=NO)

    def column(self, parts: Sequence[str]) -> Level:
        """A column, given as it is written: after its table, and before fields of a record, if any."""
        scope: _Scope | None = self
        while scope:
            for number, part in enumerate(parts[:-1]):
                if part in scope.sources:
                    return scope.sources[part].of(parts[number + 1])
            scope = scope._outer
        return self._unqualified(parts[0])

    def _unqualified(self, name: str) -> Level:
        if having := [reach.columns[name] for reach in self.sources.values() if name in reach.columns]:
            return max(having)
        rests = {reach.rest for reach in self.sources.values() if not _is_closed(reach)}
        found = min(MAYBE, max(rests)) if len(rests) > 1 else max(rests, default=NO)
        if name in self.sources:  # a whole row
            found = max(found, self.sources[name].any_column)
        outer = self._outer._unqualified(name) if self._outer else NO
        return max(found, self.aliases.get(name, NO), outer)


Env = Mapping[str, Reach]


class Reader:
    """Reads what of a query's result derives from the field, one select after the other."""

    def __init__(self, tables: Tables, reaches: Mapping[str, Reach]) -> None:
        """What derives from the field of each table that is hit is in `reaches`, by the tables' ids."""
        self.seen: set[str] = set()
        """The nodes that the query reads."""
        self._tables = tables
        self._reaches = reaches

    def read(self, sql: str, engine: str) -> Reach | None:
        """Read a model's SQL; none if it is not one query, or one that sqlglot does not read."""
        try:
            tree = _parsed(sql, engine)
            return self._query(tree, {}, None) if isinstance(tree, exp.Query) else None
        except (SqlglotError, ValueError, RecursionError):
            return None

    def _query(self, query: exp.Expr, env: Env, outer: _Scope | None) -> Reach:
        env = self._with(query, env, outer)
        if isinstance(query, exp.SetOperation):
            return self._modified(query, self._set_operation(query, env, outer), env, outer)
        if isinstance(query, exp.Select):
            return self._select(query, env, outer)
        if isinstance(query, exp.Subquery):
            if isinstance(query.this, exp.Table) or query.args.get("joins"):
                scope = _Scope(outer)
                rows = self._add(query, env, scope)
                columns = self._star(exp.Star(), list(scope.sources.values()), env, scope)
                return replace(columns, rows=rows)
            return self._modified(query, self._query(query.this, env, outer), env, outer)
        return self._relation(query, env, _Scope(outer))

    def _with(self, query: exp.Expr, env: Env, outer: _Scope | None) -> Env:
        given = query.args.get("with_")
        if not given:
            return env
        known = dict(env)
        for cte in given.expressions:
            name = cte.alias.lower()
            node = self._tables.ctes.get(name)
            if node and node.unique_id in self._reaches:
                self.seen.add(node.unique_id)
                known[name] = self._reaches[node.unique_id]
            elif given.args.get("recursive"):
                known[name] = self._recursive(cte, name, known, outer)
            else:
                known[name] = _renamed(self._query(cte.this, known, outer), cte)
        return known

    def _recursive(self, cte: exp.Expr, name: str, env: Env, outer: _Scope | None) -> Reach:
        last = Reach()
        for _ in range(ROUNDS):
            found = _renamed(self._query(cte.this, {**env, name: last}, outer), cte)
            if found == last:
                return found
            last = found
        return unknown(last.columns)

    def _set_operation(self, query: exp.SetOperation, env: Env, outer: _Scope | None) -> Reach:
        operations = [query]
        while isinstance(query.this, exp.SetOperation) and not query.this.args.get("with_"):
            query = query.this
            operations.append(query)
        found = self._query(query.this, env, outer)
        for operation in reversed(operations):
            other = self._query(operation.expression, env, outer)
            joined = _by_name(found, other) if operation.args.get("by_name") else _by_position(found, other)
            rows = max(found.rows, other.rows)
            if operation.args.get("distinct") or not isinstance(operation, exp.Union):
                rows = max(rows, joined.any_column, other.any_column)
            found = replace(joined, rows=rows)
        return found

    def _modified(self, query: exp.Expr, found: Reach, env: Env, outer: _Scope | None) -> Reach:
        """The result of a union, or of a query in brackets, that is ordered or limited."""
        if not any(query.args.get(part) for part in BY_POSITION):
            return found
        scope = _Scope(outer)
        scope.sources[""] = found
        ordered = self._conditions(query, list(found.columns.values()), [], env, scope)
        return replace(found, rows=max(found.rows, ordered))

    def _select(self, select: exp.Select, env: Env, outer: _Scope | None) -> Reach:
        scope = _Scope(outer)
        rows = self._sources(select, env, scope)
        for window in select.args.get("windows") or ():
            scope.windows[window.name.lower()] = self._level(window, env, scope)
        found: dict[str, Level] = {}
        rest, is_whole = NO, True
        levels: list[Level] = []
        for number, item in enumerate(select.expressions):
            part = self._item(item, number, env, scope)
            is_whole &= part.is_whole
            rest = max(rest, part.rest)
            for name, level in part.columns.items():
                rest = max(rest, _put(found, name, level))
            levels.append(part.any_column)
            scope.aliases = found
            if part.any_column and item.find(*EXPLODING):
                rows = max(rows, part.any_column)
        rows = max(rows, self._conditions(select, levels, select.expressions, env, scope))
        if distinct := select.args.get("distinct"):
            on = distinct.args.get("on")
            rows = max(rows, self._level(on, env, scope) if on else max(levels, default=NO))
        return Reach(found, rest, rows, is_whole)

    def _sources(self, query: exp.Expr, env: Env, scope: _Scope) -> Level:
        """Add to the scope what a select reads, and say what decides on the rows of that."""
        start = query.args.get("from_")
        rows = self._add(start.this, env, scope) if start else NO
        return max(rows, self._joins(query, env, scope))

    def _joins(self, query: exp.Expr, env: Env, scope: _Scope) -> Level:
        rows = NO
        for join in query.args.get("joins") or ():
            before = dict(scope.sources)
            rows = max(rows, self._add(join.this, env, scope))
            after = [reach for name, reach in scope.sources.items() if before.get(name) is not reach]
            using = {name.name.lower() for name in join.args.get("using") or ()}
            if join.args.get("method") == "NATURAL":
                using |= {
                    name for reach in after for name in reach.columns if any(name in r.columns for r in before.values())
                }
                rows = max(
                    rows,
                    *(min(MAYBE, reach.any_column) for reach in scope.sources.values() if not _is_closed(reach)),
                    NO,
                )
            scope.joined |= using
            both = (*before.values(), *after)
            rows = max(rows, *(reach.of(name) for name in using for reach in both), NO)
            for part in ("on", "match_condition"):
                if condition := join.args.get(part):
                    rows = max(rows, self._level(condition, env, scope))
        for lateral in query.args.get("laterals") or ():
            rows = max(rows, self._add(lateral, env, scope))
        return rows

    def _add(self, source: exp.Expr, env: Env, scope: _Scope) -> Level:
        """Add a table or the like, and all that is joined to it in the same brackets."""
        inner = source.this if isinstance(source, exp.Subquery) else None
        if isinstance(inner, exp.Table) or (isinstance(inner, exp.Subquery) and source.args.get("joins")):
            own = _Scope(None) if source.alias else scope
            rows = max(self._add(inner, env, own), self._joins(source, env, own))
            if source.alias:
                star = self._star(exp.Star(), list(own.sources.values()), env, own)
                scope.sources[source.alias.lower()] = _renamed(replace(star, rows=rows), source)
            return rows
        reach = _renamed(self._relation(source, env, scope), source)
        if pivots := source.args.get("pivots"):
            reach = Reach(rest=MAYBE, rows=MAYBE) if reach.any_column else Reach(rows=reach.rows)
            names = [pivot.alias.lower() for pivot in pivots if pivot.alias]
            scope.sources[names[0] if names else source.alias_or_name.lower()] = reach
        else:
            scope.sources[source.alias_or_name.lower() or f"_{len(scope.sources)}"] = reach
        return max(reach.rows, self._joins(source, env, scope))

    def _relation(self, source: exp.Expr, env: Env, scope: _Scope) -> Reach:
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            return self._table(source, env)
        if isinstance(source, exp.Lateral) and isinstance(source.this, exp.Query):
            return self._query(source.this, env, scope)
        if isinstance(source, exp.Query):
            return self._query(source, env, scope)
        level = max((self._level(part, env, scope) for part in source.iter_expressions()), default=NO)
        return Reach(rest=level, rows=level)

    def _table(self, table: exp.Table, env: Env) -> Reach:
        name = tuple(part.name.lower() for part in table.parts)
        if len(name) == 1 and name[0] in env:
            return env[name[0]]
        nodes = self._tables.find(name)
        self.seen |= {node.unique_id for node in nodes}
        found = [self._reach(node) for node in nodes]
        if len(found) == 1:
            return found[0]
        columns = {name: max(reach.of(name) for reach in found) for name in set().union(*(r.columns for r in found))}
        return Reach(columns, max((r.rest for r in found), default=NO), max((r.rows for r in found), default=NO))

    def _reach(self, node: Node) -> Reach:
        nothing = Reach(dict.fromkeys(node.columns, NO), is_whole=node.has_all_columns)
        return self._reaches.get(node.unique_id, nothing)

    def _item(self, item: exp.Expr, number: int, env: Env, scope: _Scope) -> Reach:
        """A column of a select, or those that a star is."""
        if isinstance(item, exp.Star):
            return self._star(item, list(scope.sources.values()), env, scope)
        if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            if item.table.lower() in scope.sources:
                return self._star(item.this, [scope.sources[item.table.lower()]], env, scope)
            parts = [part.name.lower() for part in item.parts]
            return Reach(rest=min(MAYBE, scope.column(parts)))
        level = self._level(item, env, scope)
        if isinstance(item, exp.Aliases):
            return Reach({name.name.lower(): level for name in item.expressions}, is_whole=True)
        name = item.alias.lower() or (item.name.lower() if isinstance(item, exp.Column) else "")
        if name:
            return Reach({name: level}, is_whole=True)
        # What the engine calls it is not known here: a name that is not found may be this one.
        return Reach({f"{UNNAMED}item {number}": level}, min(MAYBE, level), is_whole=not item.find(exp.Columns))

    def _star(self, star: exp.Star, sources: Sequence[Reach], env: Env, scope: _Scope) -> Reach:
        dropped = {name.name.lower() for name in star.args.get("except_") or ()}
        renamed = {alias.this.name.lower(): alias.alias.lower() for alias in star.args.get("rename") or ()}
        replaced = {a.alias.lower(): self._level(a.this, env, scope) for a in star.args.get("replace") or ()}
        found: dict[str, Level] = {}
        rest = max((reach.rest for reach in sources), default=NO)
        is_whole = all(reach.is_whole for reach in sources) and not star.args.get("ilike")
        for reach in sources:
            for name, own in reach.columns.items():
                if name in dropped:
                    continue
                level, written = replaced.get(name, own), renamed.get(name, name)
                if name in scope.joined:
                    found[written] = max(level, found.get(written, NO))
                else:
                    rest = max(rest, _put(found, written, level))
        return Reach({**found, **(replaced if not is_whole else {})}, rest, is_whole=is_whole)

    def _conditions(
        self, query: exp.Expr, levels: Sequence[Level], items: Sequence[exp.Expr], env: Env, scope: _Scope
    ) -> Level:
        """What decides on the rows of a select: its filters, its grouping and its order."""
        rows = NO
        for part, value in query.args.items():
            if part in NOT_CONDITIONS or not isinstance(value, exp.Expr):
                continue
            rows = max(rows, self._level(value, env, scope))
            if part in BY_POSITION:
                rows = max(rows, _positioned(part, value, levels, items, scope))
        return rows

    def _level(self, root: exp.Expr, env: Env, scope: _Scope) -> Level:
        """The most of all columns, and of all queries, in an expression."""
        found = NO
        todo = [root]
        while todo and found != SURE:
            node = todo.pop()
            if isinstance(node, exp.Query | exp.Table):
                found = max(found, self._query(node, env, scope).most)
            elif isinstance(node, exp.Columns) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                found = max(found, scope.all)
            elif isinstance(node, exp.Column):
                found = max(found, scope.column([part.name.lower() for part in node.parts]))
            elif isinstance(node, exp.Star):
                found = max(found, NO if isinstance(node.parent, exp.Count) else scope.all)
            else:
                if isinstance(node, exp.Window) and node.args.get("alias"):
                    found = max(found, scope.windows.get(node.alias.lower(), NO))
                todo.extend(node.iter_expressions())
        return found


def _positioned(part: str, value: exp.Expr, levels: Sequence[Level], items: Sequence[exp.Expr], scope: _Scope) -> Level:
    """Columns of a grouping or an order that are given by number, as `all`, or in an order by their alias."""
    if value.args.get("all") or any(variable.name.lower() == "all" for variable in value.find_all(exp.Var)):
        grouped = [level for level, item in zip(levels, items, strict=True) if not item.find(exp.AggFunc)]
        return max(grouped if part == "group" else levels, default=NO)
    found = NO
    for literal in value.find_all(exp.Literal):
        if literal.is_int and isinstance(literal.parent, POSITIONED) and 0 < int(literal.name) <= len(levels):
            found = max(found, levels[int(literal.name) - 1])
    if part != "group":
        for column in value.find_all(exp.Column):
            found = max(found, NO if column.table else scope.aliases.get(column.name.lower(), NO))
    return found


def _put(found: dict[str, Level], name: str, level: Level) -> Level:
    """Add a column, and say what its unknown name hides: the engine gives the second of a name another one."""
    if name not in found:
        found[name] = level
        return NO
    found[name] = max(level, found[name])
    found[f"{UNNAMED}{len(found)}"] = level
    return min(MAYBE, level)


def _is_closed(reach: Reach) -> bool:
    return reach.is_whole and not reach.rest


def _renamed(reach: Reach, source: exp.Expr) -> Reach:
    """The columns as the alias of a table or CTE names them, if it does."""
    names = [name.lower() for name in source.alias_column_names]
    if not names:
        return reach
    if reach.is_whole:
        kept = list(reach.columns.items())
        columns = dict(
            zip((*names, *(name for name, _ in kept[len(names) :])), (level for _, level in kept), strict=False)
        )
        return replace(reach, columns=columns)
    if isinstance(source, exp.Table | exp.CTE) or reach.columns:
        return replace(reach, columns=dict.fromkeys(names, min(MAYBE, reach.any_column)))
    return replace(reach, columns=dict.fromkeys(names, reach.rest), rest=NO, is_whole=True)


def _by_name(one: Reach, other: Reach) -> Reach:
    names = dict.fromkeys((*one.columns, *other.columns))
    columns = {name: max(reach.of(name) for reach in (one, other)) for name in names}
    return Reach(columns, max(one.rest, other.rest), is_whole=one.is_whole and other.is_whole)


def _by_position(one: Reach, other: Reach) -> Reach:
    if one.is_whole and other.is_whole and len(one.columns) == len(other.columns):
        levels = zip(one.columns.items(), other.columns.values(), strict=True)
        return Reach({name: max(level, below) for (name, level), below in levels}, one.rest, is_whole=True)
    level = min(MAYBE, other.any_column)
    columns = {name: max(level, own) for name, own in one.columns.items()}
    return Reach(columns, max(one.rest, level), is_whole=one.is_whole)
