"""A profile: what it keeps, what it scans again, and what checks say where it cannot answer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy
import pytest

from tests.case_table import select
from tests.engines import DuckDB, Engine, Row
from tests.profiled_cases import error_of
from tests.project import Project

EVENTS = {"x": "double", "name": "string", 'a "b': "timestamp"}
DAYS_WITH_ROWS = ["2013-02-01", "2013-02-02", "2013-02-03", "2013-02-05"]
BEFORE: list[list[Any]] = [[i, "a", f"{day} 12:00:00"] for day in DAYS_WITH_ROWS for i in range(5)]
LATE: list[list[Any]] = [[7, "late", "2013-02-04 23:59:59"], [7, "too late", "2013-02-01 12:00:00"]]
AFTER: list[list[Any]] = [*BEFORE, *LATE, [1000, "b", "2013-02-06 00:00:00"], [None, "b", "2013-02-07 00:00:00"]]
PROFILE = """{{ vigil.column_profile(
  ref('events'), timestamp_column='a "b', columns=['x', 'name'], lookback=2, history=10, max_values=10
) }}"""

RANDOM = numpy.random.default_rng(7)
NUMBERS = {"t": "date", "g": "string", "x": "double", "n": "integer", "name": "string"}
ROWS: list[list[Any]] = [
    [
        f"2013-02-0{1 + i % 3}",
        None if i % 5 == 0 else "s",
        None if i % 11 == 0 else "NaN" if i % 13 == 0 else float(RANDOM.normal(50, 20)),
        int(RANDOM.integers(-3, 4)) if i % 7 else None,
        f"name {int(RANDOM.zipf(1.5)) % 30}" if i % 4 else None,
    ]
    for i in range(400)
]

OF_EVENTS = 'is a profile of each day of TABLE.events by a "b in UTC. Accepted: of each {}.'
CHECKS: dict[str, tuple[str, dict[str, Any]]] = {
    "judged": ("null_rate_change", {"baseline_periods": 3}),
    "before_the_profile": ("null_rate_change", {"baseline_periods": 20}),
    "of_other_periods": ("mean_change", {"period": "hour"}),
    "of_a_segment": ("mean_change", {"group_by": "name"}),
    "of_another_time": ("mean_change", {"timestamp_column": "name"}),
    "of_another_column": ("mean_change", {"column_name": 'a "b'}),
    "of_no_column": ("mean_change", {"column_name": "y"}),
    "of_text": ("range_change", {"column_name": "name", "baseline_periods": 3}),
}


@dataclass(frozen=True)
class Built:
    """What the profiles hold after a first run and after a second, the SQL of the second, and the checks' SQL."""

    project: Project
    first: list[Row]
    second: list[Row]
    sql: str
    numbers: list[Row]
    checks: dict[str, str]
    checks_a_day_later: dict[str, str]
    new_values: dict[str, str]


@pytest.fixture(scope="module")
def built(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp(f"profile_{engine.name}_", numbered=False)
    project = Project(directory, engine, {"vigil_as_of": "2013-02-06"})
    project.write("models/events_profile.sql", PROFILE)
    project.write("models/numbers.sql", select(engine, NUMBERS, ROWS))
    project.write(
        "models/numbers_profile.sql",
        "{{ vigil.column_profile(ref('numbers'), timestamp_column='t', columns=['x', 'n', 'name'], group_by='g', "
        "history=6, max_values=10) }}",
    )
    common = {"column_name": "x", "timestamp_column": 'a "b', "profile": "ref('events_profile')"}
    tests = [{f"vigil.{check}": {"name": name, "arguments": common | more}} for name, (check, more) in CHECKS.items()]
    project.write("models/events.sql", select(engine, EVENTS, BEFORE))
    arguments = {"timestamp_column": "t", "group_by": "g", "baseline_periods": 1, "profile": "ref('numbers_profile')"}
    of_numbers = [
        {"vigil.new_values": {"name": f"new_values_of_{column}", "arguments": {**arguments, "column_name": column}}}
        for column in ("x", "n")
    ]
    project.write("models/others.sql", "select * from {{ ref('events') }}")
    of_others = [{"vigil.null_rate_change": {"name": "of_another_table", "arguments": common}}]
    models = [
        {"name": "events", "data_tests": tests},
        {"name": "numbers", "data_tests": of_numbers},
        {"name": "others", "data_tests": of_others},
    ]
    project.write_yaml("models/events.yml", {"models": models})
    compiled(project, "run")
    first, numbers = profile_of(project, "events"), profile_of(project, "numbers")

    project = replace_vars(project, vigil_as_of="2013-02-08")
    project.write("models/events.sql", select(engine, EVENTS, AFTER))
    sql = compiled(project, "run", "--select", "events+")["events_profile"]
    checks = compiled(project, "compile")
    later = compiled(replace_vars(project, vigil_as_of="2013-02-09"), "compile")
    new_values = compiled(replace_vars(project, vigil_as_of="2013-02-04"), "compile", "--select", "numbers")
    return Built(project, first, profile_of(project, "events"), sql, numbers, checks, later, new_values)


def replace_vars(project: Project, **variables: Any) -> Project:
    return replace(project, vars=project.vars | variables)


def compiled(project: Project, *command: str) -> dict[str, str]:
    run: Any = project.run(*command)
    assert run.success, run.exception or [result.message for result in run.result]
    return {result.node.name: result.node.compiled_code for result in run.result if "name" in result.node.to_dict()}


def profile_of(project: Project, model: str) -> list[Row]:
    schema = f"{project.directory.name.replace('-', '_')}." if project.engine.name == "spark" else ""
    return project.engine.rows(project.directory, f"select * from {schema}{model}_profile")


def counts(rows: list[Row], column: str) -> dict[str, int]:
    return {row["period_start"]: row["row_count"] for row in rows if row["column_name"] == column}


def verdict(built: Built, check: str, *, a_day_later: bool = False) -> Row:
    queries = built.checks_a_day_later if a_day_later else built.checks
    [row] = built.project.engine.rows(built.project.directory, queries[check])
    return row


def test_a_period_without_rows_is_a_row(built: Built) -> None:
    days = {f"2013-01-{day}": 0 for day in range(27, 32)} | dict.fromkeys(DAYS_WITH_ROWS, 5) | {"2013-02-04": 0}
    assert counts(built.first, "x") == days
    assert counts(built.first, "name") == days
    [empty] = [row for row in built.first if row["column_name"] == "x" and row["period_start"] == "2013-02-04"]
    assert (empty["nulls"], empty["distinct_values"], empty["mean"], empty["top_values"]) == (0, 0, None, None)


def test_only_new_periods_and_those_of_the_lookback_are_scanned_again(built: Built) -> None:
    found = counts(built.second, "x")
    assert found["2013-02-04"] == 1, "late rows inside the lookback are taken in"
    assert found["2013-02-01"] == 5, "what is older is left alone"
    assert (found["2013-02-05"], found["2013-02-06"], found["2013-02-07"]) == (5, 1, 1)
    assert len(built.second) == 2 * 12
    assert "'2013-02-04 00:00:00.000000'" in built.sql
    assert "'2013-02-08 00:00:00.000000'" in built.sql
    assert "2013-02-03" not in built.sql


def test_the_edges_of_the_histogram_are_kept(built: Built) -> None:
    edges = {tuple(row["edges"]) for row in built.first + built.second if row["edges"]}
    assert edges == {(0, 0, 1, 1, 2, 2, 3, 3, 4)}
    [outside] = [row for row in built.second if row["column_name"] == "x" and row["period_start"] == "2013-02-06"]
    assert outside["histogram"] == [0] * 9 + [1]


SEGMENTS = [(f"2013-02-0{day}", segment) for day in (1, 2, 3) for segment in ("s", None)]


@pytest.mark.parametrize(("day", "segment"), SEGMENTS)
def test_numbers_are_those_that_numpy_finds(built: Built, day: str, segment: str | None) -> None:
    of_all = [row for row in ROWS if row[2] not in (None, "NaN")]
    edges = numpy.quantile([row[2] for row in of_all], numpy.arange(1, 10) / 10, method="inverted_cdf")
    rows = [row for row in ROWS if row[0] == day and row[1] == segment]
    values = [row[2] for row in rows if row[2] not in (None, "NaN")]
    nans = sum(row[2] == "NaN" for row in rows)
    found = one(built.numbers, day, segment, "x")
    assert (found["row_count"], found["nulls"], found["nans"]) == (len(rows), sum(r[2] is None for r in rows), nans)
    assert (found["numbers"], found["distinct_values"]) == (len(values), len(set(values)) + (nans > 0))
    assert found["total"] == pytest.approx(sum(values))
    assert found["mean"] == pytest.approx(numpy.mean(values))
    assert found["standard_deviation"] == pytest.approx(numpy.std(values, ddof=1))
    assert (found["least_number"], found["greatest_number"]) == (min(values), max(values))
    for name in ("p01", "p05", "p25", "p50", "p75", "p95", "p99"):
        assert found[name] == numpy.quantile(values, int(name[1:]) / 100, method="inverted_cdf"), name
    assert found["edges"] == pytest.approx(edges)
    bins = numpy.searchsorted(edges, values, side="left")
    assert found["histogram"] == numpy.bincount(bins, minlength=10).tolist()
    assert not found["has_all_values"]
    assert len(found["top_values"]) == 10


@pytest.mark.parametrize(("day", "segment"), SEGMENTS)
@pytest.mark.parametrize(("column", "place"), [("n", 3), ("name", 4)])
def test_values_are_counted(built: Built, day: str, segment: str | None, column: str, place: int) -> None:
    values = Counter(row[place] for row in ROWS if row[0] == day and row[1] == segment and row[place] is not None)
    found = one(built.numbers, day, segment, column)
    assert found["distinct_values"] == len(values)
    assert found["has_all_values"] == (len(values) <= 10)
    expected = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:10]
    assert [(dict_of(top)["value"], dict_of(top)["row_count"]) for top in found["top_values"]] == [
        (str(value), rows) for value, rows in expected
    ]
    assert found["kind"] == ("number" if column == "n" else "other")
    assert (found["least_text"], found["greatest_text"]) == (str(min(values)), str(max(values)))


def one(profile: list[Row], day: str, segment: str | None, column: str) -> Row:
    wanted = (day, segment, column)
    [row] = [row for row in profile if (row["period_start"], row["segment"][0], row["column_name"]) == wanted]
    return row


def dict_of(top: Any) -> dict[str, Any]:
    return top if isinstance(top, dict) else top.asDict()


def test_a_check_reads_the_profile(built: Built) -> None:
    found = verdict(built, "judged")
    assert (found["verdict"], found["value"], found["detail"]) == ("fail", 1, None)
    assert "events_profile" in built.checks["judged"]
    tables = re.findall(r"\bevents[`\"]? as .*\s+(.*)", built.checks["judged"])
    assert tables == ["where false"], "and of the table only whether its columns are there"


def test_a_period_that_is_not_profiled_is_no_data(built: Built) -> None:
    found = verdict(built, "judged", a_day_later=True)
    assert (found["verdict"], found["value"], found["failed"]) == ("no_data", None, 1)
    assert found["detail"] == "not profiled: 2013-02-08; dbt run --select events_profile"


def test_a_period_before_the_profile_is_no_data(built: Built) -> None:
    found = verdict(built, "before_the_profile")
    assert (found["verdict"], found["value"]) == ("no_data", None)
    assert found["detail"] == (
        "not profiled: 2013-01-26 and 8 more; "
        "dbt run --full-refresh --select events_profile, with a history from 2013-01-18 on"
    )


def test_a_profile_without_all_values_does_not_say_which_are_new(built: Built) -> None:
    found = {
        name: built.project.engine.rows(built.project.directory, built.new_values[f"new_values_of_{name}"])
        for name in "xn"
    }
    assert {row["verdict"] for row in found["x"]} == {"no_data"}
    assert {row["detail"] for row in found["x"]} == {
        "the profile has not all values of 2013-02-03: max_values is too small"
    }
    assert {row["verdict"] for row in found["n"]} == {"pass"}


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("of_other_periods", OF_EVENTS.format('hour of TABLE.events by a "b in UTC')),
        ("of_a_segment", OF_EVENTS.format('day of TABLE.events by a "b in UTC for each name')),
        ("of_another_time", OF_EVENTS.format("day of TABLE.events by name in UTC")),
        ("of_another_table", OF_EVENTS.format('day of TABLE.others by a "b in UTC')),
        ("of_another_column", 'is a profile without the column a "b. Accepted: one that has it among its `columns`.'),
        ("of_no_column", "column_name: y"),
        ("of_text", "argument `column_name` has a column of type"),
    ],
)
def test_what_a_profile_is_not_of_is_an_error(built: Built, check: str, says: str) -> None:
    found = error_of(built.project, built.checks[check])
    schema = "main" if built.project.engine.name == "duckdb" else built.project.directory.name.replace("-", "_").lower()
    assert says.replace("TABLE", schema) in found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("arguments_of_profiles"), DuckDB())
    project.write("models/flights.sql", "select 1 as x, 'a' as g, current_date as t")
    return project


RIGHT = {"timestamp_column": "t", "columns": ["x", "g"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, ""),
        ({"timestamp_column": None}, "`timestamp_column` is missing. Accepted: a column name"),
        ({"columns": None}, "`columns` is missing. Accepted: a column name, or a list of them"),
        ({"columns": [1]}, "`columns` is [1]. Accepted: a column name, or a list of them"),
        ({"columns": [f"c{i}" for i in range(51)]}, "`columns` is '51 columns'. Accepted: at most 50"),
        ({"period": "year"}, "`period` is 'year'. Accepted: hour, day, week, month"),
        ({"lookback": -1}, "`lookback` is -1. Accepted: a whole number from 0 to 1000"),
        ({"history": 0}, "`history` is 0. Accepted: a whole number from 1 to 100000"),
        ({"max_values": 9}, "`max_values` is 9. Accepted: a whole number from 10 to 10000"),
        ({"approximate": "x"}, ""),
        ({"approximate": ["x", "y"]}, "`approximate` is ['x', 'y']. Accepted: some of `columns`"),
        ({"group_by": {"a": 1}}, "`group_by` is {'a': 1}. Accepted: a column name, or a list of them"),
    ],
)
def test_wrong_arguments_of_a_profile(project: Project, arguments: dict[str, Any], says: str) -> None:
    given = ", ".join(f"{name}={value!r}" for name, value in (RIGHT | arguments).items())
    project.write("models/flights_profile.sql", f"{{{{ vigil.column_profile(ref('flights'), {given}) }}}}")
    error = str(project.run("parse").exception or "")
    assert says in error
    assert bool(says) == ("vigil: in model `flights_profile`, argument" in error)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"timestamp_column": "g"}, "`timestamp_column` is 'g, of type VARCHAR'. Accepted: a date or a timestamp."),
        ({"period": "hour"}, "`timestamp_column` is 't, of type DATE'. Accepted: a timestamp, because hours are"),
        ({"columns": ["y"]}, "column_name: y"),
    ],
)
def test_wrong_columns_of_a_profile(project: Project, arguments: dict[str, Any], says: str) -> None:
    given = ", ".join(f"{name}={value!r}" for name, value in (RIGHT | arguments).items())
    project.write("models/flights_profile.sql", f"{{{{ vigil.column_profile(ref('flights'), {given}) }}}}")
    run: Any = project.run("run")
    [message] = [result.message for result in run.result if result.node.name == "flights_profile"]
    assert says in message


def test_of_an_empty_build_nothing_is_kept(project: Project) -> None:
    project.write(
        "models/flights_profile.sql",
        "{{ vigil.column_profile(ref('flights'), timestamp_column='t', columns='x') }}",
    )
    for flags, rows in ((["--empty"], 0), ([], 400)):
        assert project.run("run", "--full-refresh", *flags).success
        assert len(profile_of(project, "flights")) == rows


def test_a_where_is_an_error(project: Project) -> None:
    project.write(
        "models/flights_profile.sql",
        "{{ vigil.column_profile(ref('flights'), timestamp_column='t', columns='x') }}",
    )
    arguments = {"column_name": "x", "timestamp_column": "t", "profile": "ref('flights_profile')"}
    test = {"vigil.mean_change": {"name": "filtered", "arguments": arguments, "config": {"where": "x > 0"}}}
    project.write_yaml("models/flights.yml", {"models": [{"name": "flights", "data_tests": [test]}]})
    message = project.test_results(project.run("build"))["filtered"].message
    assert "argument `profile` is " in message
    assert "Accepted: none with a `where`, because a profile is of all rows." in message


def test_a_profile_of_a_table_that_is_not_there_is_compiled(project: Project) -> None:
    """As by `dbt docs generate` in a warehouse without tables."""
    project.write("models/absent.sql", "select 1 as x, current_date as t")
    project.write(
        "models/absent_profile.sql",
        "{{ vigil.column_profile(ref('absent'), timestamp_column='t', columns='x') }}",
    )
    assert project.run("compile", "--select", "absent_profile").success


def test_approximate_columns(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Exact are counts, the range and the moments; distinct values and quantiles are near; the rest is not there."""
    project = Project(tmp_path_factory.mktemp(f"approximate_{engine.name}_", numbered=False), engine)
    project = replace_vars(project, vigil_as_of="2013-02-04")
    project.write("models/numbers.sql", select(engine, NUMBERS, ROWS))
    columns = "columns=['x', 'n', 'name'], group_by='g', history=3, max_values=10"
    for name, approximate in {"some": "['x', 'name']", "all": "['x', 'n', 'name']", "exact": "none"}.items():
        call = f"vigil.column_profile(ref('numbers'), timestamp_column='t', {columns}, approximate={approximate})"
        project.write(f"models/{name}_profile.sql", f"{{{{ {call} }}}}")
    arguments = {"timestamp_column": "t", "group_by": "g", "column_name": "x", "profile": "ref('some_profile')"}
    wanted: dict[str, dict[str, Any]] = {
        "cardinality_change": {},
        "new_values": {"baseline_periods": 1},
        "psi": {"window": "1 day", "baseline_window": "1 day"},
    }
    tests = [{f"vigil.{check}": {"name": check, "arguments": arguments | more}} for check, more in wanted.items()]
    project.write_yaml("models/numbers.yml", {"models": [{"name": "numbers", "data_tests": tests}]})
    compiled(project, "run")
    exact = {key_of(row): row for row in profile_of(project, "exact")}
    for name, columns_of in {"some": {"x", "name"}, "all": {"x", "n", "name"}}.items():
        rows = {key_of(row): row for row in profile_of(project, name)}
        assert rows.keys() == exact.keys()
        for key, row in rows.items():
            assert row["is_approximate"] == (row["column_name"] in columns_of)
            if row["is_approximate"]:
                assert_approximates(row, exact[key])
            else:
                assert row == exact[key]
    checks = compiled(project, "compile", "--select", "test_type:generic")
    for row in engine.rows(project.directory, checks["cardinality_change"]):
        assert (row["verdict"], row["detail"]) == ("pass", "counted by a sketch, to within a few percent")
    for check in ("new_values", "psi"):
        for row in engine.rows(project.directory, checks[check]):
            says = "the profile of 2013-02-03 is approximate, without values and bins"
            assert (row["verdict"], row["detail"]) == ("no_data", says)


def key_of(row: Row) -> tuple[Any, ...]:
    return (row["period_start"], row["column_name"], str(row["segment"]))


def assert_approximates(row: Row, exact: Row) -> None:
    counts = ("row_count", "nulls", "nans", "numbers", "least_number", "greatest_number", "least_text", "greatest_text")
    assert {name: row[name] for name in counts} == {name: exact[name] for name in counts}
    assert (row["top_values"], row["histogram"], row["edges"], row["has_all_values"]) == (None, None, None, False)
    assert row["distinct_values"] == pytest.approx(exact["distinct_values"], rel=0.15)
    for name in ("total", "mean", "standard_deviation"):
        assert row[name] == (exact[name] and pytest.approx(exact[name], rel=1e-9))
    for name in ("p01", "p05", "p25", "p50", "p75", "p95", "p99"):
        assert row[name] == (exact[name] and pytest.approx(exact[name], abs=15))
