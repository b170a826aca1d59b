"""Answers aggregates from what a table's own metadata say of its files, where that is exact; all others are scanned.

Of a least or greatest value whose bound is known but not exact, only the rows beyond that bound are read. A test is
answered only as a whole: of one moment's files, not of some now and rows a little later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dbt_vigil.plan.forms import Aggregate, Form, Known
from dbt_vigil.plan.lakes import ROWS, Rows, Table, statistic, tables_with_files

__all__ = ["known_by_metadata"]

STATISTIC = re.compile(r"`((?:[^`]|``)+)\.(?:lower|upper|nulls|nans)`")


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
    aggregates: Mapping[Aggregate, str]

    @classmethod
    def of(cls, table: Table, aggregates: Iterable[Aggregate]) -> _Question:
        from dbt_vigil.plan.files import rows_of  # it imports sqlglot, which is slow

        counts = {aggregate: rows_of(aggregate, table.columns) for aggregate in aggregates}
        return cls(table, {aggregate: count for aggregate, count in counts.items() if count})

    @property
    def query(self) -> str:
        """One row: the values of the aggregates as SQL, in a JSON array; null where one is not known."""
        counts = list(dict.fromkeys(self.aggregates.values()))
        counted = ", ".join(f"{count} as count_{k}" for k, count in enumerate(counts))
        values = ", ".join(self._value(a, f"count_{counts.index(count)}") for a, count in self.aggregates.items())
        names = {name.replace("``", "`") for name in STATISTIC.findall(counted)}
        names |= {_name(a) for a in self.aggregates if a.function != "count"}
        return f"""\
select case when {self.table.is_exact} then to_json(array({values})) end as found
from (select *, {counted} from ({self.table.files(sorted(names))}) as files) as counted"""

    def _value(self, aggregate: Aggregate, count: str) -> str:
        if aggregate.function == "count":
            return f"case when count({count}) = count(*) then concat(coalesce(sum({count}), 0), 'L') end"
        column, function = _name(aggregate), aggregate.function
        bound, reaches = ("lower", ">=") if function == "min" else ("upper", "<=")
        bound, nulls = (statistic(column, what) for what in (bound, "nulls"))
        # A file that counts with all of its values has the extreme that it says; no other may go beyond it.
        is_whole = f"coalesce({count} = {ROWS} - {nulls} and {bound} is not null, false)"
        is_other = f"(coalesce({count} > 0, true) and not {is_whole})"
        extreme = f"{function}(case when {count} > 0 and {is_whole} then {bound} end)"
        other = f"{function}(case when {is_other} then {bound} end)"
        is_known = f"count_if({is_other}) = 0"
        if self.table.columns[column] in self.table.cut:
            is_known += f" or {extreme} is not null"
            extreme += f" {'+' if function == 'min' else '-'} interval '0.000999' second"
        else:
            is_known += f" or count_if({is_other} and {bound} is null) = 0 and {other} {reaches} {extreme}"
        return f"case when {is_known} then {_as_sql(extreme, self.table.columns[column])} end"

    def known(self, aggregate: Aggregate, value: str) -> Known:
        """An aggregate that has a value, or, of a type whose bounds are cut, is not beyond it."""
        kind = self.table.columns[_name(aggregate)] if aggregate.function != "count" else ""
        if kind not in self.table.cut or value == _null(kind):
            return Known(aggregate.function, value)
        beyond = f"{aggregate.argument} {'<=' if aggregate.function == 'min' else '>='} {value}"
        where = f"({aggregate.where}) and {beyond}" if aggregate.where else beyond
        scan = f"select {aggregate.function}({aggregate.argument}) from {self.table.pinned} where {where}"
        return Known(aggregate.function, f"({scan})", reads_rows=True)


def _name(aggregate: Aggregate) -> str:
    return aggregate.argument.strip("`").replace("``", "`").lower()


def _as_sql(value: str, kind: str) -> str:
    if kind == "timestamp":  # as text it would be one of two where the clocks show an hour twice
        text = f"concat('timestamp_micros(', unix_micros({value}), 'L)')"
    else:
        text = f"""concat("cast('", cast({value} as string), "' as {kind})")"""
    return f"coalesce({text}, '{_null(kind)}')"


def _null(kind: str) -> str:
    return f"cast(null as {kind})"


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
    return {
        aggregate: questions[k].known(aggregate, value)
        for k, found in answers
        if found
        for aggregate, value in zip(questions[k].aggregates, json.loads(found), strict=True)
        if value is not None
    }
