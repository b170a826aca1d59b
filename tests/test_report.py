"""The words in which a measurement is reported: never rounder than the verdict."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_vigil.measurements import first_to_see
from dbt_vigil.report import Measurement, accepted, describe, measured


def measurement(
    check_name: str,
    value: float | None,
    numerator: float = 0,
    denominator: float = 0,
    lower: float | None = None,
    upper: float | None = None,
    segment: str | None = None,
) -> Measurement:
    return Measurement(check_name, segment, value, lower, upper, numerator, denominator, "pass")


@pytest.mark.parametrize(
    ("given_measurement", "sentence"),
    [
        (
            measurement("null_rate", 371 / 10900, 371, 10900, upper=0.01),
            "null rate 3.4% (371 of 10,900 rows), at most 1%",
        ),
        (measurement("null_rate", 0.0100001, 1, 2, upper=0.01), "null rate 1.00001% (1 of 2 rows), at most 1%"),
        (measurement("null_rate", 0.00001, 1, 100000, upper=0.07), "null rate 0.001% (1 of 100,000 rows), at most 7%"),
        (measurement("null_rate", None, upper=0.01), "no data: no rows, at most 1%"),
        (measurement("null_rate", float("nan"), upper=0.01), "no data: no rows, at most 1%"),
        (
            measurement("orphan_rate", 0.99999, 99999, 100000, upper=0.001),
            "orphan rate 99.999% (99,999 of 100,000 rows with a key), at most 0.1%",
        ),
        (measurement("orphan_rate", None, upper=0), "no data: no rows with a key, at most 0%"),
        (
            measurement("row_count_ratio", 312 / 742.3, 312, 742.3, lower=0.8),
            "row count 0.42 of the baseline average (312 rows against 742.3), at least 0.8",
        ),
        (
            measurement("row_count_ratio", None, 5, 0, lower=0.8, upper=2.0),
            "no data: 5 rows against none in the baseline, from 0.8 to 2",
        ),
        (measurement("freshness", 3780.0, 0, 9, upper=93600), "newest row 1 h 3 min old, at most 26 h"),
        (measurement("freshness", 93600.5, 0, 9, upper=93600), "newest row 26 h 0.5 s old, at most 26 h"),
        (measurement("freshness", 93604.0, 0, 9, upper=93600), "newest row 26 h 4 s old, at most 26 h"),
        (
            measurement("freshness", -60.0, 1, 9, upper=604800),
            "newest row -1 min old (1 of 9 rows are in the future), at most 7 d",
        ),
        (measurement("freshness", None, 9, 9, upper=60), "no data: 9 of 9 rows are in the future, at most 1 min"),
        (
            measurement("future_rate", 0.25, 1, 4, upper=0),
            "rate of rows in the future 25% (1 of 4 rows with a time), at most 0%",
        ),
        (measurement("future_rate", None, 0, 0, upper=0), "no data: no row has a time, at most 0%"),
        (
            measurement("out_of_range_rate", 0.25, 1, 4, upper=0),
            "share out of range 25% (1 of 4 values), at most 0%",
        ),
        (measurement("out_of_range_rate", None, 0, 0, upper=0), "no data: no values, at most 0%"),
        (
            measurement("replication_slot_lag", 1.23456789e10, 1.23456789e10, 1, upper=10**10),
            "retained 12.35 GB, at most 10 GB",
        ),
        (
            measurement("replication_slot_lag", 10_000_000_001.0, 10_000_000_001, 1, upper=10**10),
            "retained 10.000000001 GB, at most 10 GB",
        ),
        (
            measurement("null_on_update_rate", 0.5, 1, 2, upper=0),
            "nulls after an update 50% (1 of 2 updates of a value), at most 0%",
        ),
        (
            measurement("file_size", 0.75, 3, 4, upper=0.5, segment="2013-02-09"),
            "share of small files 75% in 2013-02-09 (3 of 4 files), at most 50%",
        ),
        (measurement("file_size", None, 0, 0, upper=0.5), "no data: no files with rows, at most 50%"),
        (
            measurement("partition_skew", 7.5, 7500, 1000, upper=5),
            "largest partition 7.5 times the median (7,500 against 1,000 in the median partition), at most 5",
        ),
        (
            measurement("unpartitioned_growth", 1.5e12, 1.5e12, 2e12, upper=1e12),
            "in no partition 1500 GB (of 2000 GB), at most 1000 GB",
        ),
        (
            measurement("snapshot_age", 864000, 1, 3, upper=604800),
            "oldest snapshot 10 d past its replacement (1 of 3 snapshots above it), at most 7 d",
        ),
        (measurement("snapshot_age", None, 0, 0, upper=604800), "no data: no snapshots, at most 7 d"),
        (measurement("psi", 0.2000004, 900, 3600, upper=0.2), "PSI 0.2000004 (900 rows against 3,600), at most 0.2"),
        (measurement("psi", None, 9, 36, upper=0.2), "no data: too few values, in 9 rows against 36, at most 0.2"),
        (
            measurement("null_rate", 0.5, 1, 2, upper=0.1, segment="EWR, null"),
            "null rate 50% in EWR, null (1 of 2 rows), at most 10%",
        ),
        (measurement("null_rate", None, upper=0.1, segment="EWR"), "no data in EWR: no rows, at most 10%"),
        (
            measurement("mean_change", float("inf"), float("inf"), 5, lower=0.5, upper=2),
            "mean infinity times the baseline's (inf against 5), from 0.5 to 2",
        ),
        (
            measurement("range_change", None, float("inf"), float("-inf"), upper=2),
            "no data: no values on one side, at most 200%",
        ),
        (
            measurement("null_rate_change", float("-inf"), float("inf"), 0),
            "null rate changed by -infinity (Infinity% against 0%), anything",
        ),
        (measurement("new_check", 3.0, 3, 1), "new_check 3 (3 of 1), anything"),
    ],
)
def test_sentence(given_measurement: Measurement, sentence: str) -> None:
    assert describe(given_measurement) == sentence


@given(
    check_name=st.sampled_from(["null_rate", "orphan_rate", "row_count_ratio", "psi", "freshness"]),
    value=st.floats(0, 1e6),
    bound=st.floats(0, 1e6) | st.sampled_from([0.0, 0.01, 0.2, 1.0]),
)
def test_a_value_never_looks_equal_to_a_bound_that_it_is_not_equal_to(
    check_name: str, value: float, bound: float
) -> None:
    m = measurement(check_name, value, upper=bound)
    assert (measured(m) == accepted(m).removeprefix("at most ")) == (value == bound)
    if check_name == "psi":
        assert Decimal(measured(m)).compare(Decimal(repr(bound))) == Decimal(repr(value)).compare(Decimal(repr(bound)))


def test_a_row_keeps_what_json_cannot_say() -> None:
    rows: list[dict[str, Any]] = [
        {
            "check_name": "x",
            "segment": name,
            "verdict": "fail",
            "value": value,
            "numerator": 1,
            "denominator": 1,
            "failed": failed,
        }
        for name, value, failed in (("NaN", float("inf"), 1), ("b", float("nan"), 0), ("a", 2, 1))
    ]
    row = json.loads(json.dumps(first_to_see(rows[:2], "scan"), allow_nan=False))
    m = Measurement.from_row(row)
    assert (m.segment, m.value, m.numerator, m.lower_bound) == ("NaN", float("inf"), 1, None)
    assert describe(Measurement.from_row(first_to_see(rows, "scan"))).endswith("; 2 of 3 segments fail")
