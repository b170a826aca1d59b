"""A calendar that says nothing sensible stops dbt, and `vigil calendar` prints one that it takes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dbt_vigil.cli import main
from tests.engines import DuckDB
from tests.project import Project

RATIO = {"timestamp_column": "t", "calendar": "shop"}
CHRISTMAS = {"timestamp_column": "t", "except": {"2013-12-25": "Christmas"}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("calendar"), DuckDB())
    project.write("models/subject.sql", "select timestamp '2013-02-08 12:00:00' as t")
    return project


def parsed(project: Project, calendar: Any, arguments: dict[str, Any], check: str = "row_count_ratio") -> str:
    """The error of dbt's parse, or nothing."""
    test = {f"vigil.{check}": {"name": "the_test", "arguments": arguments}}
    project.write_yaml("models/subject.yml", {"models": [{"name": "subject", "data_tests": [test]}]})
    variables = yaml.safe_dump({"vigil_as_of": "2013-02-10", "vigil_calendars": {"shop": calendar}})
    result = project.run("parse", "--vars", variables)
    return "" if result.success else str(result.exception)


@pytest.mark.parametrize(
    ("calendar", "says"),
    [
        ({"weekdays": ["funday"]}, "calendar `shop`: `weekdays` is funday. Accepted: a list of monday, tuesday"),
        ({"weekdays": []}, "calendar `shop`: `weekdays` is empty"),
        ({"closed": ["sunday"]}, "calendar `shop`: `closed` is not known. Accepted: weekdays, holidays"),
        ({"holidays": ["25 December"]}, "`holidays` is '25 December'. Accepted: a list of dates"),
        ({"holidays": "2013-12-25"}, "`holidays` is '2013-12-25'. Accepted: a list of dates"),
        ({"holidays": ["2013-02-30"]}, "`holidays` has 2013-02-30, which is no date"),
        ({"days_around": 9}, "`days_around` is 9. Accepted: a whole number from 0 to 7"),
        ({"cutoff": "6am"}, "calendar `shop`: `cutoff` is 6am. Accepted: a time of day in quotes"),
        # YAML reads 06:00 without quotes as 6 · 60 seconds.
        ({"cutoff": 360}, "calendar `shop`: `cutoff` is 360. Accepted: a time of day in quotes"),
        ({"timezone": "Mars/Olympus"}, "timezone of calendar shop is Mars/Olympus. Accepted: an IANA name"),
        ({"holidays": ["2013-12-25", date(2013, 12, 26)], "weekdays": ["monday"], "cutoff": "06:00"}, ""),
        (None, ""),
    ],
)
def test_calendar(project: Project, calendar: Any, says: str) -> None:
    error = parsed(project, calendar, RATIO)
    assert says in error
    assert bool(says) == bool(error)


@pytest.mark.parametrize(
    ("check", "arguments", "says"),
    [
        ("row_count_ratio", {**RATIO, "calendar": "other"}, "`calendar` is 'other'. Accepted: shop"),
        ("row_count_ratio", {**RATIO, "period": "hour"}, "`calendar` is 'shop'. Accepted: none when period is not day"),
        ("row_count_ratio", {**CHRISTMAS, "compare": "to_date"}, "Accepted: none when period is not day"),
        ("row_count_ratio", {**CHRISTMAS, "except": ["soon"]}, "`except` is 'soon'. Accepted: a list of dates"),
        (
            "freshness",
            {**CHRISTMAS, "max_age": "1 day", "window": "2 days"},
            "`window` is '2 days'. Accepted: none with a calendar",
        ),
        ("row_count_ratio", CHRISTMAS, ""),
    ],
)
def test_arguments(project: Project, check: str, arguments: dict[str, Any], says: str) -> None:
    error = parsed(project, {}, arguments, check)
    assert says in error
    assert bool(says) == bool(error)


def test_a_calendar_that_is_always_closed(project: Project) -> None:
    first, last = date(2011, 1, 1).toordinal(), date(2013, 2, 10).toordinal()
    error = parsed(project, {"holidays": [date.fromordinal(n) for n in range(first, last)]}, RATIO)
    assert "`calendar` is 'shop'. Accepted: a calendar that has an open day among the last 400" in error


def test_the_command_prints_what_a_calendar_takes() -> None:
    printed = CliRunner().invoke(main, ["calendar", "US", "--years", "2013-2014", "--subdivision", "NY"])
    assert printed.exit_code == 0
    holidays = yaml.safe_load(printed.output)["holidays"]
    assert holidays[date(2013, 7, 4)] == "Independence Day"
    assert {day.year for day in holidays} == {2013, 2014}
    assert list(holidays) == sorted(holidays)


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["US", "--years", "soon"], "not a year or two", 2),
        (["Atlantis", "--years", "2013"], "Atlantis", 2),
        (["US"], "--years", 2),
    ],
)
def test_wrong_commands(arguments: list[str], says: str, code: int) -> None:
    run = CliRunner().invoke(main, ["calendar", *arguments])
    assert says in run.output
    assert run.exit_code == code
