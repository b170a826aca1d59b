"""Reads how many rows of a file an aggregate is over, as SQL over the statistics of the file.

A condition on rows becomes two on a file: that it holds for every row, and that it holds for none. Both are null where
the statistics do not say. Bounds are compared as the values are, by the engine and in the same types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from dbt_vigil.plan.forms import Aggregate
from dbt_vigil.plan.lakes import BOUNDED, ROWS, TIMES, Counted, statistic

__all__ = ["counted"]

Types = Mapping[str, str]

DIALECT = "spark"
OPERATORS: Mapping[type[exp.Expr], str] = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
NEGATED: Mapping[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GTE, exp.LTE: exp.GT, exp.GT: exp.LTE, exp.GTE: exp.LT, exp.EQ: exp.NEQ, exp.NEQ: exp.EQ,
}  # fmt: skip
MIRRORED: Mapping[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE, exp.EQ: exp.EQ, exp.NEQ: exp.NEQ,
}  # fmt: skip
FLOATS = ("float", "double")
TEXTS = ("string", "binary")


class _NotReadError(Exception):
    """Statistics say nothing of it."""


@dataclass(frozen=True)
class _Part:
    """A condition, by what the statistics of a file say of it."""

    always: str
    """That it holds for every row in which no column of `rejects` is null."""
    never: str
    """That it holds for no row."""
    rejects: frozenset[str] = frozenset()
    """The columns without which it does not hold."""
    counted: str = ""
    """For how many rows it holds, where that is known although neither all nor none do."""

    def holds(self, known: Iterable[str] = ()) -> str:
        """That it holds for every row in which the columns `known` are not null."""
        return _all([self.always, *(f"{statistic(c, 'nulls')} = 0" for c in sorted(self.rejects - {*known}))])

    @property
    def rows(self) -> str:
        """For how many rows it holds; null where that is not known."""
        if "true" in (self.never, self.holds()):
            return "0" if self.never == "true" else ROWS
        counts = {column: f"{ROWS} - {statistic(column, 'nulls')}" for column in sorted(self.rejects)}
        for column, rows in counts.items():
            if self.holds([column]) == "true":
                return rows
        found = [(self.never, "0"), (self.holds(), ROWS)]
        found += [(self.holds([column]), rows) for column, rows in counts.items()]
        cases = " ".join(f"when {condition} then {rows}" for condition, rows in found if condition != "false")
        return f"case {cases}{f' else {self.counted}' if self.counted else ''} end"


def counted(aggregate: Aggregate, types: Types) -> Counted | None:
    """Over how many rows of a file an aggregate is; None if that is never known.

    Args:
        aggregate: One of Spark's.
        types: Those of the table's columns, by their names in small letters.
    """
    if aggregate.function not in ("count", "min", "max"):
        return None
    try:
        parts = [_condition(_parsed(aggregate.where), types)] if aggregate.where else []
        if aggregate.argument != "*":
            column = _column(_parsed(aggregate.argument), types)
            if aggregate.function != "count" and not BOUNDED.fullmatch(types[column]):
                return None
            parts.append(_known(column))
        whole = _both(parts)
    except _NotReadError:
        return None
    return Counted(whole.rows, min((column for column in whole.rejects if types[column] in TIMES), default=""))


def _parsed(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read=DIALECT)


def _all(parts: Iterable[str]) -> str:
    found = [part for part in dict.fromkeys(parts) if part != "true"]
    return "false" if "false" in found else f"({' and '.join(found)})" if found else "true"


def _any(parts: Iterable[str]) -> str:
    found = [part for part in dict.fromkeys(parts) if part != "false"]
    return "true" if "true" in found else f"({' or '.join(found)})" if found else "false"


def _both(parts: Sequence[_Part]) -> _Part:
    counted = ""
    for part in parts:
        if part.counted:
            others = _all(other.holds() for other in parts if other is not part)
            counted = part.counted if others == "true" else f"case when {others} then {part.counted} end"
    rejects: frozenset[str] = frozenset().union(*(part.rejects for part in parts))
    return _Part(_all(part.always for part in parts), _any(part.never for part in parts), rejects, counted)


def _either(parts: Sequence[_Part]) -> _Part:
    rejects = frozenset.intersection(*(part.rejects for part in parts))
    return _Part(_any(part.holds(rejects) for part in parts), _all(part.never for part in parts), rejects)


def _known(column: str) -> _Part:
    return _Part("true", f"{statistic(column, 'nulls')} = {ROWS}", frozenset([column]))


def _constant(holds: bool) -> _Part:
    return _Part(str(holds).lower(), str(not holds).lower())


def _condition(tree: exp.Expr, types: Types, *, negated: bool = False) -> _Part:
    match tree:
        case exp.Paren():
            return _condition(tree.this, types, negated=negated)
        case exp.Not():
            return _condition(tree.this, types, negated=not negated)
        case exp.And() | exp.Or():
            parts = [_condition(part, types, negated=negated) for part in tree.flatten()]
            return _both(parts) if isinstance(tree, exp.And) != negated else _either(parts)
        case exp.Boolean():
            return _constant(bool(tree.this) != negated)
        case exp.Is(expression=exp.Null()):
            column = _column(tree.this, types)
            nulls = statistic(column, "nulls")
            return _known(column) if negated else _Part(f"{nulls} = {ROWS}", f"{nulls} = 0", counted=nulls)
        case exp.Between():
            low, high = (tree.args[name] for name in ("low", "high"))
            bounds = exp.GTE(this=tree.this, expression=low), exp.LTE(this=tree.this, expression=high)
            parts = [_compared(bound, types, negated=negated) for bound in bounds]
            return _either(parts) if negated else _both(parts)
        case exp.In(this=exp.Typeof()) | exp.EQ(this=exp.Typeof()):
            return _constant(_is_of_type(tree, types) != negated)
        case exp.In() if tree.expressions:
            equal = [exp.EQ(this=tree.this, expression=value) for value in tree.expressions]
            parts = [_compared(one, types, negated=negated) for one in equal]
            return _both(parts) if negated else _either(parts)
        case exp.Case(this=None):
            for branch in tree.args["ifs"]:
                if _is_of_type(branch.this.unnest(), types):
                    return _condition(branch.args["true"], types, negated=negated)
    if type(tree) in NEGATED:
        return _compared(tree, types, negated=negated)
    raise _NotReadError


def _is_of_type(tree: exp.Expr, types: Types) -> bool:
    """Whether `typeof(c) = 'date'` holds, or that it is one of several types."""
    names = tree.expressions if isinstance(tree, exp.In) else [tree.args.get("expression")]
    if not isinstance(tree, (exp.EQ, exp.In)) or not isinstance(tree.this, exp.Typeof):
        raise _NotReadError
    if not names or not all(isinstance(name, exp.Literal) and name.is_string for name in names):
        raise _NotReadError
    return types[_column(tree.this.this, types)] in [name.this for name in names]


def _compared(tree: exp.Expr, types: Types, *, negated: bool) -> _Part:
    """A column and a constant."""
    kind, left, right = type(tree), tree.this, tree.expression
    if _is_constant(left):
        kind, left, right = MIRRORED[kind], right, left
    if negated:
        kind = NEGATED[kind]
    column = _column(left.this if isinstance(left, exp.Cast) else left, types)
    if isinstance(left, exp.Cast) and left.to.is_type("text"):
        return _not_a_number(kind, column, right, types)
    is_time, is_cast = types[column] in TIMES, isinstance(left, exp.Cast)
    if not _is_constant(right) or not BOUNDED.fullmatch(types[column]) or is_time != isinstance(right, exp.Cast):
        raise _NotReadError
    if is_cast and left.to.sql(DIALECT).lower() != types[column]:
        raise _NotReadError
    value = right.sql(DIALECT)
    lower, upper, nulls = (statistic(column, what) for what in ("lower", "upper", "nulls"))
    if kind in (exp.EQ, exp.NEQ):
        always, never = f"({lower} = {value} and {upper} = {value})", f"({lower} > {value} or {upper} < {value})"
        always, never = (always, never) if kind is exp.EQ else (never, always)
    else:
        farthest, nearest = (upper, lower) if kind in (exp.LT, exp.LTE) else (lower, upper)
        always = f"{farthest} {OPERATORS[kind]} {value}"
        never = f"{nearest} {OPERATORS[NEGATED[kind]]} {value}"
    return _Part(always, f"({nulls} = {ROWS} or {never})", frozenset([column]))


def _not_a_number(kind: type[exp.Expr], column: str, value: exp.Expr, types: Types) -> _Part:
    """`cast(c as string) = 'NaN'`, of a column of any type."""
    if kind is not exp.EQ or value != exp.Literal.string("NaN"):
        raise _NotReadError
    if types[column] in TEXTS:
        return _Part("null", "null")
    if types[column] not in FLOATS:
        return _constant(False)
    nans = statistic(column, "nans")
    return _Part(f"{nans} = {ROWS}", f"{nans} = 0", counted=nans)


def _is_constant(tree: exp.Expr) -> bool:
    """A number, or a date or time as such: a text would be compared as what a column's type makes of it."""
    if isinstance(tree, exp.Cast):
        return tree.to.sql(DIALECT).lower() in TIMES and isinstance(tree.this, exp.Literal) and tree.this.is_string
    number = tree.this if isinstance(tree, exp.Neg) else tree
    return isinstance(number, exp.Literal) and not number.is_string


def _column(tree: exp.Expr, types: Types) -> str:
    if not isinstance(tree, exp.Column) or tree.table or tree.name.lower() not in types:
        raise _NotReadError
    return tree.name.lower()
