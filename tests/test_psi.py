"""PSI equals an independent implementation to 1e-9, on both engines: random samples, each a segment of one check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.engines import Engine, Row
from tests.profiled_cases import error_of
from tests.project import Project

BINS, MAX_CATEGORIES, EPSILON = 7, 4, 1e-3
# The first day of each side, and how many days it has.
SIDES = {"baseline": (date(2013, 1, 6), 28), "window": (date(2013, 2, 3), 7)}
Sample = list[Any]
Sides = dict[str, Sample]


def numeric_sample(rng: np.random.Generator) -> Sample:
    """Continuous, rounded, skewed, constant or mostly one value; with nulls, NaN and infinities among them."""
    size = int(rng.integers(1, 400))
    values = rng.choice(
        [
            rng.normal(rng.uniform(-1, 1), rng.uniform(0.5, 2), size),
            rng.normal(0, 3, size).round(),
            rng.lognormal(0, 2, size),
            np.full(size, float(rng.integers(3))),
            np.where(rng.random(size) < 0.8, 0.0, rng.normal(0, 1, size)),
        ]
    )
    special = rng.choice(np.array([None, float("nan"), float("inf"), -0.0]), size)
    return [s if r < 0.1 else float(v) for v, s, r in zip(values, special, rng.random(size), strict=True)]


def constant_sample(rng: np.random.Generator) -> Sample:
    """One value nearly everywhere, in all samples the same: the nine edges of a profile are one."""
    values = rng.choice(np.array([5.0, 4.0, 6.0, None, float("nan")]), 50, p=[0.96, 0.01, 0.01, 0.01, 0.01])
    return list(values)


def categorical_sample(rng: np.random.Generator) -> Sample:
    size = int(rng.integers(1, 400))
    names = [None, "", "a", "A", "b", "ä", "null", "nan", "NaN", "other"]
    return [names[i] for i in rng.choice(len(names), size, p=rng.dirichlet(np.ones(len(names))))]


def quantile_bins(baseline: Sample) -> Any:
    """A function from a value to its bin: between two quantiles, or alone if it is a bin's share of the baseline."""
    values = sorted(filter(is_value, baseline))
    n = len(values)
    edges = [values[-(-n * k // BINS) - 1] for k in range(1, BINS)] if n else []
    alone = {value for value, times in Counter(values).items() if times * BINS >= n}

    def bin_of(value: Any) -> Any:
        if not is_value(value):
            return str(value)
        return ("alone", value) if value in alone else int(np.searchsorted(sorted(set(edges)), value, side="left"))

    return bin_of


def decile_bins(everything: Sample) -> Any:
    """Bins between the deciles of all samples together, which are what a profile keeps."""
    values = list(filter(is_value, everything))
    edges = np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf")
    return lambda value: int(np.searchsorted(edges, value, side="left")) if is_value(value) else str(value)


def categorical_bins(baseline: Sample) -> Any:
    counts = Counter(v for v in baseline if v is not None)
    kept = sorted(counts, key=lambda v: (-counts[v], v.encode()))[:MAX_CATEGORIES]
    return lambda value: None if value is None else value if value in kept else ("the rest",)


def is_value(value: Any) -> bool:
    return value is not None and value == value


def psi(sides: Sides, bin_of: Callable[[Any], Any]) -> float | None:
    """None where the baseline has no value."""
    if not any(map(is_value, sides["baseline"])):
        return None
    expected, actual = (Counter(map(bin_of, sides[side])) for side in SIDES)
    keys = sorted(expected.keys() | actual.keys(), key=str)
    e = np.maximum([expected[k] / len(sides["baseline"]) for k in keys], EPSILON)
    a = np.maximum([actual[k] / len(sides["window"]) for k in keys], EPSILON)
    return float(np.sum((a - e) * np.log(a / e)))


def time_sample(rng: np.random.Generator) -> Sample:
    return [
        None if x is None or abs(x) > 1e6 or x != x else datetime(2013, 1, 1) + timedelta(hours=x)
        for x in numeric_sample(rng)
    ]


SAMPLES = {"x": numeric_sample, "k": constant_sample, "name": categorical_sample, "at": time_sample}
TYPES = {"name": "varchar", "at": "timestamp"}
ARGUMENTS = {
    "timestamp_column": "d", "window": "7 days", "baseline_window": "28 days", "group_by": "segment",
    "max_categories": MAX_CATEGORIES, "epsilon": EPSILON, "min_rows": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """The samples by column and segment, and the PSI of each segment by test."""

    samples: dict[str, dict[str, Sides]]
    values: dict[str, dict[str, float | None]]

    def all_of(self, column: str) -> Sample:
        return [value for sides in self.samples[column].values() for side in sides.values() for value in side]


@pytest.fixture(scope="module")
def judged(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    directory = tmp_path_factory.mktemp(f"psi_{engine.name}", numbered=False)
    rng = np.random.default_rng(2013)
    samples = {
        column: {f"s{i}": {side: sample(rng) for side in SIDES} for i in range(100)}
        for column, sample in SAMPLES.items()
    }
    project = Project(directory, engine, {"vigil_as_of": "2013-02-10"})
    tests: dict[str, dict[str, Any]] = {}
    for column, of_column in samples.items():
        rows = [
            (segment, SIDES[side][0] + timedelta(days=int(rng.integers(SIDES[side][1]))), value)
            for segment, sides in of_column.items()
            for side, values in sides.items()
            for value in values
        ]
        write_rows(project, f"samples_{column}", TYPES.get(column, "double"), rows)
        project.write(
            f"models/profile_{column}.sql",
            f"{{{{ vigil.column_profile(ref('samples_{column}'), timestamp_column='d', columns='x', "
            "group_by='segment', history=60) }}",
        )
        tests[f"samples_{column}"] = {
            f"raw_{column}": ARGUMENTS | {"bins": BINS},
            f"profiled_{column}": ARGUMENTS | {"profile": f"ref('profile_{column}')"},
            f"pinned_{column}": ARGUMENTS | {"bins": BINS, "pinned_baseline": f'{column}\'s \\ "baseline"'},
        }
    categories = ARGUMENTS | {"kind": "categorical"}
    tests["samples_x"] |= {
        "raw_categories": categories, "pinned_categories": categories | {"pinned_baseline": "categories"}
    }  # fmt: skip
    found = values_of(project, tests)
    return Judged(samples, {name: {row["segment"]: row["value"] for row in rows} for name, rows in found.items()})


def write_rows(project: Project, model: str, column_type: str, rows: list[tuple[Any, ...]]) -> None:
    """A model of rows of a segment, a date and a value, by way of a file."""
    file = project.directory / f"{model}.parquet"
    with duckdb.connect() as connection:
        columns = f"unnest(?::varchar[]) as segment, unnest(?::date[]) as d, unnest(?::{column_type}[]) as x"
        connection.execute(
            f"create table samples as select {columns}", [list(column) for column in zip(*rows, strict=True)]
        )
        connection.execute(f"copy samples to '{file}'")
    read = f"parquet.`{file}`" if project.engine.name == "spark" else f"'{file}'"
    project.write(f"models/{model}.sql", f"select * from {read}")


def values_of(project: Project, tests: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """The rows of tests of column `x`, given by the model that they stand under and their name."""
    models = [
        {
            "name": model,
            "columns": [
                {"name": "x", "data_tests": [{"vigil.psi": {"name": n, "arguments": a}} for n, a in of.items()]}
            ],
        }
        for model, of in tests.items()
    ]
    project.write_yaml("models/tests.yml", {"models": models})
    run: Any = project.run("run")
    assert run.success, run.exception or [result.message for result in run.result]
    for name in {
        arguments["pinned_baseline"]
        for of in tests.values()
        for arguments in of.values()
        if "pinned_baseline" in arguments
    }:
        pin(project, name, "2013-02-10")
    results = project.test_results(project.run("compile", "--select", "test_type:generic"))
    return {
        name: project.engine.rows(project.directory, results[name].compiled_sql) for of in tests.values() for name in of
    }


def pin(project: Project, name: str, as_of: str) -> None:
    replace(project, vars=project.vars | {"vigil_as_of": as_of}).operate("vigil.pin_baseline", name=name, by="ann")


@pytest.mark.parametrize("column", [*SAMPLES, "categories"])
def test_psi_against_a_pin_is_that_against_the_baseline_that_was_pinned(judged: Judged, column: str) -> None:
    raw, pinned = (judged.values[f"{source}_{column}"] for source in ("raw", "pinned"))
    assert sum(value is not None for value in raw.values()) > 50
    assert pinned == {segment: value and pytest.approx(value, rel=1e-9, abs=1e-12) for segment, value in raw.items()}


@pytest.mark.parametrize("column", ["x", "k", "name"])
@pytest.mark.parametrize("source", ["raw", "profiled"])
def test_psi(judged: Judged, source: str, column: str) -> None:
    values = judged.values[f"{source}_{column}"]
    samples = judged.samples[column]
    assert values.keys() == samples.keys()
    for segment, sides in samples.items():
        if column == "name":
            bins = categorical_bins(sides["baseline"])
        else:
            bins = quantile_bins(sides["baseline"]) if source == "raw" else decile_bins(judged.all_of(column))
        expected = psi(sides, bins)
        assert values[segment] == (expected and pytest.approx(expected, rel=1e-9, abs=1e-12)), segment


@pytest.fixture(scope="module")
def shifts(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The PSI of a shift by one standard deviation, with an outlier and without, and of two values that swap."""
    project = Project(
        tmp_path_factory.mktemp(f"shifts_{engine.name}", numbered=False), engine, {"vigil_as_of": "2013-02-10"}
    )
    rng = np.random.default_rng(7)
    sides: dict[str, list[float]] = {"baseline": list(rng.normal(0, 1, 5000)), "window": list(rng.normal(1, 1, 5000))}
    samples: dict[str, Sides] = {
        "shift": sides,
        "outlier_in_the_baseline": sides | {"baseline": [*sides["baseline"][1:], 1e6]},
        "outlier_in_the_window": sides | {"window": [*sides["window"][1:], 1e6]},
        "swapped_numbers": {"baseline": [1.0] * 900 + [2.0] * 100, "window": [1.0] * 100 + [2.0] * 900},
        "swapped_texts": {"baseline": ["a"] * 900 + ["b"] * 100, "window": ["a"] * 100 + ["b"] * 900},
    }
    arguments = {"timestamp_column": "d", "window": "7 days", "baseline_window": "28 days"}
    tests = {}
    for name, of in samples.items():
        rows = [("all", SIDES[side][0], value) for side, values in of.items() for value in values]
        write_rows(project, name, "varchar" if "text" in name else "double", rows)
        project.write(
            f"models/{name}_profile.sql",
            f"{{{{ vigil.column_profile(ref('{name}'), timestamp_column='d', columns='x', history=60) }}}}",
        )
        profiled = arguments | {"profile": f"ref('{name}_profile')"}
        tests[name] = {f"{name}_raw": arguments, f"{name}_profiled": profiled}
    return {name: row["value"] for name, [row] in values_of(project, tests).items()}


@pytest.mark.parametrize("source", ["raw", "profiled"])
@pytest.mark.parametrize("side", ["baseline", "window"])
def test_an_outlier_stretches_no_bin(shifts: dict[str, float], side: str, source: str) -> None:
    shift = shifts[f"shift_{source}"]
    assert shift > 0.5
    assert shifts[f"outlier_in_the_{side}_{source}"] == pytest.approx(shift, rel=0.01)


@pytest.mark.parametrize("source", ["raw", "profiled"])
@pytest.mark.parametrize("values", ["numbers", "texts"])
def test_two_values_that_swap_are_a_change(shifts: dict[str, float], values: str, source: str) -> None:
    assert shifts[f"swapped_{values}_{source}"] > 3


# 20 rows a day; in the window `x` is 100 more, and `name` b instead of a.
EVENTS = """
select
  cast(date '2013-01-06' + cast(i % 35 as int) as date) as d,
  cast(i % 40 + case when i % 35 < 28 then 0 else 100 end as double) as x,
  case when i % 35 < 28 then 'a' else 'b' end as name,
  cast(i as int) as id
from range(700) as r(i)
"""
PROFILED = {"timestamp_column": "d", "window": "7 days", "baseline_window": "28 days", "min_rows": 1}
PROFILES = {"day": "history=40", "week": "period='week'", "newest": "history=7"}
FROM_A_PROFILE: dict[str, dict[str, Any]] = {
    "numbers": {"column_name": "x"},
    "times": {"column_name": "d"},
    "texts": {"column_name": "name"},
    "numbers_as_categories": {"column_name": "x", "kind": "categorical"},
    "weeks": {"column_name": "x", "period": "week", "profile": "ref('week_profile')"},
    "too_many_values": {"column_name": "id", "kind": "categorical"},
    "text_is_not_numeric": {"column_name": "name", "kind": "numeric"},
    "hours": {"column_name": "x", "period": "hour", "window": "6 hours"},
    "before_the_profile": {"column_name": "x", "baseline_window": "34 days"},
    "other_edges": {"column_name": "x", "profile": "ref('mixed_profile')"},
    "other_edges_of_texts": {"column_name": "name", "profile": "ref('mixed_profile')"},
}


@dataclass(frozen=True)
class FromAProfile:
    """The checks of `FROM_A_PROFILE`, as compiled for a day and for two days later."""

    project: Project
    sql: dict[str, str]
    sql_two_days_later: dict[str, str]

    def row(self, name: str, *, two_days_later: bool = False) -> Row:
        sql = (self.sql_two_days_later if two_days_later else self.sql)[name]
        [row] = self.project.engine.rows(self.project.directory, sql)
        return row


@pytest.fixture(scope="module")
def from_a_profile(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> FromAProfile:
    directory = tmp_path_factory.mktemp(f"from_a_profile_{engine.name}", numbered=False)
    project = Project(directory, engine, {"vigil_as_of": "2013-02-10T06:00:00"})
    project.write("models/events.sql", EVENTS)
    for name, more in PROFILES.items():
        columns = "ref('events'), timestamp_column='d', columns=['x', 'd', 'name', 'id'], max_values=19"
        project.write(f"models/{name}_profile.sql", f"{{{{ vigil.column_profile({columns}, {more}) }}}}")
    older, newer = "select * from {{ ref('day_profile') }} where", "select * from {{ ref('newest_profile') }} where"
    boundary = "period_start {} '2013-02-03'"
    mixed = f"{older} {boundary.format('<')} union all {newer} {boundary.format('>=')}"
    project.write("models/mixed_profile.sql", mixed)
    tests = [
        {"vigil.psi": {"name": name, "arguments": PROFILED | {"profile": "ref('day_profile')"} | arguments}}
        for name, arguments in FROM_A_PROFILE.items()
    ]
    project.write_yaml("models/tests.yml", {"models": [{"name": "events", "data_tests": tests}]})
    run: Any = project.run("run")
    assert run.success, run.exception or [result.message for result in run.result]
    later = replace(project, vars={"vigil_as_of": "2013-02-12"})
    compiled = [
        {name: result.compiled_sql for name, result in moment.test_results(moment.run("compile")).items()}
        for moment in (project, later)
    ]
    return FromAProfile(project, *compiled)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("numbers", {"verdict": "fail", "numerator": 140, "denominator": 560}),
        ("texts", {"verdict": "fail", "detail": "others: 0% to 100% adds 9.2094, a: 100% to 0% adds 9.2094"}),
        ("numbers_as_categories", {"verdict": "fail", "numerator": 140}),
        ("weeks", {"verdict": "fail", "numerator": 140, "denominator": 440}),
        ("other_edges_of_texts", {"verdict": "fail", "numerator": 140}),
    ],
)
def test_a_profile_is_judged(from_a_profile: FromAProfile, name: str, expected: dict[str, Any]) -> None:
    row = from_a_profile.row(name)
    assert {key: row[key] for key in expected} == expected
    tables = re.findall(r"\bevents[`\"]? as .*\s+(.*)", from_a_profile.sql[name])
    assert tables == ["where false"], "of the table only whether its columns are there"


def test_bins_of_a_profile_are_named_by_their_edges(from_a_profile: FromAProfile) -> None:
    assert "above 2013-02-06: 0% to " in from_a_profile.row("times")["detail"]
    assert "32 to 37: 13% to 8.6% adds " in from_a_profile.row("weeks")["detail"]


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("too_many_values", "the profile has not all values of 2013-02-09: max_values is too small"),
        (
            "before_the_profile",
            "not profiled: 2012-12-31; dbt run --full-refresh --select day_profile, with a history from 2012-12-31 on",
        ),
        (
            "other_edges",
            "the bins of the profile differ between periods; dbt run --full-refresh --select mixed_profile",
        ),
    ],
)
def test_what_a_profile_cannot_answer_is_no_data(from_a_profile: FromAProfile, name: str, detail: str) -> None:
    row = from_a_profile.row(name)
    assert (row["verdict"], row["value"], row["failed"], row["detail"]) == ("no_data", None, 1, detail)


def test_periods_that_are_not_profiled_are_named(from_a_profile: FromAProfile) -> None:
    row = from_a_profile.row("numbers", two_days_later=True)
    assert (row["verdict"], row["value"]) == ("no_data", None)
    assert row["detail"] == "not profiled: 2013-02-11 and 1 more; dbt run --select day_profile"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("text_is_not_numeric", "Accepted: a number, a date or a timestamp, because kind is numeric."),
        ("hours", " by d in UTC. Accepted: of each hour of "),
    ],
)
def test_what_a_profile_is_not_of_is_an_error(from_a_profile: FromAProfile, name: str, says: str) -> None:
    assert says in error_of(from_a_profile.project, from_a_profile.sql[name])
