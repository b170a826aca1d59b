"""What a person sees while a run from a stored plan goes on, and when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from dbt_vigil.report import counted
from dbt_vigil.summary import CheckResult, RunSummary, check_result

__all__ = ["PROBLEMS", "Show", "lines", "table", "timing"]

Show = Callable[[Mapping[str, Any]], None]
"""Shows a test's entry of run_results.json."""

STYLES = {"pass": "green", "warn": "yellow", "no_data": "yellow", "fail": "red", "error": "red"}
PROBLEMS = ("fail", "error", "no_data", "warn")


@contextmanager
def lines() -> Iterator[Show]:
    """A line for each check, as soon as it is known."""

    def show(entry: Mapping[str, Any]) -> None:
        check = check_result(entry)
        click.echo(f"{check.status:<8} {check.name}{f': {check.explanation}' if check.explanation else ''}")

    yield show


@contextmanager
def table() -> Iterator[Show]:
    """A table that grows while a person looks on: how many checks ended how, and those that need a look."""
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots", "asking the engine ...")
    found: list[CheckResult] = []
    with Live(spinner, refresh_per_second=8) as live:

        def show(entry: Mapping[str, Any]) -> None:
            found.append(check_result(entry))
            live.update(Group(_as_table(found), spinner))

        yield show
        live.update(_as_table(found))


def _as_table(found: Sequence[CheckResult]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    counts = Counter(check.status for check in found).most_common()
    title = ", ".join(f"[{STYLES.get(status, 'default')}]{count} {status}[/]" for status, count in counts)
    rows = Table("", "check", "found", box=SIMPLE_HEAD, title=title, title_justify="left")
    for check in found:
        if check.status in PROBLEMS:
            rows.add_row(Text(check.status, STYLES[check.status]), Text(check.name), Text(check.explanation))
    return rows if rows.rows else title


def timing(summary: RunSummary) -> str:
    """How long the statements took, the longest first."""
    slowest = sorted(summary.statements, key=lambda run: -run.seconds)
    parts = [f"{len(run.check_ids)} in {run.seconds:.2f} s" for run in slowest[:5]]
    more = f" and {len(slowest) - 5} more" if len(slowest) > 5 else ""
    from_metadata = sum(source != "scan" for source in summary.sources().values())
    what = f"{counted(len(slowest), 'statement')} for checks ({', '.join(parts)}{more})"
    what += f", {counted(from_metadata, 'check')} from metadata" if from_metadata else ""
    return f"{what}; {summary.seconds['total']:.2f} s in all, by {summary.path}"
