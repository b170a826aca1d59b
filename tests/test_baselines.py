"""Pinned baselines: what psi says without one and against one, what is kept, and the commands that change it."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Engine, Row
from tests.profiled_cases import error_of
from tests.project import Project
from tests.shop import Shop
from tests.test_psi import EVENTS

NAME = 'it\'s \\ "mine"'
RAW = {"column_name": "x", "timestamp_column": "d", "window": "7 days", "baseline_window": "28 days", "min_rows": 1}
PINNED = RAW | {"pinned_baseline": NAME}
OTHERS: dict[str, dict[str, Any]] = {
    "other_bins": {"bins": 5},
    "other_kind": {"kind": "categorical"},
    "other_categories": {"max_categories": 3},
    "other_column": {"column_name": "id"},
    "other_segments": {"group_by": "name"},
    "other_baseline": {"baseline_window": "3 days"},
    "other_threshold": {"max_psi": 100, "epsilon": 0.001, "min_rows": 2},
}
AGAIN = f"; vigil baseline pin {NAME}"


@dataclass
class Story:
    """A project, and what its check said after each thing that was done to the baseline."""

    project: Project
    said: dict[str, Row] = field(default_factory=dict)
    before_the_record: str = ""
    of_others: dict[str, list[Row]] = field(default_factory=dict)
    log: list[Row] = field(default_factory=list)


@pytest.fixture(scope="module")
def story(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Story:
    directory = tmp_path_factory.mktemp(f"baselines_{engine.name}", numbered=False)
    project = Project(directory, engine, {"vigil_as_of": "2013-02-10"})
    project.write("models/events.sql", EVENTS)
    write_tests(project, {"raw": RAW, "pinned": PINNED})
    assert project.run("run").success
    sql = compiled(project)
    story = Story(project, before_the_record=error_of(project, sql["pinned"]))

    def look(moment: str, name: str = "pinned") -> None:
        [story.said[moment]] = engine.rows(directory, sql[name])

    look("raw", "raw")
    assert at(project, "2013-02-10", vigil_record=True).run("test", "--select", "raw").result
    look("fresh")
    at(project, "2013-01-27").operate("vigil.pin_baseline", name=NAME, by="ann")
    look("pinned early")
    at(project, "2013-02-10").operate("vigil.pin_baseline", name=NAME, by="bob")
    look("pinned")
    write_tests(project, {name: PINNED | more for name, more in OTHERS.items()})
    story.of_others = {name: engine.rows(directory, query) for name, query in compiled(project).items()}
    project.operate("vigil.unpin_baseline", name=NAME, by="o'neil")
    look("unpinned")
    schema = directory.name.replace("-", "_") if engine.name == "spark" else "main"
    story.log = engine.rows(directory, f"select * from {schema}.vigil_baseline_log")
    return story


def write_tests(project: Project, tests: dict[str, Any], **config: Any) -> None:
    listed = [{"vigil.psi": {"name": name, "arguments": given, "config": config}} for name, given in tests.items()]
    project.write_yaml("models/tests.yml", {"models": [{"name": "events", "data_tests": listed}]})


def compiled(project: Project) -> dict[str, str]:
    results = project.test_results(project.run("compile", "--select", "test_type:generic"))
    return {name: result.compiled_sql for name, result in results.items()}


def at(project: Project, as_of: str, **more: Any) -> Project:
    return replace(project, vars=project.vars | {"vigil_as_of": as_of} | more)


def test_without_a_record_the_error_names_its_table(story: Story) -> None:
    assert "vigil_baseline_log" in story.before_the_record


@pytest.mark.parametrize(
    ("moment", "detail"),
    [
        ("fresh", f"no pinned baseline {NAME}{AGAIN}"),
        ("unpinned", f"baseline {NAME} was unpinned by o'neil{AGAIN}"),
    ],
)
def test_without_a_pin_nothing_is_judged(story: Story, moment: str, detail: str) -> None:
    row = story.said[moment]
    assert (row["verdict"], row["value"], row["failed"], row["detail"]) == ("no_data", None, 1, detail)


def test_the_newest_pin_counts(story: Story) -> None:
    raw, pinned = story.said["raw"], story.said["pinned"]
    assert pinned == raw | {"value": pytest.approx(raw["value"], rel=1e-9)}
    assert story.said["pinned early"]["denominator"] == 280
    assert story.said["pinned"]["denominator"] == 560


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("other_bins", "bins 10"),
        ("other_kind", "kind auto"),
        ("other_categories", "max_categories 50"),
        ("other_column", "column_name x, data_type double"),
        ("other_segments", "group_by "),
        ("other_baseline", "baseline_window 28 days"),
    ],
)
def test_a_pin_of_something_else_is_no_data(story: Story, name: str, difference: str) -> None:
    rows = story.of_others[name]
    assert {(row["verdict"], row["value"]) for row in rows} == {("no_data", None)}
    [detail] = {row["detail"] for row in rows if row["detail"]}
    assert detail.lower() == f"baseline {NAME} is pinned with {difference}{AGAIN}".lower()


def test_what_a_pin_does_not_hold_may_change(story: Story) -> None:
    [row] = story.of_others["other_threshold"]
    assert row["verdict"] == "pass"


def test_the_log_is_only_appended_to(story: Story) -> None:
    written = [(row["event"], row["recorded_by"], row["bin"]) for row in story.log]
    assert len(written) == len(set(written))
    events = {(event, by): sum(e == event and b == by for e, b, _ in written) for event, by, _ in written}
    assert events == {("pinned", "ann"): 10, ("pinned", "bob"): 10, ("unpinned", "o'neil"): 1}
    manifest = json.loads((story.project.directory / "target/manifest.json").read_text())
    described = manifest["sources"]["source.vigil.vigil.vigil_baseline_log"]["columns"]
    assert list(described) == list(story.log[0])
    assert all(column["description"].strip() and "doc(" not in column["description"] for column in described.values())


# From here on DuckDB alone: each run on Spark costs seconds.


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path, {})
    shop.project.write("models/events.sql", "{{ config(materialized='table') }}" + EVENTS)
    write_tests(shop.project, {"pinned": PINNED})
    assert at(shop.project, "2013-02-10").run("run").success
    return shop


def judged(shop: Shop) -> dict[str, Any]:
    answer = shop.vigil("test", "--json", "--vars", "{vigil_as_of: 2013-02-10}")
    content: dict[str, Any] = json.loads(answer.text)
    return content


def baseline(shop: Shop, *arguments: str) -> Any:
    """The answer of a command, given as text or, with --json, read."""
    answer = shop.vigil("baseline", *arguments)
    assert answer.code == 0, answer.text
    return json.loads(answer.text) if "--json" in arguments else answer.text


def test_the_commands(shop: Shop) -> None:
    assert judged(shop)["checks"][0]["status"] == "no_data"
    said = baseline(shop, "pin", NAME, "--as-of", "2013-02-10", "--by", "ann")
    assert said == f"vigil: pinned {NAME} as of 2013-02-10T00:00:00+00:00: 560 rows in 10 bins\n"
    [shown] = baseline(shop, "show", "--json")
    assert (shown["baseline_name"], shown["event"], shown["recorded_by"]) == (NAME, "pinned", "ann")
    assert (shown["rows"], len(shown["pinned_bins"]), shown["as_of"]) == (560, 10, "2013-02-10T00:00:00+00:00")
    assert (shown["relation"], shown["column_name"]) == ('"cases"."main"."events"', "x")
    assert NAME in baseline(shop, "show")
    assert "36.0" in baseline(shop, "show", NAME)
    assert judged(shop)["checks"][0]["status"] == "fail"
    assert baseline(shop, "unpin", NAME) == f"vigil: unpinned {NAME}\n"
    [shown] = baseline(shop, "show", NAME, "--json")
    assert (shown["event"], shown["recorded_by"], shown["rows"]) == ("unpinned", getpass.getuser(), 0)
    assert judged(shop)["checks"][0]["status"] == "no_data"


def test_a_stored_plan_reads_the_pin_anew(shop: Shop) -> None:
    assert judged(shop)["path"] == "dbt"
    baseline(shop, "pin", NAME, "--as-of", "2013-02-10")
    run = judged(shop)
    assert (run["path"], run["checks"][0]["status"]) == ("stored plan", "fail")
    [(value,)] = shop.rows("select value from vigil_check_log where value is not null")
    assert value == pytest.approx(8.288544332941907, rel=1e-9)


@pytest.mark.parametrize("key", ["project_name", "target_name"])
def test_projects_and_targets_do_not_mix(shop: Shop, key: str) -> None:
    baseline(shop, "pin", NAME, "--as-of", "2013-02-10")
    shop.rows(f"update vigil_baseline_log set {key} = 'another'")
    assert judged(shop)["checks"][0]["status"] == "no_data"
    assert baseline(shop, "show", "--json") == []


def same(shop: Shop) -> None:
    write_tests(shop.project, {"one": PINNED, "two": PINNED | {"max_psi": 1}})


def several(shop: Shop) -> None:
    write_tests(shop.project, {"one": PINNED, "two": PINNED | {"bins": 5}})


def with_jinja(shop: Shop) -> None:
    write_tests(shop.project, {"one": PINNED | {"bins": "{{ var('bins', 10) }}"}})


def without_rows(shop: Shop) -> None:
    write_tests(shop.project, {"one": PINNED}, where="x < 0")


def with_a_where(shop: Shop) -> None:
    write_tests(shop.project, {"one": PINNED}, where="x < 10")


@pytest.mark.parametrize(
    ("name", "change", "code", "says"),
    [
        (NAME, same, 0, "560 rows in 10 bins"),
        (NAME, with_a_where, 0, "152 rows in 10 bins"),
        (NAME, several, 2, f"the checks one, two would each pin another baseline as `{NAME}`"),
        (NAME, with_jinja, 2, "argument `bins` of `one` has Jinja"),
        (NAME, without_rows, 2, f"baseline `{NAME}` is not pinned: as of 2013-02-10T00:00:00+00:00 it has no rows"),
        ("nobody's", same, 2, f"no psi check has the pinned_baseline `nobody's`. Accepted: {NAME}."),
    ],
)
def test_what_is_pinned(shop: Shop, name: str, change: Callable[[Shop], None], code: int, says: str) -> None:
    change(shop)
    answer = shop.vigil("baseline", "pin", name, "--as-of", "2013-02-10")
    assert (answer.code, says in answer.text) == (code, True), answer.text


def test_the_moment_is_read_in_the_time_zone_of_the_checks(shop: Shop) -> None:
    said = baseline(shop, "pin", NAME, "--as-of", "2013-02-10", "--vars", "{vigil_timezone: America/New_York}")
    assert said == f"vigil: pinned {NAME} as of 2013-02-10T05:00:00+00:00: 560 rows in 10 bins\n"
    answer = shop.vigil("baseline", "pin", NAME, "--as-of", "yesterday")
    assert (answer.code, "`vigil_as_of` is yesterday" in answer.text) == (2, True)


def test_what_is_not_pinned_is_named(shop: Shop) -> None:
    for command in ("show", "unpin"):
        answer = shop.vigil("baseline", command, "nobody's")
        assert (answer.code, "baseline `nobody's`" in answer.text) == (2, True), answer.text
    assert baseline(shop, "show", "--json") == []


def test_a_baseline_of_a_relation_with_segments(shop: Shop) -> None:
    """One segment vanished since, another is new, and null is one too."""
    rows = (
        "select * from (values (1, 'a', 'here'), (2, 'b', null), (3, 'c', 'gone')) as r(x, name, segment), range(100)"
    )
    shop.project.write("models/events.sql", "{{ config(materialized='table') }} " + rows.replace("gone", "new"))
    shop.project.write("models/reference.sql", rows)
    arguments = {"column_name": "name", "baseline": "ref('reference')", "group_by": "segment", "min_rows": 1}
    tests = {"raw": arguments, "pinned": arguments | {"pinned_baseline": "reference"}}
    write_tests(shop.project, tests)
    assert shop.project.run("run").success
    baseline(shop, "pin", "reference")
    raw, pinned = (shop.project.engine.rows(shop.directory, compiled(shop.project)[name]) for name in tests)
    assert {row["segment"] for row in pinned} == {"here", "null", "gone", "new"}
    assert sorted(map(str, pinned)) == sorted(map(str, raw))
