"""Which conditions the statistics of files can say something of: how many rows they hold for."""

from __future__ import annotations

import pytest

from dbt_vigil.plan import Aggregate
from dbt_vigil.plan.files import counted

TYPES = {"id": "bigint", "d": "double", "s": "string", "at": "timestamp", "day": "date", "odd name": "int"}
SAID = [
    "",
    "id < 5",
    "not (5 <= id or id is null)",
    "id not in (1, -2)",
    "id not between 1 and 5",
    "`Odd Name` = 1 and day >= date '2024-01-01'",
    "d is null or s is not null",
    "typeof(d) in ('float', 'double') and cast(d as string) = 'NaN'",
    "typeof(s) in ('float', 'double') and cast(s as string) = 'NaN'",
    "case when typeof(at) = 'timestamp' then cast(at as timestamp) < timestamp '2024-01-01 00:00:00Z' else f(at) end",
]
UNSAID = [
    "d < 5",
    "s < 'b'",
    "at < '2024-01-01'",
    "at < date_add(day, 1)",
    "day < 5",
    "id < date '2024-01-01'",
    "cast(at as date) < date '2024-01-01'",
    "cast(s as string) <> 'NaN'",
    "id = d",
    "abs(id) < 5",
    "missing is null",
    "part.id is null",
    "id in (select 1)",
    "case when id < 5 then true else false end",
    "case when typeof(at) = 'date' then cast(at as date) < date '2024-01-01' else raise_error('type') end",
]


@pytest.mark.parametrize("where", SAID + UNSAID)
def test_what_the_statistics_of_files_say(where: str) -> None:
    assert bool(counted(Aggregate("count", "*", "t", where), TYPES)) == (where in SAID)


@pytest.mark.parametrize(
    ("function", "argument", "is_said"),
    [
        ("max", "id", True),
        ("min", "at", True),
        ("max", "d", False),
        ("max", "s", False),
        ("count", "d", True),
        ("count", "missing", False),
        ("sum", "id", False),
    ],
)
def test_which_aggregates_they_say(function: str, argument: str, is_said: bool) -> None:
    assert bool(counted(Aggregate(function, argument, "t"), TYPES)) == is_said
