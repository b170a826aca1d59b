"""`coalesce(count_if(p), 0)` as a count of its own where p holds, which zone maps and statistics can answer."""

from __future__ import annotations

from sqlglot import exp

__all__ = ["counted_where"]


def counted_where(query: exp.Expr) -> exp.Expr | None:
    """Rewrite every such count over a source without groups."""
    found = [
        (coalesce, coalesce.this.this)
        for coalesce in query.find_all(exp.Coalesce)
        if isinstance(coalesce.this, exp.CountIf) and [str(e) for e in coalesce.expressions] == ["0"]
    ]
    for coalesce, condition in found:
        select = coalesce.find_ancestor(exp.Select)
        if select is None or select.args.get("group") or select.args.get("joins") or not select.args.get("from_"):
            return None
        counted = exp.select(exp.Count(this=exp.Star())).from_(select.args["from_"].this.copy())
        if select.args.get("where"):
            counted = counted.where(select.args["where"].this.copy())
        coalesce.replace(counted.where(condition.copy()).subquery())
    return query if found else None
