"""What `vigil plan` prints: which tests share which statement, why, and the SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dbt.artifacts.resources.types import NodeType
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.graph.selector import ResourceTypeSelector
from dbt.task.compile import CompileTask

from dbt_vigil.batching import compiled_test, is_judged_by_dbt_alone
from dbt_vigil.connecting import NotHonoured, direct_connection
from dbt_vigil.plan import Form, Matches, Statement, assembled, probed
from dbt_vigil.plan.reading import read
from dbt_vigil.project import Project, VigilError
from dbt_vigil.report import counted
from dbt_vigil.running import close_connections
from dbt_vigil.turns import database_turn

__all__ = ["SuitePlan", "explained", "plan_suite"]

EXPLAIN = {"duckdb": "explain ", "spark": "explain formatted "}
SOURCES = {
    "scan": "",
    "metadata": ", from the metadata of its files",
    "mixed": ", from the metadata of its files and a few rows",
}


@dataclass(frozen=True)
class SuitePlan:
    """The statements of a suite; the tests that dbt runs itself, each with the reason."""

    statements: tuple[Statement, ...]
    names: dict[str, str]
    left_to_dbt: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """For people to read."""
        for number, statement in enumerate(self.statements, 1):
            yield f"-- Statement {number} of {len(self.statements)}: {statement.why}"
            for form in statement.forms:
                yield f"--   {self.names[form.test.test_id]}: {form.why}{SOURCES[form.source]}"
            yield f"{statement.sql};\n"
        for name in self.left_to_dbt:
            yield f"-- Left to dbt: {name}"
        tests, statements = len(self.names) + len(self.left_to_dbt), len(self.statements) + len(self.left_to_dbt)
        yield f"-- {counted(tests, 'test')}, {counted(statements, 'statement')}"


def plan_suite(project: Project, arguments: Sequence[str]) -> SuitePlan:
    """Plan the tests that a selection gives.

    Args:
        project: The dbt project.
        arguments: dbt's arguments of `compile`.

    Raises:
        VigilError: dbt cannot compile them.
    """
    quietly = ["--quiet", "--log-level", "none", "--no-write-json"]
    with database_turn(project):
        where = [
            "--project-dir", str(project.directory), "--profiles-dir", str(project.profiles_directory),
            "--profile", project.profile_name, "--target", project.target_name,
        ]  # fmt: skip
        try:
            parsed = dbtRunner().invoke([*quietly, "parse", *where, *_variables(arguments)])
            manifest = parsed.result
            if not isinstance(manifest, Manifest):
                raise VigilError(f"dbt cannot parse the project: {parsed.exception}")
            with _only_tests():
                compiled = dbtRunner(manifest=manifest).invoke([*quietly, "compile", *arguments])
            if compiled.exception is not None:
                raise VigilError(f"dbt cannot compile the tests: {compiled.exception}")
        finally:
            close_connections(project)
        results: Any = compiled.result
        found: list[Form] = []
        names: dict[str, str] = {}
        left: list[str] = []
        for result in results:
            node, form = result.node, None
            if str(result.status) != "success":
                left.append(f"{node.name}, which does not compile: {' '.join(str(result.message).split())}")
                continue
            if is_judged_by_dbt_alone(node, manifest, project.name, project.engine):
                form = read(compiled_test(node), project.engine)
            if form is None:
                left.append(node.name)
                continue
            found.append(form)
            names[node.unique_id] = node.name
        statements = assembled(*_probed(project, found))
        return SuitePlan(tuple(statements), names, tuple(left))


@contextmanager
def _only_tests() -> Iterator[None]:
    """Within it dbt compiles data tests only, and all of them, also where one of them does not compile."""
    select, stops = CompileTask.get_node_selector, CompileTask.raise_on_first_error

    def get_node_selector(self: CompileTask) -> ResourceTypeSelector:
        selector = select(self)
        selector.resource_types = {NodeType.Test}
        return selector

    CompileTask.get_node_selector = get_node_selector  # type: ignore[method-assign]
    CompileTask.raise_on_first_error = lambda self: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        CompileTask.get_node_selector = select  # type: ignore[method-assign]
        CompileTask.raise_on_first_error = stops  # type: ignore[method-assign]


def explained(project: Project, plan: SuitePlan) -> Iterator[str]:
    """The engine's own plan of each statement.

    Raises:
        VigilError: The engine cannot plan it, or only dbt's adapter can honour the profile.
    """
    try:
        with database_turn(project), closing(direct_connection(project)) as connection:
            for statement in plan.statements:
                yield "\n".join(str(row[-1]) for row in connection.rows(EXPLAIN[project.engine] + statement.sql)[1])
    except NotHonoured as reason:
        raise VigilError(f"There is no plan of the engine's: {reason}.") from reason


def _probed(project: Project, forms: list[Form]) -> tuple[list[Form], str, Matches]:
    matches: Matches = {}
    with suppress(NotHonoured, VigilError), closing(direct_connection(project)) as connection:
        forms, matches = probed(forms, project.engine, lambda sql: connection.rows(sql)[1])
    return forms, project.engine, matches


def _variables(arguments: Sequence[str]) -> list[str]:
    pending = iter(arguments)
    for argument in pending:
        if argument == "--vars":
            return ["--vars", next(pending, "")]
        if argument.startswith("--vars="):
            return [argument]
    return []
