"""The demo over the real flights of 2013: what it prints, and the alarms that its row count checks raise."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from typing import Any

import duckdb

from benchmarks.row_count_alarms import alarms
from dbt_vigil.demo import DATABASE, VARS, run_dbt
from tests.project import REPO


def test_demo() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "dbt_vigil.demo"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert [int(count) >= 12 for count in re.findall(r"of (\d+) vigil checks", run.stdout)] == [True]
    assert (
        "null_rate on flights.dep_time fails, on purpose: null rate 50.8% (472 of 930 rows), at most 25%" in run.stdout
    )
    for check in ("freshness", "row_count_ratio", "null_rate", "orphan_rate", "psi"):
        assert check in run.stdout


def test_alarms_of_row_count_ratio() -> None:
    # Every alarm of the same-weekday rule in 2013, and days around them; benchmarks/row_count_alarms.py does all year.
    days = ["07-03", "07-04", "07-05", "08-31", "09-01", "09-02", "11-27", "11-28", "11-29", "11-30", "12-25"]
    found = alarms(date.fromisoformat(f"2013-{day}") for day in days)
    assert found == {
        rule: [day for day in below if f"{day:%m-%d}" in days] for rule, below in below_by_plain_sql().items()
    }


def below_by_plain_sql() -> dict[str, list[date]]:
    """The days of the analysis whose ratio is below 0.8, all year: another way to the same figures."""
    compiled: Any = run_dbt(["compile", "--select", "row_count_ratio_by_day"], VARS).result
    with duckdb.connect(str(REPO / DATABASE), read_only=True) as connection:
        rows = connection.execute(compiled.results[0].node.compiled_code).fetchall()
    return {
        "row_count_against_last_7_days": [day for day, _, ratio, _ in rows if ratio < 0.8],
        "row_count_against_same_weekday": [day for day, _, _, ratio in rows if ratio < 0.8],
    }


def test_alarms_of_the_year() -> None:
    below = below_by_plain_sql()
    assert len(below["row_count_against_last_7_days"]) == 29
    assert below["row_count_against_same_weekday"] == [
        date(2013, 7, 4), date(2013, 9, 1), date(2013, 11, 28), date(2013, 11, 29), date(2013, 12, 25),
    ]  # fmt: skip
