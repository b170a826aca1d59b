"""The command `vigil`: what it runs, what it leaves behind, what it says, and its exit codes, for real."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbt_vigil.project import VigilError, find_project
from dbt_vigil.record import read_status
from dbt_vigil.report import counted
from dbt_vigil.spool import SpoolFile, abandoned_runs
from tests import killing
from tests.engines import DuckDB
from tests.project import Project
from tests.shop import CLEAN, LATER, NULLS, Shop

FAILING = {"config": {"where": "1 = 1"}}
EMPTY = {"test": "vigil.null_rate", "config": {"where": "1 = 0"}}
BROKEN = {"config": {"where": "no_such_column = 1"}}


@pytest.mark.parametrize(
    ("tests", "rows", "status", "code", "state", "watched"),
    [
        ({"fine": {}}, CLEAN, "pass", 0, "ok", 0),
        ({"warned": {"config": {"severity": "warn"}}}, NULLS, "warn", 0, "ok", 0),
        ({"failed": {}}, NULLS, "fail", 1, "failing", 1),
        ({"measured": {"test": "vigil.null_rate"}}, NULLS, "fail", 1, "failing", 1),
        ({"empty": EMPTY}, CLEAN, "no_data", 2, "unjudged", 2),
        ({"broken": BROKEN}, CLEAN, "error", 2, "unjudged", 2),
        ({"failed": {}, "broken": BROKEN}, NULLS, "error", 2, "unjudged", 2),
        ({"failed": {}, "empty": EMPTY}, NULLS, "no_data", 2, "unjudged", 2),
    ],
    ids=["pass", "warn", "fail", "measured", "no_data", "error", "error_before_fail", "no_data_before_fail"],
)
def test_exit_codes(
    tmp_path: Path, tests: dict[str, Any], rows: str, status: str, code: int, state: str, watched: int
) -> None:
    shop = Shop(tmp_path, tests, rows)
    built = shop.vigil("build")
    assert built.code == code, built.text
    assert f"vigil: {counted(len(tests), 'check')}: " in built.text
    assert "; recorded\n" in built.text
    last = list(tests)[-1]
    assert shop.rows(f"select status from check_runs where check_id like 'test.cases.{last}.%'") == [(status,)]
    seen = shop.watch()
    assert seen.code == watched, seen.text
    if watched:
        assert last in seen.named(state)
    assert shop.watch(LATER).code == 3
    assert shop.watch(LATER).named("overdue") == set(tests)
    assert "failing" not in shop.watch(LATER).named("failing")


def test_the_summary_says_what_was_measured(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"half": {"test": "vigil.null_rate", "arguments": {"max_rate": 0.1}}}, NULLS)
    assert "half: null rate 50% (1 of 2 rows), at most 10%" in shop.vigil("build").text
    [row] = shop.rows("select value, upper_bound, numerator, denominator, failures from check_runs")
    assert row == (0.5, 0.1, 1, 2, 1)


@pytest.mark.parametrize("stored", [[], ["--store-failures"]], ids=["plain", "store_failures"])
def test_measuring_changes_no_result_of_dbt(tmp_path: Path, stored: list[str]) -> None:
    grouped = {"test": "vigil.null_rate", "arguments": {"group_by": "id"}}
    tests = {
        "counted": grouped,
        "limited": {**grouped, "config": {"limit": 0}},
        "tolerated": {**grouped, "config": {"error_if": "> 1"}},
        "warned": {**grouped, "config": {"severity": "warn"}},
        "fine": {"test": "vigil.null_rate", "arguments": {"max_rate": 0.5}},
        "broken": {"test": "vigil.null_rate", "config": BROKEN["config"]},
    }
    shop = Shop(tmp_path, tests, NULLS)
    shop.vigil("build")
    results = []
    for run in (shop.project.run, lambda *arguments: shop.vigil(*arguments)):
        run("test", *stored)
        entries = json.loads((tmp_path / "target/run_results.json").read_text())["results"]
        results.append({e["unique_id"]: (e["status"], e["failures"]) for e in entries if "test." in e["unique_id"]})
    assert results[0] == results[1]
    assert len(results[0]) == len(tests)


def test_usage_errors(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    refused = shop.vigil("test", "--no-such-option")
    assert (refused.code, "no-such-option" in refused.text) == (2, True)
    assert list(shop.spool.glob("*")) == []
    stopped = shop.vigil("test", "--select", "nothing_of_that_name")
    assert (stopped.code, "vigil: 0 checks" in stopped.text) == (0, True)
    unknown = shop.vigil("status", "--target", "nowhere")
    assert (unknown.code, "has no target `nowhere`. It has: duckdb" in unknown.text) == (2, True)
    for option, value in (("--as-of", "yesterday"), ("--vars", "[1]"), ("--vars", "{a: ")):
        assert shop.vigil("watch", option, value).code == 2


def test_without_a_record_nothing_is_fine(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    for command in ("watch", "status"):
        answer = shop.vigil(command)
        assert (answer.code, "There is no record" in answer.text) == (2, True)
    shop.rows("select 1")
    answer = shop.vigil("watch")
    assert (answer.code, "There is no record in this database yet" in answer.text) == (2, True)
    shop.write_tests({})
    shop.vigil("build")
    answer = shop.vigil("watch")
    assert (answer.code, "nothing is being watched" in answer.text) == (2, True)


def test_each_way_not_to_run_is_named(tmp_path: Path) -> None:
    kept: dict[str, Any] = {"kept": {}, "other": {}, "gone": {}}
    shop = Shop(tmp_path, kept)
    assert shop.vigil("build").code == 0
    assert shop.watch(LATER).named("overdue") == set(kept), "no run at all"
    # A clock that is a day on: what runs now has run, what does not has not.
    shop.rows("update vigil_check_log set finished_at = finished_at - interval 2 day, as_of = as_of - interval 2 day")
    shop.rows("update vigil_registry_log set recorded_at = recorded_at - interval 2 day")
    assert shop.vigil("test", "--exclude", "other").code == 0
    assert (shop.watch().code, shop.watch().named("overdue")) == (3, {"other"}), "deselected"

    shop.write_tests({"kept": {}, "other": {}})
    assert shop.vigil("test").code == 0
    assert shop.watch().code == 0, "removed, and so retired"
    assert "gone" not in shop.watch(LATER).text

    shop.project.write("models/orders.sql", "select * from {{ ref('no_such_model') }}")
    stopped = shop.vigil("test")
    assert (stopped.code, "no_such_model" in stopped.text) == (2, True)
    assert shop.watch(LATER).named("overdue") == {"kept", "other"}, "the project does not compile"
    shop.write_orders(CLEAN)

    shop.project.write("models/sales.sql", (tmp_path / "models/orders.sql").read_text())
    (tmp_path / "models/orders.sql").unlink()
    assert shop.vigil("build").code == 0
    assert shop.watch(LATER).named("overdue") == {"kept", "other"}, "the model was renamed"
    shop.write_tests({"kept": {}, "other": {}}, model="sales")
    assert shop.vigil("build").code == 0
    assert shop.watch().code == 0

    shop.rows("drop table sales")
    assert shop.vigil("test").code == 2
    assert (shop.watch().code, shop.watch().named("unjudged")) == (2, {"kept", "other"}), "the table was dropped"


def test_a_run_that_stopped_is_in_the_record_once_dbt_runs_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    shop.vigil("build")
    shop.project.write("models/orders.sql", "select * from {{ ref('no_such_model') }}")
    assert shop.vigil("test").code == 2
    assert len(list(shop.spool.glob("*.jsonl"))) == 1
    shop.write_orders(CLEAN)
    assert shop.vigil("status").code == 0
    assert list(shop.spool.glob("*.jsonl")) == []
    statuses = shop.rows("select status, checks, message like '%no_such_model%' from invocations order by started_at")
    assert statuses == [("finished", 1, None), ("error", 0, True)]


def test_the_warehouse_is_down(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    shop.vigil("build")
    database = tmp_path / "cases.duckdb"
    shop.rows("drop table vigil_invocation_log")
    shop.rows("create view vigil_invocation_log as select 1 as not_what_it_was")
    answer = shop.vigil("test")
    assert answer.code == 0, "the checks passed"
    assert "NOT in the record, but kept" in answer.text
    watched = shop.watch()
    assert (watched.code, "unjudged 1 runs" in watched.text) == (2, True), "what is kept may be a failure"
    assert len(list(shop.spool.glob("*.jsonl"))) == 1
    shop.rows("drop view vigil_invocation_log")
    assert shop.vigil("test").code == 0
    assert list(shop.spool.glob("*.jsonl")) == []
    assert shop.rows("select count(*), count(distinct invocation_id) from check_runs") == [(3, 3)]
    database.rename(tmp_path / "away")
    database.mkdir()
    assert shop.vigil("test").code == 2
    database.rmdir()
    (tmp_path / "away").rename(database)
    assert shop.vigil("test").code == 0
    assert shop.rows("select count(*), count(distinct invocation_id) from check_runs") == [(4, 4)]


def test_strict(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    shop.vigil("build")
    shop.rows("drop table vigil_invocation_log")
    shop.rows("create view vigil_invocation_log as select 1 as not_what_it_was")
    assert shop.vigil("test", "--vars", "{vigil_strict: true}").code == 2


def test_a_spool_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIGIL_SPOOL", str(tmp_path / "file"))
    answer = shop.vigil("build")
    assert (answer.code, "not recorded by vigil itself" in answer.text) == (0, True)
    assert shop.rows("select status from check_runs") == [("pass",)]


def test_a_run_with_a_wrong_variable_stands_in_no_ones_way(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {"test": "vigil.null_rate"}})
    shop.vigil("build")
    assert shop.vigil("test", "--vars", "{vigil_as_of: yesterday}").code == 2
    assert shop.vigil("test").code == 0
    assert list(shop.spool.glob("*.jsonl")) == []
    statuses = shop.rows("select status, checks from invocations order by started_at")
    assert statuses == [("finished", 1), ("error", 0), ("finished", 1)]


def test_one_run_that_cannot_be_recorded_stands_in_no_ones_way(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    shop.vigil("build")
    for started_at in ("no time at all", "2026-01-01T00:00:00Z"):
        file = SpoolFile(shop.spool)
        file.start({"invocation_id": f"of {started_at}", "started_at": started_at})
        file.close()
    answer = shop.watch()
    assert (answer.code, "unjudged 1 runs" in answer.text) == (2, True)
    [path] = shop.spool.glob("*.jsonl")
    assert "no time at all" in path.read_text()
    assert shop.rows("select status, count(*) from invocations group by all order by all") == [
        ("finished", 1),
        ("interrupted", 1),
    ]


def test_empty_judges_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"failed": {}, "measured": {"test": "vigil.null_rate"}}, NULLS)
    shop.vigil("build")
    answer = shop.vigil("build", "--empty")
    assert (answer.code, "2 checks: 2 not_executed; recorded" in answer.text) == (0, True)
    assert shop.watch().named("failing") == {"failed", "measured"}


def test_skipped_tests_are_recorded(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"failed": {}}, NULLS)
    below = {"name": "below", "columns": [{"name": "id", "data_tests": [{"not_null": {"name": "skipped"}}]}]}
    shop.project.write("models/below.sql", "select * from {{ ref('orders') }}")
    shop.project.write_yaml("models/below.yml", {"models": [below]})
    answer = shop.vigil("build")
    assert (answer.code, "1 fail, 1 skipped" in answer.text) == (1, True), answer.text
    assert shop.rows("select status from check_runs order by all") == [("fail",), ("skipped",)]


def test_metrics_and_json_stay_clean_when_a_run_cannot_be_recorded(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    shop.vigil("build")
    file = SpoolFile(shop.spool)
    file.start({"invocation_id": "i", "started_at": "no time at all"})
    file.close()
    status = subprocess.run(
        [killing.VIGIL, "status", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [check["state"] for check in json.loads(status.stdout)] == ["ok"]
    assert "1 runs are kept" in status.stderr


def test_record_turned_off(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}})
    assert shop.vigil("build", "--vars", "{vigil_record: false}").code == 0
    assert not shop.spool.exists()
    assert shop.rows("select count(*) from information_schema.tables where table_name like 'vigil%'") == [(0,)]


def test_record_a_run_that_was_made_elsewhere(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}, "failed": {}}, NULLS)
    shop.project.vars["vigil_record"] = False
    shop.project.run("build")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "target", elsewhere)
    shutil.rmtree(tmp_path / "target")
    path = str(elsewhere / "run_results.json")
    for _ in range(2):
        answer = shop.vigil("record", path)
        assert (answer.code, answer.text.startswith("vigil: 2 checks recorded, of the run of 20")) == (0, True)
    metadata = json.loads((elsewhere / "run_results.json").read_text())["metadata"]
    [(invocation, checks)] = shop.rows("select distinct invocation_id, checks from vigil_invocation_log")
    assert (invocation, checks) == (metadata["invocation_id"], 2)
    assert shop.watch().named("failing") == {"fine", "failed"}
    for problem, text in (("no artifact", "{}"), ("no JSON", "]"), ("results", '{"metadata": {}}')):
        (tmp_path / "wrong.json").write_text(text)
        answer = shop.vigil("record", str(tmp_path / "wrong.json"), "--manifest", str(elsewhere / "manifest.json"))
        assert (answer.code, "is not an artifact of dbt that has `results`" in answer.text) == (2, True), problem
    (elsewhere / "manifest.json").unlink()
    answer = shop.vigil("record", path)
    assert (answer.code, "manifest.json cannot be read" in answer.text) == (2, True)


def test_status(tmp_path: Path) -> None:
    meta = {"owner": "[team] \\orders", "runbook": "https://example.com/?a=1&b=2"}
    tests = {"fine": {"config": {"meta": meta, "where": "id = 2"}}, "failed": {"config": {"where": "id = 1"}}}
    shop = Shop(tmp_path, tests, NULLS)
    shop.vigil("build")
    table = shop.vigil("status").text
    assert table.index("failed") < table.index("fine")
    assert "[team] \\orders" in table
    statuses = json.loads(shop.vigil("status", "--json").text)
    assert [(s["check_name"], s["state"], s["last_status"]) for s in statuses] == [
        ("failed", "failing", "fail"),
        ("fine", "ok", "pass"),
    ]
    assert {s["owner"] for s in statuses} == {"[team] \\orders", None}
    assert datetime.fromisoformat(statuses[0]["last_ran_at"]).tzinfo is not None


def test_infinity_is_said_and_kept(tmp_path: Path) -> None:
    arguments = {"timestamp_column": "day", "baseline_periods": 1}
    rows = "select date '2013-02-08' as day, 5e0 as amount union all select date '2013-02-09', 'inf'::double"
    shop = Shop(tmp_path, {"infinite": {"test": "vigil.mean_change", "arguments": arguments}}, rows)
    shop.project.run("run")
    as_of = ("--vars", "{vigil_as_of: 2013-02-10}")
    for command in ("dbt", "stored plan"):
        answer = shop.vigil("test", *as_of)
        assert f"by {command}" in answer.text
        assert "infinite: mean infinity times the baseline's (inf against 5), from 0.5 to 2" in answer.text.replace(
            "\n", " "
        )
    assert shop.project.run("test", *as_of).result
    assert (
        shop.rows("select status, value, numerator, denominator from vigil_check_log")
        == [("fail", float("inf"), float("inf"), 5)] * 3
    )
    told = json.loads(shop.vigil("status", "--json").text, parse_constant=pytest.fail)
    assert [row["last_value"] for row in told] == ["Infinity"]


def test_the_harness_and_the_model_say_the_same(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"fine": {}, "failed": {"config": {"where": "1 = 1"}}, "broken": BROKEN}, NULLS)
    shop.vigil("build")
    statuses = read_status(find_project(tmp_path, tmp_path))
    columns = ["check_id", "state", "last_status", "last_ran_at", "next_due_at", "failing_since", "runs_last_30_days"]
    of_the_model = shop.rows(f"select {', '.join(columns)} from check_status order by check_id")
    by_the_harness = [
        tuple(
            value.replace(tzinfo=None) if isinstance(value := getattr(status, column), datetime) else value
            for column in columns
        )
        for status in sorted(statuses, key=lambda status: status.check_id)
    ]
    assert by_the_harness == of_the_model
    assert len(by_the_harness) == 3


@pytest.fixture
def switch() -> Iterator[tuple[str, list[str]]]:
    """A dead man's switch: its URL, and the paths that were called."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", called
    server.shutdown()
    thread.join()
    server.server_close()


def test_ping_only_when_all_is_judged(tmp_path: Path, switch: tuple[str, list[str]]) -> None:
    url, called = switch
    shop = Shop(tmp_path, {"failed": {}}, NULLS)
    assert shop.vigil("watch", "--ping", f"{url}/none").code == 2
    shop.vigil("build")
    assert shop.watch(timedelta(0), "--ping", f"{url}/failing").code == 1
    assert shop.watch(LATER, "--ping", f"{url}/overdue").code == 3
    refused = shop.watch(timedelta(0), "--ping", f"{url}/broken-s3cret")
    assert (refused.code, "dead man's switch" in refused.text, "s3cret" in refused.text) == (2, True, False)
    assert shop.vigil("watch", "--ping", "file:///etc/passwd").code == 2
    shop.rows("drop table orders")
    shop.vigil("test")
    assert shop.watch(timedelta(0), "--ping", f"{url}/unjudged").code == 2
    assert called == ["/failing", "/overdue", "/broken-s3cret"]


def test_secrets_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_ENV_SECRET_TOKEN", "s3cret")
    shop = Shop(tmp_path, {"broken": {"config": {"where": "s3cret = 1"}}})
    answer = shop.vigil("build")
    assert answer.code == 2
    assert shop.rows("select message like '%no_such%' or message like '%s3cret%' from vigil_check_log") == [(False,)]
    assert "s3cret" not in answer.text.splitlines()[-1] + repr(find_project(tmp_path, tmp_path))


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path)
    file.start({"invocation_id": "i"})
    file.add_result({"unique_id": "test.a"})
    with abandoned_runs(tmp_path) as runs:
        assert runs == [], "its process lives"
    file.close()
    [path] = tmp_path.glob("*.jsonl")
    with path.open("a") as torn:
        torn.write('{"result": {"unique_id": "te')
    with abandoned_runs(tmp_path) as runs:
        assert [(run.facts, run.results) for run in runs] == [
            ({"status": "interrupted", "invocation_id": "i"}, ({"unique_id": "test.a"},))
        ]
        with abandoned_runs(tmp_path) as others:
            assert others == [], "another process has them"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("dbt_project.yml", "- a list", "is not a mapping"),
        ("dbt_project.yml", "a: {", "is not YAML"),
        ("dbt_project.yml", "profile: cases", "The name in dbt_project.yml is missing"),
        ("dbt_project.yml", "{name: cases, profile: another}", "has no profile `another`. It has: cases"),
        ("dbt_project.yml", "{name: cases, profile: \"{{ env_var('NOT_SET') }}\"}", "Environment variable `NOT_SET`"),
        ("dbt_project.yml", "{name: cases, profile: '{{ oops'}", "cannot be rendered"),
    ],
)
def test_projects_that_cannot_be_read(tmp_path: Path, file: str, text: str, message: str) -> None:
    Project(tmp_path, DuckDB())
    (tmp_path / file).write_text(text)
    with pytest.raises(VigilError, match=re.escape(message)):
        find_project(tmp_path, tmp_path)
    with pytest.raises(VigilError, match="cannot be read"):
        find_project(tmp_path / "nowhere", tmp_path)


def test_the_record_is_where_the_project_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", str(tmp_path / "by_env.duckdb"))
    shop = Shop(tmp_path, {"fine": {}})
    profile = {"type": "duckdb", "path": "{{ env_var('WHERE') }}", "schema": "shop"}
    shop.project.write_yaml("profiles.yml", {"cases": {"target": "dev", "outputs": {"dev": profile}}})
    project = Path(tmp_path / "dbt_project.yml").read_text()
    for variables, schema in (("", "shop"), ("vars: {vigil_schema: 'watch'}", "watch")):
        (tmp_path / "dbt_project.yml").write_text(project + variables)
        assert shop.vigil("build").code == 0
        assert shop.vigil("watch").code == 0
        with duckdb.connect(str(tmp_path / "by_env.duckdb")) as connection:
            assert connection.execute(f"select count(*) from {schema}.vigil_check_log").fetchall() == [(1,)]
