"""Reads what a statement answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbt_vigil.plan.forms import Form

__all__ = ["Finding", "findings"]

WHOLE_NUMBER = re.compile(r"-?[0-9]+")
TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Finding:
    """What a test found: as dbt's own statement would have answered it."""

    failures: int
    should_warn: bool
    should_error: bool
    measured: tuple[Mapping[str, Any], ...] = ()
    source: str = "scan"
    """What answered: `metadata`, `scan` or `mixed`."""


def findings(forms: Sequence[Form], rows: Sequence[Sequence[Any]], engine: str) -> list[Finding | None]:
    """For each test of a statement, in its order, what it found; None where its own query must be asked.

    That is where only the existence of failures is known, or where dbt would not take the answer: no number, say.
    """
    answers: dict[int, list[Sequence[Any]]] = {}
    for test, *answer in rows:
        answers.setdefault(test, []).append(answer)
    return [_finding(form, answers.get(test, ()), engine) for test, form in enumerate(forms)]


def _finding(form: Form, answers: Sequence[Sequence[Any]], engine: str) -> Finding | None:
    if len(answers) != 1:
        return None
    ((failures, should_warn, should_error, measured),) = answers
    if failures is None or not WHOLE_NUMBER.fullmatch(failures) or {should_warn, should_error} - set(TRUTHS):
        return None
    if not form.is_exact and int(failures):
        return None
    found = json.loads(measured) if engine == "spark" and measured else measured
    return Finding(int(failures), TRUTHS[should_warn], TRUTHS[should_error], tuple(found or ()), form.source)
