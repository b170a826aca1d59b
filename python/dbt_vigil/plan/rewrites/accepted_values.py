"""Groups of values, then those outside a list: the rows outside it are found without grouping.

There are rows where there are values, but more of them: 0 is exact, any other count is not.
"""

from __future__ import annotations

from sqlglot import exp

__all__ = ["rows_outside"]


def rows_outside(query: exp.Expr) -> exp.Expr | None:
    """`with v as (select c as value_field, count(*) … group by c) select * from v where value_field not in (…)`."""
    if not isinstance(query, exp.Select) or _clauses(query) != {"with_", "expressions", "from_", "where"}:
        return None
    start, ctes, condition = query.args["from_"].this, query.args["with_"], query.args["where"].this
    values = condition.this if isinstance(condition, exp.Not) else None
    if len(ctes.expressions) != 1 or ctes.args.get("recursive") or not isinstance(values, exp.In):
        return None
    (cte,) = ctes.expressions
    if start != exp.to_table(cte.alias) or cte.args["alias"].columns or [str(item) for item in query.selects] != ["*"]:
        return None
    if not isinstance(values.this, exp.Column) or values.this.table or values.args.get("query"):
        return None
    if not all(map(_is_constant, values.expressions)):
        return None
    grouped = cte.this
    if not isinstance(grouped, exp.Select) or not _clauses(grouped) <= {"expressions", "from_", "where", "group"}:
        return None
    group = grouped.args.get("group") or exp.Group()
    named = [item for item in grouped.selects if item.alias_or_name == values.this.name]
    if _clauses(group) != {"expressions"} or [item.unalias() for item in named] != group.expressions:
        return None
    if not all(_counts_rows(item.unalias()) for item in grouped.selects if item not in named):
        return None
    rows = grouped.copy()
    rows.set("group", None)
    rows.set("expressions", [named[0].copy()])
    outside = condition.copy()
    outside.this.this.replace(named[0].unalias().copy())
    return rows.where(outside, copy=False)


def _clauses(tree: exp.Expr) -> set[str]:
    return {key for key, value in tree.args.items() if value}


def _counts_rows(item: exp.Expr) -> bool:
    return isinstance(item, exp.Count) and isinstance(item.this, exp.Star)


def _is_constant(value: exp.Expr) -> bool:
    return not value.find(exp.Column, exp.Query)
