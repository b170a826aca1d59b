"""Paths of fields: `address.city` is within a record, `items[].price` of each entry, `prices{}` each value of a map."""

from __future__ import annotations

import re

__all__ = ["head", "is_nested", "is_within", "overlap", "parts"]

PART = re.compile(r"[^.\[\]{}]+|\[\]|\{\}")
NEXT = re.compile(r"[.\[{]")
"""What is within a field begins with it."""


def parts(path: str) -> list[str]:
    """The names, `[]` and `{}` of a path."""
    return PART.findall(path)


def head(path: str) -> str:
    """The name that a path starts with."""
    return NEXT.split(path, maxsplit=1)[0]


def is_nested(path: str) -> bool:
    """Whether it is within another field."""
    return NEXT.search(path) is not None


def is_within(path: str, other: str) -> bool:
    """Whether it is another, or a part of that."""
    return path == other or (path.startswith(other) and NEXT.match(path[len(other)]) is not None)


def overlap(one: str, other: str) -> bool:
    """Whether one is within the other, in small or in capital letters."""
    return is_within(one.lower(), other.lower()) or is_within(other.lower(), one.lower())
