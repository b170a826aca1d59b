"""A stored plan gives the verdicts of dbt, and is never used once dbt might say anything else."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner
from dbt.artifacts.schemas.run import RunResultsArtifact
from dbt.parser.manifest import ManifestLoader

from dbt_vigil import running, storing, warm
from dbt_vigil.batching import Batches
from dbt_vigil.cli import main
from dbt_vigil.connecting import QueryError
from dbt_vigil.macros import PackageMacros
from dbt_vigil.project import find_project
from dbt_vigil.spool import abandoned_runs
from dbt_vigil.stored import StoredPlan, plan_file, without_as_of
from tests.conftest import ENGINES
from tests.engines import DuckDB, Engine
from tests.killing import VIGIL
from tests.project import Project
from tests.suites import MACROS as SUITE_MACROS
from tests.suites import draw_suites, tables, write_suite

SECRET = "s3cret-of-the-profile"
ORDERS = "create or replace table orders as select 1 as id, 5 as amount, timestamp '2013-02-09 12:00:00' as at"
MACROS = """
{% test at_most(model, column_name, most) %}
select * from {{ model }} where {{ column_name }} > {{ most }} + {{ dbt_helpers.more() }} + {{ dbt_helpers.now() }}
{% endtest %}
"""
DAYS = """
{% macro now() %}{% if false %}{{ exceptions.raise_compiler_error('no adapter') }}{% endif %}0{% endmacro %}
{% macro today() %}{{ run_started_at }}{% endmacro %}
"""
MODELS = {
    "models": [
        {
            "name": "orders",
            "data_tests": [
                {"vigil.freshness": {"name": "fresh", "arguments": {"timestamp_column": "at", "max_age": "26 hours"}}}
            ],
            "columns": [
                {
                    "name": "amount",
                    "data_tests": [{"at_most": {"name": "at_most", "arguments": {"most": 4}}}],
                }
            ],
        }
    ]
}
PROJECT = {
    "name": "cases",
    "profile": "cases",
    "flags": {"require_generic_test_arguments_property": True, "send_anonymous_usage_stats": False},
    "vars": {"vigil_as_of": "2013-02-10T00:00:00Z", "vigil_record": False, "limit": 4},
    "data_tests": {"cases": {"+severity": "{{ env_var('SHOP_SEVERITY', 'error') }}"}},
}


@dataclass(frozen=True)
class Answer:
    """What `vigil test --json` said."""

    path: str
    statuses: dict[str, str]
    code: int
    content: dict[str, Any]


class Shop:
    """A project with a package of its own, in which `vigil test` is run in this process."""

    def __init__(self, directory: Path, engine: Engine | None = None) -> None:
        self.project = Project(directory, engine or DuckDB())
        self.directory = directory
        self.caplog: pytest.LogCaptureFixture | None = None

    def vigil(self, *arguments: str) -> Answer:
        where = [] if "--project-dir" in arguments else ["--project-dir", str(self.directory)]
        where += ["--profiles-dir", str(self.directory)]
        result = CliRunner().invoke(main, ["test", "--json", *where, *arguments], catch_exceptions=False)
        content = json.loads(result.stdout)
        statuses = {check["name"]: check["status"] for check in content["checks"]}
        return Answer(content["path"], statuses, result.exit_code, content)

    def stored(self, *arguments: str) -> bool:
        """Whether a command runs from its stored plan; it is not run by dbt if not."""
        where = ["--project-dir", str(self.directory), "--profiles-dir", str(self.directory)]
        return warm.run_stored([*where, *arguments]) is not None

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.directory / "cases.duckdb")) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project that has a stored plan."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    project, directory = shop.project, shop.directory
    project.write_yaml("helpers/dbt_project.yml", {"name": "dbt_helpers"})
    project.write("helpers/macros/more.sql", "{% macro more() %}0{% endmacro %}")
    project.write("helpers/macros/days.sql", DAYS)
    packages = yaml.safe_load((directory / "packages.yml").read_text())["packages"]
    project.write_yaml("packages.yml", {"packages": [*packages, {"local": str(directory / "helpers")}]})
    project.write_yaml("dbt_project.yml", PROJECT)
    project.write("macros/at_most.sql", MACROS)
    project.write("models/orders.sql", "select 1 as id")
    project.write_yaml("models/orders.yml", MODELS)
    project.write("tests/few.sql", "select * from {{ ref('orders') }} where amount > {{ var('limit') }}")
    profile = yaml.safe_load((directory / "profiles.yml").read_text())
    profile["cases"]["outputs"]["duckdb"]["config_options"] = {"custom_user_agent": SECRET}
    project.write_yaml("profiles.yml", profile)
    assert project.run("deps").success
    shop.sql(ORDERS)
    first = shop.vigil()
    assert (first.path, first.statuses) == ("dbt", {"fresh": "pass", "at_most": "fail", "few": "fail"}), first
    return shop


def changed(shop: Shop, file: str, old: str, new: str) -> Callable[[], object]:
    """Changes a file; what it returns undoes that."""
    path = shop.directory / file
    if not path.parent.exists():
        shop.project.write(file, new)
        return lambda: shutil.rmtree(path.parent)
    if not path.exists():
        path.write_text(new)
        return path.unlink
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return lambda: path.write_text(text)


def moved(shop: Shop, file: str, to: str | None) -> Callable[[], object]:
    path, other = shop.directory / file, shop.directory / (to or f"../{shop.directory.name}_moved")
    shutil.move(path, other)
    return lambda: shutil.move(other, path)


NEW_VERDICTS = {
    "the YAML of a model": ("models/orders.yml", "most: 4", "most: 5", {"at_most": "pass"}),
    "a generic test": ("macros/at_most.sql", "> {{ most }}", "< {{ most }}", {"at_most": "pass"}),
    "a macro of a package": ("helpers/macros/more.sql", "0", "1", {"at_most": "pass"}),
    "a singular test": ("tests/few.sql", "amount >", "amount <", {"few": "pass"}),
    "a new test": ("tests/none.sql", "", "select * from {{ ref('orders') }} limit 0", {"none": "pass"}),
    "a variable": ("dbt_project.yml", "limit: 4", "limit: 5", {"few": "pass"}),
    "a time": ("dbt_project.yml", "2013-02-10T", "2013-02-12T", {"fresh": "fail"}),
    "a configuration": ("dbt_project.yml", "'error'", "'warn'", {"few": "warn", "at_most": "warn"}),
    "the SQL of a model": ("models/orders.sql", "select", "{{ config(alias='no_such') }} select", {"few": "error"}),
    "the profile": ("profiles.yml", "type: duckdb", "type: duckdb\n      schema: elsewhere", {"few": "error"}),
}


@pytest.mark.parametrize("change", NEW_VERDICTS)
def test_a_change_gives_a_new_verdict(shop: Shop, change: str) -> None:
    before = shop.vigil()
    assert (before.path, before.statuses) == ("stored plan", {"fresh": "pass", "at_most": "fail", "few": "fail"})
    file, old, new, verdicts = NEW_VERDICTS[change]
    if change == "a configuration":
        old, new = "''error''", "''warn''"
    undo = changed(shop, file, old, new)
    try:
        by_dbt, stored = shop.vigil(), shop.vigil()
    finally:
        undo()
    assert (by_dbt.path, stored.path) == ("dbt", "stored plan")
    assert stored.statuses == by_dbt.statuses
    assert verdicts.items() <= stored.statuses.items()
    assert not shop.stored()
    assert shop.vigil().path == "dbt"


CHANGES: dict[str, Callable[[Shop], Callable[[], object]]] = {
    "a new model": lambda shop: changed(shop, "models/new/new.sql", "", "select 1 as id"),
    "a new seed": lambda shop: changed(shop, "seeds/new.csv", "", "id"),
    "a new docs block": lambda shop: changed(shop, "models/new.md", "", "{% docs new %}{% enddocs %}"),
    "a deleted file": lambda shop: moved(shop, "tests/few.sql", None),
    "a renamed file": lambda shop: moved(shop, "models/orders.sql", "models/renamed.sql"),
    "packages.yml": lambda shop: changed(shop, "packages.yml", "packages:", "# changed\npackages:"),
    "package-lock.yml": lambda shop: changed(shop, "package-lock.yml", "packages:", "# changed\npackages:"),
    "dependencies.yml": lambda shop: changed(shop, "dependencies.yml", "", "{}"),
    "selectors.yml": lambda shop: changed(shop, "selectors.yml", "", "{}"),
    "vars.yml": lambda shop: changed(shop, "vars.yml", "", "{}"),
    ".dbtignore": lambda shop: changed(shop, ".dbtignore", "", "tests/"),
    "a new package": lambda shop: changed(shop, "dbt_packages/new/dbt_project.yml", "", "name: new"),
    "a package's settings": lambda shop: changed(shop, "helpers/dbt_project.yml", "name", "vars: {a: 1}\nname"),
    "the path of the database": lambda shop: changed(shop, "profiles.yml", "cases.duckdb", "other.duckdb"),
    "a setting of the profile": lambda shop: changed(shop, "profiles.yml", "Asia/Kolkata", "UTC"),
    "the package's macros": lambda shop: moved(shop, "dbt_packages/dbt_helpers/macros/more.sql", None),
}


def test_whatever_changes_is_seen(shop: Shop) -> None:
    assert shop.vigil().path in ("dbt", "stored plan")
    for what, change in CHANGES.items():
        assert shop.stored(), what
        undo = change(shop)
        assert not shop.stored(), what
        undo()
    assert shop.stored()
    (shop.directory / "models/.hidden").write_text("")
    (shop.directory / "macros/at_most.sql~").write_text("")
    assert shop.stored(), "dbt reads neither"


def test_the_environment_is_looked_at(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.vigil().path in ("dbt", "stored plan")
    changes: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
        "a variable that the project reads": lambda patch: patch.setenv("SHOP_SEVERITY", "warn"),
        "a variable of dbt": lambda patch: patch.setenv("DBT_ENGINE_TARGET", "duckdb"),
        "a variable that is no text": lambda patch: patch.setenv("DBT_\udcff", "\udcff"),
        "the current folder": lambda patch: patch.chdir(shop.directory),
        "a plugin": lambda patch: patch.syspath_prepend(str(_folder(shop.directory / "lib/dbt_plugin").parent)),
        **{package: _of_version_0(package) for package in ("dbt-vigil", "dbt-core", "dbt-duckdb", "duckdb", "sqlglot")},
    }
    for what, change in changes.items():
        assert shop.stored(), what
        with monkeypatch.context() as patch:
            change(patch)
            assert not shop.stored(), what
    monkeypatch.setenv("UNREAD", "1")
    assert shop.stored()


def _of_version_0(package: str) -> Callable[[pytest.MonkeyPatch], object]:
    return lambda patch: patch.setattr(
        "dbt_vigil.stored.version", lambda name: "0" if name == package else importlib.metadata.version(name)
    )


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--vars", "{limit: 5}"],
        ["--select", "few"],
        ["--target", "other"],
        ["--threads", "1"],
        ["--vars", "{vigil_as_of: yesterday}"],
        ["--vars", "{vigil_as_of: 2013-02-10T00:00:00Z}", "--vars", "{limit: 5}"],
        ["--vars", "{1: a, b: 2}"],
        ["--vars", "{"],
        ["-stag:none"],
    ],
    ids=" ".join,
)
def test_arguments_have_plans_of_their_own(shop: Shop, arguments: list[str]) -> None:
    assert shop.vigil().path in ("dbt", "stored plan")
    assert not shop.stored(*arguments)


def test_the_moment_and_the_data_may_change(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dbt_vigil")
    shop.vigil()
    later = shop.vigil("--vars", "{vigil_as_of: 2013-02-12}")
    assert (later.path, later.statuses["fresh"]) == ("stored plan", "fail"), caplog.text
    shop.sql("update orders set amount = 3")
    assert shop.vigil().statuses == {"fresh": "pass", "at_most": "pass", "few": "pass"}
    shop.sql("drop table orders")
    gone = shop.vigil()
    assert (gone.path, set(gone.statuses.values()), gone.code) == ("stored plan", {"error"}, 2)
    shop.sql(ORDERS)
    assert shop.stored()


def test_a_time_of_the_project_is_not_lost_to_one_that_is_given(shop: Shop) -> None:
    undo = changed(shop, "tests/new.sql", "", "select 1 limit 0")  # no plan fits
    given = shop.vigil("--vars", "{vigil_as_of: 2013-02-12}")
    plain = shop.vigil()
    undo()
    assert (given.statuses["fresh"], plain.statuses["fresh"]) == ("fail", "pass")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("amount > 4", "amount > 9"),
        lambda text: text.replace('"format": ', '"format": 9'),
        lambda text: "[]",
        lambda text: "null\nnull",
    ],
    ids=["empty", "truncated", "edited", "of another format", "a list", "null"],
)
def test_a_damaged_plan_is_none(shop: Shop, damage: Callable[[str], str]) -> None:
    shop.vigil()
    where = ["--project-dir", str(shop.directory), "--profiles-dir", str(shop.directory)]
    file = plan_file(shop.directory, *without_as_of(where))
    text = file.read_text()
    assert StoredPlan.load(file)
    file.write_text(damage(text))
    assert file.read_text() != text
    assert StoredPlan.load(file) is None
    assert not shop.stored()
    file.write_text(text)
    assert shop.stored()


def test_a_change_while_dbt_runs_is_seen(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    load = ManifestLoader.load
    undo = []

    def load_and_change(self: ManifestLoader) -> Any:
        manifest = load(self)
        undo.append(changed(shop, "tests/few.sql", "amount >", "amount <"))
        return manifest

    with monkeypatch.context() as patch:
        patch.setattr(ManifestLoader, "load", load_and_change)
        assert shop.vigil("--select", "few", "at_most").statuses["few"] == "fail"
    assert shop.vigil("--select", "few", "at_most").statuses["few"] == "pass"
    [undone] = undo
    undone()


def test_no_secret_is_written_and_git_sees_nothing(shop: Shop) -> None:
    answer = shop.vigil()
    files = [file for file in (shop.directory / ".vigil").rglob("*") if file.is_file()]
    assert {file.parent.name for file in files} >= {"plans", "macros"}
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]
    assert SECRET not in json.dumps(answer.content)
    assert (shop.directory / ".vigil/.gitignore").read_text() == "*\n"


MODULES = """
import sys
from dbt_vigil.cli import main
try:
    main(["test"])
finally:
    print(sorted({"dbt", "sqlglot", "agate"} & set(sys.modules)), "rich" in sys.modules)
"""


def test_neither_dbt_nor_sqlglot_is_imported(shop: Shop) -> None:
    runs = []
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, "-c", MODULES], cwd=shop.directory, capture_output=True, text=True, check=False
        )
        runs.append(process.stdout.splitlines())
    assert runs[0][-1].startswith("['agate', 'dbt', 'sqlglot']")
    assert runs[1][-1] == "[] False", process.stderr
    assert [line.split()[:2] for line in runs[1][:3]] == [
        ["fail", "at_most:"],
        ["fail", "few:"],
        ["pass", "fresh:"],
    ] or ({line.split()[1] for line in runs[1][:3]} == {"at_most:", "few:", "fresh:"})


REFUSED: dict[str, tuple[str, str, list[str], str]] = {
    "store_failures": ("", "", ["--store-failures"], "option --store-failures"),
    "fail_fast": ("", "", ["--fail-fast"], "option --fail-fast"),
    "warn_error": ("", "", ["--warn-error"], "option --warn-error"),
    "defer": ("", "", ["--defer", "--state", "target"], "option --"),
    "a stored failure": ("tests/new.sql", "{{ config(store_failures=true) }} select 1", [], "dbt must run itself"),
    "a hook": ("dbt_project.yml", "name: cases\non-run-end: select 1", [], "package cases has a hook"),
    "no results": ("dbt_project.yml", "flags:\n  write_json: false", [], "write_json"),
    "get_test_sql": (
        "macros/new.sql",
        "{% macro default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) %}"
        "select 0 as failures, false as should_warn, false as should_error{% endmacro %}",
        [],
        "dbt must run itself",
    ),
    "get_where_subquery": (
        "macros/new.sql",
        "{% macro get_where_subquery(relation) %}{{ return(relation) }}{% endmacro %}",
        [],
        "has a macro get_where_subquery",
    ),
    "a dispatched macro": (
        "macros/new.sql",
        "{% macro duckdb__utc_now() %}now(){% endmacro %}",
        [],
        "has a macro duckdb__utc_now",
    ),
    "a name by date": (
        "macros/new.sql",
        "{% macro generate_alias_name(custom_alias_name=none, node=none) %}"
        "{{ node.name if run_started_at else '' }}{% endmacro %}",
        [],
        "the name of a relation may hang on run_started_at",
    ),
    "an alias by date": (
        "models/orders.sql",
        "{{ config(alias='orders' if run_started_at else '') }} select",
        [],
        "the name of a relation may hang on run_started_at",
    ),
    "YAML by date": (
        "models/orders.yml",
        "name: orders\n  description: \"{{ run_started_at }}\"",
        [],
        "orders.yml uses run_started_at",
    ),
    "Jinja in where": (
        "models/orders.yml",
        "most: 4\n        config:\n          where: \"amount > {{ 1 }}\"",
        [],
        "Jinja",
    ),
    "an environment variable by an expression": (
        "tests/new.sql",
        "select '{{ env_var('SHOP_' ~ 'SEVERITY', '') }}' limit 0",
        [],
        "reads an environment variable by an expression",
    ),
    "an ephemeral model": (
        "models/orders.sql",
        "{{ config(materialized='ephemeral') }} select 5 as amount, now() as at,",
        [],
        "an ephemeral model",
    ),
    "a macro called today": ("tests/new.sql", "select '{{ dbt_helpers.today() }}' limit 0", [], "uses run_started_at"),
    "a test that calls a macro": ("tests/new.sql", "select '{{ unsteady() }}' limit 0", [], "test new uses adapter"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_only_dbt_can_do_is_left_to_dbt(shop: Shop, what: str, caplog: pytest.LogCaptureFixture) -> None:
    file, new, arguments, reason = REFUSED[what]
    old = {"dbt_project.yml": "flags:" if "flags:" in new else "name: cases", "models/orders.sql": "select"}.get(
        file, ""
    )
    old = ("most: 4" if "most" in new else "name: orders") if file == "models/orders.yml" else old
    undo = changed(shop, file, old, new) if file else lambda: None
    helper = changed(shop, "macros/unsteady.sql", "", "{% macro unsteady() %}{% set a = adapter %}{% endmacro %}")
    caplog.set_level(logging.DEBUG, "dbt_vigil")
    try:
        shop.vigil(*arguments)
        assert reason in caplog.text.partition("The next run needs dbt too: ")[2].splitlines()[0]
        assert not shop.stored(*arguments)
    finally:
        undo()
        helper()


UNSTEADY = [
    "run_started_at",
    "invocation_id",
    "run_query('select 1')",
    "adapter.get_relation('cases', 'main', 'orders')",
    "adapter | attr('type')",
    "adapter.dispatch(name)()",
    "modules.datetime.datetime.now().year",
    "modules['datetime']['date']['today']()",
    "'%}' ~ run_started_at",
    "var('vigil_as_of')",
    "var('li' ~ 'mit')",
    "vigil.as_of()",
    "flags.INVOCATION_COMMAND",
    "range(9) | random",
]
STEADY = [
    "raise('no adapter now')",
    "ref('now_and_then')",
    "var('limit', 4)",
    "adapter.quote('x')",
    "adapter.dispatch('a', 'b')()",
    "flags.WHICH",
]


@pytest.mark.parametrize("jinja", UNSTEADY + STEADY)
def test_what_may_change_is_known(jinja: str) -> None:
    text = f"select now(), run_started_at {{# today #}} {{% if {jinja} %}} random() {{% endif %}}"
    assert bool(storing.VOLATILE.search(storing._code(text))) == (jinja in UNSTEADY)


ZONE = "{vigil_record: false, vigil_timezone: America/New_York%s}"
MOMENTS = [
    "",
    ", vigil_as_of: 2013-02-10",
    ", vigil_as_of: '2013-03-10T07:30:00Z'",
    ", vigil_as_of: '2013-11-03T05:40:12.345678Z'",
]


def suite_of(directory: Path, engine: Engine, suites: int) -> Shop:
    """A project of random suites, a test that errs by its data, and one whose table is gone."""
    shop = Shop(directory, engine)
    schema = "main" if engine.name == "duckdb" else str(engine.profile(directory)["schema"])
    made = [] if engine.name == "duckdb" else [f"create database {schema}"]
    shop.project.write("macros/tests.sql", SUITE_MACROS)
    for number, suite in enumerate(draw_suites(engine, 7, suites)):
        write_suite(shop.project, suite, number)
        made += tables(engine, schema, suite, number).values()
    for name, sql in {"cast": "cast('x' as int) = 1", "column": "no_such_column = 1", "good": "1 = 1"}.items():
        relation = f"(select 'x' as word) as one where {sql.replace(chr(39) + 'x' + chr(39), 'word')}"
        shop.project.write(f"tests/{name}.sql", f"select * from {relation}")
    shop.project.write("tests/gone.sql", "select * from {{ this.schema }}.gone")
    for script in [";\n".join([*made, "select 1"])] if engine.name == "duckdb" else made:
        engine.rows(directory, script)
    return shop


def entries(directory: Path) -> dict[str, dict[str, Any]]:
    """The tests' entries of run_results.json, which is one that dbt can read."""
    file = directory / "target/run_results.json"
    content = json.loads(file.read_text())
    RunResultsArtifact.from_dict(content)
    file.unlink()
    return {e["unique_id"]: e for e in content["results"] if e["unique_id"].startswith("test.")}


def differences(one: Mapping[str, dict[str, Any]], other: Mapping[str, dict[str, Any]]) -> list[Any]:
    assert one.keys() == other.keys()
    found = []
    for name, entry in one.items():
        assert entry.keys() == other[name].keys()
        keys = ["status", "failures", "compiled_code", "relation_name"]
        found += [(name, key, entry[key], other[name][key]) for key in keys if entry[key] != other[name][key]]
        one_says, other_says = said(entry["message"]), said(other[name]["message"])
        if entry["status"] == "error" and one_says != other_says:
            found.append((name, "message", one_says, other_says))
    return found


def said(message: str | None) -> str:
    """A message without what the engines put behind it: a piece of the statement or its plan, guesses at a name."""
    return re.split(r"\n\s*(?:Did you mean|Candidate|LINE)|\.\.\.|; line \d", message or "")[0]


def only_for_dbt(shop: Shop, arguments: list[str]) -> list[str]:
    """The tests that only dbt can run: one that stores failures, or whose SQL cannot stand within another."""
    names: list[str] = []

    def stored_plan(project: Any, batches: Batches, params: Any, nodes: Any, watch: Any, **_: Any) -> Any:
        assert batches.manifest
        steady = storing._Volatility(batches.manifest)
        names.extend(node.name for node in nodes if not batches.forms.get(node.unique_id) or steady.of(node))
        raise storing.NotStored("only looked at")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "stored_plan", stored_plan)
        shop.vigil(*arguments)
    return names


def without_package(directory: Path) -> Shop:
    """A project that does not install the package."""
    shop = Shop(directory)
    (directory / "packages.yml").unlink()
    shutil.rmtree(directory / "dbt_packages")
    return shop


def test_a_project_without_the_package(tmp_path: Path) -> None:
    shop = without_package(tmp_path)
    shop.project.write("models/orders.sql", "select 1 as id, null as amount")
    shop.project.write_yaml(
        "models/orders.yml",
        {
            "models": [
                {"name": "orders", "columns": [{"name": c, "data_tests": ["not_null"]} for c in ("id", "amount")]}
            ]
        },
    )
    assert shop.project.run("run").success
    answers = [shop.vigil(), shop.vigil()]
    assert [answer.path for answer in answers] == ["dbt", "stored plan"]
    for answer in answers:
        assert (answer.code, answer.content["recorded"]) == (1, None)
        assert answer.statuses == {"not_null_orders_id": "pass", "not_null_orders_amount": "fail"}
    with abandoned_runs(find_project(tmp_path, tmp_path).spool_directory) as runs:
        assert runs == []


def test_what_dbt_has_lost_is_named_and_no_plan_leaves_it_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = without_package(tmp_path)
    file = tmp_path / "models/lines.sql"
    shop.project.write("models/orders.sql", "select 1 as id")
    shop.project.write("models/lines.sql", "select id from {{ ref('orders') }}")
    test = "select * from {{ ref('orders') }} join {{ ref('lines') }} using (id)"
    shop.project.write("tests/joined.sql", test)
    shop.project.write("tests/single.sql", "select * from {{ ref('orders') }} where false")
    shop.project.write("tests/off.sql", "{{ config(enabled=false) }} " + test)
    assert shop.project.run("run").success
    everything = {"joined": "fail", "single": "pass"}
    assert shop.vigil().statuses == everything
    assert shop.stored()
    # dbt's partial parse does not see the test again when the model is back.
    aside = tmp_path / "aside"
    for source, target in ((file, aside), (aside, file)):
        source.rename(target)
        caplog.clear()
        assert shop.vigil().statuses == {"single": "pass"}
        assert "dbt leaves out 1 test (joined)" in caplog.text
        assert not shop.stored()
    assert shop.vigil("--no-partial-parse").statuses == everything
    assert shop.vigil().statuses == everything


def test_a_date_that_is_none_is_said_to_be(shop: Shop) -> None:
    result = CliRunner().invoke(
        main, ["test", "--project-dir", str(shop.directory), "--vars", "{vigil_as_of: 2026-13-30}"]
    )
    assert (result.exit_code, "vigil: The arguments cannot be read: month must be in 1..12" in result.output) == (
        2,
        True,
    )


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_warm_run_says_what_dbt_says(
    engine_name: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dbt_vigil")
    engine = DuckDB() if engine_name == "duckdb" else request.getfixturevalue("spark")
    shop = suite_of(tmp_path, engine, 4 if engine_name == "duckdb" else 2)
    excluded = ["--exclude", *only_for_dbt(shop, ["--vars", ZONE % MOMENTS[1]]), "nothing"]
    assert shop.vigil("--vars", ZONE % MOMENTS[1], *excluded).path == "dbt"
    while shop.vigil("--vars", ZONE % MOMENTS[1], *excluded).path == "dbt":  # a number that is not whole, or none
        [odd] = re.findall(r"test test\.cases\.(\w+)\S* does not answer with a whole number", caplog.text)
        excluded.append(odd)
        assert shop.vigil("--vars", ZONE % MOMENTS[1], *excluded).path == "dbt"
        caplog.clear()
    for moment in MOMENTS[:3] if engine_name == "duckdb" else MOMENTS[1:2]:
        shop.project.run("test", "--vars", ZONE % moment, *excluded)
        by_dbt = entries(tmp_path)
        answer = shop.vigil("--vars", ZONE % moment, *excluded)
        assert answer.path == "stored plan", caplog.text
        warm_entries = entries(tmp_path)
        if moment:  # else every run has a moment of its own
            assert differences(by_dbt, warm_entries) == []
        assert by_dbt.keys() == warm_entries.keys()
        assert {e["status"] for e in by_dbt.values()} >= {"pass", "fail", "error"}
        assert answer.code == 2
        assert (answer.statuses["good"], answer.statuses["cast"]) == ("fail", by_dbt["test.cases.cast"]["status"])
        assert answer.statuses["column"] == answer.statuses["gone"] == "error"


class Recorded:
    """What a record has of its runs."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def rows(self) -> list[dict[str, Any]]:
        """Of each run, the oldest first, the rows of its checks, without ids and times."""
        left_out = {"invocation_id", "recorded_at", "started_at", "finished_at", "as_of", "ran_at", "execution_time"}
        with duckdb.connect(str(self.shop.directory / "cases.duckdb")) as connection:
            cursor = connection.execute("select * from vigil_check_log order by recorded_at, check_id")
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        kept = [{n: v for n, v in row.items() if n not in left_out and "second" not in n} for row in rows]
        return [row | {"message": said(row["message"])} for row in kept]

    @property
    def spool(self) -> Path:
        return find_project(self.shop.directory, self.shop.directory).spool_directory


def test_the_record_has_the_same_rows(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Recorded(shop)
    recorded = ["--vars", "{vigil_record: true}"]
    with monkeypatch.context() as patch:
        patch.setenv("DBT_ENV_SECRET_X", "orders")
        shop.sql("drop table orders")
        by_dbt, stored = shop.vigil(*recorded), shop.vigil(*recorded)
    shop.sql(ORDERS)
    assert (by_dbt.path, stored.path, by_dbt.content["recorded"], stored.content["recorded"]) == (
        "dbt", "stored plan", True, True,
    )  # fmt: skip
    rows = record.rows()
    assert [row["status"] for row in rows] == ["error"] * 6
    assert rows[:3] == rows[3:]
    assert "cannot" not in str(rows) and "*****" in str(rows[0]["message"])
    assert "orders does not exist" not in json.dumps(stored.content)
    assert shop.vigil(*recorded).path == "dbt", "the secret is one of the variables of dbt"
    assert shop.vigil(*recorded).content["recorded"] is True
    rows = record.rows()[6:]
    assert rows[:3] == rows[3:]
    assert {row["status"] for row in rows} == {"pass", "fail"}

    died = QueryError("the connection is lost")
    with monkeypatch.context() as patch:
        patch.setattr(PackageMacros, "record_statements", lambda *_: ["select no_such_column"])
        kept = shop.vigil(*recorded)
    assert (kept.path, kept.content["recorded"], len(record.rows())) == ("stored plan", True, 15), "dbt has written it"

    asked = warm._Run._found

    def found(self: Any, *arguments: Any) -> Iterator[Any]:
        with abandoned_runs(record.spool) as runs:
            assert runs == []
        assert len(list(record.spool.glob("*.jsonl"))) == 1, "the start is written before the first statement"
        yield next(asked(self, *arguments))
        raise KeyboardInterrupt(died)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(warm._Run, "_found", found)
        shop.stored(*recorded)
    with abandoned_runs(record.spool) as runs:
        [run] = runs
        assert (run.facts["status"], len(run.results), run.results[0]["status"]) == ("interrupted", 1, "fail")
    after = shop.vigil(*recorded)
    assert (after.path, list(record.spool.glob("*.jsonl"))) == ("dbt", [])
    assert len(record.rows()) == 19
    [(twice,)] = shop.sql("select count(*) - count(distinct (invocation_id, check_id)) from vigil_check_log")
    assert twice == 0

    shop.sql(
        "insert into vigil_registry_log "
        "select * replace (now() as recorded_at, 'x' as fingerprint) from vigil_registry_log"
    )
    changed_by_another = shop.vigil(*recorded)
    assert (changed_by_another.path, changed_by_another.content["recorded"]) == ("dbt", True)
    assert shop.vigil(*recorded).path == "stored plan"
    shop.sql("drop table vigil_check_log")
    dropped = shop.vigil(*recorded)
    assert (dropped.content["recorded"], len(record.rows())) == (True, 3)
    shop.sql("drop table vigil_registry_log")
    assert (shop.vigil(*recorded).path, len(record.rows())) == ("dbt", 6)


def test_a_terminal_shows_a_table(shop: Shop) -> None:
    shop.vigil()
    undo = changed(shop, "tests/marked.sql", "", "select 1 from (select '[/b][bold]' as w) where cast(w as int) = 1")
    environment = {**os.environ, "COLUMNS": "300", "TERM": "xterm"}
    try:
        shop.vigil()
        master, slave = pty.openpty()
        where = ["--project-dir", str(shop.directory), "--profiles-dir", str(shop.directory)]
        process = subprocess.Popen([VIGIL, "test", *where], stdout=slave, stderr=subprocess.STDOUT, env=environment)
        os.close(slave)
        text = b""
        while chunk := _read(master):
            text += chunk
        assert process.wait() == 2
    finally:
        undo()
    shown = text.decode()
    assert "[/b][bold]" in shown and "2 fail" in shown and "1 error" in shown
    assert "by stored plan" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 10000)
    except OSError:  # it has been closed at the other end
        return b""


def test_json_is_all_that_is_printed(shop: Shop) -> None:
    undo = changed(shop, "macros/noisy.sql", "", "{% macro noisy() %}{{ print('noise') }}{% endmacro %}")
    noisy = changed(shop, "tests/noisy.sql", "", "select 1 {{ noisy() }} limit 0")
    try:
        assert [shop.vigil("--debug").path for _ in range(2)] == ["dbt", "stored plan"]
    finally:
        undo()
        noisy()
