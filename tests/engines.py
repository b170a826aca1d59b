"""The engines that every case runs on, each behind the same calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, Any]

# Neither UTC nor the zone of any case: a verdict that follows the session's zone is wrong.
SESSION_ZONE = "Asia/Kolkata"
# Spark's `timestamp` is an instant, its `timestamp_ntz` a wall clock.
SPARK_TYPES = {"timestamp": "timestamp_ntz", "timestamptz": "timestamp"}


class Engine(Protocol):
    """An engine that dbt runs on, that answers a compiled query, and that lets go of what a run of dbt held."""

    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> str: ...

    @property
    def file_format(self) -> str | None: ...

    def profile(self, directory: Path) -> dict[str, Any]: ...

    def type_name(self, column_type: str) -> str: ...

    def rows(self, directory: Path, sql: str) -> list[Row]: ...

    def release(self) -> None: ...


class DuckDB:
    name = dialect = "duckdb"
    file_format = None

    def profile(self, directory: Path) -> dict[str, Any]:
        settings = {"TimeZone": SESSION_ZONE}
        return {"type": "duckdb", "path": str(directory / "cases.duckdb"), "threads": 2, "settings": settings}

    def type_name(self, column_type: str) -> str:
        return {"string": "varchar"}.get(column_type, column_type)

    def rows(self, directory: Path, sql: str) -> list[Row]:
        import duckdb

        with duckdb.connect(str(directory / "cases.duckdb")) as connection:
            connection.execute(f"set TimeZone = '{SESSION_ZONE}'")
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def release(self) -> None:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


class Spark:
    """A local Spark session, which dbt-spark's `method: session` finds and shares."""

    name = dialect = "spark"
    file_format = None

    def __init__(self, directory: Path, **settings: str) -> None:
        os.environ.setdefault("PYSPARK_PYTHON", "python3")
        from pyspark.sql import SparkSession

        defaults = {
            "spark.master": "local[2]",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.catalogImplementation": "in-memory",
            "spark.sql.warehouse.dir": str(directory / "warehouse"),
            "spark.sql.sources.default": "parquet",
            "spark.sql.session.timeZone": SESSION_ZONE,
        }
        builder = SparkSession.builder.appName("dbt-vigil tests")
        for key, value in (defaults | settings).items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("OFF")

    def profile(self, directory: Path) -> dict[str, Any]:
        return {
            "type": "spark",
            "method": "session",
            "host": "NA",
            "schema": directory.name.replace("-", "_"),
            "threads": 1,
        }

    def type_name(self, column_type: str) -> str:
        return SPARK_TYPES.get(column_type, column_type)

    def rows(self, directory: Path, sql: str) -> list[Row]:
        return [row.asDict() for row in self.session.sql(sql).collect()]

    def release(self) -> None:
        pass
