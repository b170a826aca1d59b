"""What the engine is asked before the statements are written. It changes their speed only.

DuckDB: which keys are cheap to match. Spark: what the metadata of tables say exactly, and whether the statistics of
large files show that a table has no null, and nothing outside the ranges of its columns, so that no row needs to be
read for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dbt_vigil.plan.forms import Aggregate, AntiJoin, Form
from dbt_vigil.plan.lakes import Rows, sizes_of_files
from dbt_vigil.plan.metadata import known_by_metadata

__all__ = ["Matches", "Rows", "cheaper_matches", "less_absent", "probed"]

Matches = Mapping[AntiJoin, Sequence[str]]
"""Of anti joins, the conditions that part the keys of the parent, so that matches are counted part by part."""

ARRAY = 1_000_000
"""DuckDB looks up the keys of a range of this width in an array: several times faster than in a hash table."""
MOST_PARTS = 64
"""Each part may have to read all keys of the child, which costs about a hundredth of looking them up."""
MOST_PARTS_OF_FILES = 2
"""Where either side is not one of DuckDB's own tables, whose zone maps let each part read its own rows."""
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")

LARGE = 16 * 2**20
"""Bytes of a table's files: to read less takes no longer than to ask."""
SCAN = re.compile(r"^[\s:+*()0-9-]*(\w*Scan\b.*)$", re.MULTILINE)
PUSHED = re.compile(r"^FileScan (?:parquet|orc)\b.*\bPushedFilters: \[(?!\])")
"""A scan of files with statistics, of which the condition makes use."""


def probed(forms: Sequence[Form], engine: str, rows: Rows) -> tuple[list[Form], Matches]:
    """The tests in the form that is cheapest for the data, and how to answer their anti joins.

    Args:
        forms: The tests.
        engine: `duckdb` or `spark`.
        rows: Executes a query and returns its rows.
    """
    if engine == "duckdb":
        return list(forms), cheaper_matches(forms, rows)
    return less_absent(known_by_metadata(forms, rows), rows), {}


def less_absent(forms: Sequence[Form], rows: Rows) -> list[Form]:
    """The same tests, without a look at the rows for what is nowhere in a table.

    Asked is only of large tables of files with statistics, and of all nulls and failures of a table at once. If there
    is one, it is soon found.

    Args:
        forms: The tests.
        rows: Executes a query and returns its rows.
    """
    asked: dict[str, dict[Aggregate, str]] = {}
    for is_check, a in ((bool(form.verdict), a) for form in forms for a in form.aggregates):
        # What a check counts under a condition is there, as a rule: the rows of a day, say.
        if isinstance(a, Aggregate) and a.is_prunable and not (is_check and a.where):
            asked.setdefault(a.table, {})[a] = a.where or f"{a.argument} is null"
    queries = {
        table: f"select 1 from {table} where {' or '.join(dict.fromkeys(conditions.values()))}"
        for table, conditions in asked.items()
    }
    pruned = _pruned(queries, rows)
    queries = {table: query for table, query in queries.items() if table in pruned}
    if not queries:
        return list(forms)
    there = rows(" union all ".join(f"select '{k}' from ({query} limit 1)" for k, query in enumerate(queries.values())))
    present = {int(row[0]) for row in there}
    without = {
        aggregate: replace(aggregate, where="false") if aggregate.where else replace(aggregate, argument="*")
        for k, table in enumerate(queries)
        if k not in present
        for aggregate in asked[table]
    }
    return [
        replace(form, aggregates=tuple(without.get(a, a) if isinstance(a, Aggregate) else a for a in form.aggregates))
        for form in forms
    ]


def _pruned(queries: Mapping[str, str], rows: Rows) -> set[str]:
    """The tables, large ones, of which whole files can be left out for a query."""
    if not queries:
        return set()
    ((plan, *_),) = rows(f"explain cost {' union all '.join(queries.values())}")
    logical, _, physical = plan.partition("== Physical Plan ==")
    sizes = sizes_of_files(logical)
    scans = SCAN.findall(physical)
    if not len(sizes) == len(scans) == len(queries):
        return set()
    facts = zip(queries, sizes, scans, strict=True)
    return {table for table, size, scan in facts if size >= LARGE and PUSHED.search(scan)}


def cheaper_matches(forms: Iterable[Form], rows: Rows) -> dict[AntiJoin, list[str]]:
    """The anti joins whose children are cheaper to match than to find missing, by what the engine estimates.

    Only keys of one type count as such: values which differ in one type may be equal in another, and match twice.

    Args:
        forms: The tests.
        rows: Executes a query and returns its rows.
    """
    joins = list(dict.fromkeys(a for form in forms for a in form.aggregates if isinstance(a, AntiJoin)))
    if not joins:
        return {}
    queries = [f"select 1 from ({side}) as side" for join in joins for side in (join.child, join.parent)]
    ((_, plan),) = rows(f"explain (format json) {' union all '.join(queries)}")
    sides = _sides(json.loads(plan), len(queries))
    pairs = list(zip(joins, sides[::2], sides[1::2], strict=True))
    facts = [fact for join, child, parent in pairs for fact in _facts(join, _may_part(child, parent))]
    found = iter(rows(f"select {', '.join(facts)}")[0])
    matches = {}
    for join, child, parent in pairs:
        types = [(next(found), next(found)) for _ in range(join.keys)]
        least, greatest = next(found), next(found)
        if not all(_is_exact(*pair) for pair in types) or 2 * _cardinality(parent) > _cardinality(child):
            continue
        if _cardinality(parent) <= ARRAY:
            matches[join] = ["true"]
        elif types[0][0] in INTEGERS and least is not None and int(greatest) - int(least) < _widest(child, parent):
            matches[join] = _parts(int(least), int(greatest))
    return matches


def _facts(join: AntiJoin, may_part: bool) -> list[str]:
    """The keys' types, and their bounds where a parent may be looked up in parts."""
    types = [
        f"typeof((select key_{key} from ({side}) as side where false))"
        for key in range(join.keys)
        for side in (join.child, join.parent)
    ]
    bounds = [f"(select {bound}(key_0) from ({join.parent}) as side)" for bound in ("min", "max")]
    return [*types, *(bounds if may_part and join.keys == 1 else ("null", "null"))]


def _may_part(child: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    """Whether a parent has too many keys for one array, and not too many for several."""
    return ARRAY < _cardinality(parent) <= _widest(child, parent)


def _widest(child: Mapping[str, Any], parent: Mapping[str, Any]) -> int:
    are_tables = all(_below_projections(side).get("name", "").strip() == "SEQ_SCAN" for side in (child, parent))
    return ARRAY * (MOST_PARTS if are_tables else MOST_PARTS_OF_FILES)


def _below_projections(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return _below_projections(node["children"][0]) if node.get("name", "").strip() == "PROJECTION" else node


def _parts(least: int, greatest: int) -> list[str]:
    """Conditions of which every key that is not null meets one, whatever the bounds."""
    cuts = range(least + ARRAY, greatest + 1, ARRAY)
    lower = ["true", *(f"key_0 >= {cut}" for cut in cuts)]
    upper = [*(f"key_0 < {cut}" for cut in cuts), "true"]
    return [f"{low} and {high}" for low, high in zip(lower, upper, strict=True)]


def _is_exact(child_type: str, parent_type: str) -> bool:
    return child_type == parent_type and "FLOAT" not in child_type and "DOUBLE" not in child_type


def _sides(plan: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """The parts of the union that is at the root of the plan."""
    sides = plan
    while len(sides) < n and any(side["name"] == "UNION" for side in sides):
        sides = [part for side in sides for part in (side["children"] if side["name"] == "UNION" else [side])]
    return sides if len(sides) == n else [{}] * n


def _cardinality(node: Mapping[str, Any]) -> int:
    estimate = node.get("extra_info", {}).get("Estimated Cardinality")
    if estimate is None and len(node.get("children", ())) == 1:
        return _cardinality(node["children"][0])
    return int(estimate or 0)
