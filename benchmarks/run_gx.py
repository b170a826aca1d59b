"""Runs the expectations of a file by Great Expectations, in whose own environment this is run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

started = time.perf_counter()

import great_expectations as gx  # type: ignore[import-not-found]  # noqa: E402
from great_expectations.execution_engine import (  # type: ignore[import-not-found]  # noqa: E402
    SqlAlchemyExecutionEngine,
)


@contextmanager
def kept_connection(engine: Any) -> Iterator[Any]:
    """One connection for all: else it closes each before it reads the result, which DuckDB then no longer has."""
    engine._connection = getattr(engine, "_connection", None) or engine.engine.connect()
    yield engine._connection


def main(file: Path) -> None:
    """Prints the expectations that failed or erred, and the seconds before the checks and of them, as JSON."""
    SqlAlchemyExecutionEngine.get_connection = kept_connection
    content = json.loads(file.read_text())
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_sql(
        "tpch", connection_string=f"duckdb:///{content['database']}", kwargs={"connect_args": {"read_only": True}}
    )
    batch = source.add_table_asset("lineitem", table_name="lineitem").add_batch_definition_whole_table("all")
    expectations = [getattr(gx.expectations, name)(**arguments) for name, arguments in content["expectations"]]
    suite = context.suites.add(gx.ExpectationSuite(name="suite", expectations=expectations))
    definition = gx.ValidationDefinition(name="lineitem", data=batch, suite=suite)
    ready = time.perf_counter()
    run = context.validation_definitions.add(definition).run(result_format="BOOLEAN_ONLY")
    done = time.perf_counter()
    failed = [str(result.expectation_config) for result in run.results if not result.success]
    print(json.dumps({"failed": failed, "start": ready - started, "checks": done - ready}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
