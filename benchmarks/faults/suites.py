"""The checks that are put on each table, in a dbt project of its own.

Every bound was set by what `python -m benchmarks.faults.run --clean` prints of the clean days: a little above the
greatest value of the year, where that is not a freak of one day. None was set by looking at a fault. A check that a
person would derive from what the table means stands on the view of derived columns.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import holidays

from benchmarks.faults.tables import FLIGHTS, LINEITEM, ORDERS, Table, WorkingCopy
from benchmarks.suite import TpchDuckDB
from tests.project import REPO, Project

PACKAGE = ("dbt_project.yml", "macros", "models", "seeds", "analyses")


@dataclass(frozen=True)
class Check:
    """A data test of a table or of its view of derived columns, and of one of its columns if it has one."""

    test: str
    column: str | list[str] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    derived: bool = False
    where: str | None = None

    @property
    def name(self) -> str:
        """The test's name: what it measures, and of what."""
        column = "_".join(self.column) if isinstance(self.column, list) else self.column
        segment = f"by_{self.arguments['group_by']}" if "group_by" in self.arguments else None
        return "__".join(filter(None, (self.test.removeprefix("vigil."), column, segment)))


def _daily(table: Table) -> dict[str, Any]:
    return {"timestamp_column": table.day, "window": "1 day"}


def table_check(test: str, timestamp_column: str, **arguments: Any) -> Check:
    """A check of all rows."""
    return Check(f"vigil.{test}", None, {"timestamp_column": timestamp_column, **arguments})


def required(table: Table, *columns: str, where: str | None = None) -> list[Check]:
    """No nulls on the last day."""
    return [Check("vigil.null_rate", c, {**_daily(table), "max_rate": 0}, where=where) for c in columns]


def change(
    table: Table,
    test: str,
    column: str | list[str],
    *,
    derived: bool = False,
    where: str | None = None,
    **arguments: Any,
) -> Check:
    """The last day against the days before."""
    return Check(f"vigil.{test}", column, {"timestamp_column": table.day, **arguments}, derived, where)


def drift(table: Table, column: str, max_psi: float, *, derived: bool = False, **more: Any) -> Check:
    """The distribution of the last day against that of four weeks."""
    windows = {**_daily(table), "baseline_window": "28 days", "max_psi": max_psi}
    return Check("vigil.psi", column, windows | more, derived)


def allowed(table: Table, column: str, *values: Any, derived: bool = False) -> Check:
    """Only these values on the last day."""
    return Check("vigil.allowed_values", column, {**_daily(table), "values": list(values)}, derived)


def orphans(
    table: Table, column: str | list[str], parent: str, key: str | list[str], max_rate: float, **more: Any
) -> Check:
    """The keys of the last day."""
    to = {"to": f"source('kept', '{parent}')", "field": key, "max_rate": max_rate}
    return Check("vigil.orphan_rate", column, {**_daily(table), **to, **more})


def flights() -> list[Check]:
    """Of flights."""
    t = FLIGHTS
    weeks = {"calendar": "us", "seasonality": "week", "baseline_periods": 4}
    by_origin: dict[str, Any] = {"group_by": "origin"}
    flew, arrived = "dep_time is not null", "air_time is not null"
    return [
        table_check("freshness", "sched_dep_at", max_age="1 hour", calendar="us"),
        table_check("freshness", "sched_dep_at", max_age="3 hours", calendar="us", **by_origin),
        table_check("future_rate", "sched_dep_at"),
        table_check("row_count_ratio", "sched_dep_at", min_ratio=0.84, max_ratio=1.2, **weeks),
        table_check("row_count_ratio", "sched_dep_at", min_ratio=0.8, max_ratio=1.35, **weeks, **by_origin),
        table_check("volume_anomaly", "sched_dep_at", max_score=5, calendar="us"),
        Check("unique", "flight_key", derived=True),
        *required(t, "sched_dep_at", "carrier", "flight", "origin", "dest"),
        *required(t, "sched_dep_time", "sched_arr_time", "distance", "time_hour"),
        # What flew has a plane and a departure, what arrived has all its times.
        *required(t, "tailnum", "dep_delay", where=flew),
        *required(t, "dep_time", "arr_time", "arr_delay", where=arrived),
        change(t, "null_rate_change", "air_time", where=flew, max_change=0.06, **by_origin),
        change(t, "null_rate_change", "arr_time", where=flew, max_change=0.06, **by_origin),
        change(t, "null_rate_change", "tailnum", max_change=0.12, **by_origin),
        orphans(t, "carrier", "airlines", "carrier", 0),
        orphans(t, "dest", "airports", "faa", 0.05),
        orphans(t, "tailnum", "planes", "tailnum", 0.2),
        allowed(t, "origin", "EWR", "JFK", "LGA"),
        change(t, "new_values", "carrier", max_rate=0.002),
        change(t, "new_values", "dest", max_rate=0.008),
        change(t, "new_values", "tailnum", max_rate=0.045),
        change(t, "new_values", ["origin", "dest", "distance"], max_rate=0.01),
        change(t, "new_values", ["carrier", "dest"], max_rate=0.012),
        change(t, "new_values", "tailnum_shape", derived=True, max_rate=0),
        change(t, "cardinality_change", "carrier", max_change=0.2),
        change(t, "cardinality_change", "dest", max_change=0.2),
        change(t, "cardinality_change", "tailnum", seasonality="week", max_change=0.35),
        change(t, "cardinality_change", "distance", max_change=0.2),
        change(t, "cardinality_change", "air_time", max_change=0.2),
        change(t, "cardinality_change", "dep_minute", derived=True, max_change=0.15),
        drift(t, "carrier", 0.08),
        drift(t, "origin", 0.05),
        drift(t, "dest", 0.1),
        drift(t, "distance", 0.06),
        drift(t, "dep_hour", 0.1, derived=True, bins=20),
        drift(t, "dep_minute", 0.08, derived=True, bins=20),
        drift(t, "air_time", 0.8),
        change(t, "mean_change", "distance", min_ratio=0.95, max_ratio=1.08),
        change(t, "mean_change", "air_time", min_ratio=0.88, max_ratio=1.15),
        change(t, "mean_change", "miles_per_hour", derived=True, min_ratio=0.92, max_ratio=1.1),
        change(t, "range_change", "distance", max_change=0.02),
        change(t, "range_change", "air_time", max_change=0.06),
        change(t, "range_change", "dep_delay", max_change=0.5),
        change(t, "range_change", "miles_per_hour", derived=True, max_change=0.3),
        allowed(t, "hours_to_utc", 4, 5, derived=True),
        change(t, "range_change", "hours_into_day", derived=True, max_change=0.25),
        # The delays are the differences of the times.
        allowed(t, "dep_delay_gap", 0, derived=True),
        allowed(t, "arr_delay_gap", 0, derived=True),
        allowed(t, "dep_clock", "hhmm", derived=True),
        allowed(t, "arr_clock", "hhmm", derived=True),
    ]


def orders() -> list[Check]:
    """Of TPC-H's orders."""
    t = ORDERS
    by_priority: dict[str, Any] = {"group_by": t.segment}
    return [
        table_check("freshness", t.day, max_age="1 day"),
        table_check("freshness", t.day, max_age="1 day", **by_priority),
        table_check("future_rate", t.day),
        table_check("row_count_ratio", t.day, baseline_periods=28, min_ratio=0.85, max_ratio=1.15),
        table_check("row_count_ratio", t.day, baseline_periods=28, min_ratio=0.65, max_ratio=1.3, **by_priority),
        table_check("volume_anomaly", t.day, seasonality="none", baseline_periods=28, max_score=3.5),
        Check("unique", "o_orderkey"),
        *required(t, "o_orderkey", "o_custkey", "o_orderstatus", "o_totalprice"),
        *required(t, "o_orderpriority", "o_clerk", "o_shippriority", "o_comment"),
        orphans(t, "o_custkey", "customer", "c_custkey", 0),
        allowed(t, "o_orderpriority", *t.segments),
        allowed(t, "o_orderstatus", "F", "O", "P"),
        allowed(t, "o_shippriority", 0),
        change(t, "new_values", "clerk_shape", derived=True, max_rate=0),
        change(t, "cardinality_change", "o_custkey", max_change=0.2),
        change(t, "cardinality_change", "o_clerk", max_change=0.13),
        change(t, "cardinality_change", "o_comment", max_change=0.2),
        change(t, "cardinality_change", "o_totalprice", max_change=0.2),
        change(t, "cardinality_change", "price_cents", derived=True, max_change=0.05),
        drift(t, "o_orderpriority", 0.05),
        drift(t, "o_totalprice", 0.06),
        drift(t, "price_cents", 0.06, derived=True),
        change(t, "mean_change", "o_totalprice", min_ratio=0.9, max_ratio=1.1),
        change(t, "range_change", "o_totalprice", max_change=0.05),
        change(t, "mean_change", "o_custkey", min_ratio=0.92, max_ratio=1.08),
    ]


def lineitem() -> list[Check]:
    """Of TPC-H's lineitem."""
    t = LINEITEM
    by_mode: dict[str, Any] = {"group_by": t.segment}
    return [
        table_check("freshness", t.day, max_age="1 day"),
        table_check("freshness", t.day, max_age="1 day", **by_mode),
        table_check("future_rate", t.day),
        table_check("row_count_ratio", t.day, baseline_periods=28, min_ratio=0.9, max_ratio=1.1),
        table_check("row_count_ratio", t.day, baseline_periods=28, min_ratio=0.8, max_ratio=1.2, **by_mode),
        table_check("volume_anomaly", t.day, seasonality="none", baseline_periods=28, max_score=3.5),
        Check("unique", "line_key", derived=True),
        *required(t, "l_orderkey", "l_partkey", "l_suppkey", "l_linenumber", "l_quantity"),
        *required(t, "l_extendedprice", "l_discount", "l_tax", "l_returnflag", "l_linestatus"),
        *required(t, "l_commitdate", "l_receiptdate", "l_shipinstruct", "l_shipmode", "l_comment"),
        orphans(t, "l_orderkey", "orders", "o_orderkey", 0),
        orphans(t, ["l_partkey", "l_suppkey"], "partsupp", ["ps_partkey", "ps_suppkey"], 0),
        allowed(t, "l_shipmode", *t.segments),
        allowed(t, "l_shipinstruct", "COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"),
        allowed(t, "l_returnflag", "A", "N", "R"),
        allowed(t, "l_linestatus", "F", "O"),
        change(t, "new_values", "l_tax", max_rate=0),
        change(t, "new_values", "l_discount", max_rate=0),
        change(t, "cardinality_change", "l_discount", max_change=0.1),
        change(t, "cardinality_change", "l_tax", max_change=0.1),
        change(t, "cardinality_change", "l_suppkey", max_change=0.15),
        change(t, "cardinality_change", "l_comment", max_change=0.15),
        change(t, "cardinality_change", "price_cents", derived=True, max_change=0.05),
        drift(t, "l_shipmode", 0.02),
        drift(t, "l_shipinstruct", 0.02),
        drift(t, "l_quantity", 0.02),
        drift(t, "l_discount", 0.02),
        drift(t, "l_extendedprice", 0.02),
        drift(t, "price_cents", 0.02, derived=True),
        drift(t, "days_to_receipt", 0.02, derived=True),
        drift(t, "days_to_commit", 0.02, derived=True),
        change(t, "mean_change", "l_extendedprice", min_ratio=0.95, max_ratio=1.05),
        change(t, "mean_change", "l_quantity", min_ratio=0.95, max_ratio=1.05),
        change(t, "range_change", "l_extendedprice", max_change=0.02),
        change(t, "range_change", "l_quantity", max_change=0),
        change(t, "range_change", "unit_price", derived=True, max_change=0.01),
        change(t, "range_change", "days_to_receipt", derived=True, max_change=0),
        change(t, "range_change", "days_to_commit", derived=True, max_change=0.05),
    ]


SUITES = {FLIGHTS.name: flights, ORDERS.name: orders, LINEITEM.name: lineitem}


def calendar(table: Table) -> dict[str, Any]:
    """The closed days: in flights the public holidays of the United States, and the days next to them."""
    if table is not FLIGHTS:
        return {}
    found = holidays.country_holidays("US", years=[2012, 2013, 2014])
    return {"us": {"holidays": {str(day): name for day, name in sorted(found.items())}, "days_around": 1}}


def closed_days(table: Table) -> dict[date, str]:
    """The closed days by date."""
    found = {}
    for given in calendar(table).values():
        for day, name in given["holidays"].items():
            middle = date.fromisoformat(day).toordinal()
            for offset in range(-given["days_around"], given["days_around"] + 1):
                found[date.fromordinal(middle + offset)] = name
    return found


def write_project(copy: WorkingCopy) -> Project:
    """The dbt project of a table's suite, with a copy of the package as it is now."""
    table = copy.table
    variables = {"vigil_timezone": table.zone, "vigil_record": False, "vigil_calendars": calendar(table)}
    directory = copy.path.with_suffix("")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    project = Project(directory, TpchDuckDB(copy.path), variables)
    package = directory / "dbt_packages" / "vigil"
    package.unlink()
    for name in PACKAGE:
        source, target = REPO / name, package / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    tables = [_declared(table.name, False), _declared(table.view, True)]
    parents = ("planes", "airlines", "airports", "customer", "orders", "partsupp")
    tables += [{"name": name} for name in parents if name != table.name]
    project.write_yaml("models/sources.yml", {"sources": [{"name": "kept", "schema": "main", "tables": tables}]})
    return project


def _declared(relation: str, derived: bool) -> dict[str, Any]:
    suite = [check for check in SUITES[relation.removesuffix("_derived")]() if check.derived is derived]
    columns: dict[str, list[dict[str, Any]]] = {}
    for check in suite:
        if isinstance(check.column, str):
            columns.setdefault(check.column, []).append(_as_yaml(check))
    return {
        "name": relation,
        "data_tests": [_as_yaml(check) for check in suite if not isinstance(check.column, str)],
        "columns": [{"name": name, "data_tests": tests} for name, tests in columns.items()],
    }


def _as_yaml(check: Check) -> dict[str, Any]:
    arguments = dict(check.arguments)
    if isinstance(check.column, list):
        arguments["column_name"] = check.column
    content: dict[str, Any] = {"name": check.name}
    if arguments:
        content["arguments"] = arguments
    if check.where:
        content["config"] = {"where": check.where}
    return {check.test: content}
