"""The rows that a check returned, on their way into dbt's results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["KEY", "finite_or_text", "first_to_see"]

KEY = "vigil"
"""Where a result's `adapter_response` has what was measured."""

Row = Mapping[str, Any]


def first_to_see(rows: Sequence[Row], source: str) -> Row:
    """Of several segments, the one that a person should see first, and what it was measured from."""
    row = min(rows, key=lambda row: (-float(row["failed"]), row["verdict"], row.get("segment") or ""))
    failed = sum(float(row["failed"]) > 0 for row in rows)
    return {name: finite_or_text(row.get(name)) for name in COLUMNS} | {
        "segments": len(rows),
        "failed_segments": failed,
        "source": source,
    }


NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
COLUMNS = (
    "check_name",
    "segment",
    "verdict",
    "value",
    "lower_bound",
    "upper_bound",
    "numerator",
    "denominator",
    "detail",
)


def finite_or_text(value: Any) -> Any:
    """Infinity and NaN are no JSON, but as a text, as Spark writes them."""
    if isinstance(value, str) or value is None:
        return value
    return float(value) if math.isfinite(value) else NOT_FINITE.get(float(value), "NaN")
