"""One verdict on both engines: the table of cases, through real `dbt build`."""

from __future__ import annotations

import re

import pytest

from tests.case_table import Case, load_cases
from tests.conftest import ALL_CASES, Outcome
from tests.engines import Row
from tests.profiled_cases import CHECKS, why_not

CONTRACT = [
    "check_name", "segment", "verdict", "value", "lower_bound", "upper_bound", "numerator", "denominator", "failed",
    "detail",
]  # fmt: skip

# All of them take Spark minutes: `make test-all-cases` has them judged, `make test` some.
STORED_CASES = load_cases()[:: 1 if ALL_CASES else 24]
PROFILED_CASES = [case for case in load_cases() if case.check in CHECKS and not why_not(case)]


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.id)
def test_case(case: Case, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[case.id]
    if isinstance(case.expect, dict) and "error" in case.expect:
        assert outcome.result.status == "error"
        assert re.search(case.expect["error"], outcome.result.message)
        return
    assert outcome.result.status == case.expected_status, outcome.result.message
    assert_expected(case, outcome.rows)


@pytest.mark.parametrize("stored_case", STORED_CASES, ids=lambda case: case.id)
def test_stored_case(stored_case: Case, stored_outcomes: dict[str, list[Row] | str]) -> None:
    """What a check finds in tables of Delta and of Iceberg, by a Thrift Server on a cluster."""
    assert_found(stored_case, stored_outcomes)


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
@pytest.mark.parametrize("parquet_case", load_cases(), ids=lambda case: case.id)
def test_case_in_parquet(parquet_case: Case, parquet_outcomes: dict[str, list[Row] | str]) -> None:
    """What a check finds in folders of Parquet files, where dbt renders each of them as `read_parquet(…)`."""
    assert_found(parquet_case, parquet_outcomes)


def assert_found(case: Case, outcomes: dict[str, list[Row] | str]) -> None:
    """The rows of a check, or the error of its query."""
    found = outcomes[case.id]
    if isinstance(found, str):
        assert re.search(case.expect["error"], found)
        return
    assert_expected(case, found)


def assert_expected(case: Case, rows: list[Row]) -> None:
    assert len(rows) == len(case.expected_rows)
    by_segment = {row["segment"]: row for row in rows}
    for expected in case.expected_rows:
        row = by_segment[expected.get("segment")]
        assert list(row) == CONTRACT
        assert row["check_name"] == case.check
        assert {key: row[key] for key in expected} == {
            key: pytest.approx(value, rel=1e-9) if isinstance(value, float | int) else value
            for key, value in expected.items()
        }


@pytest.mark.parametrize(
    "profiled_case",
    [
        pytest.param(case, id=case.id, marks=[pytest.mark.seldom_on_spark] if number % 8 else [])
        for number, case in enumerate(PROFILED_CASES)
    ],
)
def test_case_from_a_profile(
    profiled_case: Case, outcomes: dict[str, Outcome], profiled_outcomes: dict[str, list[Row] | str]
) -> None:
    """What a check finds in a profile is what it finds in the rows, to the letter of its detail."""
    found = profiled_outcomes[profiled_case.id]
    if isinstance(found, str):
        assert re.search(profiled_case.expect["error"], found)
        return
    from_rows = sorted(outcomes[profiled_case.id].rows, key=lambda row: str(row["segment"]))
    from_profile = sorted(found, key=lambda row: str(row["segment"]))
    assert from_profile == [
        {
            key: pytest.approx(value, rel=1e-9, nan_ok=True) if isinstance(value, float) else value
            for key, value in row.items()
        }
        for row in from_rows
    ]
