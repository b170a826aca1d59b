"""Reads a query that always has one row as expressions over plain aggregates of tables.

The engine needs as long to plan the chain of CTEs in which a check is written as to answer it, and aggregates that
stand bare can share a scan. What is not surely such a query is not recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from sqlglot import exp

from dbt_vigil.plan.forms import Aggregate, AntiJoin

__all__ = ["NotRecognisedError", "read_count", "read_row"]

AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.CountIf: "count_if",
    exp.Max: "max",
    exp.Min: "min",
    exp.Sum: "sum",
}
CLAUSES = {"with_", "expressions", "from_", "joins", "where"}
UNION_CLAUSES = {"with_", "this", "expression"}
CONSTANTS = (exp.Literal, exp.Null, exp.Boolean)
UNREADABLE = (
    exp.AggFunc,
    exp.Window,
    exp.Query,
    exp.SubqueryPredicate,
    exp.Star,
    exp.Columns,
    exp.Lambda,
    exp.Comprehension,
)


class NotRecognisedError(Exception):
    """The query is not of the kind that is read here."""


@dataclass(frozen=True)
class Scan:
    """Rows of one table that pass a filter, with the columns that a query gives them; None: those of the table."""

    table: str
    where: tuple[exp.Expr, ...] = ()
    columns: Mapping[str, exp.Expr] | None = None


@dataclass(frozen=True)
class Row:
    """One row: its columns are expressions over aggregates."""

    columns: Mapping[str, exp.Expr]


@dataclass(frozen=True)
class Rows:
    """As many rows as there are parts."""

    parts: tuple[Row, ...]


@dataclass(frozen=True)
class Orphans:
    """The rows of one query that have no match in another: they can be counted."""

    anti_join: AntiJoin


Source = Scan | Row | Rows | Orphans
Sources = Mapping[str, Source]


@dataclass
class _Reader:
    dialect: str
    aggregates: list[Aggregate | AntiJoin] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """CTEs. One that is not read may be an error all the same."""
    selected: list[tuple[str, exp.Expr]] = field(default_factory=list)
    """Of each table what was selected of its rows: it may be an error, and must be among what is asked."""
    asked: list[tuple[str, exp.Expr]] = field(default_factory=list)

    def is_complete(self) -> bool:
        """Whether all that could be an error in the query is in the aggregates too."""
        kinds = {type(value) for _, value in self.selected}
        parts = ((table, part) for table, whole in self.asked for part in whole.walk() if type(part) in kinds)
        asked = {(table, part.sql(self.dialect)) for table, part in parts}
        return not self.unread and all((table, value.sql(self.dialect)) in asked for table, value in self.selected)

    def query(self, query: exp.Expr, ctes: Sources) -> Source:
        known = dict(ctes)
        with_ = query.args.get("with_") or exp.With(expressions=[])
        for cte in with_.expressions:
            name = cte.alias.lower()
            if with_.args.get("recursive") or cte.args["alias"].columns or name in known:
                raise NotRecognisedError
            known[name] = self.query(cte.this, known)
            self.unread.add(name)
        clauses = _clauses(query)
        if isinstance(query, exp.Union) and query.args.get("distinct") is False and clauses <= UNION_CLAUSES:
            return self._union(query, known)
        if not isinstance(query, exp.Select) or not clauses <= CLAUSES:
            raise NotRecognisedError
        return self._select(query, known)

    def _union(self, union: exp.Union, ctes: Sources) -> Source:
        parts: list[Row] = []
        for side in (union.left, union.right):
            source = self.query(side, ctes)
            if not isinstance(source, (Row, Rows)):
                raise NotRecognisedError
            parts.extend(source.parts if isinstance(source, Rows) else [source])
        # A union names its columns by its first part, and matches the others by position.
        names = list(parts[0].columns)
        if any(len(part.columns) != len(names) for part in parts):
            raise NotRecognisedError
        return Rows(tuple(Row(dict(zip(names, part.columns.values(), strict=True))) for part in parts))

    def _select(self, select: exp.Select, ctes: Sources) -> Source:
        items, where = select.selects, select.args.get("where")
        if any(join.kind == "ANTI" for join in select.args.get("joins") or ()):
            return self._anti_join(select, ctes)
        sources = self._sources(select, ctes)
        kinds = [type(source) for source in sources.values()]
        if kinds == [Scan]:
            (scan,) = (source for source in sources.values() if isinstance(source, Scan))
            if where:
                scan = Scan(scan.table, (*scan.where, *self._conditions(where.this, sources)), scan.columns)
            if any(_is_aggregated(item) for item in items):
                return Row(self._columns(items, sources, ctes, scan))
            return scan if _is_star(items) else Scan(scan.table, scan.where, self._selected(items, sources, scan))
        if where or not set(kinds) <= {Row, Rows}:
            raise NotRecognisedError
        return self._summed(items, sources) if Rows in kinds else Row(self._columns(items, sources, ctes))

    def _sources(self, select: exp.Select, ctes: Sources) -> dict[str, Source]:
        start = select.args.get("from_")
        if start is None:
            return {}
        sources = dict([self._source(start.this, ctes)])
        for join in select.args.get("joins") or ():
            name, source = self._source(join.this, ctes)
            on = join.args.get("on")
            is_always = isinstance(on, exp.Boolean) and on.this
            if join.side not in ("", "LEFT") or join.kind or join.method or not is_always:
                raise NotRecognisedError
            if not isinstance(source, Row) or name in sources:
                raise NotRecognisedError
            sources[name] = source
        return sources

    def _source(self, item: exp.Expr, ctes: Sources) -> tuple[str, Source]:
        if any(value for key, value in item.args.items() if value and key not in ("this", "alias", "db", "catalog")):
            raise NotRecognisedError
        alias = item.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise NotRecognisedError
        if isinstance(item, exp.Subquery):
            return item.alias.lower(), self.query(item.this, ctes)
        if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
            raise NotRecognisedError
        name = item.alias_or_name.lower()
        if item.name.lower() in ctes and not item.db:
            self.unread.discard(item.name.lower())
            return name, ctes[item.name.lower()]
        bare = item.copy()
        bare.set("alias", None)
        return name, Scan(bare.sql(self.dialect))

    def _anti_join(self, select: exp.Select, ctes: Sources) -> Source:
        """The rows of the first table without a row in the second: they can be counted."""
        (join, *others) = select.args["joins"]
        if others or join.side not in ("", "LEFT") or join.method or join.args.get("using") or select.args.get("where"):
            raise NotRecognisedError
        (child_name, child), (parent_name, parent) = (
            self._source(side, ctes) for side in (select.args["from_"].this, join.this)
        )
        if not isinstance(child, Scan) or not isinstance(parent, Scan) or child_name == parent_name:
            raise NotRecognisedError
        on = join.args.get("on")
        equations = list(on.flatten() if isinstance(on, exp.And) else [on])
        keys = self._keys(equations, child_name, child)
        are_known = [exp.Not(this=exp.Is(this=key, expression=exp.null())) for key in keys]
        if not all(condition in child.where for condition in are_known):
            raise NotRecognisedError  # a row without a key would be counted
        rest = Scan(child.table, tuple(c for c in child.where if c not in are_known), child.columns)
        parents = self._keys(equations, parent_name, parent)
        sides = self._keyed(rest, keys), self._keyed(parent, parents)
        orphans = Orphans(AntiJoin(*sides, len(keys), child.table, self._where(child)))
        if not any(_is_aggregated(item) for item in select.selects):
            self._selected(select.selects, {child_name: child}, child)
            return orphans
        if not all(isinstance(item.unalias(), CONSTANTS) or _counts_rows(item.unalias()) for item in select.selects):
            raise NotRecognisedError
        count = self._named(orphans.anti_join)
        return Row({_name(i): count if _counts_rows(i.unalias()) else i.unalias() for i in select.selects})

    def _keys(self, equations: Sequence[exp.Expr], name: str, side: Scan) -> list[exp.Expr]:
        keys = []
        for equation in equations:
            if not isinstance(equation, exp.EQ):
                raise NotRecognisedError
            terms = [term for term in (equation.left, equation.right) if isinstance(term, exp.Column)]
            ours = [term for term in terms if term.table.lower() == name]
            if len(terms) != 2 or len(ours) != 1:
                raise NotRecognisedError
            keys.append(_found(ours[0], {name: side}))
        self.asked += [(side.table, part) for part in (*keys, *side.where)]
        return keys

    def _keyed(self, side: Scan, keys: Sequence[exp.Expr]) -> str:
        columns = ", ".join(f"{key.sql(self.dialect)} as key_{k}" for k, key in enumerate(keys))
        where = self._where(side)
        return f"select {columns} from {side.table}{f' where {where}' if where else ''}"

    def _selected(self, items: Sequence[exp.Expr], sources: Sources, scan: Scan) -> dict[str, exp.Expr]:
        columns = self._columns(items, sources, None)
        self.selected += [(scan.table, value) for value in columns.values() if not isinstance(value, CONSTANTS)]
        return columns

    def _columns(
        self, items: Sequence[exp.Expr], sources: Sources, ctes: Sources | None, aggregated: Scan | None = None
    ) -> dict[str, exp.Expr]:
        columns: list[tuple[str, exp.Expr]] = []
        for item in items:
            if isinstance(item, exp.Star):
                for source in sources.values():
                    if not isinstance(source, Row) or any(item.args.values()):
                        raise NotRecognisedError
                    columns += source.columns.items()
            elif aggregated:
                columns.append((_name(item), self._aggregated(item.unalias(), aggregated, sources, ctes or {})))
            else:
                columns.append((_name(item), self._bound(item.unalias(), sources, ctes)))
        if len(dict(columns)) != len(columns):
            raise NotRecognisedError
        return dict(columns)

    def _aggregated(self, item: exp.Expr, scan: Scan, sources: Sources, ctes: Sources) -> exp.Expr:
        def replaced(node: exp.Expr) -> exp.Expr:
            if type(node) in AGGREGATES:
                if isinstance(node.this, exp.Distinct) or node.this is None or node.expressions:
                    raise NotRecognisedError
                argument = node.this if isinstance(node.this, exp.Star) else self._bound(node.this, sources, None)
                return self._aggregate(AGGREGATES[type(node)], argument, scan)
            if isinstance(node, exp.Filter):
                raise NotRecognisedError
            # What stands beside the aggregates has no column of the table.
            return self._replaced(node, {}, ctes)

        return _transformed(item.copy(), replaced)

    def _aggregate(self, function: str, argument: exp.Expr, scan: Scan) -> exp.Expr:
        if isinstance(argument, exp.Literal) and function == "count":
            argument = exp.Star()
        self.asked += [(scan.table, part) for part in (argument, *scan.where)]
        is_prunable = function == "count" and (
            len(scan.where) == 1 and isinstance(argument, exp.Star) and _is_prunable(scan.where[0])
            if scan.where
            else isinstance(argument, exp.Column)
        )
        return self._named(Aggregate(function, argument.sql(self.dialect), scan.table, self._where(scan), is_prunable))

    def _named(self, aggregate: Aggregate | AntiJoin) -> exp.Expr:
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        return exp.Identifier(this=f"vigil_{self.aggregates.index(aggregate)}", quoted=False)

    def _where(self, scan: Scan) -> str:
        return " and ".join(f"({condition.sql(self.dialect)})" for condition in scan.where)

    def counted(self, source: Source) -> exp.Expr:
        """The number of rows."""
        if isinstance(source, Orphans):
            return self._named(source.anti_join)
        if not isinstance(source, Scan):
            raise NotRecognisedError
        return self._aggregate("count", exp.Star(), source)

    def _conditions(self, condition: exp.Expr, sources: Sources) -> list[exp.Expr]:
        parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
        bound = [self._bound(part, sources, None) for part in parts]
        return [part for part in bound if not (isinstance(part, exp.Boolean) and part.this)]

    def _summed(self, items: Sequence[exp.Expr], sources: Sources) -> Row:
        """Sums over a known number of rows, each of which is a count."""
        (rows, *others) = sources.values()
        if others or not isinstance(rows, Rows) or not any(_is_aggregated(item) for item in items):
            raise NotRecognisedError
        parts = rows.parts

        def replaced(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Sum):
                return self._replaced(node, {}, None)
            terms = [_found(node.this, {"": part}) for part in parts]
            if not all(self._is_count(term) for term in terms):
                raise NotRecognisedError
            terms = [term for term in terms if term.sql() != "0"] or terms[:1]
            return exp.paren(reduce(lambda a, b: exp.Add(this=a, expression=b), terms)) if len(terms) > 1 else terms[0]

        return Row({_name(item): _transformed(item.unalias().copy(), replaced) for item in items})

    def _is_count(self, term: exp.Expr) -> bool:
        if isinstance(term, exp.Literal):
            return term.is_int
        if not isinstance(term, exp.Identifier):
            return False
        aggregate = self.aggregates[int(term.name.removeprefix("vigil_"))]
        return isinstance(aggregate, AntiJoin) or aggregate.function == "count"

    def _bound(self, expression: exp.Expr, sources: Sources, ctes: Sources | None) -> exp.Expr:
        """The expression over a table's columns or over aggregates, in place of the names that a query gave them."""
        return _transformed(expression.copy(), lambda node: self._replaced(node, sources, ctes))

    def _replaced(self, node: exp.Expr, sources: Sources, ctes: Sources | None) -> exp.Expr:
        """A node of such an expression; without `ctes` it has no query in it."""
        if isinstance(node, exp.Subquery) and ctes is not None and _clauses(node) == {"this"}:
            source = self.query(node.this, ctes)
            if not isinstance(source, Row) or len(source.columns) != 1:
                raise NotRecognisedError
            (value,) = source.columns.values()
            return _grouped(value)
        if isinstance(node, exp.Column):
            return _found(node, sources)
        if isinstance(node, UNREADABLE) or node.args.get("query"):
            raise NotRecognisedError
        return node


def _is_prunable(condition: exp.Expr, *, negated: bool = False) -> bool:
    """Whether least and greatest values, and the number of nulls, say for certain that no row meets a condition.

    That is so where it asks for nulls, or for values below or above a constant, in this column or in that.
    """
    if isinstance(condition, (exp.Paren, exp.Not)):
        return _is_prunable(condition.this, negated=negated ^ isinstance(condition, exp.Not))
    if isinstance(condition, exp.And if negated else exp.Or):
        return all(_is_prunable(part, negated=negated) for part in condition.iter_expressions())
    terms = [term.this if isinstance(term, (exp.Neg, exp.Cast)) else term for term in condition.iter_expressions()]
    columns = [term for term in terms if isinstance(term, exp.Column)]
    if len(columns) > 1 or not all(isinstance(term, (exp.Column, *CONSTANTS)) for term in terms):
        return False
    if isinstance(condition, exp.Is):
        return bool(columns) and isinstance(condition.expression, exp.Null) and not negated
    if isinstance(condition, exp.Between):
        return isinstance(condition.this, exp.Column) and negated
    return isinstance(condition, (exp.LT, exp.LTE, exp.GT, exp.GTE)) or not columns


def _transformed(expression: exp.Expr, replaced: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    # What was put in is not looked at again: it is bound already.
    new = replaced(expression)
    if new is not expression:
        return new
    for child in list(expression.iter_expressions()):
        found = _transformed(child, replaced)
        if found is not child:
            child.replace(found)
    return expression


def _found(column: exp.Expr, sources: Sources) -> exp.Expr:
    if not isinstance(column, exp.Column) or column.args.get("db") or isinstance(column.this, exp.Star):
        raise NotRecognisedError
    name, qualifier = column.name.lower(), column.table.lower()
    found: list[exp.Expr] = []
    for source_name, source in sources.items():
        if qualifier and source_name != qualifier:
            continue
        if not isinstance(source, (Scan, Row)):
            raise NotRecognisedError
        if source.columns is None:
            # `t.user` is a column, and `user` a function.
            found.append(exp.column(column.name, quoted=bool(qualifier) or column.this.quoted))
        elif name in source.columns:
            found.append(_grouped(source.columns[name]))
    if len(found) != 1:
        raise NotRecognisedError
    return found[0]


def _name(item: exp.Expr) -> str:
    # The engines differ in how they call what has no name.
    return item.alias_or_name.lower() if isinstance(item, (exp.Alias, exp.Column)) else ""


def _is_star(items: Sequence[exp.Expr]) -> bool:
    return len(items) == 1 and isinstance(items[0], exp.Star) and not any(items[0].args.values())


def _is_aggregated(item: exp.Expr) -> bool:
    return any(type(node) in AGGREGATES for node in item.walk(prune=lambda node: isinstance(node, exp.Subquery)))


def _counts_rows(value: exp.Expr) -> bool:
    return isinstance(value, exp.Count) and isinstance(value.this, exp.Star)


def _clauses(query: exp.Expr) -> set[str]:
    return {key for key, value in query.args.items() if value}


def _grouped(value: exp.Expr) -> exp.Expr:
    simple = (exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Func, exp.Null, exp.Boolean)
    return value.copy() if isinstance(value, simple) else exp.Paren(this=value.copy())


def read_row(query: exp.Expr, dialect: str) -> tuple[Mapping[str, exp.Expr], tuple[Aggregate | AntiJoin, ...]]:
    """Read a query that has one row as its columns, over aggregates.

    Raises:
        NotRecognisedError: It is not surely such a query.
    """
    reader = _Reader(dialect)
    source = reader.query(query, {})
    if not isinstance(source, Row) or not reader.is_complete():
        raise NotRecognisedError
    return source.columns, tuple(reader.aggregates)


def read_count(query: exp.Expr, dialect: str) -> Aggregate | AntiJoin:
    """Read a query as the number of its rows.

    Raises:
        NotRecognisedError: They are not surely rows of one table.
    """
    reader = _Reader(dialect)
    reader.counted(reader.query(query, {}))
    if len(reader.aggregates) != 1 or not reader.is_complete():
        raise NotRecognisedError
    return reader.aggregates[0]
