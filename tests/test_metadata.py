"""What the metadata of tables in Iceberg answer is what a scan answers: random histories of tables.

VIGIL_HISTORIES=200 draws as many instead of 8.
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
from dbt_vigil.plan import CompiledTest, Finding, Form, assembled, findings, metadata
from dbt_vigil.plan.metadata import known_by_metadata
from dbt_vigil.plan.reading import read
from tests.project import Project, package_macros
from tests.spark.cluster import Cluster
from tests.spark.histories import AS_OF, History, draw_history, drawn_tests
from tests.spark.server import ThriftServer

pytestmark = pytest.mark.iceberg

HISTORIES = int(os.environ.get("VIGIL_HISTORIES", "8"))
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
def server(iceberg: Cluster) -> Server:
    server = Server(iceberg.engine, iceberg.directory)
    server.rows("create schema if not exists lake.histories")
    return server


@pytest.mark.parametrize("start", range(0, HISTORIES, TOGETHER))
def test_random_histories(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    macros = lru_cache(lambda as_of: package_macros("spark", as_of, tmp_path))
    histories = [draw_history(n) for n in range(start, min(start + TOGETHER, HISTORIES))]
    monkeypatch.setattr(metadata, "LARGE", 0)
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
    assert sources["metadata"] > len(forms) / 10, sources
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
    """A table in Iceberg, with a file for each day until AS_OF."""
    server.rows("create schema if not exists lake.shop")
    columns = "(at timestamp, amount double) using iceberg partitioned by (days(at))"
    server.rows(f"create or replace table lake.shop.{name} {columns}")
    days = "select *, timestamp '2024-03-01 00:00:00Z' + make_interval(0, 0, 0, cast(id as int)) as at from range(9)"
    server.rows(f"insert into lake.shop.{name} select at, {rows} from ({days})")
    return f"lake.shop.{name}"


def vigil(project: Project, *arguments: str) -> tuple[str, dict[str, Any]]:
    where = ["--project-dir", str(project.directory), "--profiles-dir", str(project.directory)]
    result = CliRunner().invoke(main, [*arguments, *where, "--vars", project.variables()], catch_exceptions=False)
    return result.output, json.loads(result.output) if "--json" in arguments else {}


def test_a_suite_without_a_scan(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "LARGE", 0)
    made(server, "orders", "if(id = 3, cast('NaN' as double), id)")
    project = Project(tmp_path, server.server, VARIABLES)
    project.write_yaml("models/shop.yml", {"sources": [{"name": "shop", "schema": "lake.shop", **SOURCE}]})
    expected = {
        "fresh": "pass", "future": "pass", "ratio": "pass", "nulls": "fail", "nulls_of_a_day": "pass",
        "not_null": "pass",
    }  # fmt: skip
    for path in ("dbt", "stored plan"):
        _, found = vigil(project, "test", "--json")
        assert {check["name"]: check["status"] for check in found["checks"]} == expected
        assert {check["name"] for check in found["checks"] if check["source"] != "metadata"} == set()
        assert (found["path"], len(found["statements"])) == (path, 1)
        results = json.loads((tmp_path / "target/run_results.json").read_text())["results"]
        kept = [
            result["adapter_response"]["vigil"]["source"] for result in results if "vigil" in result["adapter_response"]
        ]
        assert kept == ["metadata"] * 5, "all but dbt's not_null"
    text, _ = vigil(project, "plan")
    assert "from lake" not in text
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


def test_all_tables_are_asked_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "LARGE", 0)
    asking = Asking(server)
    known = known_by_metadata(counts(made(server, "one", "id"), made(server, "two", "null")), asking)
    assert [form.source for form in known] == ["metadata", "metadata"]
    assert [finding and finding.failures for finding in server.answers(known).values()] == [0, 9]
    assert asking.kinds == ["set", "show", "explain", "select"]


def test_what_has_no_metadata_is_hardly_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.rows("create schema if not exists spark_catalog.plain")
    server.rows("create table spark_catalog.plain.orders using parquet as select 1 as amount")
    made(server, "one", "id")
    server.rows("create or replace view spark_catalog.plain.seen as select * from lake.shop.one")
    for large, tables, kinds in [
        (0, ["spark_catalog.plain.orders", "spark_catalog.plain.seen", "spark_catalog.plain.none"], ["set"]),
        (0, ["lake.shop.none", "lake.none.none"], ["set", "show", "show"]),
        (10, ["lake.shop.one"], ["set", "show", "explain"]),
        (0, [], []),
    ]:
        monkeypatch.setattr(metadata, "LARGE", large)
        asking, forms = Asking(server), counts(*tables)
        assert known_by_metadata(forms, asking) == forms
        assert asking.kinds == kinds


def test_a_session_is_answered_what_it_would_scan(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its catalog may not know yet what another session has written."""
    monkeypatch.setattr(metadata, "LARGE", 0)
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


def test_a_branch_is_scanned(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "LARGE", 0)
    forms = counts(made(server, "branched", "null"))
    server.rows("alter table lake.shop.branched set tblproperties ('write.wap.enabled' = 'true')")
    session = Server(server.server, server.directory)
    session.rows("set spark.wap.branch = side")
    session.rows("alter table lake.shop.branched create branch side")
    session.rows("insert into lake.shop.branched values (null, null)")
    assert known_by_metadata(forms, session.rows) == forms
    assert [f and f.failures for f in session.answers(forms).values()] == [10]
    assert [f and f.failures for f in server.answers(known_by_metadata(forms, server.rows)).values()] == [9]


def test_what_is_not_exact_is_scanned(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each beside its like that is known."""
    monkeypatch.setattr(metadata, "LARGE", 0)
    server.rows("create schema if not exists lake.exact")
    columns = "(at timestamp, x double, s string) using iceberg"
    properties = "('format-version' = '2', 'write.delete.mode' = 'merge-on-read')"
    for table, rows in {
        "whole": "(timestamp '2024-03-09 12:00:00Z', 0.5d, 'a'), (timestamp '2024-03-09 11:00:00Z', 0.5, null)",
        "deleted": "(timestamp '2024-03-09 12:00:00Z', 0.5d, 'a'), (timestamp '2024-03-09 11:00:00Z', 0.5, null)",
        "straddling": "(timestamp '2024-03-09 12:00:00Z', double('NaN'), 'a'), (timestamp '2024-03-11', 0.5, null)",
    }.items():
        server.rows(f"create table lake.exact.{table} {columns} tblproperties {properties}")
        server.rows(f"insert into lake.exact.{table} select /*+ coalesce(1) */ * from values {rows}")
        server.rows(f"insert into lake.exact.{table} values (timestamp '2024-03-01 00:00:00Z', 2, 'b')")
    server.rows("delete from lake.exact.deleted where s is null")
    for table, what in [
        ("whole", {"freshness": "metadata", "x is null": "metadata", "s is null": "metadata", "x > 1": "scan"}),
        ("deleted", {"freshness": "scan", "x is null": "scan", "s is null": "scan", "x > 1": "scan"}),
        ("straddling", {"freshness": "scan", "x is null": "metadata", "s is null": "metadata", "x > 1": "scan"}),
    ]:
        relation = Relation(f"lake.exact.{table}", table)
        macros = package_macros("spark", AS_OF, tmp_path)
        check = macros.call("test_freshness", relation, timestamp_column="at", max_age="1 day")
        tests = [CompiledTest("freshness", str(check), "coalesce(sum(failed), 1)", is_check=True)]
        tests += [CompiledTest(where, f"select * from {relation} where {where}") for where in what if " " in where]
        forms = [form for test in tests if (form := read(test, "spark"))]
        known = known_by_metadata(forms, server.rows)
        assert {form.test.test_id: form.source for form in known} == what
        found, scanned = ({t: facts(f) for t, f in server.answers(way).items()} for way in (known, forms))
        assert found == scanned
