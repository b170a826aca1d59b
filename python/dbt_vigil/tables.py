"""The tables that `vigil` prints for a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dbt_vigil.baselines import PinnedBaseline
from dbt_vigil.record import CheckStatus

__all__ = ["print_baselines", "print_bins", "print_status"]

COLORS = {"unjudged": "magenta", "overdue": "red", "failing": "red", "waiting": "yellow", "ok": "green"}


def print_status(statuses: Sequence[CheckStatus], now: datetime) -> None:
    """Print a line for each check, in the order given; ages are told from `now`."""
    table = _table("state", "check", "guards", "last", "value", "ran", "due", "since", "owner")
    for status in statuses:
        color = COLORS[status.state]
        table.add_row(
            f"[{color}]{status.state}[/]",
            *map(
                escape,
                (
                    status.check_name,
                    ".".join(part for part in (status.table_name, status.column_name) if part),
                    status.last_status or "never ran",
                    "" if status.last_value is None else f"{status.last_value:.4g}",
                    _ago(status.last_ran_at, now),
                    _ago(status.next_due_at, now),
                    _ago(status.overdue_since or status.failing_since, now),
                    status.owner or "",
                ),
            ),
        )
    _print(table)


def print_baselines(baselines: Sequence[PinnedBaseline]) -> None:
    """Print a line for each baseline, in the order given."""
    table = _table("baseline", "state", "of", "rows", "bins", "as of", "by", "at")
    for baseline in baselines:
        table.add_row(
            *map(
                escape,
                (
                    baseline.baseline_name,
                    baseline.event,
                    ".".join(part for part in (baseline.relation, baseline.column_name) if part),
                    f"{baseline.rows:,}",
                    str(len(baseline.pinned_bins)),
                    _minute(baseline.as_of),
                    baseline.recorded_by,
                    _minute(baseline.recorded_at),
                ),
            )
        )
    _print(table)


def print_bins(baseline: PinnedBaseline) -> None:
    """Print a line for each bin of each segment."""
    table = _table("segment", "bin", "from", "to", "rows")
    for entry in baseline.pinned_bins:
        segment = ", ".join("null" if value is None else value for value in entry.segment or [])
        name = {-2.0: "null", -1.0: "NaN"}.get(entry.bin, f"{entry.bin:g}")
        bounds = (entry.least_value or "", entry.greatest_value or "")
        table.add_row(*map(escape, (segment, name, *bounds, f"{entry.rows:,}")))
    _print(table)


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    seconds = (now - moment).total_seconds()
    size, unit = next(
        (size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (0, "s")) if abs(seconds) >= size
    )
    amount = f"{abs(seconds) / (size or 1):.0f} {unit}"
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"
