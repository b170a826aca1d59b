"""What the gates of contracts find: what breaks, who is hit, and what to do instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from dbt_vigil.contracts.changes import Change
from dbt_vigil.project import VigilError

if TYPE_CHECKING:  # it takes long, and every vigil command imports what is here
    from dbt_vigil.contracts.registry import Owner

__all__ = ["FORMS", "Finding", "Gate", "Hit", "Verdict", "exit_code", "merged", "unreadable"]

FORMS = ("text", "json", "markdown", "sarif")
"""How findings are written."""
PLACE = re.compile(r"(\S+:\d+): ")
"""What a line about a file begins with."""


class Verdict(str, Enum):
    """What is known of a change."""

    BROKEN = "broken"
    UNDECIDED = "undecided"
    """It could not be judged: that is no pass."""


class Gate(str, Enum):
    """What looks at a change."""

    SCHEMA = "schema"
    CONSUMERS = "consumers"
    DEPRECATION = "deprecation"
    OWNERSHIP = "ownership"


@dataclass(frozen=True)
class Hit:
    """A consumer that a finding is about."""

    consumer: str
    owner: Owner
    where: str
    """`file:line` of what it declares."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that could not be judged."""

    gate: Gate
    verdict: Verdict
    subject: str
    """As a person says it: `topic order-events`."""
    field: str
    """Its path; empty is the whole subject."""
    direction: str
    """`backward`, `forward`, or empty where it is about neither."""
    why: str
    """A sentence."""
    instead: str
    """What to do in place of it: a sentence, or empty."""
    where: str
    """`file:line`, `file`, or empty."""
    hit: tuple[Hit, ...] = ()

    @classmethod
    def of(cls, change: Change, subject: str, where: str, hit: Iterable[Hit] = ()) -> Finding:
        """What the gate of schemas says of a change."""
        return cls(
            gate=Gate.SCHEMA,
            verdict=Verdict.UNDECIDED if change.is_undecided else Verdict.BROKEN,
            subject=subject,
            field=change.field,
            direction=change.direction.value,
            why=change.why,
            instead=change.instead,
            where=where,
            hit=tuple(hit),
        )

    @property
    def name(self) -> str:
        """What it is about."""
        return f"{self.subject}.{self.field}" if self.field else self.subject


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Make one of those that differ in nothing but who is hit, in an order that is always the same."""
    hits: dict[Finding, set[Hit]] = {}
    for finding in findings:
        hits.setdefault(replace(finding, hit=()), set()).update(finding.hit)
    joined = (replace(finding, hit=tuple(sorted(found, key=_place_of_hit))) for finding, found in hits.items())
    return sorted(joined, key=_place)


def unreadable(error: VigilError) -> list[Finding]:
    """What could not be judged, because something could not be read: of each line of an error, one."""
    return [
        Finding(
            gate=Gate.SCHEMA,
            verdict=Verdict.UNDECIDED,
            subject="what is to be judged",
            field="",
            direction="",
            why=line,
            instead="",
            where=found[1] if (found := PLACE.match(line)) else "",
        )
        for line in str(error).splitlines()
    ]


def exit_code(findings: Iterable[Finding]) -> int:
    """2 if anything is undecided, else 1 if anything is broken, else 0."""
    verdicts = {finding.verdict for finding in findings}
    return 2 if Verdict.UNDECIDED in verdicts else 1 if verdicts else 0


def _place_of_hit(hit: Hit) -> tuple[str, ...]:
    return hit.consumer, hit.where, hit.owner.team, hit.owner.email or "", hit.owner.slack or ""


def _place(finding: Finding) -> tuple[str, ...]:
    """What is broken is first."""
    what = (finding.verdict.value, finding.subject, finding.field, finding.gate.value, finding.direction)
    return *what, finding.where, finding.why, finding.instead
