"""What a person sees while a run from a stored plan goes on, and when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import click

from dbt_vigil.summary import RunSummary, check_result

__all__ = ["Lines", "Table", "timing"]

STYLES = {"pass": "green", "warn": "yellow", "no_data": "yellow", "fail": "red", "error": "red"}
PROBLEMS = ("fail", "error", "no_data", "warn")


class Lines:
    """A line for each check, as soon as it is known."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, entry: Mapping[str, Any]) -> None:
        """Show a test's entry of run_results.json."""
        check = check_result(entry)
        click.echo(f"{check.status:<8} {check.name}{f': {check.explanation}' if check.explanation else ''}")


class Table:
    """A table that grows while a person looks on: how many checks ended how, and those that need a look."""

    def __enter__(self) -> Table:
        from rich.live import Live
        from rich.spinner import Spinner

        self._counts: Counter[str] = Counter()
        self._problems: list[tuple[str, str, str]] = []
        self._spinner = Spinner("dots", "asking the engine ...")
        self._live = Live(self._spinner, refresh_per_second=8, transient=False)
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(self._table())
        self._live.__exit__(kind, error, trace)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Show a test's entry of run_results.json."""
        from rich.console import Group

        check = check_result(entry)
        self._counts[check.status] += 1
        if check.status in PROBLEMS:
            self._problems.append((check.status, check.name, check.explanation))
        self._live.update(Group(self._table(), self._spinner))

    def _table(self) -> Any:
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table as RichTable

        title = ", ".join(f"[{STYLES.get(s, 'default')}]{n} {s}[/]" for s, n in self._counts.most_common())
        table = RichTable("", "check", "found", box=SIMPLE_HEAD, title=title, title_justify="left")
        for status, name, explanation in self._problems:
            table.add_row(f"[{STYLES[status]}]{status}[/]", escape(name), escape(explanation))
        return table if self._problems else title


def timing(summary: RunSummary) -> str:
    """How long the statements took, the longest first."""
    slowest = sorted(summary.statements, key=lambda run: -run.seconds)
    parts = [f"{len(run.check_ids)} in {run.seconds:.2f} s" for run in slowest[:5]]
    more = f" and {len(slowest) - 5} more" if len(slowest) > 5 else ""
    what = f"{len(slowest)} statement{'' if len(slowest) == 1 else 's'} for checks ({', '.join(parts)}{more})"
    return f"{what}; {summary.seconds['total']:.2f} s in all, by {summary.path}"
