"""The checks of files, partitions and snapshots, against what is on the disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from dbt_vigil.cli import main
from dbt_vigil.macros import Relation
from tests.conftest import only
from tests.engines import DuckDB, Engine, Row
from tests.project import Project, package_macros
from tests.spark.cluster import Cluster
from tests.spark.server import ThriftServer

SMALL = 3000
"""Bytes: below it a file is small."""
MIN_SIZE = {"min_size": f"{SMALL} B"}
LARGE_DAY, DAY, NO_DAY = "2013-02-09", "2013-02-10", "null"
ROWS = {LARGE_DAY: 10000, DAY: 20, NO_DAY: 20}
COLUMN = "day-of"  # needs its quotes


@dataclass(frozen=True)
class Asked:
    """A check of a table, and what its rows must have, by segment."""

    check: str
    table: str
    arguments: Mapping[str, Any]
    expected: Mapping[Any, Mapping[str, Any]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


def project_with(directory: Path, engine: Engine, asked: Mapping[str, Asked], **variables: Any) -> Project:
    """A project with checks by their names."""
    project = Project(directory, engine, variables)
    write_checks(project, asked)
    return project


def write_checks(project: Project, asked: Mapping[str, Asked]) -> None:
    """Each table is a source with its checks."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, check in asked.items():
        test = {
            f"vigil.{check.check}": {"name": name, "arguments": dict(check.arguments), "config": dict(check.config)}
        }
        tables.setdefault(check.table, []).append(test)
    listed = [{"name": table, "data_tests": tests} for table, tests in tables.items()]
    source = {"name": "stored", "schema": "{{ target.schema }}", "tables": listed}
    project.write_yaml("models/stored.yml", {"sources": [source]})


def found(project: Project, asked: Mapping[str, Asked]) -> dict[str, dict[str | None, Row]]:
    """The rows of each check, by its name and their segment: of all checks in one statement."""
    compiled = project.test_results(project.run("compile", "--select", "test_type:generic"))
    queries = [f"select '{name}' as asked, * from (\n{compiled[name].compiled_sql}\n)" for name in asked]
    rows: dict[str, dict[str | None, Row]] = {name: {} for name in asked}
    for row in project.engine.rows(project.directory, "\nunion all\n".join(queries)):
        rows[row.pop("asked")][row["segment"]] = row
    return rows


def assert_found(project: Project, asked: Mapping[str, Asked]) -> None:
    rows = found(project, asked)
    for name, check in asked.items():
        assert set(rows[name]) == set(check.expected), name
        for segment, expected in check.expected.items():
            row = rows[name][segment]
            assert row["check_name"] == check.check
            assert {key: row[key] for key in expected} == {
                key: pytest.approx(value) if isinstance(value, float) else value for key, value in expected.items()
            }, f"{name}: {row}"


def sizes(folder: Path) -> dict[str, list[int]]:
    """The bytes of the data files in a folder, by the value in the name of the folder that they are in."""
    by_day: dict[str, list[int]] = {}
    for file in folder.rglob("*.parquet"):
        if "_delta_log" not in file.parts:
            value = file.parent.name.partition("=")[2].replace("__HIVE_DEFAULT_PARTITION__", "null")
            by_day.setdefault(value, []).append(file.stat().st_size)
    return by_day


def share_of_small(files: list[int]) -> dict[str, Any]:
    small = sum(size < SMALL for size in files) if sum(files) >= SMALL else 0
    share = small / len(files)
    return {"numerator": small, "denominator": len(files), "value": share, "verdict": "fail" if share > 0.5 else "pass"}


def of_partitions(by_day: dict[str, list[int]], table: str, column: str, given: dict[str, Any]) -> dict[str, Asked]:
    """What is expected of a table with a large partition and two small ones."""
    files = [size for of_day in by_day.values() for size in of_day]
    bytes_of = sorted(sum(of_day) for of_day in by_day.values())
    segments = {day: share_of_small(of_day) for day, of_day in by_day.items()}
    whole, skew = {None: share_of_small(files)}, bytes_of[-1] / bytes_of[1]
    assert skew > 5
    assert 0.5 < share_of_small(files)["value"] < 0.9
    verdicts = {None: {"verdict": "pass", "failed": 0}}
    nothing_outside = {"verdict": "pass", "value": 0, "numerator": 0, "denominator": sum(files)}
    by = given | {"partition_by": column}
    largest = f"largest of 3: {LARGE_DAY}"
    return {
        f"{table}_small": Asked("file_size", table, given | MIN_SIZE, whole),
        f"{table}_tolerated": Asked("file_size", table, given | MIN_SIZE | {"max_rate": 0.9}, verdicts),
        f"{table}_default": Asked("file_size", table, given, verdicts),
        f"{table}_by_day": Asked("file_size", table, given | MIN_SIZE | {"group_by": column}, segments),
        f"{table}_bytes": Asked(
            "partition_skew", table, by,
            {None: {"verdict": "fail", "value": skew, "numerator": bytes_of[-1], "detail": largest}},
        ),
        f"{table}_rows": Asked(
            "partition_skew", table, by | {"measure": "rows", "max_ratio": 500},
            {None: {"verdict": "pass", "value": 500, "numerator": 20000, "denominator": 40, "upper_bound": 500}},
        ),
        f"{table}_rows_fail": Asked(
            "partition_skew", table, by | {"measure": "rows", "max_ratio": 499.9}, {None: {"verdict": "fail"}}
        ),
        f"{table}_grows": Asked("unpartitioned_growth", table, given | {"max_size": "1 B"}, {None: nothing_outside}),
    }  # fmt: skip


def of_one_file(files: list[int], table: str, given: dict[str, Any]) -> dict[str, Asked]:
    total = sum(files)
    average = {"verdict": "pass", "value": 0, "detail": f"average {total / len(files) / 1e6:.4f} MB"}
    grown = {"value": total, "numerator": total, "denominator": total}
    return {
        f"{table}_whole": Asked("file_size", table, given, {None: average}),
        f"{table}_within": Asked(
            "unpartitioned_growth", table, given | {"max_size": f"{total} B"}, {None: grown | {"verdict": "pass"}}
        ),
        f"{table}_beyond": Asked(
            "unpartitioned_growth", table, given | {"max_size": f"{total - 1} B"}, {None: grown | {"verdict": "fail"}}
        ),
        f"{table}_default_growth": Asked(
            "unpartitioned_growth", table, given, {None: {"upper_bound": 1e12, "verdict": "pass"}}
        ),
    }


def of_nothing(table: str, column: str, given: dict[str, Any]) -> dict[str, Asked]:
    nothing = {None: {"verdict": "no_data", "value": None, "denominator": 0, "failed": 1}}
    return {
        f"{table}_file_size": Asked("file_size", table, given, nothing),
        f"{table}_by": Asked("file_size", table, given | {"group_by": column}, nothing),
        f"{table}_skew": Asked("partition_skew", table, given | {"partition_by": column}, nothing),
        f"{table}_growth": Asked("unpartitioned_growth", table, given, nothing),
        f"{table}_accepted": Asked(
            "unpartitioned_growth", table, given | {"on_no_data": "pass"}, {None: {"verdict": "no_data", "failed": 0}}
        ),
    }


def numbered_days(quote: str) -> str:
    """The rows of three days, one of them unknown; the names of columns in the quotes of an engine."""
    return " union all ".join(
        f"select id, {'cast(null as date)' if day == NO_DAY else f'date {day!r}'} as {quote}{COLUMN}{quote} "
        f"from range({n}) as ids(id)"
        for day, n in ROWS.items()
    )


def vigil_test(project: Project, asked: Mapping[str, Asked]) -> tuple[str, dict[str, str]]:
    """Which way `vigil test` went, and the statuses of the checks."""
    where = ["--project-dir", str(project.directory), "--profiles-dir", str(project.directory)]
    arguments = ["--json", *where, "--vars", project.variables(), "--select", *asked]
    content = json.loads(CliRunner().invoke(main, ["test", *arguments], catch_exceptions=False).stdout)
    return content["path"], {check["name"]: check["status"] for check in content["checks"]}


def assert_same_in_vigil_test(project: Project, asked: Mapping[str, Asked]) -> str:
    """That `vigil test`, which shares statements, says the same. Returns which way it went."""
    path, statuses = vigil_test(project, asked)
    for name, check in asked.items():
        verdicts = {"pass"} | {row["verdict"] for row in check.expected.values() if row.get("failed") != 0}
        assert statuses[name] == next(status for status in ("fail", "no_data", "pass") if status in verdicts), name
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet files: in partitions, in one file, and one without rows."""
    directory = tmp_path_factory.mktemp("storage")
    rows = numbered_days('"')
    for table, more in {"parts": f', partition_by ("{COLUMN}")', "flat": "", "bare": ""}.items():
        folder = directory / table
        folder.mkdir()
        for number in range(2 if table == "parts" else 1):
            to = folder if table == "parts" else folder / "one.parquet"
            limit = "limit 0" if table == "bare" else ""
            options = f"{more}, append, filename_pattern 'file_{number}_{{uuid}}'" if more else ""
            duckdb.sql(f"copy (select * from ({rows}) {limit}) to '{to}' (format parquet{options})")
    return directory


def test_parquet_files_on_duckdb(folder: Path, tmp_path: Path) -> None:
    given = {name: {"files": str(folder / name / "**/*.parquet")} for name in ("parts", "flat", "bare")}
    asked = {
        **of_partitions(sizes(folder / "parts"), "parts", COLUMN, given["parts"]),
        **of_one_file([file.stat().st_size for file in (folder / "flat").iterdir()], "flat", given["flat"]),
        **of_nothing("bare", COLUMN, given["bare"]),
    }
    project = project_with(tmp_path, DuckDB(), asked)
    assert_found(project, asked)
    assert assert_same_in_vigil_test(project, asked) == "dbt"
    assert assert_same_in_vigil_test(project, asked) == "stored plan", "its macros are rendered without dbt"


def assert_errors(directory: Path, engine: Engine, errors: Mapping[str, tuple[Asked, str]]) -> None:
    """That each check is an error of its own, with a message."""
    project = project_with(directory, engine, {name: asked for name, (asked, _) in errors.items()})
    results = project.test_results(project.run("test"))
    for name, (_, message) in errors.items():
        assert results[name].status == "error", name
        assert message in results[name].message


def test_errors_on_duckdb(folder: Path, tmp_path: Path) -> None:
    files = {"files": str(folder / "parts/**/*.parquet")}
    none = {"files": str(folder / "none/*.parquet")}
    missing, accepting = "argument `files` is missing. Accepted: the path of Parquet files", {"on_no_data": "pass"}
    errors = {
        "size": (Asked("file_size", "native", accepting), missing),
        "skew": (Asked("partition_skew", "native", accepting | {"partition_by": "id"}), missing),
        "growth": (Asked("unpartitioned_growth", "native", accepting), missing),
        "snapshots": (Asked("snapshot_age", "native", {"file_format": "iceberg"}), "snapshots, and DuckDB keeps none"),
        "left_out": (Asked("file_size", "native", none), "No files found that match"),
        "column": (Asked("file_size", "parts", files | {"group_by": "month"}), "file_size(files, group_by: month)"),
        "no_partition": (
            Asked("partition_skew", "parts", files | {"partition_by": "id"}),
            "argument `partition_by` has a column that is no partition column",
        ),
        "where": (Asked("file_size", "parts", files, config={"where": "id > 1"}), "config `where` is set. Accepted: "),
    }  # fmt: skip
    assert_errors(tmp_path, DuckDB(), errors)


def test_a_check_of_another_engine_can_be_disabled(tmp_path: Path) -> None:
    asked = {"snapshots": Asked("snapshot_age", "native", {"file_format": "iceberg"}, config={"enabled": False})}
    assert project_with(tmp_path, DuckDB(), asked).run("build").success


def test_empty_is_no_data(folder: Path, tmp_path: Path) -> None:
    files = {"files": str(folder / "parts/**/*.parquet")}
    asked = {
        "size": Asked("file_size", "parts", files),
        "skew": Asked("partition_skew", "parts", files | {"partition_by": COLUMN}),
        "growth": Asked("unpartitioned_growth", "parts", files),
    }
    project = project_with(tmp_path, DuckDB(), asked)
    project.write("models/any.sql", "select 1 as id")
    results = project.test_results(project.run("build", "--empty"))
    for name in asked:
        assert results[name].status == "pass"
        [row] = project.engine.rows(tmp_path, results[name].compiled_sql)
        assert (row["verdict"], row["failed"]) == ("no_data", 0)


@pytest.fixture(scope="module")
def tables(lake: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project in whose schema there are tables of two partitions, of one file, and without rows."""
    directory = tmp_path_factory.mktemp(f"storage_{lake.engine.name}", numbered=False)
    using, schema = f"using {lake.engine.file_format}", schema_of(lake, directory)
    columns, rows = f"(id bigint, `{COLUMN}` date)", numbered_days("`")
    statements = [
        f"create schema {schema}",
        f"create table {schema}.parts {using} partitioned by (`{COLUMN}`) as select /*+ coalesce(1) */ * from ({rows})",
        f"insert into {schema}.parts select /*+ coalesce(1) */ * from ({rows})",
        f"create table {schema}.flat {using} as select /*+ coalesce(1) */ * from ({rows})",
        f"create table {schema}.bare {columns} {using} partitioned by (`{COLUMN}`)",
    ]
    if lake.engine.file_format == "delta":
        statements += [
            f"create table {schema}.plain using parquet partitioned by (`{COLUMN}`) as "
            f"select /*+ coalesce(1) */ * from ({rows} union all {rows})",
            f"create view {schema}.shown as select * from {schema}.flat",
        ]
    for statement in statements:
        lake.engine.rows(directory, statement)
    return directory


def schema_of(lake: Cluster, directory: Path) -> str:
    return str(lake.engine.profile(directory)["schema"])


def folder_of(lake: Cluster, table: str, directory: Path) -> Path:
    """Where a table is on the disk."""
    [found] = lake.directory.glob(f"warehouse/{schema_of(lake, directory)}*/{table}")
    return found


def test_tables_of_a_lake(lake: Cluster, tables: Path) -> None:
    of = {table: sizes(folder_of(lake, table, tables)) for table in ("parts", "flat")}
    shared = {"parts_by_day", "flat_beyond", "parts_age"}
    some = {"parts_small", "parts_bytes", "parts_rows", "parts_grows", "flat_whole", "bare_growth", "plain_by_day"}
    asked = {
        **of_partitions(of["parts"], "parts", COLUMN, {}),
        **of_one_file(of["flat"][""], "flat", {"file_format": lake.engine.file_format}),
        **of_nothing("bare", COLUMN, {}),
    }
    if lake.engine.file_format == "iceberg":
        asked["parts_age"] = Asked("snapshot_age", "parts", {}, {None: {"verdict": "pass", "denominator": 2}})
    else:
        plain = sizes(folder_of(lake, "plain", tables))
        asked |= of_partitions(plain, "plain", COLUMN, {"file_format": "parquet"})
    asked = {name: asked[name] for name in asked if name in some | shared}  # the bounds are judged on DuckDB
    project = project_with(tables, lake.engine, asked)
    assert_found(project, asked)
    assert_same_in_vigil_test(project, {name: asked[name] for name in asked if name in shared})


def test_errors_on_a_lake(lake: Cluster, tables: Path) -> None:
    missing = "TABLE_OR_VIEW_NOT_FOUND"
    errors = {
        "missing": (Asked("file_size", "missing", {}), missing),
        "missing_growth": (Asked("unpartitioned_growth", "missing", {}), missing),
        "where": (Asked("unpartitioned_growth", "flat", {}, config={"where": "id > 1"}), "config `where` is set"),
    }
    if lake.engine.file_format == "iceberg":
        errors |= {
            "no_such_field": (Asked("file_size", "parts", {"group_by": "id"}), "No such struct field `id`"),
            "flat": (
                Asked("partition_skew", "flat", {"partition_by": "id"}),
                "partition_skew(file_format: iceberg, part",
            ),
            "format": (Asked("file_size", "flat", {"file_format": "delta"}), "file_size(file_format: delta)"),
        }
    else:
        errors |= {
            "no_such_column": (Asked("file_size", "parts", {"group_by": "month"}), "group_by: month"),
            "no_partition": (
                Asked("file_size", "parts", {"group_by": "id"}),
                "`group_by` has a column that is no partit",
            ),
            "view": (Asked("file_size", "shown", {}), "file_size(file_format: delta)"),
            "format": (Asked("file_size", "flat", {"file_format": "iceberg"}), "REQUIRES_SINGLE_PART_NAMESPACE"),
        }
    assert_errors(tables, lake.engine, errors)


def rendered(lake: Cluster, directory: Path, check: str, table: str, as_of: datetime, **arguments: Any) -> Row:
    """The row of a check, without dbt, which takes seconds to compile it."""
    macros = package_macros("spark", as_of, directory / "macros")
    relation, file_format = Relation(f"{schema_of(lake, directory)}.{table}", table), lake.engine.file_format
    sql = macros.call(f"test_{check}", model=relation, file_format=file_format, **arguments)
    [row] = lake.engine.rows(directory, sql)
    return row


def told(row: Row) -> tuple[Any, ...]:
    return row["verdict"], row["numerator"], row["denominator"], row["detail"]


def test_what_the_page_says_mends_a_table(lake: Cluster, tables: Path) -> None:
    """Files that were joined are measured no more, while they are still there."""
    table = f"{schema_of(lake, tables)}.parts"
    joined = f"call lake.system.rewrite_data_files(table => '{table}', options => map('min-input-files', '2'))"
    lake.engine.rows(tables, f"optimize {table}" if lake.engine.file_format == "delta" else joined)
    row = rendered(lake, tables, "file_size", "parts", datetime.now(timezone.utc), **MIN_SIZE)
    assert (row["numerator"], row["denominator"]) == (2, 3)


@only("iceberg")
def test_snapshots(lake: Cluster, tmp_path: Path) -> None:
    schema = schema_of(lake, tmp_path)

    def run(*statements: str) -> datetime:
        for statement in statements:
            lake.engine.rows(tmp_path, statement)
        return datetime.now(timezone.utc)

    insert = f"insert into {schema}.kept values (1)"
    tables = (f"create table {schema}.{name} (id int) using iceberg" for name in ("kept", "bare"))
    before = run(f"create schema {schema}", *tables, insert)
    after = run(insert)
    run(f"alter table {schema}.kept create tag release", insert)
    as_of = (after + timedelta(days=10)).replace(microsecond=0)

    def judged(as_of: datetime, table: str = "kept", **arguments: Any) -> Row:
        return rendered(lake, tmp_path, "snapshot_age", table, as_of, **arguments)

    row = judged(as_of)
    assert before < as_of - timedelta(seconds=row["value"]) < after, "when the first snapshot was replaced"
    assert told(row) == ("fail", 1, 3, None)
    assert row["upper_bound"] == 604800
    assert told(judged(as_of, max_age="11 days", max_snapshots=3)) == ("pass", 0, 3, None)
    assert told(judged(as_of, max_age="11 days", max_snapshots=2)) == ("fail", 0, 3, "more than 2 snapshots")
    assert told(judged(as_of, table="bare")) == ("no_data", 0, 0, None)
    assert judged(datetime(2013, 2, 10, tzinfo=timezone.utc))["value"] == 0, "not less"
    older = f"older_than => timestamp '{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S.%fZ}'"
    run(f"call lake.system.expire_snapshots(table => '{schema}.kept', {older})")
    row = judged(as_of)
    assert (told(row), row["value"]) == (("pass", 0, 2, None), 0), "a tag and the table itself keep theirs"


@only("iceberg")
def test_a_table_that_changed(lake: Cluster, tmp_path: Path) -> None:
    """What was written before it had partitions is in none, and what marks rows as deleted is no data."""
    schema, run = schema_of(lake, tmp_path), lake.engine.rows
    for statement in (
        f"create schema {schema}",
        f"create table {schema}.evolved (id int, g string) using iceberg "
        "tblproperties ('write.delete.mode'='merge-on-read')",
        f"insert into {schema}.evolved select /*+ coalesce(1) */ id, 'a' from range(1000)",
        f"alter table {schema}.evolved add partition field g",
        f"insert into {schema}.evolved values (1, 'a')",
    ):
        run(tmp_path, statement)
    of, now = sizes(folder_of(lake, "evolved", tmp_path)), datetime.now(timezone.utc)
    run(tmp_path, f"delete from {schema}.evolved where id = 5")
    assert run(tmp_path, f"select count(*) as n from {schema}.evolved.files") == [{"n": 3}]
    assert rendered(lake, tmp_path, "file_size", "evolved", now)["denominator"] == 2
    row = rendered(lake, tmp_path, "unpartitioned_growth", "evolved", now, max_size="1 KB")
    assert (row["verdict"], row["value"]) == ("fail", sum(of[""]))
    assert row["denominator"] == sum(of[""]) + sum(of["a"])


def test_what_spark_must_be_told(tmp_path: Path) -> None:
    project = Project(tmp_path, ThriftServer(0))  # it is not asked

    def error(check: str, **arguments: Any) -> str:
        write_checks(project, {"unknown": Asked(check, "any", arguments)})
        return str(project.run("parse").exception)

    missing = "`file_format` is missing. Accepted: delta, iceberg, parquet; or else the variable vigil_file_format"
    for check in ("file_size", "unpartitioned_growth", "snapshot_age"):
        assert missing in error(check)
    expected = "`file_format` is 'delta'. Accepted: iceberg, because no query can read the history of another format"
    assert expected in error("snapshot_age", file_format="delta")
