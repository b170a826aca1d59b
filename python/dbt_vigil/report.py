"""What a check measured, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from math import isinf, isnan
from typing import Any

__all__ = ["Measurement", "accepted", "counted", "describe", "measured", "why"]


@dataclass(frozen=True)
class Measurement:
    """One row that a check returned."""

    check_name: str
    segment: str | None
    value: float | None
    lower_bound: float | None
    upper_bound: float | None
    numerator: float
    denominator: float
    verdict: str
    detail: str | None = None
    segments: int = 1
    failed_segments: int = 0
    source: str = "scan"
    """What it was measured from: a `scan` of rows, `metadata` of the table's files, or both, `mixed`."""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Measurement:
        """Take the measurement's columns from a row that may have others."""
        given: dict[str, Any] = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        # JSON has infinity as a text only.
        given |= {name: float(given[name]) for name in _NUMBERS if given.get(name)}
        return cls(**given)


_NUMBERS = ("value", "lower_bound", "upper_bound", "numerator", "denominator")


def counted(number: int, what: str) -> str:
    """Say `1 test`, or `2 tests`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def describe(m: Measurement) -> str:
    """Say in a sentence what was measured, where, from what, what is accepted, and what else there is to say."""
    detail = f"; {m.detail}" if m.detail else ""
    if m.segments > 1 and m.failed_segments:
        detail += f"; {m.failed_segments} of {m.segments} segments fail"
    where = f" in {m.segment}" if m.segment is not None else ""
    if not _was_measured(m):
        return f"no data{where}: {why(m)}, {accepted(m)}{detail}"
    subject, rest = _SUBJECTS.get(m.check_name, (m.check_name, ""))
    source = _in_future(m) if m.check_name == "freshness" else why(m)
    return f"{subject} {measured(m)}{rest}{where}{f' ({source})' if source else ''}, {accepted(m)}{detail}"


def measured(m: Measurement) -> str:
    """Write the value as short as it can be without looking equal to a bound, 0 or 1 that it is not equal to."""
    if m.value is None or not _was_measured(m):
        return "nothing"
    if isinf(m.value):
        return "infinity" if m.value > 0 else "-infinity"
    value = Decimal(repr(m.value))
    landmarks = [Decimal(repr(mark)) for mark in (m.lower_bound, m.upper_bound, 0, 1) if mark is not None]
    for text, shown in _candidates(m.check_name, value):
        if all(shown.compare(mark) == value.compare(mark) for mark in landmarks):
            return text
    return _exact(m.check_name, value)


def accepted(m: Measurement) -> str:
    """Write the accepted range, exactly."""
    lower, upper = (
        None if bound is None else _exact(m.check_name, Decimal(repr(bound)))
        for bound in (m.lower_bound, m.upper_bound)
    )
    if lower and upper:
        return f"from {lower} to {upper}"
    return f"at least {lower}" if lower else f"at most {upper}" if upper else "anything"


def why(m: Measurement) -> str:
    """Say which rows the value comes from, or why there is none."""
    rows, of = _count(m.numerator), _count(m.denominator)
    measured_from, unmeasured = {
        "freshness": (
            f"newest of {of} rows" + (f", {rows} of them in the future" if m.numerator else ""),
            _in_future(m) or ("no row has a time" if m.denominator else "no rows"),
        ),
        "future_rate": (f"{rows} of {of} rows with a time", "no row has a time"),
        "row_count_ratio": (f"{rows} rows against {of}", f"{rows} rows against none in the baseline"),
        "null_rate": (f"{rows} of {of} rows", "no rows"),
        "null_on_update_rate": (f"{rows} of {of} updates of a value", "no updates of a value"),
        "replication_slot_lag": ("", "not measured"),
        "orphan_rate": (f"{rows} of {of} rows with a key", "no rows with a key"),
        "psi": (f"{rows} rows against {of}", f"too few values, in {rows} rows against {of}"),
        "volume_anomaly": (f"{rows} rows, the median is {of}", f"{rows} rows, too few periods to compare with"),
        "allowed_values": (f"{rows} of {of} rows", "no rows with a value"),
        "out_of_range_rate": (f"{rows} of {of} values", "no values"),
        "new_values": (f"{rows} of {of} rows with a value", f"{of} rows with a value, or none in the baseline"),
        "cardinality_change": (f"{rows} against {of}", "no values"),
        "null_rate_change": (f"{_share(m.numerator)} against {_share(m.denominator)}", "no rows on one side"),
        "mean_change": (f"{_short(m.numerator)} against {_short(m.denominator)}", "no values on one side"),
        "range_change": (f"{_short(m.numerator)} beyond a range of {_short(m.denominator)}", "no values on one side"),
        "trend": ("", "too few points"),
        "file_size": (f"{rows} of {of} files", "no files with rows"),
        "partition_skew": (f"{rows} against {of} in the median partition", "no files with rows"),
        "unpartitioned_growth": (f"of {_size(m.denominator)}", "no files with rows"),
        "snapshot_age": (f"{rows} of {of} snapshots above it", "no snapshots"),
    }.get(m.check_name, (f"{rows} of {of}", f"{rows} of {of}"))
    return measured_from if _was_measured(m) else unmeasured


_SUBJECTS = {
    "freshness": ("newest row", " old"),
    "future_rate": ("rate of rows in the future", ""),
    "row_count_ratio": ("row count", " of the baseline average"),
    "null_rate": ("null rate", ""),
    "null_on_update_rate": ("nulls after an update", ""),
    "replication_slot_lag": ("retained", ""),
    "orphan_rate": ("orphan rate", ""),
    "psi": ("PSI", ""),
    "volume_anomaly": ("row count", " robust standard deviations from the median"),
    "allowed_values": ("share outside the list", ""),
    "out_of_range_rate": ("share out of range", ""),
    "new_values": ("share of new values", ""),
    "cardinality_change": ("number of distinct values changed by", ""),
    "null_rate_change": ("null rate changed by", ""),
    "mean_change": ("mean", " times the baseline's"),
    "range_change": ("beyond the baseline's range by", " of it"),
    "trend": ("slope", ""),
    "file_size": ("share of small files", ""),
    "partition_skew": ("largest partition", " times the median"),
    "unpartitioned_growth": ("in no partition", ""),
    "snapshot_age": ("oldest snapshot", " past its replacement"),
}


_SHARES = (
    "future_rate", "null_rate", "null_on_update_rate", "orphan_rate", "allowed_values", "out_of_range_rate",
    "new_values", "null_rate_change", "cardinality_change", "range_change", "file_size",
)  # fmt: skip
"""Checks whose values are written as percentages."""
_SIZES = ("replication_slot_lag", "unpartitioned_growth")
"""Checks whose values are bytes."""
_AGES = ("freshness", "snapshot_age")
"""Checks whose values are seconds."""


def _in_future(m: Measurement) -> str:
    return f"{_count(m.numerator)} of {_count(m.denominator)} rows are in the future" if m.numerator else ""


def _was_measured(m: Measurement) -> bool:
    return m.value is not None and not isnan(m.value)


def _candidates(check_name: str, value: Decimal) -> Iterator[tuple[str, Decimal]]:
    """Write a value in ever more detail, each with the number that a reader takes it for."""
    if check_name in _AGES:
        for step in (60, 1):
            shown = Decimal(round(value / step) * step)
            yield _duration(shown), shown
    else:
        scale, unit = _unit(check_name)
        for digits in range(1 if scale == 100 else 2, 12):
            number = round(value * scale, digits)
            yield f"{_plain(number)}{unit}", number / scale


def _exact(check_name: str, value: Decimal) -> str:
    if check_name in _AGES:
        return _duration(value)
    scale, unit = _unit(check_name)
    return f"{_plain(value * scale)}{unit}"


def _unit(check_name: str) -> tuple[Decimal, str]:
    """What a value is written in: how many of it are 1, and its name."""
    if check_name in _SHARES:
        return Decimal(100), "%"
    return (Decimal("1e-9"), " GB") if check_name in _SIZES else (Decimal(1), "")


def _duration(seconds: Decimal) -> str:
    """Write 93784 as `1 d 2 h 3 min 4 s`, and up to two days in hours."""
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if unit == "d" and rest <= 2 * size:
            continue
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    if rest or not parts:
        parts.append(f"{_plain(rest)} s")
    return sign + " ".join(parts)


def _share(number: float) -> str:
    return f"{_plain(Decimal(repr(round(number * 100, 2))))}%"


def _size(number: float) -> str:
    return f"{_short(number / 1e9)} GB"


def _short(number: float) -> str:
    return f"{number:.6g}"


def _count(number: float) -> str:
    return f"{Decimal(repr(round(number, 1))).normalize():,f}"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"
