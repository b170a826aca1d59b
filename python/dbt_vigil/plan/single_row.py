"""Reads a query that always has one row as expressions over plain aggregates of tables.

The engine needs as long to plan the chain of CTEs in which a check is written as to answer it, and aggregates that stand
bare can share a scan. What is not surely such a query is not recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from sqlglot import exp

from dbt_vigil.plan.forms import Aggregate, AntiJoin

__all__ = ["NotRecognisedError", "Row", "Scan", "read_query"]

AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.CountIf: "count_if",
    exp.Max: "max",
    exp.Min: "min",
    exp.Sum: "sum",
}
CLAUSES = {"with_", "expressions", "from_", "joins", "where", "kind", "hint"}


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
Sources = Mapping[str, "Source | None"]


@dataclass
class _Reader:
    dialect: str
    aggregates: list[Aggregate | AntiJoin] = field(default_factory=list)

    def query(self, query: exp.Expr, ctes: Sources) -> Source:
        known = dict(ctes)
        for cte in query.args["with_"].expressions if query.args.get("with_") else ():
            try:
                known[cte.alias.lower()] = self.query(cte.this, known)
            except NotRecognisedError:  # no harm, unless it is read
                known[cte.alias.lower()] = None
        if isinstance(query, exp.Union) and query.args.get("distinct") is False:
            return self._union(query, known)
        if not isinstance(query, exp.Select) or any(v for k, v in query.args.items() if v and k not in CLAUSES):
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
        return Rows(tuple(Row(dict(zip(names, part.columns.values(), strict=True))) for part in parts))

    def _select(self, select: exp.Select, ctes: Sources) -> Source:
        joins = select.args.get("joins") or ()
        if any(join.kind == "ANTI" for join in joins):
            orphans = self._anti_join(select, ctes)
            if all(isinstance(item.unalias(), (exp.Count, exp.Literal)) for item in select.expressions):
                count = self.counted(orphans)
                items = [(item.alias_or_name.lower(), item.unalias()) for item in select.expressions]
                return Row({n: v if isinstance(v, exp.Literal) else count for n, v in items if _counts_rows(v)})
            return orphans
        sources = self._sources(select, ctes)
        where = select.args.get("where")
        scans = [source for source in sources.values() if isinstance(source, Scan)]
        if len(sources) == 1 and scans:
            (scan,) = scans
            if where:
                scan = Scan(scan.table, (*scan.where, *self._conditions(where.this, sources, ctes)), scan.columns)
            if any(item.find(*AGGREGATES) for item in select.expressions):
                return Row(self._columns(select, sources, ctes, scan))
            if any(
                item.find(exp.AggFunc, exp.Window, exp.Subquery, exp.Explode, exp.Unnest) for item in select.expressions
            ):
                raise NotRecognisedError
            if len(select.expressions) == 1 and isinstance(select.expressions[0], exp.Star):
                return scan
            return Scan(scan.table, scan.where, self._columns(select, sources, ctes))
        if scans or where:
            raise NotRecognisedError
        if any(isinstance(source, Rows) for source in sources.values()):
            return self._summed(select, sources)
        return Row(self._columns(select, sources, ctes))

    def _sources(self, select: exp.Select, ctes: Sources) -> dict[str, Source]:
        start = select.args.get("from_")
        if start is None:
            return {}
        sources = dict([self._source(start.this, ctes)])
        for join in select.args.get("joins") or ():
            name, source = self._source(join.this, ctes)
            on = join.args.get("on")
            is_always = isinstance(on, exp.Boolean) and on.this
            if join.side not in ("", "LEFT") or join.kind or not is_always or not isinstance(source, Row):
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
            source = ctes[item.name.lower()]
            if source is None:
                raise NotRecognisedError
            return name, source
        bare = item.copy()
        bare.set("alias", None)
        return name, Scan(bare.sql(self.dialect))

    def _anti_join(self, select: exp.Select, ctes: Sources) -> Orphans:
        """The rows of the first table without a row in the second: they can be counted."""
        (join, *others) = select.args["joins"]
        on = join.args.get("on")
        if others or on is None or select.args.get("where"):
            raise NotRecognisedError
        sides = [self._source(select.args["from_"].this, ctes), self._source(join.this, ctes)]
        keys: list[list[exp.Expr]] = []
        for equation in on.flatten() if isinstance(on, exp.And) else [on]:
            if not isinstance(equation, exp.EQ) or sides[0][0] == sides[1][0]:
                raise NotRecognisedError
            terms = [equation.left, equation.right]
            keys.append([self._key(terms, name, side) for name, side in sides])
        child, parent = (
            f"select {', '.join(f'{pair[n].sql(self.dialect)} as key_{k}' for k, pair in enumerate(keys))} "
            f"from {side.table}{f' where {where}' if (where := self._where(side)) else ''}"
            for n, (_, side) in enumerate(sides)
            if isinstance(side, Scan)
        )
        return Orphans(AntiJoin(child, parent, len(keys)))

    def _key(self, terms: list[exp.Expr], name: str, side: Source) -> exp.Expr:
        columns = [term for term in terms if isinstance(term, exp.Column) and term.table.lower() == name]
        if len(columns) != 1 or not isinstance(side, Scan):
            raise NotRecognisedError
        return _found(columns[0], {name: side})

    def _columns(
        self,
        select: exp.Select,
        sources: Sources,
        ctes: Sources,
        aggregated: Scan | None = None,
    ) -> dict[str, exp.Expr]:
        columns: dict[str, exp.Expr] = {}
        for item in select.expressions:
            if isinstance(item, exp.Star):
                for source in sources.values():
                    if not isinstance(source, Row) or item.args.get("except_") or item.args.get("replace"):
                        raise NotRecognisedError
                    columns |= source.columns
            else:
                expression = self._aggregated(item, aggregated, sources, ctes) if aggregated else item
                columns[item.alias_or_name.lower()] = self._bound(
                    expression.unalias(), {} if aggregated else sources, ctes
                )
        return columns

    def _aggregated(self, item: exp.Expr, scan: Scan, sources: Sources, ctes: Sources) -> exp.Expr:
        def replaced(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Subquery):
                return self._bound(node, {}, ctes)
            if type(node) not in AGGREGATES:
                if isinstance(node, (exp.AggFunc, exp.Window, exp.Filter)):
                    raise NotRecognisedError
                return node
            if isinstance(node.this, exp.Distinct) or node.expressions or node.this.find(exp.AggFunc):
                raise NotRecognisedError
            argument = node.this if isinstance(node.this, exp.Star) else self._bound(node.this, sources, ctes)
            return self._aggregate(AGGREGATES[type(node)], argument, scan)

        return _transformed(item.copy(), replaced)

    def _aggregate(self, function: str, argument: exp.Expr, scan: Scan) -> exp.Expr:
        if isinstance(argument, exp.Literal) and function == "count":
            argument = exp.Star()
        return self._named(Aggregate(function, argument.sql(self.dialect), scan.table, self._where(scan)))

    def _named(self, aggregate: Aggregate | AntiJoin) -> exp.Expr:
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        return exp.Identifier(this=f"vigil_{self.aggregates.index(aggregate)}", quoted=False)

    def _where(self, scan: Scan) -> str:
        return " and ".join(f"({condition.sql(self.dialect)})" for condition in scan.where)

    def counted(self, source: Scan | Orphans) -> exp.Expr:
        """The number of rows."""
        if isinstance(source, Orphans):
            return self._named(source.anti_join)
        return self._aggregate("count", exp.Star(), source)

    def _conditions(self, condition: exp.Expr, sources: Sources, ctes: Sources) -> list[exp.Expr]:
        parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
        bound = [self._bound(part, sources, ctes) for part in parts]
        return [part for part in bound if not (isinstance(part, exp.Boolean) and part.this)]

    def _summed(self, select: exp.Select, sources: Sources) -> Row:
        """Sums over a known number of rows, each of which is a count."""
        (rows,) = sources.values()
        assert isinstance(rows, Rows)

        def replaced(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Sum):
                if isinstance(node, exp.AggFunc):
                    raise NotRecognisedError
                return node
            terms = [_found(node.this, {"": part}) for part in rows.parts]
            if not all(self._is_count(term) for term in terms):
                raise NotRecognisedError
            terms = [term for term in terms if term.sql() != "0"] or terms[:1]
            return exp.paren(reduce(lambda a, b: exp.Add(this=a, expression=b), terms)) if len(terms) > 1 else terms[0]

        columns = {}
        for item in select.expressions:
            expression = item.copy().transform(replaced)
            if expression.find(exp.Column):
                raise NotRecognisedError
            columns[item.alias_or_name.lower()] = expression.unalias()
        return Row(columns)

    def _is_count(self, term: exp.Expr) -> bool:
        if isinstance(term, exp.Literal):
            return term.is_int
        if not isinstance(term, exp.Identifier):
            return False
        aggregate = self.aggregates[int(term.name.removeprefix("vigil_"))]
        return isinstance(aggregate, AntiJoin) or aggregate.function == "count"

    def _bound(self, expression: exp.Expr, sources: Sources, ctes: Sources) -> exp.Expr:
        """The expression over a table's columns or over aggregates, in place of the columns that a query gave names to."""

        def replaced(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Subquery):
                source = self.query(node.this, ctes)
                if not isinstance(source, Row) or len(source.columns) != 1:
                    raise NotRecognisedError
                (value,) = source.columns.values()
                return _grouped(value)
            if isinstance(node, exp.Column):
                return _found(node, sources)
            if isinstance(node, (exp.AggFunc, exp.Window, exp.Exists, exp.Select, exp.Star)):
                raise NotRecognisedError
            return node

        return _transformed(expression.copy(), replaced)


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
    if not isinstance(column, exp.Column) or column.args.get("db"):
        raise NotRecognisedError
    name, qualifier = column.name.lower(), column.table.lower()
    found: list[exp.Expr] = []
    for source_name, source in sources.items():
        if qualifier and source_name != qualifier:
            continue
        if not isinstance(source, (Scan, Row)):
            raise NotRecognisedError
        if source.columns is None:
            found.append(exp.Column(this=column.this.copy()))
        elif name in source.columns:
            found.append(_grouped(source.columns[name]))
    if len(found) != 1:
        raise NotRecognisedError
    return found[0]


def _counts_rows(value: exp.Expr) -> bool:
    if not isinstance(value, exp.Literal) and not isinstance(value.this, exp.Star):
        raise NotRecognisedError
    return True


def _grouped(value: exp.Expr) -> exp.Expr:
    simple = (exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Func, exp.Null, exp.Boolean)
    return value.copy() if isinstance(value, simple) else exp.Paren(this=value.copy())


def read_query(query: exp.Expr, dialect: str) -> tuple[Row, tuple[Aggregate | AntiJoin, ...]]:
    """Read a query as one row over aggregates; for one that has any number of rows, that is `row_count`.

    Raises:
        NotRecognisedError: It is neither that nor the rows of one table.
    """
    reader = _Reader(dialect)
    source = reader.query(query, {})
    if isinstance(source, Rows):
        raise NotRecognisedError
    row = source if isinstance(source, Row) else Row({"row_count": reader.counted(source)})
    return row, tuple(reader.aggregates)
