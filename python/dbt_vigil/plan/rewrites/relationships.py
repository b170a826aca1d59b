"""A left join that keeps the rows without a match is an anti join, which both engines plan better."""

from __future__ import annotations

from sqlglot import exp

__all__ = ["as_anti_join"]


def as_anti_join(query: exp.Expr) -> exp.Expr | None:
    """`select … from a left join b on a.x = b.y where b.y is null`, where only columns of a are selected."""
    joins, where = query.args.get("joins") or [], query.args.get("where")
    if len(joins) != 1 or where is None or not isinstance(where.this, exp.Is):
        return None
    (join,) = joins
    null, on = where.this, join.args.get("on")
    if {key for key, value in join.args.items() if value} != {"this", "side", "on"} or join.side != "LEFT":
        return None
    if not isinstance(null.expression, exp.Null) or not isinstance(on, exp.EQ):
        return None
    parent = join.this.alias_or_name.lower()
    keys = [side for side in (on.left, on.right) if isinstance(side, exp.Column) and side.table.lower() == parent]
    if len(keys) != 1 or _name(null.this) != _name(keys[0]):
        return None
    if any(item.find(exp.Star) or parent in _tables(item) for item in query.expressions):
        return None
    rewritten = query.copy()
    rewritten.set("where", None)
    rewritten.args["joins"][0].set("kind", "ANTI")
    return rewritten


def _tables(item: exp.Expr) -> set[str]:
    return {column.table.lower() for column in item.find_all(exp.Column)}


def _name(column: exp.Expr) -> list[str]:
    return [part.name.lower() for part in column.parts] if isinstance(column, exp.Column) else []
