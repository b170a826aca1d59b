"""The rows that a check returned, on their way into dbt's results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["KEY", "first_to_see"]

KEY = "vigil"
"""Where a result's `adapter_response` has what was measured."""

Row = Mapping[str, Any]


def first_to_see(rows: Sequence[Row], source: str) -> Row:
    """Of several segments, the one that a person should see first, and what it was measured from."""
    row = min(rows, key=lambda row: (-float(row["failed"]), row["verdict"], row.get("segment") or ""))
    return {name: _finite(row.get(name)) for name in COLUMNS} | {"source": source}


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


def _finite(value: Any) -> Any:
    """No infinity: it is no JSON. Spark writes it as text."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return None
    if isinstance(value, str) or value is None:
        return value
    return float(value) if math.isfinite(value) else None
