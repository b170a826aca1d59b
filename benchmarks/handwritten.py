"""The suite as hand-written SQL for DuckDB: forty obvious statements, and the floor, the best mix for the data.

A statement answers one or more checks, by a row with one value for each: what a check of this package measures, and for
other tests the number of failing rows, so that the answers can be compared with those of the checks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

from benchmarks.lineitem import (
    ACCEPTED,
    AS_OF,
    DATES,
    DRIFT,
    EXPRESSIONS,
    PARENTS,
    PSI_DAYS,
    RANGES,
    RATED,
    REQUIRED,
)

FIRST = AS_OF - timedelta(days=sum(PSI_DAYS))
GREATEST_KEY = {"orders": 6_000_000, "part": 200_000, "supplier": 10_000}  # at scale factor 1
PERFECT_HASH = 1_000_000  # DuckDB looks up keys of no wider range in an array instead of a hash table
RECENT = AS_OF - timedelta(days=PSI_DAYS[0])


@dataclass(frozen=True)
class Statement:
    """A query, and the checks that the columns of its one row answer."""

    checks: tuple[str, ...]
    sql: str


def obvious() -> list[Statement]:
    """One statement a check, as one would write it."""
    found = {f"null_rate_{c}": f"select avg((l.{c} is null)::int) from lineitem as l" for c in RATED}
    found |= {f"not_null_{c}": f"select count(*) from lineitem where {c} is null" for c in REQUIRED}
    found |= {f"range_{c}": f"select count(*) from lineitem where {outside(c)}" for c in RANGES}
    found |= {name: f"select count(*) from lineitem where not ({sql})" for name, sql in EXPRESSIONS.items()}
    found |= {f"accepted_{c}": f"select count(distinct {c}) from lineitem where {unaccepted(c)}" for c in ACCEPTED}
    found |= {f"freshness_{c}": f"select {age(c)}" for c in DATES}
    found |= {
        f"orphans_{key}": f"select count(*) filter ({field} is null) / count(*)"
        f" from lineitem left join {parent} on {key} = {field} where {key} is not null"
        for key, (parent, field) in PARENTS.items()
    }
    found["row_count_ratio"] = f"select {day_ratio()}"
    found["row_count"] = "select (count(*) < 1)::int from lineitem"
    for column in DRIFT:
        found[f"psi_{column}"] = f"with counted as ({counted(column)}) select {psi(column)}"
    return [Statement((name,), sql) for name, sql in found.items()]


def outside(column: str) -> str:
    """The values outside the column's range."""
    low, high = RANGES[column]
    return f"({column} < {low} or {column} > {high})"


def unaccepted(column: str) -> str:
    """The values that are not accepted."""
    return f"{column} not in {tuple(ACCEPTED[column])}"


def literal(day: date) -> str:
    """A date in SQL."""
    return f"date '{day}'"


def age(column: str) -> str:
    """The seconds since the newest date that is not in the future."""
    newest = f"select max({column}) from lineitem where {column} <= {literal(AS_OF)}"
    return f"({literal(AS_OF)} - ({newest})) * 86400"


def ratio_days() -> tuple[tuple[str, str], tuple[str, str]]:
    """The last day and the week before it, each from its first day until before the next."""
    end, last, first = (literal(AS_OF - timedelta(days=days)) for days in (0, 1, 8))
    return (last, end), (first, last)


def day_ratio() -> str:
    """Rows of the last day by the average of the week before."""
    last, before = (
        f"(select count(*) from lineitem where l_shipdate >= {start} and l_shipdate < {end})"
        for start, end in ratio_days()
    )
    return f"{last} / ({before} / 7)"


def counted(*columns: str) -> str:
    """The rows that a PSI compares, counted by the values of these columns."""
    return (
        f"select l_shipdate >= {literal(RECENT)} as recent, {', '.join(columns)}, count(*) as n from lineitem"
        f" where l_shipdate >= {literal(FIRST)} and l_shipdate < {literal(AS_OF)} group by all"
    )


def psi(column: str) -> str:
    """The PSI of a column of `counted` (recent, the column, n): by value, or by the deciles of the baseline."""
    place = f"coalesce({column}::string, 'null')"
    if column != "l_shipmode":
        position, total = f"sum(known) over (order by {column}) - known", "sum(known) over ()"
        decile = f"least(floor(10 * ({position}) / {total}), 9) + if(10 * known >= {total}, 0.5, 0)"
        place = f"if({column} is null, -2, {decile})"
    return f"""(
          with by_value as (
            select {column}, coalesce(sum(n) filter (where recent), 0) as w,
              coalesce(sum(n) filter (where not recent), 0) as b,
              if({column} is null, 0, b) as known
            from counted group by {column}
          ),
          by_bin as (select sum(w) as w, sum(b) as b from (select w, b, {place} as bin from by_value) group by bin)
          select sum((a - e) * ln(a / e))
          from (select greatest(w / sum(w) over (), 1e-4) as a, greatest(b / sum(b) over (), 1e-4) as e from by_bin)
        )"""


def floor(kind: str, scale: int) -> list[Statement]:
    """The best mix for one of the kinds of data: each family of checks in the shape that was measured to win there."""
    # Statistics answer `count(c)` alone where there are no nulls; where there are some, `count_if` reads faster.
    of = "count_if({} is null)" if kind == "nulls" else "count(*) - count({})"
    nulls = {f"null_rate_{c}": f"({of.format(c)}) / count(*)" for c in RATED}
    nulls |= {f"not_null_{c}": of.format(c) for c in REQUIRED}
    nulls["row_count"] = "(count(*) < 1)::int"
    ranges = {f"range_{c}": outside(c) for c in RANGES}
    expressions = {name: f"not ({sql})" for name, sql in EXPRESSIONS.items()}
    accepted = {f"accepted_{c}": unaccepted(c) for c in ACCEPTED}
    times = {f"freshness_{c}": age(c) for c in DATES} | {"row_count_ratio": day_ratio()}
    drift = {f"psi_{c}": psi(c) for c in DRIFT}
    return [
        Statement(tuple(nulls), f"select {', '.join(nulls.values())} from lineitem"),
        # Parquet's columns are dear to decode twice, and its statistics to ask twice.
        one_scan(ranges) if kind == "parquet" else subqueries(ranges),
        subqueries(expressions) if kind == "nulls" else one_scan(expressions),
        subqueries(accepted),
        Statement(tuple(times), f"select {', '.join(times.values())}"),
        *(Statement((f"orphans_{key}",), f"select {orphan_rate(key, kind, scale)}") for key in PARENTS),
        Statement(
            tuple(drift),
            f"with counted as materialized ({counted(*DRIFT)}) select {', '.join(drift.values())}",
        ),
    ]


def one_scan(conditions: dict[str, str]) -> Statement:
    """The rows that meet each condition, in one scan."""
    counts = ", ".join(f"count_if({condition})" for condition in conditions.values())
    return Statement(tuple(conditions), f"select {counts} from lineitem")


def subqueries(conditions: dict[str, str]) -> Statement:
    """The rows that meet each condition, each by a filter of its own, which zone maps can answer."""
    counts = ", ".join(f"(select count(*) from lineitem where {condition})" for condition in conditions.values())
    return Statement(tuple(conditions), f"select {counts}")


def orphan_rate(key: str, kind: str, scale: int) -> str:
    """The keys without those that find a parent in an array, range by range, or an anti-join.

    Zone maps let each range read its own part of the keys. A parquet file is dear to read for many ranges.
    """
    parent, field = PARENTS[key]
    keys = f"(select count({key}) from lineitem)"
    ranges = math.ceil(GREATEST_KEY[parent] * scale / PERFECT_HASH)
    if kind == "parquet" and ranges > 2:
        return f"(select count(*) from lineitem anti join {parent} on {key} = {field} where {key} is not null) / {keys}"
    found = [
        f"(select count(*) from lineitem join (select distinct {field} from {parent}"
        f" where {field} between {n * PERFECT_HASH + 1} and {(n + 1) * PERFECT_HASH}) on {key} = {field})"
        for n in range(ranges)
    ]
    return f"({keys} - ({' + '.join(found)})) / {keys}"
