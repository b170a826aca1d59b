"""Groups of values, then those outside a list: the rows outside it are found without grouping.

There are rows where there are values, but more of them: 0 is exact, any other count is not.
"""

from __future__ import annotations

from sqlglot import exp

__all__ = ["rows_outside"]


def rows_outside(query: exp.Expr) -> exp.Expr | None:
    """`with v as (select c as value_field, count(*) … from t group by c) select * from v where value_field not in (…)`."""
    if not isinstance(query, exp.Select) or query.args.get("joins") or query.args.get("where") is None:
        return None
    (start,) = (query.args.get("from_") or exp.From()).args.values() or (None,)
    ctes = query.args["with_"].expressions if query.args.get("with_") else []
    if len(ctes) != 1 or not isinstance(start, exp.Table) or start.name != ctes[0].alias or start.alias:
        return None
    if any(
        value for key, value in query.args.items() if value and key not in ("with_", "from_", "where", "expressions")
    ):
        return None
    condition = query.args["where"].this
    values = condition.this if isinstance(condition, exp.Not) else None
    if not isinstance(values, exp.In) or not values.expressions or not isinstance(values.this, exp.Column):
        return None
    grouped = ctes[0].this
    group = grouped.args.get("group")
    if not isinstance(grouped, exp.Select) or group is None or len(group.expressions) != 1:
        return None
    if any(value for key, value in group.args.items() if value and key != "expressions"):
        return None
    named = [item for item in grouped.expressions if item.alias_or_name == values.this.name]
    others = [item.unalias() for item in grouped.expressions if item.alias_or_name != values.this.name]
    if (
        len(named) != 1
        or named[0].unalias() != group.expressions[0]
        or not all(isinstance(o, exp.Count) for o in others)
    ):
        return None
    if grouped.args.get("having") or grouped.args.get("limit") or grouped.args.get("distinct"):
        return None
    rows = grouped.copy()
    rows.set("group", None)
    rows.set("expressions", [named[0].copy()])
    outside = condition.copy()
    outside.this.this.replace(named[0].unalias().copy())
    return rows.where(outside, copy=False)
