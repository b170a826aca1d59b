"""Wrong arguments stop dbt with an error that names the test, the argument, what was given and what is accepted."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from dbt_vigil.macros import PackageMacros, Relation
from dbt_vigil.project import VigilError
from tests.engines import DuckDB
from tests.project import Project, package_macros

TYPO = "{{ typo }}"
SUBJECT = Relation("subject", "subject")
NULL_RATE = {"column_name": "x"}
FRESHNESS = {"timestamp_column": "t", "max_age": "1 hour"}
RATIO = {"timestamp_column": "t"}
ORPHANS = {"column_name": "x", "to": "ref('subject')", "field": "x"}
PSI = {"column_name": "x", "timestamp_column": "t", "window": "7 days", "baseline_window": "28 days"}
CHANGE = {"column_name": "x", "timestamp_column": "t"}
PROFILED = CHANGE | {"profile": "ref('subject')"}
PROFILED_RATIO = RATIO | {"profile": "ref('subject')"}
PROFILED_PSI = PSI | {"profile": "ref('subject')"}
ALLOWED = {"column_name": "x", "values": ["a", "b"]}
LITERALS = "Accepted: a list of texts, of numbers, or of true and false; dates as texts"
FUTURE = {"timestamp_column": "t"}
RANGE = {"column_name": "x", "min_value": 0, "max_value": 10}
PARTS = {"parts": ["ref('subject')"]}
SLOTS = {"timestamp_column": "t"}
FILES = {"files": "orders/*.parquet"}
SKEW = FILES | {"partition_by": "day"}
UPDATES = {"column_name": "x", "key": "id", "sequence_column": "lsn"}
SIZE = "Accepted: a number above 0 and a unit: B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 10 GB"
TREND = {"column_name": "x", "timestamp_column": "t", "window": "15 minutes", "max_slope": 5}
VOLUME = {"timestamp_column": "t"}

# check, its right arguments, the wrong one, what was given, what the error says
WRONG: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("null_rate", NULL_RATE, "column_name", None, "`column_name` is missing. Accepted: a column name"),
    ("null_rate", NULL_RATE, "column_name", ["a", "b"], "`column_name` is ['a', 'b']. Accepted: a column name"),
    ("null_rate", NULL_RATE, "column_name", "  ", "`column_name` is '  '. Accepted: a column name"),
    ("null_rate", NULL_RATE, "max_rate", 5, "`max_rate` is 5. Accepted: a number from 0 to 1"),
    ("null_rate", NULL_RATE, "max_rate", -0.1, "`max_rate` is -0.1. Accepted: a number from 0 to 1"),
    ("null_rate", NULL_RATE, "max_rate", "1%", "`max_rate` is '1%'. Accepted: a number from 0 to 1"),
    ("null_rate", NULL_RATE, "max_rate", True, "`max_rate` is True. Accepted: a number from 0 to 1"),
    ("null_rate", NULL_RATE, "max_rate", float("nan"), "`max_rate` is nan. Accepted: a number from 0 to 1"),
    ("null_rate", NULL_RATE, "nan_is_null", "yes please", "`nan_is_null` is 'yes please'. Accepted: true or false"),
    ("null_rate", NULL_RATE, "on_no_data", "ignore", "`on_no_data` is 'ignore'. Accepted: fail, pass"),
    (
        "null_rate",
        NULL_RATE,
        "group_by",
        {"a": 1},
        "`group_by` is {'a': 1}. Accepted: a column name, or a list of them",
    ),
    (
        "null_rate",
        NULL_RATE,
        "group_by",
        ["a", 1],
        "`group_by` is ['a', 1]. Accepted: a column name, or a list of them",
    ),
    ("null_rate", NULL_RATE, "window", "1 day", "`timestamp_column` is missing. Accepted: a column name"),
    ("null_rate", NULL_RATE, "timestamp_column", "t", "`window` is missing. Accepted: a number above 0 and a unit: "),
    (
        "null_rate",
        NULL_RATE,
        "max_rat",
        0.1,
        "`max_rat` is not an argument of this check. Accepted: column_name, max_rate, nan_is_null",
    ),
    ("freshness", FRESHNESS, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("freshness", FRESHNESS, "max_age", None, "`max_age` is missing. Accepted: a number above 0 and a unit: "),
    (
        "freshness",
        FRESHNESS,
        "max_age",
        "2 hrs ago",
        "`max_age` is '2 hrs ago'. Accepted: a number above 0 and a unit: ",
    ),
    ("freshness", FRESHNESS, "max_age", 26, "`max_age` is 26. Accepted: a number above 0 and a unit: "),
    ("freshness", FRESHNESS, "max_age", "0 hours", "`max_age` is '0 hours'. Accepted: a number above 0 and a unit: "),
    ("freshness", FRESHNESS, "max_age", "-1 hours", "`max_age` is '-1 hours'. Accepted: a number above 0 and a unit: "),
    ("freshness", FRESHNESS, "max_age", "1 month", "`max_age` is '1 month'. Accepted: a number above 0 and a unit: "),
    (
        "freshness",
        FRESHNESS,
        "future_tolerance",
        "soon",
        "`future_tolerance` is 'soon'. Accepted: a number above 0 and a unit: ",
    ),
    (
        "freshness",
        FRESHNESS,
        "window",
        "30 minutes",
        "`window` is '30 minutes'. Accepted: a duration of at least max_age",
    ),
    (
        "freshness",
        FRESHNESS,
        "age",
        "1 hour",
        "`age` is not an argument of this check. Accepted: timestamp_column, max_age, future_tolerance",
    ),
    ("row_count_ratio", RATIO, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("row_count_ratio", RATIO, "period", "fortnight", "`period` is 'fortnight'. Accepted: hour, day, week, month"),
    (
        "row_count_ratio",
        RATIO,
        "baseline_periods",
        0,
        "`baseline_periods` is 0. Accepted: a whole number from 1 to ",
    ),
    (
        "row_count_ratio",
        RATIO,
        "baseline_periods",
        1.5,
        "`baseline_periods` is 1.5. Accepted: a whole number from 1 to ",
    ),
    ("row_count_ratio", RATIO, "min_ratio", -1, "`min_ratio` is -1. Accepted: a number of at least 0"),
    ("row_count_ratio", RATIO, "max_ratio", 0.5, "`min_ratio` is 0.8. Accepted: a number from 0 to max_ratio, 0.5"),
    ("row_count_ratio", RATIO, "min_ratio", 3, "`min_ratio` is 3. Accepted: a number from 0 to max_ratio, 2.0"),
    (
        "row_count_ratio",
        RATIO,
        "baseline_periods",
        30000,
        "`baseline_periods` is 30000. Accepted: a whole number from 1 to 1000",
    ),
    (
        "row_count_ratio",
        RATIO,
        "column_name",
        "x",
        "`column_name` is not an argument of this check: it stands under a table",
    ),
    ("null_rate", NULL_RATE, "group_by", [], "`group_by` is []. Accepted: a column name, or a list of them"),
    (
        "null_rate",
        NULL_RATE,
        "group_by",
        TYPO,
        "`group_by` is missing. Accepted: a column name, or a list of them",
    ),
    (
        "freshness",
        FRESHNESS,
        "max_age",
        "800000 days",
        "`max_age` is '800000 days'. Accepted: a number above 0 and a unit",
    ),
    ("future_rate", FUTURE, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("future_rate", FUTURE, "max_rate", -1, "`max_rate` is -1. Accepted: a number from 0 to 1"),
    ("future_rate", FUTURE, "future_tolerance", 5, "`future_tolerance` is 5. Accepted: a number"),
    ("future_rate", FUTURE, "window", "1 day", "`window` is not an argument of"),
    ("out_of_range_rate", RANGE, "column_name", None, "`column_name` is missing. Accepted: a column name"),
    ("out_of_range_rate", RANGE, "min_value", 11, "`min_value` is 11. Accepted: a number of at most max_value, 10"),
    ("out_of_range_rate", RANGE, "min_value", "0", "`min_value` is '0'. Accepted: a number."),
    ("out_of_range_rate", RANGE, "max_value", True, "`max_value` is True. Accepted: a number."),
    ("out_of_range_rate", RANGE, "max_value", float("nan"), "`max_value` is nan. Accepted: a number."),
    ("out_of_range_rate", RANGE, "max_value", float("inf"), "`max_value` is inf. Accepted: a number."),
    (
        "out_of_range_rate",
        RANGE | {"min_value": None},
        "max_value",
        None,
        "`max_value` is missing. Accepted: a number, or else min_value",
    ),
    ("out_of_range_rate", RANGE, "max_rate", 1.5, "`max_rate` is 1.5. Accepted: a number from 0 to 1"),
    ("out_of_range_rate", RANGE, "window", "1 day", "`timestamp_column` is missing. Accepted: a column name"),
    ("out_of_range_rate", RANGE, "min", 0, "`min` is not an argument of this check. Accepted: column_name, min_value"),
    ("rows_add_up", PARTS, "parts", TYPO, "`parts` is missing. Accepted: a list of relations: ref('model')"),
    ("replication_slot_lag", SLOTS, "max_size", 10, f"`max_size` is 10. {SIZE}"),
    ("replication_slot_lag", SLOTS, "max_size", "10 Gb", f"`max_size` is '10 Gb'. {SIZE}"),
    ("replication_slot_lag", SLOTS, "max_size", "-1 GB", f"`max_size` is '-1 GB'. {SIZE}"),
    ("replication_slot_lag", SLOTS, "active_column", True, "`active_column` is True. Accepted: a column name"),
    ("replication_slot_lag", SLOTS, "window", 15, "`window` is 15. Accepted: a number above 0 and a unit"),
    ("null_on_update_rate", UPDATES, "key", None, "`key` is missing. Accepted: a column name, or a list of them"),
    ("null_on_update_rate", UPDATES, "sequence_column", None, "`sequence_column` is missing. Accepted: a column name"),
    ("null_on_update_rate", UPDATES, "updates", "u", f"`updates` is 'u'. {LITERALS}"),
    ("orphan_rate", ORPHANS, "to_where", False, "`to_where` is False. Accepted: a condition in SQL"),
    ("orphan_rate", ORPHANS, "to_where", " ", "`to_where` is ' '. Accepted: a condition in SQL"),
    ("orphan_rate", ORPHANS, "to_where", TYPO, "`to_where` is missing. Accepted: a condition in SQL"),
    (
        "psi",
        {**PSI, "timestamp_column": None},
        "window",
        None,
        "`window` is missing. Accepted: a duration such as 7 days",
    ),
    ("row_count_ratio", RATIO, "seasonality", "month", "`seasonality` is 'month'. Accepted: none, week"),
    ("row_count_ratio", RATIO, "compare", "partial", "`compare` is 'partial'. Accepted: complete, to_date"),
    (
        "row_count_ratio",
        RATIO,
        "threshold",
        0.5,
        "`threshold` is not an argument of this check. Accepted: timestamp_column, period, baseline_periods",
    ),
    (
        "orphan_rate",
        ORPHANS,
        "to",
        None,
        "`to` is missing. Accepted: a relation: ref('model') or source('source', 'table')",
    ),
    (
        "orphan_rate",
        ORPHANS,
        "to",
        "planes",
        "`to` is 'planes'. Accepted: a relation: ref('model') or source('source', 'table')",
    ),
    ("orphan_rate", ORPHANS, "to", 5, "`to` is 5. Accepted: a relation: ref('model') or source('source', 'table')"),
    ("orphan_rate", ORPHANS, "field", None, "`field` is missing. Accepted: a column name, or a list of them"),
    (
        "orphan_rate",
        ORPHANS,
        "field",
        ["x", "t"],
        "`field` is ['x', 't']. Accepted: as many columns as column_name has, 1",
    ),
    ("orphan_rate", ORPHANS, "column_name", [], "`column_name` is []. Accepted: a column name, or a list of them"),
    ("orphan_rate", ORPHANS, "max_rate", 1.5, "`max_rate` is 1.5. Accepted: a number from 0 to 1"),
    (
        "orphan_rate",
        ORPHANS,
        "fields",
        "x",
        "`fields` is not an argument of this check. Accepted: column_name, to, field",
    ),
    ("psi", PSI, "column_name", None, "`column_name` is missing. Accepted: a column name"),
    (
        "psi",
        PSI,
        "baseline_window",
        None,
        "`baseline_window` is missing. Accepted: a duration such as 28 days, or else a relation as `baseline`",
    ),
    (
        "psi",
        PSI,
        "baseline",
        "ref('subject')",
        "`baseline_window` is '28 days'. Accepted: none, because `baseline` is given",
    ),
    ("psi", PSI, "window", None, "`window` is missing. Accepted: a duration such as 7 days"),
    ("psi", PSI, "window", "a week", "`window` is 'a week'. Accepted: a number above 0 and a unit: "),
    (
        "psi",
        PSI,
        "baseline_window",
        "a month",
        "`baseline_window` is 'a month'. Accepted: a number above 0 and a unit: ",
    ),
    ("psi", PSI, "max_psi", -1, "`max_psi` is -1. Accepted: a number of at least 0"),
    ("psi", PSI, "bins", 1, "`bins` is 1. Accepted: a whole number from 2 to "),
    ("psi", PSI, "kind", "ordinal", "`kind` is 'ordinal'. Accepted: auto, numeric, categorical"),
    ("psi", PSI, "max_categories", 0, "`max_categories` is 0. Accepted: a whole number from 1 to "),
    ("psi", PSI, "min_rows", 0, "`min_rows` is 0. Accepted: a whole number from 1 to "),
    ("psi", PSI, "epsilon", 0, "`epsilon` is 0. Accepted: a number from 1e-12 to 0.1"),
    (
        "psi",
        PSI,
        "buckets",
        5,
        "`buckets` is not an argument of this check. Accepted: column_name, timestamp_column, window",
    ),
    ("psi", PSI, "profile", "subject", "`profile` is 'subject'. Accepted: a relation: ref('model')"),
    ("psi", PSI, "period", "day", "`period` is 'day'. Accepted: none without a `profile`"),
    ("psi", PSI, "pinned_baseline", "  ", "`pinned_baseline` is '  '. Accepted: a name of your choice"),
    (
        "psi",
        PSI | {"pinned_baseline": "a"},
        "baseline_window",
        "soon",
        "`baseline_window` is 'soon'. Accepted: a number",
    ),
    ("psi", PSI, "pinned_baseline", 1, "`pinned_baseline` is 1. Accepted: a name of your choice"),
    ("psi", PROFILED_PSI, "pinned_baseline", "a", "`pinned_baseline` is 'a'. Accepted: none with a `profile`"),
    ("psi", PROFILED_PSI, "period", "month", "`period` is 'month'. Accepted: hour, day, week"),
    ("psi", PROFILED_PSI, "bins", 5, "`bins` is 5. Accepted: 10 with a `profile`, whose histograms have ten bins"),
    ("psi", PROFILED_PSI, "window", "36 hours", "`window` is '36 hours'. Accepted: a whole number of days, the period"),
    ("psi", PROFILED_PSI, "window", "24 hours", "`window` is '24 hours'. Accepted: a whole number of days, the period"),
    ("psi", PROFILED_PSI, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    (
        "psi",
        PROFILED_PSI | {"period": "week", "window": "1 week"},
        "baseline_window",
        "10 days",
        "`baseline_window` is '10 days'. Accepted: a whole number of weeks, the period of the profile",
    ),
    (
        "psi",
        {name: value for name, value in PROFILED_PSI.items() if name != "baseline_window"},
        "baseline",
        "ref('subject')",
        "Accepted: none with a `profile`, whose periods before the window are the baseline",
    ),
    ("null_rate_change", CHANGE, "column_name", None, "`column_name` is missing. Accepted: a column name"),
    ("null_rate_change", CHANGE, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("null_rate_change", CHANGE, "max_change", 5, "`max_change` is 5. Accepted: a number from 0 to 1"),
    ("null_rate_change", CHANGE, "period", "year", "`period` is 'year'. Accepted: hour, day, week, month"),
    ("null_rate_change", CHANGE, "nan_is_null", 1, "`nan_is_null` is 1. Accepted: true or false"),
    (
        "null_rate_change",
        CHANGE,
        "baseline_periods",
        0,
        "`baseline_periods` is 0. Accepted: a whole number from 1 to 1000",
    ),
    (
        "null_rate_change",
        CHANGE,
        "window",
        "1 day",
        "`window` is not an argument of this check. Accepted: column_name, timestamp_column, period",
    ),
    ("cardinality_change", CHANGE, "column_name", ["x"], "`column_name` is ['x']. Accepted: a column name"),
    ("cardinality_change", CHANGE, "max_change", -0.5, "`max_change` is -0.5. Accepted: a number of at least 0"),
    ("cardinality_change", CHANGE, "seasonality", "day", "`seasonality` is 'day'. Accepted: none, week"),
    (
        "cardinality_change",
        CHANGE,
        "baseline_periods",
        7,
        "`baseline_periods` is not an argument of this check. Accepted: column_name, timestamp_column, period",
    ),
    ("mean_change", CHANGE, "column_name", None, "`column_name` is missing. Accepted: a column name"),
    ("mean_change", CHANGE, "min_ratio", -1, "`min_ratio` is -1. Accepted: a number of at least 0"),
    ("mean_change", CHANGE, "min_ratio", 3, "`min_ratio` is 3. Accepted: a number from 0 to max_ratio, 2.0"),
    ("mean_change", CHANGE, "max_ratio", "2x", "`max_ratio` is '2x'. Accepted: a number of at least 0"),
    ("mean_change", CHANGE, "on_no_data", "warn", "`on_no_data` is 'warn'. Accepted: fail, pass"),
    ("range_change", CHANGE, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("range_change", CHANGE, "max_change", True, "`max_change` is True. Accepted: a number of at least 0"),
    (
        "range_change",
        CHANGE | {"period": "week"},
        "seasonality",
        "week",
        "`seasonality` is 'week'. Accepted: none when period is week",
    ),
    ("new_values", CHANGE, "column_name", [], "`column_name` is []. Accepted: a column name, or a list of them"),
    ("new_values", CHANGE, "max_rate", 1.5, "`max_rate` is 1.5. Accepted: a number from 0 to 1"),
    ("new_values", CHANGE, "group_by", [1], "`group_by` is [1]. Accepted: a column name, or a list of them"),
    ("allowed_values", ALLOWED, "values", None, f"`values` is missing. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", [], f"`values` is []. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", "a", f"`values` is 'a'. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", {"a": 1}, f"`values` is {{'a': 1}}. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", ["a", 1], f"`values` is ['a', 1]. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", [1, True], f"`values` is [1, True]. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", ["a", None], f"`values` is ['a', None]. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", [None], f"`values` is [None]. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", [["a"]], f"`values` is [['a']]. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", [float("nan")], f"`values` is [nan]. {LITERALS}"),
    ("allowed_values", ALLOWED, "values", [1, float("inf")], f"`values` is [1, inf]. {LITERALS}"),
    (
        "allowed_values",
        ALLOWED,
        "values",
        [datetime.date(2013, 2, 9)],
        f"`values` is [datetime.date(2013, 2, 9)]. {LITERALS}",
    ),
    ("allowed_values", ALLOWED, "nulls", "fail", "`nulls` is 'fail'. Accepted: exclude, allow, forbid"),
    ("allowed_values", ALLOWED, "max_rate", 2, "`max_rate` is 2. Accepted: a number from 0 to 1"),
    ("allowed_values", ALLOWED, "window", "1 day", "`timestamp_column` is missing. Accepted: a column name"),
    ("file_size", FILES, "min_size", "0 MB", f"`min_size` is '0 MB'. {SIZE}"),
    ("file_size", FILES, "min_size", "100", f"`min_size` is '100'. {SIZE}"),
    ("file_size", FILES, "min_size", "-1 MB", f"`min_size` is '-1 MB'. {SIZE}"),
    ("file_size", FILES, "max_rate", -0.1, "`max_rate` is -0.1. Accepted: a number from 0 to 1"),
    ("file_size", FILES, "group_by", [], "`group_by` is []. Accepted: a column name, or a list of them"),
    ("file_size", FILES, "file_format", "orc", "`file_format` is 'orc'. Accepted: delta, iceberg, parquet"),
    ("file_size", FILES, "files", ["a", "b"], "`files` is ['a', 'b']. Accepted: the path of Parquet files"),
    ("file_size", FILES, "files", " ", "`files` is ' '. Accepted: the path of Parquet files"),
    ("file_size", FILES, "on_no_data", "warn", "`on_no_data` is 'warn'. Accepted: fail, pass"),
    ("file_size", FILES, "window", "1 day", "`window` is not an argument of this check. Accepted: min_size, max_rate"),
    ("partition_skew", SKEW, "partition_by", None, "`partition_by` is missing. Accepted: a column name, or a list"),
    ("partition_skew", SKEW, "measure", "files", "`measure` is 'files'. Accepted: bytes, rows"),
    ("partition_skew", SKEW, "max_ratio", 0.5, "`max_ratio` is 0.5. Accepted: a number of at least 1"),
    ("partition_skew", SKEW, "group_by", "day", "`group_by` is not an argument of this check. Accepted: partition_by"),
    ("unpartitioned_growth", FILES, "max_size", "a lot", f"`max_size` is 'a lot'. {SIZE}"),
    ("unpartitioned_growth", FILES, "column_name", "x", "it stands under a table, not under a column"),
    ("snapshot_age", {}, "max_age", "0 days", "`max_age` is '0 days'. Accepted: a number above 0 and a unit: "),
    ("snapshot_age", {}, "max_snapshots", 0, "`max_snapshots` is 0. Accepted: a whole number from 1 to "),
    ("snapshot_age", {}, "file_format", "hudi", "`file_format` is 'hudi'. Accepted: delta, iceberg, parquet"),
    ("snapshot_age", {}, "files", "a", "`files` is not an argument of this check. Accepted: max_age, max_snapshots"),
    ("trend", TREND, "column_name", None, "`column_name` is missing. Accepted: a column name"),
    ("trend", TREND, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("trend", TREND, "window", None, "`window` is missing. Accepted: a number above 0 and a unit: "),
    ("trend", TREND, "max_slope", None, "`max_slope` is missing. Accepted: a number, or else min_slope"),
    ("trend", TREND, "max_slope", "5/h", "`max_slope` is '5/h'. Accepted: a number."),
    ("trend", TREND, "min_slope", True, "`min_slope` is True. Accepted: a number."),
    ("trend", TREND, "min_slope", 6, "`min_slope` is 6. Accepted: a number of at most max_slope, 5"),
    ("trend", TREND, "per", "week", "`per` is 'week'. Accepted: second, minute, hour, day"),
    ("trend", TREND, "min_rows", 1, "`min_rows` is 1. Accepted: a whole number from 2 to "),
    ("mean_change", CHANGE, "profile", "subject", "`profile` is 'subject'. Accepted: a relation: ref('model')"),
    (
        "new_values",
        PROFILED,
        "column_name",
        ["x", "y"],
        "Accepted: none with several columns, because a profile has no",
    ),
    ("row_count_ratio", PROFILED_RATIO, "compare", "to_date", "Accepted: none when compare is to_date, because a prof"),
    ("volume_anomaly", VOLUME, "timestamp_column", None, "`timestamp_column` is missing. Accepted: a column name"),
    ("volume_anomaly", VOLUME, "max_score", -1, "`max_score` is -1. Accepted: a number of at least 0"),
    ("volume_anomaly", VOLUME, "min_periods", 9, "`min_periods` is 9. Accepted: a whole number from 1 to 8"),
    ("volume_anomaly", VOLUME, "min_periods", 0, "`min_periods` is 0. Accepted: a whole number from 1 to 8"),
    ("volume_anomaly", VOLUME, "baseline_periods", 3, "`min_periods` is 4. Accepted: a whole number from 1 to 3"),
    ("volume_anomaly", VOLUME, "period", "month", "`seasonality` is 'week'. Accepted: none when period is month"),
    (
        "volume_anomaly",
        VOLUME,
        "column_name",
        "x",
        "`column_name` is not an argument of this check: it stands under a table",
    ),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("arguments"), DuckDB())
    project.write("models/subject.sql", "select 1 as x, current_timestamp as t")
    return project


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> PackageMacros:
    return package_macros("duckdb", datetime.date(2013, 2, 10), tmp_path_factory.mktemp("macros"))


def rendered(arguments: dict[str, Any]) -> dict[str, Any]:
    """What dbt hands to a check."""
    return {
        key: SUBJECT if value == "ref('subject')" else value for key, value in arguments.items() if value is not None
    }


def parse(project: Project, check: str, arguments: dict[str, Any], *flags: str) -> str:
    """The error of `dbt parse` for a test with these arguments, or nothing."""
    test = {f"vigil.{check}": {"name": "the_test", "arguments": arguments}}
    project.write_yaml("models/subject.yml", {"models": [{"name": "subject", "data_tests": [test]}]})
    result = project.run("parse", *flags)
    return "" if result.success else str(result.exception)


@pytest.mark.parametrize(("check", "right", "argument", "given", "says"), [w for w in WRONG if w[3] != TYPO])
def test_wrong_argument(
    macros: PackageMacros, check: str, right: dict[str, Any], argument: str, given: Any, says: str
) -> None:
    with pytest.raises(VigilError) as error:
        macros.call(f"test_{check}", model=SUBJECT, **rendered(right | {argument: given}))
    assert "vigil: in test ``, " in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("check", "right", "argument", "given", "says"),
    [*{wrong[0]: wrong for wrong in WRONG}.values(), *(wrong for wrong in WRONG if wrong[3] == TYPO)],
)
def test_wrong_argument_in_dbt(
    project: Project, check: str, right: dict[str, Any], argument: str, given: Any, says: str
) -> None:
    """One of each check, and what dbt renders: it stops at the first error, after a second."""
    arguments = {key: value for key, value in (right | {argument: given}).items() if value is not None}
    error = parse(project, check, arguments)
    assert "vigil: in test `the_test`, " in error
    assert says in error


@pytest.mark.parametrize(
    ("check", "right"),
    [
        ("null_rate", NULL_RATE),
        ("freshness", FRESHNESS),
        ("future_rate", FUTURE),
        ("out_of_range_rate", RANGE),
        ("rows_add_up", PARTS),
        ("replication_slot_lag", SLOTS),
        ("null_on_update_rate", UPDATES),
        ("file_size", FILES),
        ("partition_skew", SKEW),
        ("unpartitioned_growth", FILES),
        ("snapshot_age", {}),
        ("row_count_ratio", RATIO),
        ("orphan_rate", ORPHANS),
        ("psi", PSI),
        ("null_rate_change", CHANGE),
        ("cardinality_change", CHANGE),
        ("mean_change", CHANGE),
        ("range_change", CHANGE),
        ("new_values", CHANGE),
        ("allowed_values", ALLOWED),
        ("trend", TREND),
        ("volume_anomaly", VOLUME),
    ],
)
def test_right_arguments(project: Project, check: str, right: dict[str, Any]) -> None:
    assert parse(project, check, right) == ""


@pytest.mark.parametrize(
    ("variable", "given", "accepted"),
    [
        ("vigil_as_of", "yesterday", "an ISO 8601 date or time"),
        ("vigil_as_of", "2013-02-30", "an ISO 8601 date or time"),
        ("vigil_as_of", "10/02/2013", "an ISO 8601 date or time"),
        ("vigil_as_of", "0001-01-01", "an ISO 8601 date or time"),
        ("vigil_timezone", "Mars/Olympus", "an IANA name"),
        ("vigil_on_no_data", "ignore", "fail, pass"),
        ("vigil_file_format", "orc", "delta, iceberg, parquet"),
    ],
)
def test_wrong_variable(project: Project, variable: str, given: str, accepted: str) -> None:
    check, right = ("file_size", FILES) if variable == "vigil_file_format" else ("freshness", FRESHNESS)
    error = parse(project, check, right, "--vars", f"{{{variable}: '{given}'}}")
    assert f"`{variable}`" in error
    assert given in error
    assert accepted in error
