"""The tables of cases: two versions of a schema, and what they break in each direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dbt_vigil.contracts.changes import Change, Direction
from dbt_vigil.contracts.formats import Schema

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    name: str
    old: Any
    new: Any
    backward: Sequence[str] = ()
    forward: Sequence[str] = ()
    removed: Sequence[str] = ()
    undecided: Sequence[str] = ()
    twin: str | None = None
    format: str = ""


def read_cases(name: str) -> list[Case]:
    """All cases of a file: each that passes has a twin that fails."""
    cases = [Case(**case) for case in yaml.safe_load((CASES / f"{name}.yml").read_text())]
    by_name = {case.name: case for case in cases}
    assert len(by_name) == len(cases)
    for case in cases:
        is_pass = not (case.backward or case.forward)
        assert bool(case.twin) == is_pass, case.name
        assert not case.twin or by_name[case.twin].backward or by_name[case.twin].forward, case.name
    return cases


def check(case: Case, old: Schema, new: Schema) -> list[Change]:
    """That the changes are those of the case, in either direction and both at once."""
    backward = old.changes_to(new, [Direction.BACKWARD])
    forward = old.changes_to(new, [Direction.FORWARD])
    assert [change.field for change in backward] == list(case.backward)
    assert [change.field for change in forward] == list(case.forward)
    both = old.changes_to(new, tuple(Direction))
    assert sorted(map(repr, both)) == sorted(map(repr, [*backward, *forward]))
    assert [change.field for change in both if change.is_removal] == list(case.removed)
    assert list(dict.fromkeys(change.field for change in both if change.is_undecided)) == list(case.undecided)
    for change in both:
        assert change.direction is Direction.FORWARD or not change.is_removal
        for text in (change.why, change.instead):
            assert text.endswith(".") and text[0].isupper(), text
    return both
