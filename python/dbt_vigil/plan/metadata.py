"""Answers aggregates from what a table's own metadata say of its files, where that is exact; all others are scanned.

Where they do not say it exactly, but something of it, only the rows beyond that are read, of the same version of the
table: those that may be greater than what some row has, or those at a window's ends. A test is answered only as a
whole: of one moment's files, not of some now and rows a little later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dbt_vigil.plan.forms import Aggregate, Form, Known
from dbt_vigil.plan.lakes import ROWS, Counted, Rows, Table, quoted, statistic, tables_with_files

__all__ = ["known_by_metadata"]

STATISTIC = re.compile(r"`((?:[^`]|``)+)\.(?:lower|upper|nulls|nans)`")
WORTH = 10
"""Of which part of a table's rows it is quicker to read those alone: a tenth."""


def known_by_metadata(forms: Sequence[Form], rows: Rows) -> list[Form]:
    """The same tests, with values in place of aggregates, where they are exactly known.

    Args:
        forms: The tests.
        rows: Executes a query of Spark and returns its rows.
    """
    wanted: dict[str, dict[Aggregate, None]] = {}
    for form in forms:
        for aggregate in form.aggregates:
            if isinstance(aggregate, Aggregate):
                wanted.setdefault(aggregate.table, {})[aggregate] = None
    if not wanted:
        return list(forms)
    asked = [_Question.of(table, wanted[table.name]) for table in tables_with_files(wanted, rows)]
    known = _answers([question for question in asked if question.aggregates], rows)

    def answered(form: Form) -> Form:
        found = [known[a] for a in form.aggregates if isinstance(a, Aggregate) and a in known]
        is_whole = form.aggregates and len(found) == len(form.aggregates)
        return replace(form, aggregates=tuple(found)) if is_whole else form

    return [answered(form) for form in forms]


@dataclass(frozen=True)
class _Question:
    """What a table is asked: of each aggregate, over how many rows of a file it is."""

    table: Table
    aggregates: Mapping[Aggregate, Counted]

    @classmethod
    def of(cls, table: Table, aggregates: Iterable[Aggregate]) -> _Question:
        from dbt_vigil.plan.files import counted  # it imports sqlglot, which is slow

        counts = {aggregate: counted(aggregate, table.columns) for aggregate in aggregates}
        return cls(table, {aggregate: count for aggregate, count in counts.items() if count})

    @cached_property
    def counts(self) -> Mapping[str, str]:
        """The names of what is counted of a file."""
        return {rows: f"count_{k}" for k, rows in enumerate(dict.fromkeys(c.rows for c in self.aggregates.values()))}

    @cached_property
    def values(self) -> Mapping[Aggregate, str]:
        """Of each aggregate, what `known` takes, in an array; null of one that is not known."""
        return {
            a: self._number(c, self.counts[c.rows]) if a.function == "count" else self._extreme(a, self.counts[c.rows])
            for a, c in self.aggregates.items()
        }

    @property
    def query(self) -> str:
        """One row: the values, each once, in a JSON array."""
        counts = self.counts
        counted = ", ".join(f"{count} as {name}" for count, name in counts.items())
        names = {name.replace("``", "`") for name in STATISTIC.findall(counted)}
        names |= {_name(a) for a in self.aggregates if a.function != "count"}
        files = f"select *, {counted} from ({self.table.files(sorted(names))}) as files"
        within = [hull for count in self.aggregates.values() for hull in self._hull(count, counts[count.rows])]
        if within:
            files = f"select *, {', '.join(dict.fromkeys(within))} from ({files}) as counted"
        values = ", ".join(dict.fromkeys(self.values.values()))
        return (
            f"select case when {self.table.is_exact} then to_json(array({values})) end as found from ({files}) as files"
        )

    def _hull(self, counted: Counted, count: str) -> list[str]:
        """The range of the files of which a count is known and not 0."""
        if not counted.by or not self.table.pinned:
            return []
        bounds = {"min": "lower", "max": "upper"}
        return [
            f"{function}(case when {count} > 0 then {statistic(counted.by, bound)} end) over () as {count}_{bound}"
            for function, bound in bounds.items()
        ]

    def _number(self, counted: Counted, count: str) -> str:
        number = f"concat(coalesce(sum({count}), 0), 'L')"
        values = f"case when count({count}) = count(*) then array({number})"
        if self._hull(counted, count):
            lower, upper = (statistic(counted.by, bound) for bound in ("lower", "upper"))
            low, high = f"{count}_lower", f"{count}_upper"
            kind = self.table.columns[counted.by]
            is_worth_it = f"sum(case when {count} is null then {ROWS} end) * {WORTH} <= sum({ROWS})"
            # Of the files of which the count is not known no row may be within.
            is_right = (
                f"case when {count} is null then {upper} < {low} or {lower} > {high} "
                f"when {count} > 0 then {lower} >= {low} and {upper} <= {high} else true end"
            )
            are_right = f"count_if(coalesce(not ({is_right}), true)) = 0"
            bounds = ", ".join(_as_sql(f"max({bound})", kind) for bound in (low, high))
            values += f" when {is_worth_it} then case when max({low}) is null and coalesce(sum({count}), 0) = 0 "
            values += f"then array('0L', '') when {are_right} then array({number}, {bounds}) end"
        return f"{values} end"

    def _extreme(self, aggregate: Aggregate, count: str) -> str:
        column, function = _name(aggregate), aggregate.function
        kind = self.table.columns[column]
        bound, reaches = ("lower", ">=") if function == "min" else ("upper", "<=")
        bound, nulls = (statistic(column, what) for what in (bound, "nulls"))
        # A file that counts with all of its values has the extreme that it says; no other may go beyond it.
        is_whole = f"coalesce({count} = {ROWS} - {nulls} and {bound} is not null, false)"
        is_other = f"(coalesce({count} > 0, true) and not {is_whole})"
        extreme = f"{function}(case when {count} > 0 and {is_whole} then {bound} end)"
        other = f"{function}(case when {is_other} then {bound} end)"
        is_exact = f"count_if({is_other}) = 0"
        reached = extreme
        if kind in self.table.cut:
            is_exact += f" and {extreme} is null"
            reached += f" {'+' if function == 'min' else '-'} interval '0.000999' second"
        else:
            is_exact += f" or count_if({is_other} and {bound} is null) = 0 and {other} {reaches} {extreme}"
        value = f"case when {is_exact} then array({_as_sql(extreme, kind)})"
        if self.table.pinned:
            value += f" when {extreme} is not null then array({_as_sql(reached, kind)}, '')"
        return f"{value} end"

    def answers(self, found: str) -> dict[Aggregate, Known]:
        """The aggregates that are known by the row of the query."""
        values = dict(zip(dict.fromkeys(self.values.values()), json.loads(found), strict=True))
        return {a: self.known(a, *values[value]) for a, value in self.values.items() if values[value]}

    def known(self, aggregate: Aggregate, value: str, *within: str) -> Known:
        """An aggregate that has a value, or else has more outside a range, or is not less, or not more."""
        if not within:
            return Known(aggregate.function, value)
        if aggregate.function == "count":
            column = quoted(self.aggregates[aggregate].by)
            beyond = f"({column} < {within[0]} or {column} > {within[1]})" if within[0] else "true"
        else:
            beyond = f"{aggregate.argument} {'<=' if aggregate.function == 'min' else '>='} {value}"
        where = f"({aggregate.where}) and {beyond}" if aggregate.where else beyond
        scan = f"(select {aggregate.function}({aggregate.argument}) from {self.table.pinned} where {where})"
        return Known(
            aggregate.function, f"({value} + {scan})" if aggregate.function == "count" else scan, reads_rows=True
        )


def _name(aggregate: Aggregate) -> str:
    return aggregate.argument.strip("`").replace("``", "`").lower()


def _as_sql(value: str, kind: str) -> str:
    if kind == "timestamp":  # as text it would be one of two where the clocks show an hour twice
        text = f"concat('timestamp_micros(', unix_micros({value}), 'L)')"
    else:
        text = f"""concat("cast('", cast({value} as string), "' as {kind})")"""
    return f"coalesce({text}, 'cast(null as {kind})')"


def _answers(questions: Sequence[_Question], rows: Rows) -> dict[Aggregate, Known]:
    """What is known, by one statement. Of a table that cannot be asked that is nothing: a scan will tell why."""
    if not questions:
        return {}
    parts = (f"select {k} as question, found from ({one.query}) as one" for k, one in enumerate(questions))
    statement = "\nunion all\n".join(parts)
    try:
        answers = rows(statement)
    except Exception:
        middle = len(questions) // 2
        return _answers(questions[:middle], rows) | _answers(questions[middle:], rows) if middle else {}
    known: dict[Aggregate, Known] = {}
    for k, found in answers:
        known |= questions[k].answers(found) if found else {}
    return known
