"""What the metadata of tables in Iceberg and Delta answer is what a scan answers: random histories of tables.

VIGIL_HISTORIES=200 draws as many of each format instead of 1.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyhive import hive

from dbt_vigil.cli import main
from dbt_vigil.macros import Relation
from dbt_vigil.plan import CompiledTest, Finding, Form, assembled, delta, findings, iceberg, metadata
from dbt_vigil.plan.metadata import known_by_metadata
from dbt_vigil.plan.reading import read
from tests.conftest import only
from tests.project import Project, package_macros
from tests.spark.cluster import Cluster
from tests.spark.histories import AS_OF, History, draw_history, drawn_tests
from tests.spark.server import ThriftServer

HISTORIES = int(os.environ.get("VIGIL_HISTORIES", "1"))
TOGETHER = 8
"""Histories whose tests are planned at once."""
TESTS = 20
"""Of each history."""


class Server:
    """A session on a server."""

    def __init__(self, server: ThriftServer, directory: Path) -> None:
        self.server, self.directory = server, directory
        profile = server.profile(directory)
        settings = {"spark.sql.ansi.enabled": "false"}  # as dbt
        self._connection = hive.connect(profile["host"], profile["port"], configuration=settings)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def answers(self, forms: Sequence[Form]) -> dict[str, Finding | None]:
        """What the tests find, by their ids; None where they err."""
        found: dict[str, Finding | None] = {}
        for statement in assembled(forms, "spark"):
            tests = [form.test.test_id for form in statement.forms]
            try:
                found |= dict(zip(tests, findings(statement.forms, self.rows(statement.sql), "spark"), strict=True))
            except hive.OperationalError:
                found |= self.answers(statement.forms[::2]) if len(tests) > 1 else {tests[0]: None}
                found |= self.answers(statement.forms[1::2]) if len(tests) > 1 else {}
        return found


@pytest.fixture(scope="module")
def server(lake: Cluster) -> Server:
    return Server(lake.engine, lake.directory)


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables too small to be asked of are asked, and rows are read however many they are."""
    for module in (delta, iceberg):
        monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(metadata, "WORTH", 1)


@pytest.mark.parametrize("start", range(0, HISTORIES, TOGETHER))
def test_random_histories(server: Server, tmp_path: Path, start: int) -> None:
    macros = lru_cache(lambda as_of: package_macros("spark", as_of, tmp_path))
    server.rows("create schema if not exists histories")
    histories = [draw_history(server.server.name, n) for n in range(start, min(start + TOGETHER, HISTORIES))]
    compiled: list[CompiledTest] = []
    failed = Counter[bool]()
    for history in histories:
        for statement in history.statements:
            failed[not is_done(server, statement)] += 1
        history.columns = columns_of(server, history)
        drawn = list(drawn_tests(history, macros))
        compiled += history.random.sample(drawn, min(len(drawn), TESTS))
    assert failed[True] <= failed[False] / 4, "the histories are not what they are meant to be"
    forms = [form for test in compiled if (form := read(test, "spark"))]
    known = known_by_metadata(forms, server.rows)
    sources = Counter(form.source for form in known)
    expected = server.answers(forms)
    actual = server.answers([form for form in known if form.source != "scan"])
    wrong = {test: (expected[test], found) for test, found in actual.items() if facts(found) != facts(expected[test])}
    assert wrong == {}, described(histories, wrong)
    assert len(forms) - sources["scan"] > len(forms) / 10, sources
    print(f"{len(histories)} histories, {len(forms)} tests: {dict(sources)}")


def facts(finding: Finding | None) -> Any:
    return finding and (finding.failures, finding.should_warn, finding.should_error, finding.measured)


def described(histories: Sequence[History], wrong: dict[str, Any]) -> str:
    told = [h for h in histories if any(test.startswith(f"{h.table} ") for test in wrong)]
    made = "\n\n".join(";\n".join(history.statements) for history in told[:1])
    return f"{made}\n\n" + "\n".join(f"{test}: {found}" for test, found in wrong.items())


def is_done(server: Server, statement: str) -> bool:
    """Whether a statement was one: a column that is part of a layout cannot be dropped, say."""
    try:
        server.rows(statement)
    except hive.OperationalError:
        return False
    return True


def columns_of(server: Server, history: History) -> dict[str, str]:
    described = server.rows(f"describe {history.table}")
    names = [row[0] for row in described]
    return {name: kind for name, kind, _ in described[: names.index("") if "" in names else None] if name[:1] != "#"}


SOURCE = {
    "tables": [
        {
            "name": "orders",
            "data_tests": [
                {"vigil.freshness": {"name": "fresh", "arguments": {"timestamp_column": "at", "max_age": "1 day"}}},
                {"vigil.future_rate": {"name": "future", "arguments": {"timestamp_column": "at"}}},
                {"vigil.row_count_ratio": {"name": "ratio", "arguments": {"timestamp_column": "at"}}},
            ],
            "columns": [
                {
                    "name": "amount",
                    "data_tests": [
                        {"vigil.null_rate": {"name": "nulls"}},
                        {
                            "vigil.null_rate": {
                                "name": "nulls_of_a_day",
                                "arguments": {"timestamp_column": "at", "window": "1 day"},
                            }
                        },
                        {"not_null": {"name": "not_null"}},
                    ],
                }
            ],
        }
    ]
}
VARIABLES = {"vigil_as_of": "2024-03-10T00:00:00Z"}


def made(server: Server, name: str, rows: str) -> str:
    """A table with a file for each of nine days until AS_OF."""
    server.rows("create schema if not exists shop")
    table_format = server.server.file_format
    server.rows(f"create or replace table shop.{name} (at timestamp, amount bigint) using {table_format}")
    days = "select *, timestamp '2024-03-01 00:00:00Z' + make_interval(0, 0, 0, cast(id as int)) as at from range(9)"
    values = f"select /*+ repartition_by_range(9, at) */ at, {rows} from ({days})"
    server.rows(f"insert into shop.{name} {values}")
    return f"shop.{name}"


def vigil(project: Project, *arguments: str) -> tuple[str, dict[str, Any]]:
    where = ["--project-dir", str(project.directory), "--profiles-dir", str(project.directory)]
    result = CliRunner().invoke(main, [*arguments, *where, "--vars", project.variables()], catch_exceptions=False)
    return result.output, json.loads(result.output) if "--json" in arguments else {}


def test_a_suite_without_a_scan(server: Server, tmp_path: Path) -> None:
    made(server, "orders", "if(id = 3, null, id)")
    project = Project(tmp_path, server.server, VARIABLES)
    project.write_yaml("models/shop.yml", {"sources": [{"name": "shop", **SOURCE}]})
    statuses = {"fresh": "pass", "nulls": "fail", "nulls_of_a_day": "pass", "not_null": "fail"}
    sources = dict.fromkeys(["future", "ratio", *statuses], "metadata")
    if server.server.name == "delta":
        sources["fresh"] = "mixed"  # it keeps times in milliseconds
    for path in ("dbt", "stored plan"):
        _, found = vigil(project, "test", "--json")
        assert {check["name"]: check["status"] for check in found["checks"]} == dict.fromkeys(
            sources, "pass"
        ) | statuses
        assert {check["name"]: check["source"] for check in found["checks"]} == sources
        assert (found["path"], len(found["statements"])) == (path, 1)
        results = json.loads((tmp_path / "target/run_results.json").read_text())["results"]
        kept = [r["adapter_response"]["vigil"]["source"] for r in results if "vigil" in r["adapter_response"]]
        assert Counter(kept) == Counter(source for name, source in sources.items() if name != "not_null")
    text, _ = vigil(project, "plan")
    assert [text.count(f"from shop.orders{how}") for how in ("", " version as of ")] == [
        list(sources.values()).count("mixed")
    ] * 2
    assert text.count("from the metadata of its files") == 6
    assert "6 checks from metadata" in vigil(project, "test")[0]


class Asking:
    """Asks a server, and keeps the kinds of statements that it was asked."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.kinds: list[str] = []

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        self.kinds.append(sql.split()[0])
        return self.server.rows(sql)


def counts(*tables: str) -> list[Form]:
    return [form for t in tables if (form := read(CompiledTest(t, f"select * from {t} where amount is null"), "spark"))]


def test_all_tables_are_asked_at_once(server: Server) -> None:
    asking = Asking(server)
    known = known_by_metadata(counts(made(server, "one", "id"), made(server, "two", "null")), asking)
    assert [form.source for form in known] == ["metadata", "metadata"]
    assert [finding and finding.failures for finding in server.answers(known).values()] == [0, 9]
    of_each = ["describe", "describe", "select"] if server.server.name == "delta" else []
    assert asking.kinds == ["set", "show", "explain", *of_each, *of_each, "select"]


def test_what_has_no_metadata_is_hardly_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.rows("create schema if not exists spark_catalog.plain")
    server.rows("create table if not exists spark_catalog.plain.orders using parquet as select 1 as amount")
    made(server, "one", "id")
    server.rows("create or replace view spark_catalog.plain.seen as select 1 as amount")
    plain = ["spark_catalog.plain.orders", "spark_catalog.plain.seen", "spark_catalog.plain.none"]
    shown = ["show"] if server.server.name == "delta" else []  # whose tables are in that catalog
    for large, tables, kinds in [
        (0, plain, ["set", *shown]),
        (0, ["shop.none", "none.none"], ["set", "show", "show"]),
        (10**9, ["shop.one"], ["set", "show", "explain"]),
        (0, [], []),
    ]:
        for module in (delta, iceberg):
            monkeypatch.setattr(module, "LARGE", large)
        asking, forms = Asking(server), counts(*tables)
        assert known_by_metadata(forms, asking) == forms
        assert asking.kinds == kinds


@only("iceberg")
def test_a_session_is_answered_what_it_would_scan(server: Server) -> None:
    """Its catalog may not know yet what another session has written."""
    server.rows("create schema if not exists current.shop")
    nulls = "select current_timestamp() as at, cast(null as double) as amount from range(9)"
    server.rows(f"create table current.shop.kept using iceberg as {nulls}")
    session = Server(server.server, server.directory)
    forms = counts("kept.shop.kept")

    def found() -> list[int]:
        known = known_by_metadata(forms, session.rows)
        assert [form.source for form in known] == ["metadata"]
        return [f.failures for way in (known, forms) for f in session.answers(way).values() if f]

    assert found() == [9, 9]
    server.rows("insert into current.shop.kept values (null, null)")
    assert found() == [9, 9]
    session.rows("refresh table kept.shop.kept")
    assert found() == [10, 10]


@only("iceberg")
def test_a_branch_is_scanned(server: Server) -> None:
    forms = counts(made(server, "branched", "null"))
    server.rows("alter table shop.branched set tblproperties ('write.wap.enabled' = 'true')")
    session = Server(server.server, server.directory)
    session.rows("set spark.wap.branch = side")
    session.rows("alter table shop.branched create branch side")
    session.rows("insert into shop.branched values (null, null)")
    assert known_by_metadata(forms, session.rows) == forms
    assert [f and f.failures for f in session.answers(forms).values()] == [10]
    assert [f and f.failures for f in server.answers(known_by_metadata(forms, server.rows)).values()] == [9]


@only("delta")
def test_a_version_of_earlier_is_scanned(server: Server) -> None:
    forms = counts(made(server, "stale", "null"))
    session = Server(server.server, server.directory)
    session.rows("set spark.databricks.delta.stalenessLimit = 1h")
    assert known_by_metadata(forms, session.rows) == forms


@only("delta")
def test_rows_that_are_deleted_meanwhile_are_of_another_version(server: Server, tmp_path: Path) -> None:
    table = made(server, "late", "id")
    forms = [form for test in [freshness(table, tmp_path)] if (form := read(test, "spark"))]
    expected = [facts(found) for found in server.answers(forms).values()]
    known = known_by_metadata(forms, server.rows)
    server.rows(f"delete from {table} where amount > 3")
    assert [form.source for form in known] == ["mixed"]
    assert [facts(found) for found in server.answers(known).values()] == expected
    assert [facts(found) for found in server.answers(forms).values()] != expected


def freshness(table: str, cache: Path) -> CompiledTest:
    check = package_macros("spark", AS_OF, cache).call(
        "test_freshness", Relation(table, table), timestamp_column="at", max_age="1 day"
    )
    return CompiledTest("freshness", str(check), "coalesce(sum(failed), 1)", is_check=True)


def test_what_is_not_exact_is_scanned(server: Server, tmp_path: Path) -> None:
    """Each beside its like that is known."""
    table_format = server.server.name
    server.rows("create schema if not exists exact")
    columns = f"(at timestamp, x double, s string) using {table_format}"
    properties = {
        "iceberg": "('format-version' = '2', 'write.delete.mode' = 'merge-on-read')",
        "delta": "('delta.enableDeletionVectors' = 'true')",
    }[table_format]
    for table, rows in {
        "whole": "(timestamp '2024-03-09 12:00:00Z', 0.5d, 'a'), (timestamp '2024-03-09 11:00:00Z', 0.5, null)",
        "deleted": "(timestamp '2024-03-09 12:00:00Z', 0.5d, 'a'), (timestamp '2024-03-09 11:00:00Z', 0.5, null)",
        "straddling": "(timestamp '2024-03-09 12:00:00Z', double('NaN'), 'a'), (timestamp '2024-03-11', 0.5, null)",
    }.items():
        server.rows(f"create table exact.{table} {columns} tblproperties {properties}")
        server.rows(f"insert into exact.{table} select /*+ coalesce(1) */ * from values {rows}")
        server.rows(f"insert into exact.{table} values (timestamp '2024-03-01 00:00:00Z', 2, 'b')")
    server.rows("delete from exact.deleted where s is null")
    of_times = {"iceberg": ("metadata", "scan"), "delta": ("mixed", "mixed")}[table_format]
    for table, what in [
        ("whole", {"freshness": of_times[0], "x is null": "metadata", "s is null": "metadata", "x > 1": "scan"}),
        ("deleted", {"freshness": "scan", "x is null": "scan", "s is null": "scan", "x > 1": "scan"}),
        ("straddling", {"freshness": of_times[1], "x is null": "metadata", "s is null": "metadata", "x > 1": "scan"}),
    ]:
        name = f"exact.{table}"
        tests = [CompiledTest(where, f"select * from {name} where {where}") for where in what if " " in where]
        forms = [form for test in [freshness(name, tmp_path), *tests] if (form := read(test, "spark"))]
        known = known_by_metadata(forms, server.rows)
        assert {form.test.test_id: form.source for form in known} == what
        found, scanned = ({t: facts(f) for t, f in server.answers(way).items()} for way in (known, forms))
        assert found == scanned
