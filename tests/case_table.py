"""The table of cases: `tests/cases/*.yml`, rows and arguments in, verdict and value out.

Each file is named after its check and holds a list of cases:

    - name: half_null              # unique in its file
      why: ...                     # what the case is there for
      columns: {x: double}         # types: any of duckdb's, with string, timestamp (no zone), timestamptz, date
      rows: [[1.0], [null]]        # or `sql:`, a select that both engines read; no rows: an empty table
      column: x                    # the column the test stands under; without it, it stands under the model
      arguments: {max_rate: 0.1}
      config: {where: ...}         # dbt's own configs of the test
      vars: {vigil_timezone: ...}  # over DEFAULT_VARS
      others: {parents: {columns: …, rows: …}}    # further models, for `ref('…')` in arguments
      expect: {verdict: fail, value: 0.5, ...}    # the row, or a list of rows by segment, or {error: regex}
      status: fail                 # what dbt says; by default pass when every row's verdict is pass, else fail
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.engines import Engine

CASES = Path(__file__).parent / "cases"
# Each other set of variables is one more run of dbt: a case that needs a calendar finds it here.
DEFAULT_VARS = {
    "vigil_as_of": "2013-02-10T00:00:00Z",
    "vigil_max_segments": 6,
    "vigil_calendars": {
        "office": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]},
        "sundays_off": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]},
        "mondays": {"weekdays": ["monday"]},
        "groundhog": {"holidays": {"2013-02-02": "Groundhog Day"}},
        "around_the_ninth": {"holidays": [date(2013, 2, 9)], "days_around": 1},
        # Midnight in UTC is 05:30 in India.
        "at_the_cutoff": {"cutoff": "05:30", "timezone": "Asia/Kolkata"},
        "before_the_cutoff": {"cutoff": "05:31", "timezone": "Asia/Kolkata"},
        # Midnight in New York, once its clocks have changed, and before those of Berlin do.
        "at_the_cutoff_in_berlin": {"cutoff": "05:00", "timezone": "Europe/Berlin"},
        "before_the_cutoff_in_berlin": {"cutoff": "05:01", "timezone": "Europe/Berlin"},
    },
}


@dataclass(frozen=True)
class Case:
    check: str
    name: str
    expect: Any
    why: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)
    sql: str | None = None
    column: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: str | None = None

    @property
    def id(self) -> str:
        return f"{self.check}__{self.name}"

    @property
    def relations(self) -> dict[str, dict[str, Any]]:
        """What its relations have, by name."""
        return {self.id: {"sql": self.sql, "columns": self.columns, "rows": self.rows}, **self.others}

    @property
    def expected_rows(self) -> list[dict[str, Any]]:
        return self.expect if isinstance(self.expect, list) else [self.expect]

    @property
    def expected_status(self) -> str:
        if self.status:
            return self.status
        return "pass" if all(row["verdict"] == "pass" for row in self.expected_rows) else "fail"


def load_cases() -> list[Case]:
    return list(_load())


def _load() -> Iterator[Case]:
    for path in sorted(CASES.glob("*.yml")):
        for case in yaml.safe_load(path.read_text()):
            yield Case(check=path.stem, **case)


def select(engine: Engine, columns: dict[str, str], rows: list[list[Any]]) -> str:
    """A select of typed rows, or of none."""
    if not rows:
        return "select " + ", ".join(_typed(engine, None, name, t) for name, t in columns.items()) + " where 1 = 0"
    return "\nunion all ".join(
        "select " + ", ".join(_typed(engine, v, name, t) for v, (name, t) in zip(row, columns.items(), strict=True))
        for row in rows
    )


def _typed(engine: Engine, value: Any, name: str, column_type: str) -> str:
    literal = "null" if value is None else "'" + str(value).replace("'", "''") + "'"
    return f"cast({literal} as {engine.type_name(column_type)}) as {quoted(engine, name)}"


def quoted(engine: Engine, name: str) -> str:
    quote = "`" if engine.dialect == "spark" else '"'
    return quote + name.replace(quote, quote * 2) + quote


def model_sql(engine: Engine, spec: dict[str, Any]) -> str:
    """The SQL of a case's model: its own `sql`, with the engine's names of types, or its rows."""
    if sql := spec.get("sql"):
        if engine.dialect == "spark":
            sql = sql.replace("{struct}", "struct(1)").replace("{quote}", "`")
        else:
            sql = sql.replace("{struct}", "{'a': 1}").replace("{quote}", '"')
        return re.sub(r"\b(timestamptz|timestamp|string)(\)| ')", lambda m: engine.type_name(m[1]) + m[2], sql)
    return select(engine, spec["columns"], spec.get("rows", []))
