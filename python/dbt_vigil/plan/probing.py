"""What DuckDB is asked before its statements are written: which keys are cheap to match. It changes the speed only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dbt_vigil.plan.forms import AntiJoin, Form

__all__ = ["Matches", "cheaper_matches"]

Matches = Mapping[AntiJoin, Sequence[str]]
"""Of anti joins, the conditions that part the keys of the parent, so that matches are counted part by part."""

ARRAY = 1_000_000
"""DuckDB looks up the keys of a range of this width in an array: several times faster than in a hash table."""
MOST_PARTS = 64
"""Each part may have to read all keys of the child, which costs about a hundredth of looking them up."""
MOST_PARTS_OF_FILES = 2
"""Where either side is not one of DuckDB's own tables, whose zone maps let each part read its own rows."""
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


def cheaper_matches(forms: Iterable[Form], rows: Callable[[str], Sequence[Sequence[Any]]]) -> dict[AntiJoin, list[str]]:
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
