"""The rows of all cases in one table of Delta or Iceberg.

A table for each case would take a commit for each, and more time than all of the checks. The columns of the table are
named after their types, and a case's model selects its own rows and gives the columns their names.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from tests.case_table import Case, model_sql, quoted
from tests.project import Project

TABLE = "rows_of_cases"
AT_ONCE = 30


class StoredCases:
    """Written in the schema of a project, where every project of the same server reads them."""

    def __init__(self, project: Project, cases: list[Case]) -> None:
        self._engine = project.engine
        self._table = f"{project.engine.profile(project.directory)['schema']}.{TABLE}"
        specs = {name: spec for case in cases for name, spec in case.relations.items()}
        self._columns = {name: self._shared(self._types(project, spec)) for name, spec in specs.items()}
        self._types_of = {shared: t for columns in self._columns.values() for shared, t in columns.values()}
        given = [name for name, spec in specs.items() if not spec.get("sql")]
        selected = [self._select(name, spec) for name, spec in specs.items() if spec.get("sql")]
        schema = self._table.split(".")[0]
        definitions = ", ".join(f"{name} {column_type}" for name, column_type in self._types_of.items())
        statements = [
            f"create schema if not exists {schema}",
            f"create table {self._table} (of_case string, {definitions}) using {project.engine.file_format}",
            f"insert into {self._table} {self._from_json(given, specs)}",
            *(
                f"insert into {self._table} select /*+ coalesce(1) */ * from (\n"
                + "\nunion all\n".join(selected[start : start + AT_ONCE])
                + ")"
                for start in range(0, len(selected), AT_ONCE)
            ),
        ]
        for statement in statements:
            project.engine.rows(project.directory, statement)

    def model(self, name: str) -> str:
        """The model of a case's relation."""
        columns = ", ".join(
            f"{shared} as {quoted(self._engine, column)}" for column, (shared, _) in self._columns[name].items()
        )
        return (
            f"{{{{ config(materialized='ephemeral') }}}} select {columns} from {self._table} where of_case = '{name}'"
        )

    def _types(self, project: Project, spec: dict[str, Any]) -> dict[str, str]:
        if not spec.get("sql"):
            return {name: self._engine.type_name(column_type) for name, column_type in spec["columns"].items()}
        described = self._engine.rows(project.directory, f"describe {model_sql(self._engine, spec)}")
        return {row["col_name"]: row["data_type"] for row in described}

    @staticmethod
    def _shared(types: dict[str, str]) -> dict[str, tuple[str, str]]:
        """For each column, the shared one that has its values, and its type."""
        seen: Counter[str] = Counter()
        found = {}
        for name, column_type in types.items():
            found[name] = re.sub(r"\W+", "_", f"{column_type}_{seen[column_type]}"), column_type
            seen[column_type] += 1
        return found

    def _from_json(self, names: list[str], specs: dict[str, dict[str, Any]]) -> str:
        rows: list[dict[str, str | None]] = [
            {
                "of_case": name,
                **{
                    shared: None if value is None else str(value)
                    for (shared, _), value in zip(self._columns[name].values(), row, strict=True)
                },
            }
            for name in names
            for row in specs[name].get("rows", [])
        ]
        texts = ",".join(f"{column}:string" for column in ("of_case", *self._types_of))
        literal = json.dumps(rows).replace("\\", "\\\\").replace("'", "\\'")
        # A text is cast to no struct; only a case's own SQL has one.
        cast = ", ".join(
            f"cast({'null' if '<' in column_type else column} as {column_type})"
            for column, column_type in self._types_of.items()
        )
        return f"select of_case, {cast} from (select inline(from_json('{literal}', 'array<struct<{texts}>>')))"

    def _select(self, name: str, spec: dict[str, Any]) -> str:
        own = {shared: quoted(self._engine, column) for column, (shared, _) in self._columns[name].items()}
        values = ", ".join(own.get(shared, f"cast(null as {of})") for shared, of in self._types_of.items())
        return f"select '{name}', {values} from (\n{model_sql(self._engine, spec)}\n)"
