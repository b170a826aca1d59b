"""The checks on TPC-H's lineitem that the benchmarks compare: 40 on DuckDB, 48 on Spark, and a dbt project of them.

dbt-utils is not installed: a project-local `accepted_range` and `expression_is_true` have the shape of its tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.tpch import TABLES
from tests.engines import Engine
from tests.project import Project

# Ships until 1998-12-01; what is received later is in the future.
AS_OF = date(1998, 12, 2)
VARS = {"vigil_as_of": str(AS_OF), "vigil_record": True}

RATED = ("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber", "l_quantity", "l_extendedprice", "l_discount", "l_tax")
REQUIRED = (
    "l_returnflag",
    "l_linestatus",
    "l_shipdate",
    "l_commitdate",
    "l_receiptdate",
    "l_shipinstruct",
    "l_shipmode",
    "l_comment",
)
RANGES: dict[str, tuple[float, float]] = {
    "l_quantity": (1, 50),
    "l_extendedprice": (900, 105_000),
    "l_discount": (0, 0.1),
    "l_tax": (0, 0.08),
    "l_linenumber": (1, 7),
    "l_orderkey": (1, 600_000_000),
}
ACCEPTED = {
    "l_returnflag": ["A", "N", "R"],
    "l_linestatus": ["F", "O"],
    "l_shipmode": ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"],
    "l_shipinstruct": ["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"],
}
DATES = ("l_shipdate", "l_commitdate", "l_receiptdate")
MAX_AGE_DAYS = 40
PARENTS = {
    "l_orderkey": ("orders", "o_orderkey"),
    "l_partkey": ("part", "p_partkey"),
    "l_suppkey": ("supplier", "s_suppkey"),
}
EXPRESSIONS = {
    "received_after_shipped": "l_receiptdate > l_shipdate",
    "price_follows_quantity": "l_extendedprice >= 900 * l_quantity",
    "status_follows_date": "l_linestatus = 'F' or l_shipdate > date '1995-06-17'",
}
DRIFT = ("l_quantity", "l_discount", "l_shipmode")
PSI_DAYS = (90, 365)  # the window and its baseline

GENERIC_TESTS = """
{% test accepted_range(model, column_name, min_value, max_value) %}
with meet_condition as (
  select * from {{ model }}
),

validation_errors as (
  select * from meet_condition
  where 1 = 2 or not {{ column_name }} >= {{ min_value }} or not {{ column_name }} <= {{ max_value }}
)

select * from validation_errors
{% endtest %}

{% test expression_is_true(model, expression) %}
select 1 from {{ model }} where not({{ expression }})
{% endtest %}

{% test row_count_at_least(model, min_rows) %}
select count(*) as row_count from {{ model }} having count(*) < {{ min_rows }}
{% endtest %}
"""


@dataclass(frozen=True)
class Check:
    """A data test of lineitem, or of one of its columns."""

    name: str
    test: str
    column: str | None
    arguments: dict[str, Any]


def checks(*, spark: bool = False) -> list[Check]:
    """The suite. On Spark the required columns have a null rate too."""
    ship = {"timestamp_column": "l_shipdate"}
    window, baseline = (f"{days} days" for days in PSI_DAYS)
    psi = {**ship, "window": window, "baseline_window": baseline}
    found = [Check(f"null_rate_{c}", "vigil.null_rate", c, {"max_rate": 0.01}) for c in RATED]
    found += [Check(f"not_null_{c}", "not_null", c, {}) for c in REQUIRED]
    found += [
        Check(f"range_{c}", "accepted_range", c, {"min_value": low, "max_value": high})
        for c, (low, high) in RANGES.items()
    ]
    found += [Check(name, "expression_is_true", None, {"expression": sql}) for name, sql in EXPRESSIONS.items()]
    found += [Check(f"accepted_{c}", "accepted_values", c, {"values": values}) for c, values in ACCEPTED.items()]
    max_age = f"{MAX_AGE_DAYS} days"
    found += [
        Check(f"freshness_{c}", "vigil.freshness", None, {"timestamp_column": c, "max_age": max_age}) for c in DATES
    ]
    found += [
        Check(f"orphans_{c}", "vigil.orphan_rate", c, {"to": f"source('tpch', '{table}')", "field": field})
        for c, (table, field) in PARENTS.items()
    ]
    found += [
        Check("row_count_ratio", "vigil.row_count_ratio", None, {**ship, "min_ratio": 0.01}),
        Check("row_count", "row_count_at_least", None, {"min_rows": 1}),
    ]
    found += [Check(f"psi_{c}", "vigil.psi", c, psi) for c in DRIFT]
    if spark:
        found += [Check(f"null_rate_{c}", "vigil.null_rate", c, {"max_rate": 0.01}) for c in REQUIRED]
    return found


def write_project(directory: Path, engine: Engine, schema: str, suite: list[Check]) -> Project:
    """The dbt project of a suite. Its sources are the tables of `schema`."""
    project = Project(directory, engine, VARS)
    project.write("macros/generic_tests.sql", GENERIC_TESTS)
    columns = {check.column: [c for c in suite if c.column == check.column] for check in suite if check.column}
    lineitem = {
        "name": "lineitem",
        "data_tests": [declared(check) for check in suite if not check.column],
        "columns": [{"name": name, "data_tests": [declared(c) for c in found]} for name, found in columns.items()],
    }
    tables = [lineitem, *({"name": table} for table in TABLES if table != "lineitem")]
    project.write_yaml("models/lineitem.yml", {"sources": [{"name": "tpch", "schema": schema, "tables": tables}]})
    return project


def declared(check: Check) -> dict[str, Any]:
    """A check as YAML."""
    return {check.test: {"name": check.name, **({"arguments": check.arguments} if check.arguments else {})}}
