"""Great Expectations as a peer of the fault bench: a line of JSON in, a line out. Runs in its own environment."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import great_expectations as gx  # type: ignore[import-not-found]
from great_expectations.execution_engine import SqlAlchemyExecutionEngine  # type: ignore[import-not-found]

OPENED: list[Any] = []


@contextmanager
def kept_connection(engine: Any) -> Iterator[Any]:
    """One connection for all: else it closes each before it reads the result, which DuckDB then no longer has."""
    if getattr(engine, "_connection", None) is None:
        engine._connection = engine.engine.connect()
        OPENED.append(engine)
    yield engine._connection


def expectations(content: dict[str, Any], number: int, as_of: datetime) -> list[Any]:
    """Those of the table (0) or of its view (1), for the rows of the day before `as_of`."""
    e = gx.expectations
    relation = content["relations"][number]
    day = as_of - timedelta(days=1)
    found = [e.ExpectTableColumnsToMatchSet(column_set=list(relation["types"]), exact_match=True)]
    if number == 0:
        least, most = content["rows"]
        found.append(e.ExpectTableRowCountToBeBetween(min_value=least, max_value=most))
        found.append(e.ExpectCompoundColumnsToBeUnique(column_list=content["key"]) if len(content["key"]) > 1
                     else e.ExpectColumnValuesToBeUnique(column=content["key"][0]))  # fmt: skip
        segments = relation["columns"][content["segment"]]["values"]
        found.append(e.ExpectColumnDistinctValuesToEqualSet(column=content["segment"], value_set=segments))
        for parent in content["parents"]:
            key = parent["column"]
            orphans = (
                f"count(*) filter ({key} is not null and {key} not in (select {parent['key']} from {parent['to']}))"
            )
            query = f"select 1 from {{batch}} having {orphans} > {parent['max_rate']} * count({key})"
            found.append(e.UnexpectedRowsExpectation(unexpected_rows_query=query))
    for name, column in relation["columns"].items():
        found.append(e.ExpectColumnValuesToNotBeNull(column=name, mostly=1 - column["nulls"]))
        low, high = column["distinct"]
        found.append(e.ExpectColumnUniqueValueCountToBeBetween(column=name, min_value=low, max_value=high))
        if "values" in column:
            found.append(e.ExpectColumnValuesToBeInSet(column=name, value_set=column["values"]))
        if column["kind"] == "text" or column["min"][0] is None:
            continue
        for what, expectation in (("min", e.ExpectColumnMinToBeBetween), ("max", e.ExpectColumnMaxToBeBetween)):
            low, high = column[what]
            if column["kind"] == "time":
                low, high = str(day + timedelta(hours=low)), str(day + timedelta(hours=high + 1))
            found.append(expectation(column=name, min_value=low, max_value=high))
        if column["kind"] == "number":
            low, high = column["mean"]
            slack = 1e-9 * max(abs(low), abs(high), 1)
            found.append(e.ExpectColumnMeanToBeBetween(column=name, min_value=low - slack, max_value=high + slack))
    return found


def judge(content: dict[str, Any], as_of: datetime) -> list[str]:
    """The expectations that fail or err."""
    day = (as_of - timedelta(days=1)).date()
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_sql(
        "kept",
        connection_string=f"duckdb:///{content['database']}",
        kwargs={"connect_args": {"read_only": True}},
        create_temp_table=False,
    )
    red: list[str] = []
    asset = batch = results = None
    try:
        for number, relation in enumerate(content["relations"]):
            query = f"select * from {relation['name']} where {content['day']} = date '{day}'"
            try:
                asset = source.add_query_asset(name=relation["name"], query=query)
                batch = asset.add_batch_definition_whole_table("day").get_batch()
                suite = gx.ExpectationSuite(name=relation["name"], expectations=expectations(content, number, as_of))
                results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
            except Exception as error:
                red.append(f"{relation['name']}: {type(error).__name__}")
                continue
            for result in results:
                if not result.success:
                    config = result.expectation_config
                    about = config.kwargs.get("column") or ""
                    red.append(f"{config.type.removeprefix('expect_')} {about}".strip())
    finally:
        while OPENED:
            engine = OPENED.pop()
            engine._connection.close()
            engine._connection = None
            engine.engine.dispose()
        source.get_engine().dispose()
        del context, source, asset, batch, results
        gc.collect()  # what is left of a connection keeps the file locked
    return red


def main(file: Path) -> None:
    """Answer each line."""
    SqlAlchemyExecutionEngine.get_connection = kept_connection
    content = json.loads(file.read_text())
    now = datetime(2000, 1, 1)
    print(json.dumps({"checks": sum(len(expectations(content, number, now)) for number in (0, 1))}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"red": judge(content, datetime.fromisoformat(json.loads(line)["as_of"]))}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
