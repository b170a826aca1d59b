"""Where in a schema a change is, and the order in which changes are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from dbt_vigil.contracts.changes import Change, Direction

__all__ = ["Found", "Place", "in_order", "other_format", "ranks"]


@dataclass(frozen=True, order=True)
class Place:
    """A field, a list's entries or a map's values."""

    steps: tuple[tuple[int, str], ...] = ()
    """Of each, its rank among its neighbours, and how it is written."""

    def field(self, rank: int, name: str) -> Place:
        """A field of it."""
        return Place((*self.steps, (rank, f".{name}" if self.steps else name)))

    def part(self, written: str) -> Place:
        """What it holds many of: `[]` of a list, `{}` of a map."""
        return Place((*self.steps, (0, written)))

    def __str__(self) -> str:
        """As a path."""
        return "".join(written for _, written in self.steps)


Found = tuple[Place, Change]


def ranks(*names: Iterable[str]) -> dict[str, int]:
    """The order of fields: those of the old schema, then those that are new."""
    return {name: rank for rank, name in enumerate(dict.fromkeys(name for some in names for name in some))}


def in_order(found: Iterable[Found]) -> list[Change]:
    """One of each field and direction: what is decided comes before what is not."""
    chosen: dict[tuple[Place, Direction], Change] = {}
    for place, change in sorted(found, key=lambda entry: entry[1].is_undecided):
        chosen.setdefault((place, change.direction), change)
    order = list(Direction)
    keyed = [((place, order.index(direction)), change) for (place, direction), change in chosen.items()]
    return [change for _, change in sorted(keyed, key=itemgetter(0))]


def other_format(directions: Sequence[Direction]) -> list[Change]:
    """That two versions are in different formats."""
    why = "The versions are in different formats, which cannot be compared."
    return [Change("", direction, why, "Keep the format.", is_undecided=True) for direction in directions]
