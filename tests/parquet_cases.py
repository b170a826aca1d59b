"""The rows of each case in a folder of Parquet files, and the checks that DuckDB runs over them there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from tests.case_table import Case, model_sql
from tests.engines import SESSION_ZONE, DuckDB, Row


class ParquetCases:
    """Asks compiled checks, with the files in place of each relation, as dbt renders a source that is external."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection = duckdb.connect()
        self._connection.execute(f"set TimeZone = '{SESSION_ZONE}'")

    def rows(self, case: Case, compiled_sql: str) -> list[Row] | str:
        """The rows of a case's check, or its error."""
        for name, spec in case.relations.items():
            compiled_sql = compiled_sql.replace(f'"cases"."main"."{name}"', self._written(name, spec))
        assert '"cases"' not in compiled_sql
        try:
            cursor = self._connection.execute(compiled_sql)
        except duckdb.Error as error:
            return str(error)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _written(self, name: str, spec: dict[str, Any]) -> str:
        """Two files, which may have no rows."""
        folder = self._directory / name
        self._connection.execute(f"create or replace temp table rows as {model_sql(DuckDB(), spec)}")
        for part in range(2):
            (folder / f"part={part}").mkdir(parents=True)
            rows = f"from rows where rowid % 2 = {part}"
            self._connection.execute(f"copy ({rows}) to '{folder}/part={part}/rows.parquet'")
        return f"read_parquet('{folder}/*/*.parquet', hive_partitioning=true)"
