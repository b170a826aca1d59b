"""Tables of Iceberg: of each file they keep its number of rows, and of each column nulls, NaN and exact bounds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbt_vigil.plan.lakes import BOUNDED, COUNTED, ROWS, Rows, Table, quoted, statistic, tried

__all__ = ["tables"]

COLUMN = re.compile(r"^ \|-- (.+): ([a-z_]+(?:\([0-9,]+\))?) \(nullable = ", re.MULTILINE)
COUNT = re.compile(r"\bRelationV2.*\bStatistics\(sizeInBytes=[^,)]*(?:, rowCount=([0-9.E+]+))?\)")
TYPES = {"byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint"}
"""What Spark calls otherwise where it describes a table of Iceberg."""
LARGE = 1_000_000
"""Rows of a table: to scan fewer takes no longer than to ask."""


@dataclass(frozen=True)
class IcebergTable(Table):
    """One of Iceberg. Its metadata are those of the moment that the session would scan."""

    @property
    def is_exact(self) -> str:
        """Without delete files."""
        return "count_if(content <> 0) = 0"

    def files(self, columns: Sequence[str]) -> str:
        statistics = [f"record_count as {ROWS}", "content"]
        for column in columns:
            metrics = f"readable_metrics.{quoted(column)}"
            values = {
                "nulls": f"case when {metrics}.value_count = record_count then {metrics}.null_value_count end",
                "nans": f"{metrics}.nan_value_count",
            }
            if BOUNDED.fullmatch(self.columns[column]):
                values |= {"lower": f"{metrics}.lower_bound", "upper": f"{metrics}.upper_bound"}
            statistics += [f"{value} as {statistic(column, what)}" for what, value in values.items()]
        return f"select {', '.join(statistics)} from {self.name}.files"


def tables(schemas: Mapping[str, str], settings: Mapping[str, str], rows: Rows) -> list[Table]:
    """Those that take longer to scan than to ask, or may do so.

    Args:
        schemas: What Spark says of each table's columns, by its name as SQL.
        settings: The session's.
        rows: Executes a query.
    """
    if not schemas or any(name.startswith("spark.wap.") for name in settings):
        return []  # what is read may be a branch, and the metadata are those of the table
    scans = " union all ".join(f"select 1 from {name}" for name in schemas)
    counts = [count for plan, *_ in tried(f"explain cost {scans}", rows) for count in COUNT.findall(plan)]
    if len(counts) != len(schemas):
        return []
    return [
        IcebergTable(name, _columns(schema))
        for (name, schema), count in zip(schemas.items(), counts, strict=True)
        if not count or float(count) >= LARGE
    ]


def _columns(schema: str) -> dict[str, str]:
    listed = COLUMN.findall(schema)
    names = Counter(name.lower() for name, _ in listed)
    kinds = ((name.lower(), TYPES.get(kind, kind)) for name, kind in listed if names[name.lower()] == 1)
    # The metadata name the parts of a column so, too.
    return {name: kind for name, kind in kinds if COUNTED.fullmatch(kind) and "." not in name}
