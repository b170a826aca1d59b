"""Takes down what dbt knew when it compiled a check, so that `macros` can compile it for another moment without dbt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dbt.clients.jinja import GENERIC_TEST_KWARGS_NAME, MacroGenerator, add_rendered_test_kwargs
from dbt.config.runtime import RuntimeConfig
from dbt.context.providers import generate_runtime_macro_context, generate_runtime_model_context
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables

from dbt_vigil.macros import to_json

__all__ = ["captured_checks", "captured_kwargs", "captured_tables", "has_fixed_arguments"]

TABLES = ("vigil_check_log", "vigil_registry_log", "vigil_invocation_log", "vigil_baseline_log")
CALL = re.compile(r"^\s*(env_var|ref|var|source|doc)\s*\(.+\)\s*$")
FIXED = {"get_where_subquery", "ref", "source", "var"}


def captured_kwargs(node: GenericTestNode, config: RuntimeConfig, manifest: Manifest) -> dict[str, Any] | None:
    """The arguments that dbt gave to a check, for `PackageMacros.compiled_test`.

    To be called while dbt runs, after it has compiled the check.

    Args:
        node: The check, a test of the package.
        config: dbt's, of the run.
        manifest: dbt's, of the run.

    Returns:
        The arguments as JSON. None if they may differ at another moment, although all variables but `vigil_as_of` stay:
        a `where` with Jinja, other Jinja than `ref`, `source` and `var`, `--sample`, an ephemeral model.
    """
    if not has_fixed_arguments(node, manifest):
        return None
    where = node.config.get("where")
    context = generate_runtime_model_context(node, config, manifest)
    add_rendered_test_kwargs(context, node)
    kwargs = context[GENERIC_TEST_KWARGS_NAME]
    # A project may have a `get_where_subquery` of its own, which often puts a date into the condition.
    if where and not str(kwargs["model"]).endswith(f" where {where}) dbt_subquery"):
        return None
    if not where and isinstance(kwargs["model"], str):
        return None
    try:
        return to_json(kwargs)
    except TypeError:
        return None


def has_fixed_arguments(node: GenericTestNode, manifest: Manifest) -> bool:
    """Whether dbt renders a test's arguments and its `where` to the same at any moment, as far as can be told."""
    if node.extra_ctes or not all(map(_is_fixed, _texts(node.test_metadata.kwargs))):
        return False
    where = node.config.get("where")
    return not where or _is_plain(where, manifest.files.get(node.file_id))


def captured_checks(config: RuntimeConfig, manifest: Manifest) -> dict[str, Any]:
    """The expected checks, by id, as `vigil` registers them.

    To be called while dbt runs. As long as their fingerprints are the same, the registry needs no writing.
    """
    macro = manifest.macros["macro.vigil._record_table"]
    vigil = generate_runtime_macro_context(macro, config, manifest, config.project_name)["vigil"]
    checks: dict[str, Any] = vigil["_expected_checks"](vigil["_manifest"](), vigil["_new_run"]())
    return checks


def captured_tables(config: RuntimeConfig, manifest: Manifest) -> dict[str, str]:
    """The names of the record's tables in SQL. To be called while dbt runs."""
    macro = manifest.macros["macro.vigil._record_table"]
    context = generate_runtime_macro_context(macro, config, manifest, config.project_name)
    return {table: str(MacroGenerator(macro, context)(table)) for table in TABLES}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _texts(entry)


def _is_fixed(text: str) -> bool:
    """Whether dbt renders an argument to the same value at any moment."""
    names = find_undeclared_variables(Environment().parse(f"{{{{ {text} }}}}" if CALL.match(text) else text))
    return names <= FIXED and ("var" not in names or "vigil_as_of" not in text)


def _is_plain(where: str, file: Any) -> bool:
    """Whether a condition stands in its YAML file word for word: dbt keeps only what it has rendered from it."""
    found = list(_wheres(getattr(file, "dict_from_yaml", None)))
    return where in found and not any("{" in condition for condition in found)


def _wheres(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "where":
                yield str(entry)
            yield from _wheres(entry)
