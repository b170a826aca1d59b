"""What one schema changes of another, for those who read the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Change", "Direction", "Mode"]


class Direction(str, Enum):
    """Who reads whose data."""

    BACKWARD = "backward"
    """Who has the new schema cannot read the data of the old."""
    FORWARD = "forward"
    """Who has the old schema cannot read the data of the new."""


class Mode(str, Enum):
    """Which directions must stay readable. https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html."""

    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"
    FULL = "FULL"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def directions(self) -> Sequence[Direction]:
        """Those that it names."""
        given = self.value.split("_")[0]
        return tuple(Direction) if given == "FULL" else (Direction[given],)

    @property
    def is_transitive(self) -> bool:
        """Whether the new schema is compared with all earlier ones, not with the last only."""
        return self.value.endswith("_TRANSITIVE")


@dataclass(frozen=True)
class Change:
    """A breaking change, or one that cannot be judged."""

    field: str
    """The path of what is changed, such as `items[].price` and, of a map's values, `prices{}`; empty is the whole."""
    direction: Direction
    why: str
    """What a reader meets: a sentence."""
    instead: str
    """What to do in place of it: a sentence."""
    is_undecided: bool = False
    """It could not be judged: that is no pass."""
    is_removal: bool = False
    """The field is gone: that is fine once its deprecation is over."""
