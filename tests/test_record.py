"""The record, by what its models show: what ran, what is expected, and that no trouble of its own changes a run."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.engines import DuckDB, Engine, Row
from tests.project import REPO, Project

MODELS = ["check_runs", "check_registry", "invocations", "check_status", "overdue_checks"]
LOGS = ["vigil_check_log", "vigil_registry_log", "vigil_invocation_log"]  # the fourth is that of test_baselines
PAST = "2013-02-10T06:00:00Z"
ODD = 'it\'s "odd" \\ \\n \\u0041 {{ x }} {% x %} {# x #} ; -- 🦆\n\ttwo lines'
LONG = 2000


@dataclass
class Run:
    """What one run of dbt did: whether it was green, how it ended, what it said loudly, and what it wrote."""

    success: bool
    error: str
    began: float
    ended: float = 0
    invocation_id: str = ""
    loud: list[str] = field(default_factory=list)
    inserts: list[str] = field(default_factory=list)
    partially_parsed: bool = True

    def on_event(self, event: Any) -> None:
        self.invocation_id = event.info.invocation_id
        if event.info.name in ("JinjaLogWarning", "JinjaLogInfo") and "vigil:" in event.data.msg:
            self.loud.append(event.data.msg)
        if event.info.name == "SQLQuery" and "vigil_check_log (" in event.data.sql.replace("`", "").replace('"', ""):
            self.inserts.extend(s for s in [event.data.sql] if "insert into" in s)
        if event.info.name in ("UnableToPartialParse", "PartialParsingNotEnabled"):
            self.partially_parsed = False


def dbt(project: Project, command: str, *arguments: str, **variables: Any) -> Run:
    run = Run(False, "", time.time())
    result = project.run(command, *arguments, "--vars", project.variables(**variables), on_event=run.on_event)
    run.success, run.error, run.ended = result.success, str(result.exception or ""), time.time()
    return run


def schema(project: Project) -> str:
    return project.directory.name.replace("-", "_") if project.engine.dialect == "spark" else "main"


def read(project: Project, what: str, columns: str = "*", where: str = "true") -> list[Row]:
    """Rows of a model, or of a table with its schema."""
    table = what if "." in what else f"{schema(project)}.{what}"
    return project.engine.rows(project.directory, f"select {columns} from {table} where {where}")


def micros(project: Project, column: str) -> str:
    """A time as microseconds since 1970 in UTC, whatever the session's zone and Python's."""
    return f"{'epoch_us' if project.engine.name == 'duckdb' else 'unix_micros'}({column}) as {column}"


def null_rate(name: str, arguments: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    return {"vigil.null_rate": {"name": name, "arguments": arguments or {}, "config": config}}


def model(name: str, *tests: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"name": name, "config": config, "columns": [{"name": "x", "data_tests": list(tests)}]}


def only(rows: list[Row], **values: Any) -> Row:
    [row] = [row for row in rows if all(row[column] == value for column, value in values.items())]
    return row


@dataclass
class Story:
    """A project and its runs, one after the other."""

    project: Project
    runs: dict[str, Run] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _checks(self) -> list[Row]:
        return read(self.project, "check_runs")

    @cached_property
    def _registry(self) -> list[Row]:
        return read(self.project, "check_registry")

    @cached_property
    def _events(self) -> list[Row]:
        return read(self.project, self.log("vigil_registry_log"))

    def log(self, name: str) -> str:
        return f"{self.project.vars['vigil_schema']}.{name}"

    def checks(self, run: str) -> dict[str, Row]:
        """What check_runs has of a run, by the test's name."""
        invocation = self.runs[run].invocation_id
        return {row["check_id"].split(".")[2]: row for row in self._checks if row["invocation_id"] == invocation}

    def registry(self, target: str = "dev") -> dict[str, Row]:
        """What check_registry has of a target, by the test's name."""
        return {row["check_id"].split(".")[2]: row for row in self._registry if row["target_name"] == target}

    def events(self, run: str) -> set[tuple[str, str]]:
        """What a run appended to the registry."""
        invocation = self.runs[run].invocation_id
        events = [
            (row["event"], row["check_id"].split(".")[2]) for row in self._events if row["invocation_id"] == invocation
        ]
        assert len(events) == len(set(events))
        return set(events)


def write_story(project: Project, changed: bool) -> None:
    """The project, as it is at first and after somebody has worked on it."""
    project.write("models/some.sql", "select 1 as x, 1 as y union all select null as x, 2 as y")
    project.write("models/none.sql", "select 1 as x where false")
    project.write("models/broken.sql", "select no_such_column as x from {{ ref('some') }}")
    project.write("models/switched_off.sql", "select 1 as x")
    renamed = project.directory / "models/renamed.sql"
    renamed.unlink(missing_ok=True)
    project.write("models/new_name.sql" if changed else "models/renamed.sql", "select 1 as x")
    project.write("tests/singular.sql", "select * from {{ ref('some') }} where x > 5")
    some = [
        null_rate("passes", {"max_rate": 0.5}),
        null_rate("fails", meta={"expect_every": "30 minutes", "owner": ["ann", "bob"], "runbook": "https://test"}),
        null_rate("warns", severity="warn", meta={"owner": "new" if changed else "old"}),
        null_rate("stored_pass", {"max_rate": 0.5}, store_failures=True, meta={"expect_every": "2 days"}),
        null_rate("errors", where="no_such_column = 1", meta={"grace": "10 minutes"}),
        {"not_null": {"name": "null_found", "config": {"enabled": not changed}}},
        *([] if changed else [{"unique": {"name": "is_unique"}}]),
    ]
    meta = {"expect_every": "6 hours", "runbook": "https://model"}
    owner = {"owner": "{% raw %}" + ODD + "{% endraw %}"}
    told = {} if changed else {"expect_every": "never"}
    wide = [{"name": f"c{number}", "data_tests": ["not_null"]} for number in range(extra(project))]
    project.write("models/wide.sql", ", ".join(["select 1 as x", *(f"1 as {column['name']}" for column in wide)]))
    project.write_yaml(
        "models/all.yml",
        {
            "groups": [{"name": "team", "owner": {"name": "Team", "email": "team@example.org"}}],
            "models": [
                model("some", *some, group="team", meta=meta),
                model(
                    "none",
                    null_rate("nothing", meta={"owner": 5, **told}),
                    null_rate("nothing_passes", {"on_no_data": "pass"}),
                    group="team",
                    meta=owner,
                ),
                model("broken", {"not_null": {"name": "skipped"}}),
                model("renamed", {"not_null": {"name": "of_renamed"}}),
                model("switched_off", {"not_null": {"name": "of_switched_off"}}, enabled=not changed),
                {"name": "wide", "columns": wide},
            ],
        },
    )


def extra(project: Project) -> int:
    """More tests, where they cost nothing: a run of 60 on DuckDB."""
    return 45 if project.engine.dialect == "duckdb" else 1


def payload() -> str:
    """A run of another day and machine: texts that are hard to write down, and too many for one statement."""
    names = ["reused", ODD, *(f"long_{number}" for number in range(600))]
    results: list[dict[str, Any]] = [
        {
            "unique_id": f"test.cases.{name}",
            "status": "reused" if name == "reused" else "fail",
            "failures": None if name == "reused" else 7,
            "message": ODD if name == ODD else "x" * LONG,
            "timing": [],
            "adapter_response": {},
        }
        for name in names
    ]
    node = {"unique_id": f"test.cases.{ODD}", "resource_type": "test", "name": ODD, "depends_on": {"nodes": []}}
    config = {"severity": "ERROR", "meta": {"owner": ODD, "runbook": ODD}}
    artifacts = {
        "run": {
            "invocation_id": "payload", "command": "test", "started_at": "2013-02-09T01:00:00Z",
            "finished_at": "2013-02-09T02:00:00Z", "message": ODD,
        },
        "results": results,
        "manifest": {"nodes": {"a": {**node, "config": config}}, "sources": {}, "groups": {}, "disabled": {}},
    }  # fmt: skip
    return json.dumps({"artifacts": json.dumps(artifacts)})


@pytest.fixture(scope="module")
def story(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Story:
    directory = tmp_path_factory.mktemp(f"record_{engine.name}", numbered=False)
    variables = {
        "vigil_record": True,
        "vigil_schema": f"watch_{engine.name}",
        "vigil_expect_every": "12 hours",
        "vigil_grace": "2 hours",
    }
    project = Project(directory, engine, variables)
    outputs = {target: engine.profile(directory) for target in ("dev", "prod")}
    project.write_yaml("profiles.yml", {"cases": {"target": "dev", "outputs": outputs}})
    project.write_yaml("other/dbt_project.yml", {"name": "other", "version": "1.0.0", "config-version": 2})
    project.write("other/models/theirs.sql", "select 1 as x")
    project.write_yaml("other/models/theirs.yml", {"models": [model("theirs", {"not_null": {"name": "theirs_too"}})]})
    project.write_yaml("packages.yml", {"packages": [{"local": str(REPO)}, {"local": "other"}]})
    assert project.run("deps").success

    story = Story(project)
    write_story(project, changed=False)
    story.runs["build"] = dbt(project, "build")
    assert not story.runs["build"].error, story.runs["build"].error
    write_story(project, changed=True)
    story.runs["test"] = dbt(project, "test", "--select", "passes", vigil_as_of=PAST)
    story.runs["empty"] = dbt(project, "build", "--empty", "--select", "passes", vigil_as_of=PAST)
    for moment in ("before", "after"):
        name = f"payload_{moment}"
        story.runs[name] = dbt(
            project, "run-operation", "vigil.record_artifacts", "--args", payload(), vigil_as_of=PAST
        )
        shown = {name: read(project, name) for name in MODELS if name != "overdue_checks"}  # a part of check_status
        setattr(story, moment, {name: sorted(map(str, rows)) for name, rows in shown.items()})
    selected = ["--select", "passes", "package:vigil"]
    story.runs["prod"] = dbt(project, "build", "--full-refresh", *selected, "--target", "prod")
    return story


HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Life:
    """A check that is expected every day with an hour's grace: what happened to it, and what check_status says now.

    Times are hours before now. An attempt is (when it ended, status, the moment that it judged or None for the same).
    """

    name: str
    state: str | None
    attempts: list[tuple[float, str, float | None]]
    failing_since: float | None = None
    overdue_since: float | None = None
    last: str | None = None
    events: tuple[tuple[str, float], ...] = (("registered", 1000),)
    runs: int | None = None
    severity: str = "error"


def ran(*attempts: tuple[float, str], judging: float | None = None) -> list[tuple[float, str, float | None]]:
    return [(ended, status, judging) for ended, status in attempts]


LIVES = [
    Life("waiting", "waiting", [], events=(("registered", 1),)),
    Life("never_ran", "overdue", [], events=(("registered", 26),), overdue_since=1),
    Life("only_skipped", "overdue", ran((2, "skipped")), events=(("registered", 26),), overdue_since=1, runs=0),
    Life("not_executed", "overdue", ran((2, "not_executed")), events=(("registered", 26),), overdue_since=1, runs=0),
    Life("ok", "ok", ran((26, "fail"), (2, "pass")), last="pass"),
    Life("ok_warns", "ok", ran((2, "warn")), last="warn"),
    Life("ok_no_data_that_passes", "ok", ran((2, "no_data passes")), last="no_data"),
    Life("ok_no_data_that_warns", "ok", ran((2, "no_data")), last="no_data", severity="warn"),
    Life("stale", "overdue", ran((50, "pass"), (26, "pass")), overdue_since=1, last="pass"),
    Life("stale_and_failing", "overdue", ran((26, "fail")), overdue_since=1, last="fail", failing_since=26),
    Life(
        "failing", "failing", ran((60, "pass"), (48, "fail"), (24, "fail"), (1, "fail")), last="fail", failing_since=48
    ),
    Life("failing_from_the_start", "failing", ran((24, "fail"), (1, "fail")), last="fail", failing_since=24),
    Life("failing_again", "failing", ran((60, "fail"), (30, "pass"), (1, "fail")), last="fail", failing_since=1),
    Life(
        "failing_around_an_error",
        "failing",
        ran((48, "fail"), (24, "error"), (1, "fail")),
        last="fail",
        failing_since=48,
    ),
    Life("unjudged_error", "unjudged", ran((20, "pass"), (1, "error")), last="error"),
    Life("unjudged_no_data", "unjudged", ran((20, "pass"), (1, "no_data")), last="no_data"),
    Life("unjudged_for_long", "unjudged", ran((30, "pass"), (1, "error")), last="error", overdue_since=5),
    Life("backfill_fails", "ok", [(3, "pass", None), (1, "fail", 400)], last="pass"),
    Life("backfill_passes", "failing", [(3, "fail", None), (1, "pass", 400)], last="fail", failing_since=3),
    Life("future_passes", "failing", [(3, "pass", -400), (1, "fail", None)], last="fail", failing_since=1),
    Life("one_moment_passes", "ok", ran((3, "fail"), (1, "pass"), judging=400), last="pass"),
    Life("one_moment_fails", "failing", ran((3, "pass"), (1, "fail"), judging=400), last="fail", failing_since=1),
    Life(
        "back_again",
        "ok",
        ran((400, "pass")),
        last="pass",
        events=(("registered", 1000), ("retired", 300), ("registered", 1)),
    ),
    Life("retired", None, ran((1, "pass")), events=(("registered", 1000), ("retired", 2))),
    Life("often", "ok", ran((31 * 24, "pass"), (29 * 24, "pass"), (1, "pass")), last="pass", runs=2),
]


def literal(value: Any) -> str:
    if isinstance(value, datetime):
        return f"timestamp '{value:%Y-%m-%d %H:%M:%S.%f}+00:00'"
    return "null" if value is None else repr(value)


@dataclass(frozen=True)
class Statuses:
    """What check_status and overdue_checks say of all targets: the project's own, and the invented one of LIVES."""

    now: datetime
    rows: list[Row]
    overdue: list[Row]

    def of(self, target: str) -> dict[str, Row]:
        found = [row for row in self.rows if row["target_name"] == target]
        assert len(found) == len({row["check_name"] for row in found})
        return {row["check_name"]: row for row in found}


@pytest.fixture(scope="module")
def statuses(story: Story) -> Statuses:
    """Read once a year of runs has written to the tables of the record."""
    project, now = story.project, datetime.now(timezone.utc)
    registered, attempts = [], []
    for life in LIVES:
        key = {"check_id": f"test.cases.{life.name}", "project_name": "cases", "target_name": "lives"}
        expected = {
            "check_name": life.name,
            "severity": life.severity,
            "expect_every_seconds": 86400,
            "grace_seconds": 3600,
        }
        for event, hours in life.events:
            registered.append(key | expected | {"event": event, "recorded_at": now - hours * HOUR})
        for number, (ended, status, judged) in enumerate(life.attempts):
            times = {"finished_at": now - ended * HOUR, "recorded_at": now - ended * HOUR}
            as_of = now - (ended if judged is None else judged) * HOUR
            failures = 0 if status in ("pass", "no_data passes") else 1
            told: Row = {"value": None, "message": None} if status == "pass" else {"value": 0.5, "message": "a message"}
            run = {"invocation_id": f"{life.name} {number}", "status": status.split()[0], "failures": failures}
            attempts.append(key | run | told | times | {"as_of": as_of})
    for table, rows in (("vigil_registry_log", registered), ("vigil_check_log", attempts)):
        values = ", ".join(f"({', '.join(map(literal, row.values()))})" for row in rows)
        target = f"{project.vars['vigil_schema']}.{table} ({', '.join(rows[0])})"
        project.engine.rows(project.directory, f"insert into {target} values {values}")
    moments = ["overdue_since", "failing_since"]
    selected = ", ".join(["*", *(f"{micros(project, column)}_us" for column in moments)])
    return Statuses(now, read(project, "check_status", selected), read(project, "overdue_checks"))


def test_each_status_is_kept_apart(story: Story) -> None:
    assert not story.runs["build"].success
    found = {
        name: (row["status"], row["failures"]) for name, row in story.checks("build").items() if "wide" not in name
    }
    assert found == {
        "passes": ("pass", 0),
        "stored_pass": ("pass", 0),
        "is_unique": ("pass", 0),
        "singular": ("pass", 0),
        "theirs_too": ("pass", 0),
        "of_renamed": ("pass", 0),
        "of_switched_off": ("pass", 0),
        "warns": ("warn", 1),
        "fails": ("fail", 1),
        "null_found": ("fail", 1),
        "nothing": ("no_data", 1),
        "nothing_passes": ("no_data", 0),
        "errors": ("error", None),
        "skipped": ("skipped", None),
    }
    assert [row["status"] for row in story.checks("empty").values()] == ["not_executed"] * 1
    assert story.checks("payload_after") == {}, "the invocation is that of the payload"
    reused = read(story.project, "check_runs", where="check_id = 'test.cases.reused'")
    assert [(row["status"], row["failures"], row["invocation_id"]) for row in reused] == [
        ("not_executed", None, "payload")
    ]


def test_what_was_measured_is_kept_where_it_is_known(story: Story) -> None:
    columns = ["value", "lower_bound", "upper_bound", "numerator", "denominator"]
    found = {name: [row[column] for column in columns] for name, row in story.checks("build").items()}
    assert found["fails"] == found["warns"] == [0.5, None, 0.01, 1, 2]
    assert found["stored_pass"] == [0.5, None, 0.5, 1, 2]
    assert found["nothing"] == found["nothing_passes"] == [None, None, 0.01, 0, 0]
    for name in ("passes", "errors", "skipped", "null_found", "singular"):
        assert found[name] == [None] * 5, name


def test_messages_owners_and_runbooks_are_those_of_the_run(story: Story) -> None:
    checks = story.checks("build")
    assert "Got 1 result" in checks["fails"]["message"]
    assert "no_such_column" in checks["errors"]["message"]
    assert (checks["fails"]["owner"], checks["fails"]["runbook"]) == ("ann, bob", "https://test")
    assert checks["warns"]["owner"] == "old"
    assert story.checks("test")["passes"]["owner"] == "Team, team@example.org"


def test_times_are_utc(story: Story) -> None:
    """The session's zone is Asia/Kolkata on both engines."""
    times = ["as_of", "started_at", "finished_at", "recorded_at"]
    for run in ("build", "test"):
        where = f"invocation_id = '{story.runs[run].invocation_id}'"
        selected = ", ".join(micros(story.project, column) for column in times)
        for table in ("check_runs", "invocations"):
            rows = read(story.project, table, selected, where)
            assert rows
            for row in rows:
                since = [row[column] / 1e6 for column in times]
                if run == "test":
                    assert since[0] == datetime(2013, 2, 10, 6, tzinfo=timezone.utc).timestamp()
                    del since[0]
                assert since == sorted(since)
                assert story.runs[run].began <= since[0] <= since[-1] <= story.runs[run].ended
    [row] = read(
        story.project,
        "check_registry",
        micros(story.project, "registered_at"),
        "target_name = 'prod' and check_name = 'passes'",
    )
    assert story.runs["prod"].began <= row["registered_at"] / 1e6 <= story.runs["prod"].ended


def test_each_run_is_an_invocation(story: Story) -> None:
    rows = {row["invocation_id"]: row for row in read(story.project, "invocations")}
    found = {
        name: (row["command"], row["target_name"], row["checks"], row["status"])
        for name, run in story.runs.items()
        if (row := rows.pop(run.invocation_id, None))
    }
    assert found == {
        "build": ("build", "dev", 14 + extra(story.project), "finished"),
        "test": ("test", "dev", 1, "finished"),
        "empty": ("build", "dev", 1, "finished"),
        "prod": ("build", "prod", 1, "finished"),
    }
    assert list(rows) == ["payload"]
    assert (rows["payload"]["checks"], rows["payload"]["message"]) == (602, ODD)


def test_one_statement_inserts_the_checks_of_a_run(story: Story) -> None:
    assert len(story.checks("build")) == 14 + extra(story.project)
    assert len(story.runs["build"].inserts) == 1


def test_a_run_that_is_too_long_for_one_statement_loses_nothing(story: Story) -> None:
    inserts = story.runs["payload_before"].inserts
    assert len(inserts) == 2
    assert max(map(len, inserts)) < 1_100_000
    rows = read(story.project, "check_runs", "check_id, message", "check_id like 'test.cases.long%'")
    assert sorted((row["check_id"], row["message"]) for row in rows) == sorted(
        (f"test.cases.long_{number}", "x" * LONG) for number in range(600)
    )


def test_writing_an_invocation_twice_changes_nothing(story: Story) -> None:
    assert story.runs["payload_before"].success
    assert story.runs["payload_after"].success
    assert (
        len(
            read(
                story.project,
                story.log("vigil_check_log"),
                where="invocation_id = 'payload'",
            )
        )
        == 1204
    )
    assert story.before == story.after


def test_texts_arrive_unchanged(story: Story) -> None:
    row = only(read(story.project, "check_runs", where="invocation_id = 'payload'"), check_id=f"test.cases.{ODD}")
    assert (row["message"], row["owner"], row["runbook"], row["failures"]) == (ODD, ODD, ODD, 7)
    assert story.registry()["nothing_passes"]["owner"] == ODD
    assert story.checks("build")["nothing_passes"]["owner"] == ODD


def test_a_setting_of_the_test_comes_before_its_tables_and_that_before_the_projects(story: Story) -> None:
    settings = ["expect_every_seconds", "grace_seconds", "owner", "runbook"]
    hour = 3600
    found = {name: [row[setting] for setting in settings] for name, row in story.registry().items()}
    team = "Team, team@example.org"
    assert found["passes"] == [6 * hour, 2 * hour, team, "https://model"]
    assert found["fails"] == [hour / 2, hour / 2, "ann, bob", "https://test"], "grace is at most the interval"
    assert found["stored_pass"] == [48 * hour, 2 * hour, team, "https://model"]
    assert found["errors"] == [6 * hour, 600, team, "https://model"]
    assert found["nothing"] == [12 * hour, 2 * hour, "5", None]
    assert found["singular"] == [6 * hour, 2 * hour, team, "https://model"]
    assert found["theirs_too"] == [12 * hour, 2 * hour, None, None]


def test_the_registry_knows_what_a_check_guards(story: Story) -> None:
    known = ["table_name", "column_name", "severity", "project_name"]
    found = {name: [row[column] for column in known] for name, row in story.registry().items()}
    assert found["passes"] == [f"{schema(story.project)}.some", "x", "error", "cases"]
    assert found["warns"] == [f"{schema(story.project)}.some", "x", "warn", "cases"]
    assert found["singular"] == [f"{schema(story.project)}.some", None, "error", "cases"]
    assert found["theirs_too"] == [f"{schema(story.project)}.theirs", "x", "error", "cases"]


def test_an_invalid_duration_is_named_and_turns_nothing_red(story: Story) -> None:
    [warning] = story.runs["build"].loud
    assert "`expect_every` of `nothing` is never" in warning
    assert "such as 26 hours" in warning
    assert story.runs["test"].success


def test_only_changes_are_appended_to_the_registry(story: Story) -> None:
    assert {event for event, _ in story.events("build")} == {"registered"}
    assert len(story.events("build")) == 14 + extra(story.project)
    changes = story.events("test") - {("changed", "of_renamed")}  # it guards no table any more
    assert changes == {
        ("changed", "warns"), ("retired", "is_unique"), ("retired", "null_found"), ("retired", "of_switched_off"),
    }  # fmt: skip
    assert story.registry()["warns"]["owner"] == "new"
    assert story.events("empty") == set()


def test_only_what_is_gone_is_retired(story: Story, statuses: Statuses) -> None:
    """The run that retired them had selected one test."""
    retired = {name for name, row in story.registry().items() if row["retired_at"] is not None}
    assert retired == {"is_unique", "null_found", "of_switched_off"}
    shown = {row["check_name"] for row in statuses.of("dev").values()}
    assert shown == {name for name in story.registry() if name not in retired and "wide" not in name} | {
        row["check_name"] for name, row in story.registry().items() if "wide" in name
    }
    assert story.runs["test"].loud == []


def test_a_test_whose_model_was_renamed_stays_expected(story: Story, statuses: Statuses) -> None:
    assert story.runs["empty"].partially_parsed
    for row in (
        story.registry()["of_renamed"],
        statuses.of("dev")["of_renamed"],
    ):
        assert row["check_name"] == "of_renamed"
    assert story.registry()["of_renamed"]["retired_at"] is None


def test_targets_do_not_mix(story: Story, statuses: Statuses) -> None:
    dev, prod = story.registry("dev"), story.registry("prod")
    assert {event for event, _ in story.events("prod")} == {"registered"}
    assert set(prod) == {name for name, row in dev.items() if row["retired_at"] is None}
    assert all(row["registered_at"] < prod[name]["registered_at"] for name, row in dev.items() if name in prod)
    assert statuses.of("prod")["fails"]["state"] == "waiting"
    assert statuses.of("dev")["fails"]["state"] == "failing"
    ran = {target: statuses.of(target)["passes"]["last_ran_at"] for target in ("dev", "prod")}
    assert ran["dev"] == story.checks("build")["passes"]["finished_at"], "the later run was for a day in the past"
    assert ran["prod"] == story.checks("prod")["passes"]["finished_at"]


def test_a_full_refresh_keeps_the_history(story: Story) -> None:
    assert story.runs["prod"].success
    for name in ("check_runs", "check_registry", "invocations"):
        assert set(story.after[name]) <= set(map(str, read(story.project, name)))


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_the_status_of_a_check(life: Life, statuses: Statuses) -> None:
    rows = statuses.of("lives")
    if life.state is None:
        assert life.name not in rows
        return
    row = rows[life.name]

    def hours_ago(column: str) -> float | None:
        return (
            None
            if row[f"{column}_us"] is None
            else round((statuses.now.timestamp() - row[f"{column}_us"] / 1e6) / 3600, 6)
        )

    assert (row["state"], row["last_status"]) == (life.state, life.last)
    assert hours_ago("failing_since") == life.failing_since
    assert hours_ago("overdue_since") == life.overdue_since
    assert (row["last_value"], row["last_message"]) == (
        (None, None) if life.last in ("pass", None) else (0.5, "a message")
    )
    if life.runs is not None:
        assert row["runs_last_30_days"] == life.runs


def test_overdue_checks_are_those_without_a_result_in_time(statuses: Statuses) -> None:
    found = {row["check_name"] for row in statuses.overdue}
    assert found == {life.name for life in LIVES if life.overdue_since is not None}
    rows = statuses.of("lives")
    assert {name for name in found if rows[name]["overdue_since"] == rows[name]["next_due_at"]} == found


@pytest.mark.parametrize("name", MODELS)
def test_every_column_is_described(name: str, story: Story, statuses: Statuses) -> None:
    manifest = json.loads((story.project.directory / "target/manifest.json").read_text())
    described = manifest["nodes"][f"model.vigil.{name}"]
    known = {"check_status": statuses.rows, "overdue_checks": statuses.overdue}
    [row, *_] = known.get(name) or read(story.project, name)
    assert list(described["columns"]) == [column for column in row if not column.endswith("_us")]
    assert_described(described)


@pytest.mark.parametrize("name", LOGS)
def test_every_column_of_the_tables_is_described(name: str, story: Story) -> None:
    manifest = json.loads((story.project.directory / "target/manifest.json").read_text())
    described = manifest["sources"][f"source.vigil.vigil.{name}"]
    [row, *_] = read(story.project, story.log(name))
    assert list(described["columns"]) == list(row)
    assert_described(described)


def assert_described(described: dict[str, Any]) -> None:
    for text in (described["description"], *(column["description"] for column in described["columns"].values())):
        assert text.strip()
        assert "doc(" not in text


def small_project(directory: Path, engine: Engine) -> Project:
    """Two of dbt's own tests, one green and one red, and no check of the package."""
    project = Project(directory, engine, {"vigil_record": True})
    project.write("models/subject.sql", "select 1 as x, cast(null as int) as y")
    columns = [
        {"name": column, "data_tests": [{"not_null": {"name": name}}]}
        for column, name in (("x", "green"), ("y", "red"))
    ]
    project.write_yaml("models/subject.yml", {"models": [{"name": "subject", "columns": columns}]})
    return project


# What keeps the record from being written: statements, and the schema that the record is then looked for in.
OBSTACLES = {
    "wrong_columns": ("create table {schema}.vigil_check_log (x int)", None, "check_id"),
    "a_view": ("create view {schema}.vigil_check_log as select 1 as x", None, "vigil_check_log"),
    "no_such_schema": ("select 1", "information_schema", "vigil_check_log"),
}


@pytest.fixture(scope="module", params=OBSTACLES)
def obstructed(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, dict[str, Any], str]:
    if engine.name == "spark" and request.param != "wrong_columns":
        pytest.skip("a run on Spark costs seconds, and what is done about an error does not depend on it")
    statement, watched, error = OBSTACLES[request.param]
    project = small_project(tmp_path_factory.mktemp(f"{request.param}_{engine.name}", numbered=False), engine)
    if engine.dialect == "spark":
        engine.rows(project.directory, f"create schema if not exists {schema(project)}")
    engine.rows(project.directory, statement.format(schema=schema(project)))
    return project, {"vigil_schema": watched} if watched else {}, error


def test_a_record_that_cannot_be_written_turns_no_green_run_red(
    obstructed: tuple[Project, dict[str, Any], str],
) -> None:
    project, variables, _ = obstructed
    run = dbt(project, "build", "--exclude", "red", **variables)
    assert run.success, run.error
    [warning] = run.loud
    assert "could not be recorded" in warning
    assert "vigil record target/run_results.json" in warning
    with pytest.raises(Exception, match="vigil_check_log could not be read when this model was built"):
        read(project, "check_runs")


def test_a_strict_record_that_cannot_be_written_is_an_error(obstructed: tuple[Project, dict[str, Any], str]) -> None:
    project, variables, error = obstructed
    run = dbt(project, "test", "--select", "green", vigil_strict=True, **variables)
    assert not run.success
    assert error in run.error


# From here on DuckDB alone: no engine has a say in it, and each run on Spark costs seconds.


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return small_project(tmp_path_factory.mktemp("small"), DuckDB())


def test_no_record_leaves_nothing_behind(small: Project) -> None:
    run = dbt(small, "build", "--warn-error", "--exclude", "red", vigil_record=False)
    assert run.success, run.error
    assert (run.loud, run.inserts) == ([], [])
    tables = small.engine.rows(small.directory, "select table_name as name from information_schema.tables")
    assert tables == [{"name": "subject"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vigil_record", "no"),
        ("vigil_strict", "yes"),
        ("vigil_expect_every", "daily"),
        ("vigil_expect_every", "0 days"),
        ("vigil_grace", -1),
        ("vigil_as_of", "today"),
        ("vigil_file_format", "orc"),
    ],
)
def test_a_wrong_variable_stops_the_run_before_any_test(name: str, value: Any, small: Project) -> None:
    results = small.directory / "target/run_results.json"
    results.unlink(missing_ok=True)
    run = dbt(small, "test", **{name: value})
    assert not run.success
    assert f"var `{name}` is {value}. Accepted: " in run.error
    assert not results.exists() or json.loads(results.read_text())["results"] == []


def test_tests_of_dbt_alone_are_recorded(small: Project) -> None:
    """The twin of the runs below, whose record cannot be written."""
    run = dbt(small, "build")
    assert (run.success, run.loud) == (False, [])
    statuses = {row["check_id"].split(".")[2]: row["status"] for row in read(small, "check_runs")}
    assert statuses == {"green": "pass", "red": "fail"}
    assert dbt(small, "test", "--select", "green", vigil_strict=True).success


@pytest.mark.parametrize("strict", [False, True])
def test_a_red_run_stays_red_without_a_record(strict: bool, small: Project) -> None:
    run = dbt(small, "test", vigil_schema="information_schema", vigil_strict=strict)
    assert not run.success
    assert bool(run.error) == strict


def test_warnings_as_errors_leave_a_green_run_green_without_a_record(small: Project) -> None:
    run = dbt(small, "test", "--warn-error", "--select", "green", vigil_schema="information_schema")
    assert run.success, run.error
    [warning] = run.loud
    assert "could not be recorded" in warning
