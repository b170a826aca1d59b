"""The suite as other tools express it: a contract for Soda, and a script for Great Expectations.

A check that the tool has no words for is left out, and counted as not expressed.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lineitem import (
    ACCEPTED,
    AS_OF,
    DATES,
    EXPRESSIONS,
    MAX_AGE_DAYS,
    PARENTS,
    RANGES,
    RATED,
    REQUIRED,
)

SODA_REQUIREMENTS = ("soda-core==4.28.0", "soda-duckdb==4.28.0", "duckdb==2.0.0")
GX_REQUIREMENTS = ("great-expectations==1.24.1", "duckdb-engine==0.17.0", "sqlalchemy==2.0.58", "duckdb==2.0.0")


def write_soda(directory: Path, database: Path) -> tuple[list[str], int]:
    """Writes a data source and a contract. Returns the arguments of `soda`, and how many checks they express."""
    rate: dict[str, Any] = {"metric": "percent", "must_be_less_than_or_equal": 1}
    columns: dict[str, list[dict[str, Any]]] = {name: [] for name in (*RATED, *REQUIRED)}
    for name in RATED:
        columns[name].append({"missing": {"threshold": rate}})
    for name in REQUIRED:
        columns[name].append({"missing": {}})
    for name, (low, high) in RANGES.items():
        columns[name].append({"invalid": {"qualifier": "range", "valid_min": low, "valid_max": high}})
    for name, values in ACCEPTED.items():
        columns[name].append({"invalid": {"valid_values": values}})
    for name, (table, field) in PARENTS.items():
        parent = {"dataset": f"tpch/{database.stem}/main/{table}", "column": field}
        orphans = {"metric": "percent", "must_be_less_than_or_equal": 0.1}
        columns[name].append(
            {"invalid": {"qualifier": "orphans", "valid_reference_data": parent, "threshold": orphans}}
        )
    of_dataset: list[dict[str, Any]] = [{"row_count": {}}]
    of_dataset += [
        {
            "freshness": {
                "qualifier": name,
                "column": name,
                "now_variable": "AS_OF",
                "threshold": {"unit": "day", "must_be_less_than_or_equal": MAX_AGE_DAYS},
            }
        }
        for name in DATES
    ]
    of_dataset += [
        {"failed_rows": {"qualifier": name, "expression": f"not ({expression})"}}
        for name, expression in EXPRESSIONS.items()
    ]
    contract = {
        "dataset": f"tpch/{database.stem}/main/lineitem",
        "variables": {"AS_OF": {"default": f"{AS_OF}T00:00:00+00:00"}},
        "columns": [{"name": name, "checks": found} for name, found in columns.items()],
        "checks": of_dataset,
    }
    source = {"type": "duckdb", "name": "tpch", "connection": {"database": str(database), "read_only": True}}
    for name, content in (("soda_source", source), ("soda_contract", contract)):
        (directory / f"{name}.yml").write_text(yaml.safe_dump(content, sort_keys=False))
    arguments = ["contract", "verify", "--data-source", "soda_source.yml", "--contract", "soda_contract.yml"]
    return arguments, sum(map(len, columns.values())) + len(of_dataset)


def write_gx(directory: Path, database: Path) -> tuple[list[str], int]:
    """Writes the expectations. Returns the arguments of Python that run them, and how many they are."""
    expectations: list[tuple[str, dict[str, Any]]] = [("ExpectTableRowCountToBeBetween", {"min_value": 1})]
    expectations += [("ExpectColumnValuesToNotBeNull", {"column": name, "mostly": 0.99}) for name in RATED]
    expectations += [("ExpectColumnValuesToNotBeNull", {"column": name}) for name in REQUIRED]
    expectations += [
        ("ExpectColumnValuesToBeBetween", {"column": name, "min_value": low, "max_value": high})
        for name, (low, high) in RANGES.items()
    ]
    expectations += [
        ("ExpectColumnValuesToBeInSet", {"column": name, "value_set": values}) for name, values in ACCEPTED.items()
    ]
    oldest = AS_OF - timedelta(days=MAX_AGE_DAYS)
    expectations += [("ExpectColumnMaxToBeBetween", {"column": name, "min_value": str(oldest)}) for name in DATES]
    expectations += [
        ("UnexpectedRowsExpectation", {"unexpected_rows_query": f"select 1 from {{batch}} where not ({expression})"})
        for expression in EXPRESSIONS.values()
    ]
    file = directory / "expectations.json"
    file.write_text(json.dumps({"database": str(database), "expectations": expectations}))
    return [str(Path(__file__).parent / "run_gx.py"), str(file)], len(expectations)
