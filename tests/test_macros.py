"""The macros rendered without dbt give the very text that dbt compiles, at other moments than the captured one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt import tracking
from dbt.compilation import Compiler
from dbt.context.providers import generate_runtime_macro_context
from dbt.contracts.graph.nodes import GenericTestNode

from dbt_vigil.capturing import captured_checks, captured_kwargs, captured_tables
from dbt_vigil.macros import PackageMacros
from dbt_vigil.project import VigilError
from tests.case_table import DEFAULT_VARS, Case, load_cases
from tests.conftest import ENGINES, write_case
from tests.engines import DuckDB, Spark
from tests.project import REPO, Project, package_macros

NEW_YORK = {"vigil_timezone": "America/New_York"}
# The clocks of New York change on two of these days. None: variable vigil_as_of is not given.
MOMENTS = (None, "2013-03-10T07:30:00Z", "2024-11-03T05:40:12.345678Z")

WINDOWED = {"timestamp_column": "t", "window": "7 days"}
COLUMNS = {"t": "timestamp", "x": "double"}
ORPHANS = {"column_name": "x", "to": "ref('parents')", "field": "id"}


def _case(name: str, check: str, arguments: dict[str, Any], **more: Any) -> Case:
    return Case(check, f"at_{name}", None, columns=COLUMNS, arguments=arguments, **more)


# Of cases that differ only in their rows one is enough.
CASES = list({repr((c.check, c.column, c.arguments, c.config, c.vars)): c for c in load_cases()}.values())
PERIODS = [
    _case(
        f"{period}_{seasonality}_{compare}",
        "row_count_ratio",
        {"timestamp_column": "t", "period": period, "seasonality": seasonality, "compare": compare},
        vars=NEW_YORK,
    )
    for period, seasonality, compare in product(
        ("hour", "day", "week", "month"), ("none", "week"), ("complete", "to_date")
    )
    if seasonality == "none" or period in ("hour", "day")
]
OTHERS = [
    _case("to_where", "orphan_rate", {**ORPHANS, **WINDOWED, "to_where": "active = true"}, vars=NEW_YORK),
    _case("psi_of_a_relation", "psi", {**WINDOWED, "column_name": "x", "baseline": "{{ ref('parents') }}"}),
    _case(
        "from_a_profile",
        "new_values",
        {"column_name": "x", "timestamp_column": "t", "period": "hour", "profile": "ref('parents')"},
        vars=NEW_YORK,
    ),
    _case(
        "against_a_pin", "psi",
        {**WINDOWED, "column_name": "x", "baseline_window": "28 days", "pinned_baseline": "it's \\"},
        config={"where": "x > 1"},
    ),
    _case(
        "from_a_profile_of_weeks", "psi",
        {**WINDOWED, "column_name": "x", "baseline_window": "4 weeks", "period": "week", "profile": "ref('parents')"},
    ),
    _case("segments", "freshness", {"timestamp_column": "t", "max_age": "26 hours", "group_by": ["x", "t"]}),
    _case("a_variable", "null_rate", {"column_name": "x", "max_rate": "{{ var('rate', 0.25) }}", **WINDOWED}),
    _case("where", "null_rate", {"column_name": "x", **WINDOWED}, config={"where": "x > 1"}, vars=NEW_YORK),
]  # fmt: skip
FILES = [
    _case("files", "file_size", {"files": "a/*.parquet", "file_format": "delta", "group_by": ["t", "x"]}),
    _case("files_of_a_table", "file_size", {"files": "a/*.parquet", "file_format": "iceberg"}),
    _case("partitions", "partition_skew", {"files": "it's/*.parquet", "file_format": "iceberg", "partition_by": "x"}),
    _case("rows", "partition_skew", {"files": "a", "file_format": "parquet", "partition_by": "x", "measure": "rows"}),
    _case("growth", "unpartitioned_growth", {"files": "a", "file_format": "iceberg"}),
    _case("growth_of_files", "unpartitioned_growth", {"files": "a", "file_format": "delta", "max_size": "1 GB"}),
]
REFUSED = [
    _case("of_the_start", "orphan_rate", {**ORPHANS, "to_where": "id > {{ run_started_at.timestamp() }}"}),
    _case("of_as_of", "orphan_rate", {**ORPHANS, "to_where": "id > '{{ var('vigil_as_of', 1) }}'"}),
    _case("where_of_the_start", "null_rate", {"column_name": "x"}, config={"where": "t < '{{ run_started_at }}'"}),
    _case("where_of_a_macro", "null_rate", {"column_name": "x"}, config={"where": "t < '__today__'"}),
    _case("of_an_ephemeral_model", "orphan_rate", {**ORPHANS, "to": "ref('ephemeral')"}),
]

FACTS = {
    "invocation_id": "1c3a-o'clock",
    "project_name": "cases",
    "target_name": "dev",
    "command": "test",
    "vigil_as_of": "2013-02-10",
    "started_at": "2013-02-10T06:00:00Z",
    "finished_at": "2013-02-10T06:01:00Z",
    "is_empty": False,
    "message": None,
}
RESULTS: list[dict[str, Any]] = [
    {
        "unique_id": "test.cases.a",
        "status": "fail",
        "failures": 1,
        "message": "It's 'quoted' \\ and long: " + "é" * 3000,
        "timing": [{"started_at": "2013-02-10T06:00:01Z", "completed_at": "2013-02-10T06:00:02Z"}],
        "adapter_response": {"vigil": {"verdict": "no_data", "segment": None, "value": None, "denominator": 0.0}},
    },
    {"unique_id": "test.cases.b", "status": "skipped", "failures": None, "message": None},
    {"unique_id": "model.cases.c", "status": "success", "failures": None, "message": None},
]
OVERRIDE = """
{% macro get_where_subquery(relation) %}
  {% set where = config.get('where', '') %}
  {% set condition = where | replace('__today__', run_started_at.date()) %}
  {{ return('(select * from ' ~ relation ~ ' where ' ~ condition ~ ') dbt_subquery' if where else relation) }}
{% endmacro %}
"""


@dataclass
class Compiled:
    """What dbt made of the tests, by their name: the arguments that were captured once, and the SQL of every moment."""

    engine: str
    run_started_at: Any = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    sql: dict[tuple[str, str | None], str] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    recorded_at: str = ""
    statements: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=ENGINES)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    """One run of dbt, which needs no connection to compile, and so no Spark."""
    engine = DuckDB() if request.param == "duckdb" else object.__new__(Spark)
    variables = {name: value for name, value in DEFAULT_VARS.items() if name != "vigil_as_of"}
    project = Project(tmp_path_factory.mktemp(f"macros_{engine.name}"), engine, variables)
    cases = {case.id: case for case in [*CASES, *PERIODS, *OTHERS, *FILES, *REFUSED]}
    for case in cases.values():
        write_case(project, case)
    project.write("models/parents.sql", "select 1 as id, true as active")
    project.write("models/ephemeral.sql", "{{ config(materialized='ephemeral') }} select 1 as id")
    project.write("macros/get_where_subquery.sql", OVERRIDE)
    found = Compiled(engine.name)
    original = Compiler.compile_node

    def compile_node(self: Compiler, node: Any, manifest: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(node, GenericTestNode):
            return original(self, node, manifest, *args, **kwargs)
        for moment in ("2000-01-01", *MOMENTS):
            self.config.cli_vars = _variables(cases[node.name], moment)
            original(self, node, manifest, *args, **kwargs)
            found.sql[node.name, moment] = str(node.compiled_code)
            if moment == "2000-01-01":
                found.kwargs[node.name] = json.loads(json.dumps(captured_kwargs(node, self.config, manifest)))
        if not found.checks:
            found.run_started_at = tracking.active_user.run_started_at  # type: ignore[union-attr]
            found.checks = json.loads(json.dumps(captured_checks(self.config, manifest)))
            found.tables = captured_tables(self.config, manifest)
            self.config.cli_vars = {}
            macro = manifest.macros["macro.vigil._statements"]
            vigil = generate_runtime_macro_context(macro, self.config, manifest, "cases")["vigil"]
            run = vigil["_new_run"](**FACTS)
            found.recorded_at = run["recorded_at"]
            found.statements = vigil["_statements"](run, RESULTS, _checks(found.checks), [], {})
        return node

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Compiler, "compile_node", compile_node)
        result = project.run("compile", "--no-populate-cache", "--no-introspect", "--threads", "1")
    if result.exception:
        raise result.exception
    yield found


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _variables(case: Case, moment: str | None) -> dict[str, Any]:
    variables = {"vigil_record": False} | DEFAULT_VARS | case.vars
    del variables["vigil_as_of"]
    return variables if moment is None else variables | {"vigil_as_of": moment}


def _checks(checks: dict[str, Any]) -> dict[str, Any]:
    return {"test.cases.a": dict(next(iter(checks.values())), owner="Ada O'Neil", runbook="https://x.org")}


def _macros(compiled: Compiled, variables: dict[str, Any], cache: Path) -> PackageMacros:
    return PackageMacros(
        compiled.engine,
        variables,
        compiled.run_started_at,
        directory=REPO / "macros",
        cache=cache,
        tables=compiled.tables,
        project_name="cases",
        target_name=compiled.engine,
    )


@pytest.mark.parametrize("case", [*CASES, *PERIODS, *OTHERS, *FILES], ids=lambda case: case.id)
def test_the_text_is_that_of_dbt(case: Case, compiled: Compiled, cache: Path) -> None:
    for moment in MOMENTS:
        macros = _macros(compiled, _variables(case, moment), cache)
        assert macros.compiled_test(case.check, compiled.kwargs[case.id]) == compiled.sql[case.id, moment]


@pytest.mark.parametrize("case", [*PERIODS, *OTHERS], ids=lambda case: case.id)
def test_the_text_hangs_on_the_moment(case: Case, compiled: Compiled) -> None:
    assert len({compiled.sql[case.id, moment] for moment in MOMENTS}) > 1


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_arguments_that_hang_on_the_moment_are_refused(case: Case, compiled: Compiled) -> None:
    assert compiled.kwargs[case.id] is None


def test_the_record_s_statements_are_those_of_dbt(compiled: Compiled, cache: Path) -> None:
    statements = _macros(compiled, {}, cache).record_statements(FACTS, RESULTS, _checks(compiled.checks))
    recorded_at = statements[-1].split("recorded_at = timestamp '")[1].split("'")[0]
    expected = [statement.strip() for statement in compiled.statements]
    assert [statement.replace(recorded_at, compiled.recorded_at) for statement in statements] == expected
    assert len(statements) == 3
    assert "Ada O" in statements[0]


def test_every_check_is_captured(compiled: Compiled) -> None:
    names = {check["check_name"] for check in compiled.checks.values()}
    assert {name for name, _ in compiled.sql} <= names
    assert all(check["fingerprint"] for check in compiled.checks.values())


def test_a_wrong_moment_is_an_error(compiled: Compiled, cache: Path) -> None:
    with pytest.raises(VigilError, match="`vigil_as_of` is yesterday"):
        _macros(compiled, {"vigil_as_of": "yesterday"}, cache).call("as_of")


def test_dbt_is_not_imported() -> None:
    code = "import sys, dbt_vigil.macros; sys.exit(any(name.split('.')[0] == 'dbt' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_columns_name_is_no_sql(tmp_path: Path) -> None:
    name = "x') end); create table pwned as (select 1 as a); --"
    macros = package_macros("duckdb", date(2013, 2, 9), tmp_path)
    with duckdb.connect() as connection:
        connection.execute(f'create table given as select * from (values (1), (3)) as v("{name}")')
        outside = macros.call("is_outside", column=f'"{name}"', min_value=2)
        assert connection.execute(f"select * from given where {outside}").fetchall() == [(1,)]
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [("given",)]
