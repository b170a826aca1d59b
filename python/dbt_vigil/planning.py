"""What `vigil plan` prints: which tests share which statement, why, and the SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from dbt_vigil.batching import compiled_test, is_judged_by_dbt_alone
from dbt_vigil.connecting import NotHonoured, direct_connection
from dbt_vigil.plan import Form, Matches, Statement, assembled, cheaper_matches
from dbt_vigil.plan.reading import read
from dbt_vigil.project import Project, VigilError
from dbt_vigil.running import close_connections
from dbt_vigil.turns import database_turn

__all__ = ["SuitePlan", "explained", "plan_suite"]

EXPLAIN = {"duckdb": "explain ", "spark": "explain formatted "}


@dataclass(frozen=True)
class SuitePlan:
    """The statements of a suite, and the names of the tests that dbt runs itself."""

    statements: tuple[Statement, ...]
    names: dict[str, str]
    left_to_dbt: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """For people to read."""
        for number, statement in enumerate(self.statements, 1):
            yield f"-- Statement {number} of {len(self.statements)}: {statement.why}"
            for form in statement.forms:
                yield f"--   {self.names[form.test.test_id]}: {form.why}"
            yield f"{statement.sql};\n"
        for name in self.left_to_dbt:
            yield f"-- Left to dbt: {name}"
        tests = len(self.names) + len(self.left_to_dbt)
        yield f"-- {tests} tests, {len(self.statements) + len(self.left_to_dbt)} statements"


def plan_suite(project: Project, arguments: Sequence[str]) -> SuitePlan:
    """Plan the tests that a selection gives.

    Args:
        project: The dbt project.
        arguments: dbt's arguments of `compile`.

    Raises:
        VigilError: dbt cannot compile them.
    """
    quietly = ["--quiet", "--log-level", "none"]
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
            compiled = dbtRunner(manifest=manifest).invoke([*quietly, "compile", *arguments])
            if compiled.exception is not None:
                raise VigilError(f"dbt cannot compile the tests: {compiled.exception}")
        finally:
            close_connections(project)
        results: Any = compiled.result
        nodes = [result.node for result in results if str(result.node.resource_type) == "test"]
        forms: dict[str, Form | None] = {
            node.unique_id: read(compiled_test(node), project.engine)
            if is_judged_by_dbt_alone(node, manifest, project.name, project.engine)
            else None
            for node in nodes
        }
        found = [form for form in forms.values() if form]
        names = {node.unique_id: node.name for node in nodes if forms[node.unique_id]}
        left = tuple(node.name for node in nodes if not forms[node.unique_id])
        return SuitePlan(tuple(assembled(found, project.engine, _matches(project, found))), names, left)


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


def _matches(project: Project, forms: Sequence[Form]) -> Matches:
    if project.engine != "duckdb":
        return {}
    try:
        with closing(direct_connection(project)) as connection:
            return cheaper_matches(forms, lambda sql: connection.rows(sql)[1])
    except (NotHonoured, VigilError):
        return {}


def _variables(arguments: Sequence[str]) -> list[str]:
    pending = iter(arguments)
    for argument in pending:
        if argument == "--vars":
            return ["--vars", next(pending, "")]
        if argument.startswith("--vars="):
            return [argument]
    return []
