"""Pinned baselines: pins and unpins them by the package's macros, and reads which are pinned."""

from __future__ import annotations

import getpass
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from dbt_vigil.project import Project, VigilError
from dbt_vigil.record import EPOCH, MICROSECONDS, literal, record_table, rows_of_the_record, view_macros

__all__ = ["Bin", "PinnedBaseline", "read_baselines", "write_baseline"]


@dataclass(frozen=True)
class Bin:
    """A bin of a pinned baseline."""

    segment: list[str | None] | None
    bin: float
    """-2 is null, -1 NaN; of categories 0 is the rest."""
    least_value: str | None
    greatest_value: str | None
    rows: int


@dataclass(frozen=True)
class PinnedBaseline:
    """What was last done to a baseline, and what it is."""

    baseline_name: str
    event: str
    """`pinned` or `unpinned`."""
    recorded_by: str
    recorded_at: datetime
    as_of: datetime
    relation: str | None
    column_name: str | None
    data_type: str | None
    kind: str | None
    bins: int | None
    max_categories: int | None
    group_by: str | None
    timestamp_column: str | None
    baseline_window: str | None
    rows: int
    pinned_bins: tuple[Bin, ...]


def read_baselines(project: Project, name: str | None = None, wait: float = 60) -> list[PinnedBaseline]:
    """The newest event of each baseline of a project and target, in the order of their names.

    Args:
        project: Whose record.
        name: Only this baseline.
        wait: Seconds to wait for a DuckDB file that another process is writing to.

    Raises:
        VigilError: There is no record, or it cannot be read; or there is no baseline of that name.
    """
    facts = [field.name for field in fields(PinnedBaseline) if field.name not in ("rows", "pinned_bins")]
    columns = [*facts, "segment", "bin", "least_value", "greatest_value", "bin_rows"]
    micros = MICROSECONDS[project.engine]
    selected = ", ".join(f"{micros}({column})" if column in ("recorded_at", "as_of") else column for column in columns)
    wanted = {"project_name": project.name, "target_name": project.target_name, "baseline_name": name}
    key = " and ".join(f"{c} = {literal(v, project.engine)}" for c, v in wanted.items() if v is not None)
    pins = view_macros()["pinned_bins_sql"](record_table(project, "vigil_baseline_log"))
    sql = f"select {selected} from ({pins}) as pins where {key} order by baseline_name, segment, bin"
    rows = [dict(zip(columns, row, strict=True)) for row in rows_of_the_record(project, sql, wait)]
    if name is not None and not rows:
        raise VigilError(f"There is no baseline `{name}`: nothing was ever pinned by that name.")
    grouped = itertools.groupby(rows, lambda row: row["baseline_name"])
    return [_baseline({fact: of[0][fact] for fact in facts}, of) for of in (list(group) for _, group in grouped)]


def _baseline(facts: dict[str, Any], rows: list[dict[str, Any]]) -> PinnedBaseline:
    bins = tuple(
        Bin(
            json.loads(row["segment"]) if row["segment"] else None,
            row["bin"],
            row["least_value"],
            row["greatest_value"],
            row["bin_rows"],
        )
        for row in rows
        if row["bin"] is not None
    )
    times = {name: EPOCH + timedelta(microseconds=int(facts[name])) for name in ("recorded_at", "as_of")}
    return PinnedBaseline(**facts | times, rows=sum(entry.rows for entry in bins), pinned_bins=bins)


def write_baseline(project: Project, macro: str, name: str, by: str | None, variables: Mapping[str, Any]) -> str:
    """Pin or unpin a baseline.

    Args:
        project: Whose record.
        macro: `pin_baseline` or `unpin_baseline`.
        name: The baseline's.
        by: Who does it. Default: the user's login name.
        variables: dbt's, beside those of the command line.

    Returns:
        What was done.

    Raises:
        VigilError: It could not be done.
    """
    from dbt_vigil.running import operate

    return operate(project, macro, {"name": name, "by": by or getpass.getuser()}, variables)
