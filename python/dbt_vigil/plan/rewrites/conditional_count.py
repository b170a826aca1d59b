"""`coalesce(count_if(p), 0)` as a count of its own where p holds, which zone maps and statistics can answer."""

from __future__ import annotations

from sqlglot import exp

__all__ = ["counted_where"]

CLAUSES = {"with_", "expressions", "from_", "where"}


def counted_where(query: exp.Expr) -> exp.Expr | None:
    """Rewrite every such count beside a `count(*)`, which keeps the query one row, over a source without groups."""
    rewritten = query.copy()
    found = [coalesce for coalesce in rewritten.find_all(exp.Coalesce) if _is_conditional_count(coalesce)]
    for coalesce in found:
        select = coalesce.find_ancestor(exp.Select)
        if select is None or not select.args.get("from_") or not _keeps_one_row(select):
            return None
        counted = exp.select(exp.Count(this=exp.Star())).from_(select.args["from_"].this.copy())
        if select.args.get("where"):
            counted = counted.where(select.args["where"].this.copy())
        coalesce.replace(counted.where(coalesce.this.this.copy()).subquery())
    return rewritten if found else None


def _is_conditional_count(coalesce: exp.Coalesce) -> bool:
    counted = coalesce.this
    return (
        isinstance(counted, exp.CountIf)
        and [str(otherwise) for otherwise in coalesce.expressions] == ["0"]
        and not isinstance(counted.this, exp.Distinct)
    )


def _keeps_one_row(select: exp.Select) -> bool:
    return {key for key, value in select.args.items() if value} <= CLAUSES and any(
        isinstance(item.unalias(), exp.Count) for item in select.selects
    )
