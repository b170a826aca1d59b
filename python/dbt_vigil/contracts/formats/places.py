"""Where in a schema a change is, and the order in which changes are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from dbt_vigil.contracts.changes import Change, Direction

__all__ = ["Found", "Place", "Reading", "in_order", "other_format", "ranks"]


@dataclass(frozen=True, order=True)
class Place:
    """A field, a list's entries or a map's values."""

    steps: tuple[tuple[int, str], ...] = ()
    """Of each, its rank among its neighbours, and how it is written."""

    def named(self, rank: int, name: str) -> Place:
        """A field of it."""
        return Place((*self.steps, (rank, f".{name}" if self.steps else name)))

    def part(self, written: str) -> Place:
        """What it holds many of: `[]` of a list, `{}` of a map."""
        return Place((*self.steps, (0, written)))

    def __str__(self) -> str:
        """As a path."""
        return "".join(written for _, written in self.steps)


Found = tuple[Place, Change]


@dataclass(frozen=True)
class Reading:
    """Who reads whose data, in one direction, and what of it cannot be read."""

    direction: Direction
    found: list[Found] = field(default_factory=list)

    @property
    def is_backward(self) -> bool:
        """Whether the reader is who has the new schema."""
        return self.direction is Direction.BACKWARD

    @property
    def who(self) -> str:
        """The reader, in a sentence."""
        return f"a reader with the {'new' if self.is_backward else 'old'} schema"

    @property
    def data(self) -> str:
        """What is read, in a sentence."""
        return "the data of before" if self.is_backward else "the new data"

    def add(
        self, place: Place, why: str, instead: str, *, is_undecided: bool = False, is_removal: bool = False
    ) -> None:
        """Note a change: `why` and `instead` get a capital letter."""
        why, instead = (f"{text[:1].upper()}{text[1:]}" for text in (why, instead))
        change = Change(str(place), self.direction, why, instead, is_undecided, is_removal)
        self.found.append((place, change))


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
