"""A shop of one table and its checks, which the tests of the command `vigil` run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
from click.testing import CliRunner

from dbt_vigil.cli import main
from dbt_vigil.project import find_project
from tests.engines import DuckDB, Engine
from tests.project import Project

RECORDED = {"vigil_record": True}
NULLS = "select 1 as id, null as amount union all select 2 as id, 5 as amount"
CLEAN = "select 1 as id, 5 as amount"
LATER = timedelta(days=1, hours=1, minutes=1)


@dataclass(frozen=True)
class Answer:
    """What a `vigil` command said."""

    code: int
    text: str

    def named(self, state: str) -> set[str]:
        """The checks that it names with a state or status."""
        return set(re.findall(rf"^{state} +(\S+?):? ", self.text, flags=re.MULTILINE))


class Shop:
    """A project of one table, `orders`, with the tests given by name, each on the column `amount` or its own."""

    def __init__(self, directory: Path, tests: dict[str, Any], rows: str = CLEAN, engine: Engine | None = None) -> None:
        self.project = Project(directory, engine or DuckDB(), RECORDED)
        self.directory = directory
        self.write_orders(rows)
        self.write_tests(tests)

    def write_orders(self, rows: str) -> None:
        self.project.write("models/orders.sql", f"{{{{ config(materialized='table') }}}} {rows}")

    def write_tests(self, tests: dict[str, Any], model: str = "orders") -> None:
        listed = [{test.pop("test", "not_null"): {"name": name, **test}} for name, test in _copied(tests).items()]
        column = {"name": "amount", "data_tests": listed}
        self.project.write_yaml("models/orders.yml", {"models": [{"name": model, "columns": [column]}]})

    def vigil(self, command: str, *arguments: str) -> Answer:
        where = ["--project-dir", str(self.directory), "--profiles-dir", str(self.directory)]
        result = CliRunner().invoke(main, [command, *arguments, *where], catch_exceptions=False)
        return Answer(result.exit_code, result.output)

    def watch(self, after: timedelta = timedelta(0), *arguments: str) -> Answer:
        return self.vigil("watch", "--as-of", (datetime.now(timezone.utc) + after).isoformat(), *arguments)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.directory / "cases.duckdb")) as connection:
            return connection.execute(sql).fetchall()

    @property
    def spool(self) -> Path:
        return find_project(self.directory, self.directory).spool_directory


def _copied(tests: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(test) for name, test in tests.items()}
