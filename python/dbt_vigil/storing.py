"""Stores the plan of a run that went through dbt, if a later run can do without dbt and find the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from click import Context
from click.core import ParameterSource
from dbt.config.runtime import RuntimeConfig
from dbt.context.providers import generate_runtime_model_context
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, TestNode
from dbt.flags import get_flags
from dbt.version import __version__ as dbt_version

from dbt_vigil.batching import Batches, compiled_test
from dbt_vigil.capturing import captured_kwargs, captured_record, has_fixed_arguments
from dbt_vigil.macros import PackageMacros
from dbt_vigil.plan import Form
from dbt_vigil.plan.reading import read
from dbt_vigil.project import VigilError
from dbt_vigil.stored import StoredPlan, StoredTest, fingerprint, is_read, slotted, times

__all__ = ["NotStored", "stored_plan"]

# What a run without dbt does just as well. Any other option is left to dbt.
OPTIONS = frozenset(
    [
        "vars",
        "select",
        "exclude",
        "selector",
        "resource_types",
        "exclude_resource_types",
        "indirect_selection",
        "project_dir",
        "profiles_dir",
        "profile",
        "target",
        "target_path",
        "threads",
        "quiet",
        "print",
        "log_format",
        "log_format_file",
        "log_level",
        "log_level_file",
        "log_path",
        "log_file_max_bytes",
        "use_colors",
        "use_colors_file",
        "printer_width",
        "partial_parse",
        "partial_parse_file_diff",
        "static_parser",
        "version_check",
        "populate_cache",
        "cache_selected_only",
        "debug",
        "send_anonymous_usage_stats",
        "show_resource_report",
        "introspect",
    ]
)
FLAGS = ("FAIL_FAST", "WARN_ERROR", "EMPTY", "SAMPLE", "DEFER", "STORE_FAILURES", "STATE")
PATHS = (
    "model_paths", "macro_paths", "seed_paths", "test_paths", "analysis_paths", "docs_paths", "asset_paths",
    "snapshot_paths", "function_paths",
)  # fmt: skip
FILES = (
    "dbt_project.yml",
    "packages.yml",
    "dependencies.yml",
    "package-lock.yml",
    "selectors.yml",
    "vars.yml",
    ".dbtignore",
)
# What may give another text at another moment, or from another state of the database.
VOLATILE = re.compile(
    r"\b(run_started_at|invocation_id|invocation_args_dict|run_query|statement|load_result|load_relation|thread_id|random|graph"
    r"|context|now|today|utcnow|env_var|get_where_subquery_at|selected_resources)\b"
    r"|\badapter\s*\.\s*(?!dispatch\b|quote\b|type\b|behavior\b)\w+"
)
JINJA = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)
ENV_VAR = re.compile(r"\benv_var\s*\(\s*(?:['\"](\w+)['\"])?")
# Those of dbt's own tests, and what they call, were read.
STEADY = frozenset({"should_store_failures", "statement", "get_where_subquery", "default__get_where_subquery"})
# The arguments that say what a check reads, and no time.
RELATION_KWARGS = frozenset({"model", "column_name", "to", "field", "to_where", "max_rate", "timestamp_column"})


class NotStored(Exception):  # noqa: N818
    """Why a run cannot be repeated without dbt: the message."""


def stored_plan(batches: Batches, params: Context, nodes: Sequence[Any], records: bool) -> StoredPlan:
    """The plan of the run that has just ended. To be called before dbt's adapters are let go of.

    Args:
        batches: What was seen of the run.
        params: dbt's own reading of the command line.
        nodes: The nodes that ran.
        records: Whether the run is recorded.

    Raises:
        NotStored: Only dbt can run it.
    """
    manifest, config = batches.manifest, batches.config
    if manifest is None:
        raise NotStored("no test ran")
    _refuse_options(params)
    _refuse_others(nodes, manifest)
    tests = [node for node in nodes if str(node.resource_type) == "test"]
    watched = tuple(_watched(config))
    environment = _environment(watched)
    volatile = _Volatility(manifest)
    forms = {}
    for node in tests:
        if batches.forms.get(node.unique_id) is None:
            raise NotStored(f"test {node.name} is one that dbt must run itself")
        if reason := volatile.of(node):
            raise NotStored(f"test {node.name} uses {reason}")
    clocks = _Clocks(batches, manifest, config)
    for node in tests:
        forms[node.unique_id] = clocks.form(node)
    return StoredPlan(
        fingerprint=fingerprint(watched, environment),
        watched=watched,
        environment=environment,
        tests=tuple(
            StoredTest(forms[node.unique_id], node.name, node.original_file_path, node.config.severity.lower())
            for node in tests
        ),
        clocks=tuple(clocks.checks),
        variables=clocks.variables,
        macros=str(clocks.directory),
        record=captured_record(config, manifest) if records else None,
        run_results=str(Path(config.project_target_path, "run_results.json").absolute()),
        dbt_version=dbt_version,
    )


def _refuse_options(params: Context) -> None:
    given = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    for name in params.params:
        if params.get_parameter_source(name) in given and name not in OPTIONS:
            raise NotStored(f"option --{name.replace('_', '-')} is given")
    flags: Any = get_flags()  # type: ignore[no-untyped-call]
    for name in FLAGS:
        if getattr(flags, name, None):
            raise NotStored(f"flag {name.lower()} is set")
    options = flags.WARN_ERROR_OPTIONS
    if options.error or options.warn or options.silence:
        raise NotStored("flag warn_error_options is set")


def _refuse_others(nodes: Sequence[Any], manifest: Manifest) -> None:
    for node in nodes:
        if str(node.resource_type) not in ("test", "operation"):
            raise NotStored(f"{node.resource_type} {node.name} ran too")
    for node in manifest.nodes.values():
        if str(node.resource_type) == "operation" and node.package_name != "vigil":
            raise NotStored(f"package {node.package_name} has a hook")


def _watched(config: RuntimeConfig) -> Iterator[str]:
    """The files and folders that dbt reads."""
    yield str(Path(config.args.PROFILES_DIR, "profiles.yml").absolute())
    root = Path(config.project_root)
    yield str(root / config.packages_install_path / "*")
    for project in config.load_dependencies().values():
        folder = Path(project.project_root)
        if project.project_name.startswith("dbt"):
            continue  # part of an installed version
        for name in FILES:
            yield str(folder / name)
        for paths in PATHS:
            for path in getattr(project, paths):
                yield str(folder / path)


def _environment(watched: Iterable[str]) -> tuple[str, ...]:
    names: set[str] = set()
    for root in map(Path, watched):
        files = (file for file in root.rglob("*") if is_read(file.name)) if root.is_dir() else [root]
        for file in files:
            if file.suffix in (".sql", ".yml", ".yaml", ".md", ".py") and file.is_file():
                for found in ENV_VAR.finditer(file.read_text(errors="replace")):
                    if not found[1]:
                        raise NotStored(f"{file.name} reads an environment variable by an expression")
                    names.add(found[1])
    return tuple(sorted(names))


class _Volatility:
    """Looks for what may change between runs in all that a test may call."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._texts: dict[str, list[str]] = {}
        for macro in manifest.macros.values():
            if macro.package_name != "vigil":
                self._texts.setdefault(macro.name, []).append(macro.macro_sql)

    def of(self, node: TestNode) -> str:
        """What it is, or nothing. A check of the package is bound to a moment by its clock instead."""
        if isinstance(node, GenericTestNode) and node.test_metadata.namespace == "vigil":
            return ""
        if isinstance(node, GenericTestNode) and not has_fixed_arguments(node, self._manifest):
            return "Jinja in an argument"
        pending = [node.raw_code]
        seen: set[str] = set()
        while pending:
            for text in JINJA.findall(pending.pop()):
                if found := VOLATILE.search(text):
                    return found[0]
                for word in set(re.findall(r"\w+", text)) - seen:
                    seen.add(word)
                    for prefix in ("", "default__", "duckdb__", "spark__", "test_"):
                        if prefix + word not in STEADY:
                            pending += self._texts.get(prefix + word, ())
        return ""


class _Clocks:
    """Reads tests with places for their times, and keeps one check for each way in which a moment gives rise to them."""

    def __init__(self, batches: Batches, manifest: Manifest, config: RuntimeConfig) -> None:
        self.checks: list[Mapping[str, Any]] = []
        self.variables: Mapping[str, Any] = {}
        package = config.load_dependencies().get("vigil")
        self.directory = Path(package.project_root if package else ".") / "macros"
        self._manifest, self._config, self._engine = manifest, config, config.credentials.type
        self._forms = batches.forms
        self._numbers: dict[str, int] = {}
        self._times: list[list[str]] = []
        self._macros: PackageMacros | None = None

    def form(self, node: TestNode) -> Form:
        """A test's form, with places for its times."""
        form = self._forms[node.unique_id]
        assert form is not None
        if not form.test.is_check or not isinstance(node, GenericTestNode):
            return form
        found = times(node.compiled_code or "")
        if not found:
            return form
        clock = self._clock(node, found)
        test = compiled_test(node)
        slotted_form = read(replace(test, sql=slotted(test.sql, clock)), self._engine)
        if slotted_form is None:
            raise NotStored(f"test {node.name} cannot be bound to another moment")
        return slotted_form

    def _clock(self, node: GenericTestNode, found: list[str]) -> int:
        """The check that has the same times at any moment: one with the same arguments, but for what it reads."""
        if not has_fixed_arguments(node, self._manifest):
            raise NotStored(f"test {node.name} has an argument that may differ at another moment")
        own = {name: value for name, value in node.test_metadata.kwargs.items() if name not in RELATION_KWARGS}
        key = json.dumps([node.test_metadata.name, own], sort_keys=True)
        number = self._numbers.get(key)
        if number is None or self._times[number] != found:
            kwargs = captured_kwargs(node, self._config, self._manifest)
            if kwargs is None:
                raise NotStored(f"test {node.name} has an argument that may differ at another moment")
            if self._rendered(node, kwargs) != node.compiled_code:
                raise NotStored(f"test {node.name} is rendered by macros of the project's own")
            number = self._numbers[key] = len(self.checks)
            self.checks.append({"name": node.test_metadata.name, "kwargs": kwargs})
            self._times.append(found)
        return number

    def _rendered(self, node: GenericTestNode, kwargs: Mapping[str, Any]) -> str:
        if self._macros is None:
            context = generate_runtime_model_context(node, self._config, self._manifest)
            variables = dict(context["var"]._merged)
            json.dumps(variables, default=str)
            cache = Path(self._config.project_root, ".vigil", "macros")
            self._macros = PackageMacros(
                self._engine, variables, context["run_started_at"], directory=self.directory, cache=cache
            )
            given = self._config.cli_vars
            self.variables = {
                name: value for name, value in variables.items() if name != "vigil_as_of" or name not in given
            }
        try:
            return self._macros.compiled_test(node.test_metadata.name, kwargs)
        except (VigilError, KeyError, AttributeError) as error:
            raise NotStored(f"test {node.name} is rendered by macros of the project's own") from error
