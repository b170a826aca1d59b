"""A left join that keeps the rows without a match is an anti join, which both engines plan better."""

from __future__ import annotations

from sqlglot import exp

__all__ = ["as_anti_join"]


def as_anti_join(query: exp.Expr) -> exp.Expr | None:
    """`select … from a left join b on a.x = b.y where b.y is null`, where only columns of a are selected."""
    joins = query.args.get("joins") or []
    where = query.args.get("where")
    if len(joins) != 1 or where is None or not isinstance(where.this, exp.Is):
        return None
    (join,) = joins
    null, on = where.this, join.args.get("on")
    if join.side != "LEFT" or join.kind or not isinstance(null.expression, exp.Null) or not isinstance(on, exp.EQ):
        return None
    parent = join.this.alias_or_name.lower()
    sides = [side for side in (on.left, on.right) if isinstance(side, exp.Column) and side.table.lower() == parent]
    if len(sides) != 1 or not isinstance(null.this, exp.Column) or null.this.table.lower() != parent:
        return None
    if null.this.name.lower() != sides[0].name.lower():
        return None
    if any(column.table.lower() == parent for item in query.expressions for column in item.find_all(exp.Column)):
        return None
    if any(isinstance(item, exp.Star) for item in query.expressions):
        return None
    rewritten = query.copy()
    rewritten.set("where", None)
    rewritten.args["joins"][0].set("side", "LEFT")
    rewritten.args["joins"][0].set("kind", "ANTI")
    return rewritten
