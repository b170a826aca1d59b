"""Reads the record, without dbt's parse: what each expected check's state is, at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import duckdb
from jinja2 import Environment

from dbt_vigil.project import Project, VigilError

__all__ = [
    "EPOCH", "MICROSECONDS", "CheckStatus", "literal", "read_status", "record_table", "rows_of_the_record",
    "status_sql", "view_macros", "wait_for_database", "when_unlocked",
]  # fmt: skip

T = TypeVar("T")

VIEWS = Path(__file__).parent / "views"
LOGS = {"runs": "vigil_check_log", "registry": "vigil_registry_log"}
MICROSECONDS = {"duckdb": "epoch_us", "spark": "unix_micros"}
QUOTES = {"duckdb": '"', "spark": "`"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class CheckStatus:
    """The state of one expected check at a moment: the columns of the model `check_status`, which describes them."""

    check_id: str
    project_name: str
    target_name: str
    check_name: str
    table_name: str | None
    column_name: str | None
    severity: str
    owner: str | None
    runbook: str | None
    state: str
    last_status: str | None
    last_failures: int | None
    last_segment: str | None
    last_value: float | None
    last_lower_bound: float | None
    last_upper_bound: float | None
    last_message: str | None
    last_ran_at: datetime | None
    last_result_at: datetime | None
    next_due_at: datetime
    overdue_since: datetime | None
    failing_since: datetime | None
    runs_last_30_days: int
    expect_every_seconds: float
    grace_seconds: float
    registered_at: datetime


def read_status(project: Project, as_of: datetime | None = None, wait: float = 60) -> list[CheckStatus]:
    """Judge every expected check of a project and target, the worst first.

    Args:
        project: Whose record.
        as_of: The moment to judge, default now. What happened after it is not looked at.
        wait: Seconds to wait for a DuckDB file that another process is writing to.

    Raises:
        VigilError: There is no record, or it cannot be read.
    """
    moment = (as_of or datetime.now(timezone.utc)).astimezone(timezone.utc)
    columns = [field.name for field in fields(CheckStatus)]
    rows = rows_of_the_record(project, status_sql(project, moment), wait)
    statuses = [CheckStatus(**_converted(dict(zip(columns, row, strict=True)))) for row in rows]
    order = ("unjudged", "overdue", "failing", "waiting", "ok")
    return sorted(
        statuses, key=lambda s: (order.index(s.state), s.overdue_since or s.failing_since or EPOCH, s.check_name)
    )


def status_sql(project: Project, moment: datetime) -> str:
    """The query of the model `check_status`, for one project and target at a moment. Times are microseconds in it."""
    render = view_macros()
    logs = {name: record_table(project, table) for name, table in LOGS.items()}
    now = f"timestamp '{moment:%Y-%m-%dT%H:%M:%S.%fZ}'"
    status = render["check_status_sql"](
        f"({render['check_runs_sql'](logs['runs'])})", f"({render['check_registry_sql'](logs['registry'])})", now
    )
    selected = ", ".join(
        f"{MICROSECONDS[project.engine]}({field.name})" if "datetime" in str(field.type) else field.name
        for field in fields(CheckStatus)
    )
    key = " and ".join(
        f"{column} = {literal(value, project.engine)}"
        for column, value in (("project_name", project.name), ("target_name", project.target_name))
    )
    return f"select {selected} from ({status}) as status where {key}"


def record_table(project: Project, table: str) -> str:
    """The name of a table of the record in SQL."""
    quote = QUOTES[project.engine]
    schema = project.record_schema.replace(quote, quote * 2)
    return f"{quote}{schema}{quote}.{quote}{table}{quote}"


def view_macros() -> dict[str, Any]:
    """The texts of the record's views, as functions of the names of its tables."""
    environment = Environment()
    found: dict[str, Any] = {}
    environment.globals["vigil"] = found
    for file in VIEWS.glob("*.sql"):
        found |= environment.from_string(file.read_text()).module.__dict__
    return found


def literal(value: object, engine: str) -> str:
    """A value as a text literal of the engine's SQL, or null."""
    if value is None:
        return "null"
    text = str(value)
    return "'" + (text.replace("\\", "\\\\") if engine == "spark" else text).replace("'", "''") + "'"


def _converted(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        field.name: EPOCH + timedelta(microseconds=int(row[field.name]))
        if "datetime" in str(field.type) and row[field.name] is not None
        else row[field.name]
        for field in fields(CheckStatus)
    }


def rows_of_the_record(project: Project, sql: str, wait: float) -> Sequence[Sequence[Any]]:
    """What a query of the record answers.

    Raises:
        VigilError: There is no record, or it cannot be read.
    """
    from dbt_vigil.connecting import NotHonoured, QueryError, direct_connection

    if project.engine not in MICROSECONDS:
        raise VigilError(f"The record of a {project.engine} target cannot be read. Accepted: duckdb, spark.")
    if project.database_file is not None and not project.database_file.exists():
        raise VigilError(f"There is no record: {project.database_file} does not exist.")
    try:
        with closing(direct_connection(project, wait=wait, read_only=True)) as connection:
            return connection.rows(sql)[1]
    except NotHonoured:
        from dbt_vigil.adapter import adapter_connection

        with adapter_connection(project) as adapter:
            return adapter.rows(sql)
    except QueryError as error:
        if isinstance(error.__cause__, duckdb.CatalogException):
            raise VigilError(f"There is no record in this database yet: {str(error).splitlines()[0]}") from error
        raise VigilError(f"The record cannot be read: {error}") from error


def wait_for_database(file: Path, seconds: float, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Connect to a DuckDB file as soon as no other process has it locked.

    Raises:
        VigilError: It stayed locked, or is no database.
    """
    try:
        return when_unlocked(lambda: duckdb.connect(str(file), read_only=read_only), seconds)
    except duckdb.IOException as error:
        raise VigilError(f"{file} cannot be opened: {error}") from error


def when_unlocked(connect: Callable[[], T], seconds: float) -> T:
    """What `connect` returns, called again for as many seconds as another process has the DuckDB file locked."""
    deadline = monotonic() + seconds
    while True:
        try:
            return connect()
        except duckdb.IOException as error:
            if "lock" not in str(error).lower() or monotonic() > deadline:
                raise
        sleep(0.05)
