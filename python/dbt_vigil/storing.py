"""Stores the plan of a run that went through dbt, if a later run can do without dbt and find the same.

What dbt reads is looked at just before dbt reads it: a change while dbt runs makes the plan one that is never used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from click import Context
from click.core import ParameterSource
from dbt.adapters.factory import get_include_paths
from dbt.config.runtime import RuntimeConfig
from dbt.context.providers import generate_runtime_macro_context, generate_runtime_model_context
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, SingularTestNode, TestNode
from dbt.flags import get_flags
from dbt.parser.manifest import ManifestLoader
from dbt.plugins import get_plugin_manager
from dbt.version import __version__ as dbt_version
from jinja2 import Environment, TemplateError

from dbt_vigil.batching import Batches, compiled_test
from dbt_vigil.capturing import captured_checks, captured_kwargs, captured_tables, has_fixed_arguments
from dbt_vigil.macros import PackageMacros
from dbt_vigil.plan.reading import read
from dbt_vigil.project import Project, VigilError
from dbt_vigil.stored import StoredPlan, StoredTest, files, fingerprint, slotted, times

__all__ = ["NotStored", "Watch", "stored_plan", "watching"]

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
# What may give another text at another moment, or from another state of the database; QUOTED names are known.
QUOTED = r"""\s*\(\s*(?:'[^'\\]*'|"[^"\\]*")\s*[,)]"""
VOLATILE = re.compile(
    r"\b(?:run_started_at|invocation_id|invocation_args_dict|run_query|statement|load_result|load_relation|thread_id|random"
    r"|lipsum|graph|context|builtins|now|today|utcnow|selected_resources|vigil|vigil_as_of)\b"
    r"|\badapter\b(?!\s*\.\s*(?:dispatch" + QUOTED + r"|(?:quote|type|behavior)\b))"
    r"|\bvar\b(?!" + QUOTED + r"|\s*\.\s*has_var" + QUOTED + r")"
    r"|\bflags\b(?!\s*\.\s*(?:EMPTY|FULL_REFRESH|STORE_FAILURES|WHICH)\b)"
)
MACRO = re.compile(r"\b(?:(\w+)\s*\.|macro)\s*(now|today|utcnow)\s*\(")
ENV_VAR = re.compile(r"""\benv_var\b(?:\s*\(\s*(['"])(\w+)\1\s*[,)])?""")
CONFIG = re.compile(r"\bconfig\s*\(.*?\)\s*-?[}%]}", re.DOTALL)
YAML = (".yml", ".yaml")
NAMING = ("generate_alias_name", "generate_schema_name", "generate_database_name")
# Those of dbt's own tests, and what they call, were read.
STEADY = frozenset({"should_store_failures", "statement", "get_where_subquery", "default__get_where_subquery"})
WHERE_MACROS = tuple(f"{prefix}get_where_subquery" for prefix in ("", "default__", "duckdb__", "spark__"))
DBT_PACKAGES = ("dbt", "dbt_duckdb", "dbt_spark")
# The arguments that say what a check reads. None gives rise to a time, but a time may stand in it.
RELATION_KWARGS = frozenset(
    {"model", "where", "column_name", "to", "field", "to_where", "max_rate", "timestamp_column"}
)


class NotStored(Exception):  # noqa: N818
    """Why a run cannot be repeated without dbt: the message."""


@dataclass
class Watch:
    """What dbt reads in a run, as it was just before that."""

    watched: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    fingerprint: str = ""
    has_package: bool = True
    """Whether the project installs the dbt package, as far as is known: without it there is no record."""
    lost: tuple[str, ...] = ()
    """The tests that dbt leaves out, although nothing disables them."""
    problem: str = "dbt did not read the project"
    """Why there can be no plan, if it is known by then."""

    def look(self, config: RuntimeConfig) -> None:
        """Look at all that dbt is about to read."""
        try:
            self.watched = tuple(_watched(config))
            self.environment = _environment(self.watched)
            self.fingerprint = fingerprint(self.watched, self.environment)
            self.problem = ""
        except Exception as error:  # dbt will say what is wrong with a project
            self.problem = str(error)


@contextmanager
def watching(project: Project) -> Iterator[Watch]:
    """Within it, a run of dbt looks at the project's files before it reads them."""
    watch = Watch()
    # dbt has read these by the time that it says where the others are.
    first = [str(_profile(project)), *(str(project.directory / name) for name in FILES)]
    before = fingerprint(first, ())
    original = ManifestLoader.__dict__["get_full_manifest"]

    def get_full_manifest(cls: type[ManifestLoader], /, config: RuntimeConfig, **options: Any) -> Manifest:
        watch.look(config)
        if fingerprint(first, ()) != before:
            watch.problem = "the project has changed meanwhile"
        config.clear_dependencies()  # type: ignore[no-untyped-call]
        manifest: Manifest = original.__func__(cls, config, **options)
        watch.has_package = any(macro.package_name == "vigil" for macro in manifest.macros.values())
        watch.lost = tuple(_lost(manifest))
        return manifest

    ManifestLoader.get_full_manifest = classmethod(get_full_manifest)  # type: ignore[method-assign, assignment]
    try:
        yield watch
    finally:
        ManifestLoader.get_full_manifest = original  # type: ignore[method-assign]


def _lost(manifest: Manifest) -> Iterator[str]:
    """The tests of which dbt does not find what they read, or of which its partial parse remembers that it did not."""
    disabled = [node for nodes in manifest.disabled.values() for node in nodes]
    off = {node.name for node in disabled} - {
        node.name for node in (*manifest.nodes.values(), *manifest.sources.values())
    }
    for test in (*manifest.nodes.values(), *disabled):
        if isinstance(test, (GenericTestNode, SingularTestNode)) and not test.config.enabled:
            read = {*(ref.name for ref in test.refs), *(source[-1] for source in test.sources)}
            if test.unrendered_config.get("enabled", True) and not read & off:
                yield test.name


def _profile(project: Project) -> Path:
    return project.profiles_directory / "profiles.yml"


def stored_plan(
    project: Project, batches: Batches, params: Context, nodes: Sequence[Any], watch: Watch, *, records: bool
) -> StoredPlan:
    """The plan of the run that has just ended. To be called before dbt's adapters are let go of.

    Args:
        project: Whose tests ran.
        batches: What was seen of the run.
        params: dbt's own reading of the command line.
        nodes: The nodes that ran.
        watch: What was seen of the project before dbt read it.
        records: Whether the run is recorded.

    Raises:
        NotStored: Only dbt can run it.
    """
    manifest, config = batches.manifest, batches.config
    if manifest is None:
        raise NotStored("no test ran")
    if watch.problem:
        raise NotStored(watch.problem)
    _refuse_options(params)
    _refuse_others(nodes, manifest)
    if watch.lost:  # dbt warns of them, and may find them again while no file has changed
        raise NotStored(f"dbt leaves out test {watch.lost[0]}")
    _refuse_overrides(manifest)
    volatile = _Volatility(manifest)
    _refuse_yaml(watch.watched, volatile)
    if get_plugin_manager(config.project_name).hooks:
        raise NotStored("dbt has a plugin")
    tests = [node for node in nodes if str(node.resource_type) == "test"]
    if reason := volatile.of_names():
        raise NotStored(f"the name of a relation may hang on {reason}")
    _refuse_tests(tests, batches, volatile)
    variables = _variables(tests, config, manifest)
    clocks = _Clocks(batches, manifest, config, variables)
    stored = tuple(clocks.stored(node) for node in tests)
    return StoredPlan(
        fingerprint=watch.fingerprint,
        watched=watch.watched,
        environment=watch.environment,
        target=(str(_profile(project)), project.profile_name, project.target_name),
        tests=stored,
        clocks=tuple(clocks.checks),
        variables={
            name: value for name, value in variables.items() if name != "vigil_as_of" or name not in config.cli_vars
        },
        macros=clocks.directory,
        tables=clocks.tables,
        record=captured_checks(config, manifest) if records else None,
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
    if not flags.WRITE_JSON:
        raise NotStored("flag write_json is not set")
    options = flags.WARN_ERROR_OPTIONS
    if options.error or options.warn:  # of what is silenced nobody hears in any run
        raise NotStored("flag warn_error_options is set")


def _refuse_others(nodes: Sequence[Any], manifest: Manifest) -> None:
    for node in nodes:
        if str(node.resource_type) not in ("test", "operation"):
            raise NotStored(f"{node.resource_type} {node.name} ran too")
    for node in manifest.nodes.values():
        if str(node.resource_type) == "operation" and node.package_name != "vigil":
            raise NotStored(f"package {node.package_name} has a hook")
    for source in manifest.sources.values():
        if "plugin" in {**source.meta, **source.config.extra}:  # dbt loads it, or warns of views that read a copy
            raise NotStored(f"source {source.name} is of a plugin")


def _refuse_overrides(manifest: Manifest) -> None:
    """Refuse what a project puts in the place of macros that are taken for the package's or dbt's own."""
    macros = manifest.macros.values()
    dispatched = {macro.name.partition("__")[2] for macro in macros if macro.package_name == "vigil"} - {""}
    for macro in macros:
        if macro.package_name in ("vigil", *DBT_PACKAGES):
            continue
        if macro.name in WHERE_MACROS or macro.name.partition("__")[2] in {*dispatched, "type_string"}:
            raise NotStored(f"package {macro.package_name} has a macro {macro.name}")


def _refuse_tests(tests: Iterable[TestNode], batches: Batches, volatile: _Volatility) -> None:
    """Refuse tests that only dbt can run, all of them at once."""
    reasons = []
    for node in tests:
        if batches.forms.get(node.unique_id) is None:
            why = "is one that dbt must run itself" if node.compiled_code else "does not compile"
            reasons.append(f"test {node.name} {why}")
        elif reason := volatile.of(node):
            reasons.append(f"test {node.name} uses {reason}")
    if reasons:
        raise NotStored("; ".join(reasons))


def _refuse_yaml(watched: Iterable[str], volatile: _Volatility) -> None:
    """Refuse YAML that dbt renders to something else at another moment. That of the package's hooks is known."""
    for file, text in _texts(watched):
        own = file.name == "dbt_project.yml" and re.search("^name: *vigil$", text, re.MULTILINE)
        if not own and file.suffix in YAML:
            for code in _codes(file, text):
                if found := volatile.found_in(code):
                    raise NotStored(f"{file.name} uses {found}")


def _codes(file: Path, text: str) -> Iterator[str]:
    """The Jinja in a file, text by text."""
    if "{{" in text or "{%" in text:
        try:
            for part in _strings(yaml.safe_load(text)) if file.suffix in YAML else [text]:
                yield _code(part)
        except (yaml.YAMLError, TemplateError) as error:
            raise NotStored(f"{file.name} has Jinja that cannot be read") from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _strings(entry)


def _code(text: str) -> str:
    """The Jinja in a text, without what stands around it, and without comments and texts of several words.

    Raises:
        TemplateError: It is no Jinja.
    """
    return "".join(
        "''" if kind == "string" and " " in token and "{" not in token else token
        for _, kind, token in Environment().lex(text)
        if kind not in ("data", "comment")
    )


def _watched(config: RuntimeConfig) -> Iterator[str]:
    """The files and folders that dbt reads."""
    yield str(Path(config.args.PROFILES_DIR, "profiles.yml").absolute())
    root = Path(config.project_root)
    yield str(root / config.packages_install_path / "*")
    installed = set(map(Path, get_include_paths(config.credentials.type)))  # part of a version
    for project in config.load_dependencies().values():
        folder = Path(project.project_root)
        if folder in installed:
            continue
        yield from (str(folder / name) for name in FILES)
        yield from dict.fromkeys(str(folder / path) for paths in PATHS for path in getattr(project, paths))


def _environment(watched: Iterable[str]) -> tuple[str, ...]:
    names: set[str] = set()
    for file, text in _texts(watched):
        for code in _codes(file, text) if "env_var" in text else ():
            for found in ENV_VAR.finditer(code):
                if not found[2]:
                    raise NotStored(f"{file.name} reads an environment variable by an expression")
                names.add(found[2])
    return tuple(sorted(names - {"VIGIL_HARNESS"}))  # which says that dbt runs within vigil


def _texts(watched: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """The files that may hold Jinja, and what is in them."""
    for root in map(Path, watched):
        for file in files(root):
            if file.suffix in (".sql", ".py", *YAML) and file.is_file():
                yield file, file.read_text(errors="replace")


def _variables(tests: Sequence[Any], config: RuntimeConfig, manifest: Manifest) -> Mapping[str, Any]:
    """The variables that the package reads, which are the same for its checks and for its record."""
    macro = manifest.macros.get("macro.vigil._record_table")
    if macro is None:
        return {}
    contexts = [generate_runtime_macro_context(macro, config, manifest, config.project_name)]
    packages = {node.package_name: node for node in tests}
    contexts += [generate_runtime_model_context(node, config, manifest) for node in packages.values()]
    views = [
        {name: value for name, value in dict(context["var"]._merged).items() if str(name).startswith("vigil_")}
        for context in contexts
    ]
    if any(view != views[0] for view in views):
        raise NotStored("a variable of the package has another value in another package")
    if any("{" in value for value in views[0].values() if isinstance(value, str)):
        raise NotStored("a variable of the package has Jinja")
    declared = [str(project.vars.vars) for project in config.load_dependencies().values()]
    if "vigil_as_of" in config.cli_vars and any("vigil_as_of" in text for text in declared):
        raise NotStored("variable vigil_as_of is also set in dbt_project.yml")
    return views[0]


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
        if node.extra_ctes:
            return "an ephemeral model"
        if isinstance(node, GenericTestNode) and node.test_metadata.namespace == "vigil":
            return ""
        if isinstance(node, GenericTestNode) and not has_fixed_arguments(node, self._manifest):
            return "Jinja in an argument"
        return self._of([node.raw_code])

    def found_in(self, code: str) -> str:
        """What it is in a piece of Jinja, or nothing. A package's macro `now` is not that of Python."""

        def without_macro(call: re.Match[str]) -> str:
            is_macro = call[1] is None or f"macro.{call[1]}.{call[2]}" in self._manifest.macros
            return "(" if is_macro else call[0]

        found = VOLATILE.search(MACRO.sub(without_macro, code))
        return found[0] if found else ""

    def of_names(self) -> str:
        """What in the names of relations may change, or nothing."""
        raw = [node.raw_code for node in self._manifest.nodes.values() if node.package_name != "vigil"]
        configs = [f"{{{{ {call[:-2].rstrip('-')} }}}}" for code in raw for call in CONFIG.findall(code)]
        naming = [
            macro.macro_sql
            for macro in self._manifest.macros.values()
            if macro.package_name not in DBT_PACKAGES and macro.name.endswith(NAMING)
        ]
        return self._of(naming + configs)

    def _of(self, pending: list[str]) -> str:
        seen: set[str] = set()
        while pending:
            try:
                text = _code(pending.pop())
            except TemplateError:
                return "Jinja that cannot be read"
            if found := self.found_in(text):
                return found
            for word in set(re.findall(r"\w+", text)) - seen:
                seen.add(word)
                pending += self._named(word)
        return ""

    def _named(self, word: str) -> list[str]:
        """The macros that a word may call."""
        names = {prefix + word for prefix in ("", "default__", "duckdb__", "spark__", "test_")} - STEADY
        return [text for name in sorted(names) for text in self._texts.get(name, ())]


class _Clocks:
    """Reads tests with places for their times; keeps one check for each way in which a moment gives rise to them."""

    def __init__(
        self, batches: Batches, manifest: Manifest, config: RuntimeConfig, variables: Mapping[str, Any]
    ) -> None:
        self.checks: list[Mapping[str, Any]] = []
        self._variables = variables
        package = config.load_dependencies().get("vigil")
        self.directory = str(Path(package.project_root, "macros")) if package else ""
        self.tables = captured_tables(config, manifest) if package else {}
        self._manifest, self._config, self._engine = manifest, config, config.credentials.type
        self._forms = batches.forms
        self._numbers: dict[str, int] = {}
        self._times: list[list[str]] = []
        self._macros: PackageMacros | None = None

    def stored(self, node: TestNode) -> StoredTest:
        """A test, with places for its times in its form."""
        form = self._forms[node.unique_id]
        assert form is not None
        clock = None
        if form.test.is_check and isinstance(node, GenericTestNode) and (found := times(node.compiled_code or "")):
            clock = self._clock(node, found)
            test = compiled_test(node)
            form = read(replace(test, sql=slotted(test.sql)), self._engine)
            if form is None:
                raise NotStored(f"test {node.name} cannot be bound to another moment")
        return StoredTest(form, node.name, node.original_file_path, node.config.severity.lower(), clock)

    def _clock(self, node: GenericTestNode, found: list[str]) -> int:
        """The check that has the same times at any moment: one with the same arguments, but for what it reads."""
        if not has_fixed_arguments(node, self._manifest):
            raise NotStored(f"test {node.name} has an argument that may differ at another moment")
        given = {**node.test_metadata.kwargs, "where": node.config.get("where")}
        own = {name: value for name, value in given.items() if name not in RELATION_KWARGS or times(str(value))}
        key = json.dumps([node.test_metadata.name, own], sort_keys=True)
        number = self._numbers.get(key)
        if number is None or self._times[number] != found:
            kwargs = captured_kwargs(node, self._config, self._manifest)
            if kwargs is None:
                raise NotStored(f"test {node.name} has an argument that may differ at another moment")
            sql = self._rendered(node, kwargs)
            if sql != node.compiled_code:
                raise NotStored(f"test {node.name} is rendered by macros of the project's own")
            number = self._numbers[key] = len(self.checks)
            self.checks.append({"name": node.test_metadata.name, "kwargs": kwargs, "sql": slotted(sql)})
            self._times.append(found)
        return number

    def _rendered(self, node: GenericTestNode, kwargs: Mapping[str, Any]) -> str:
        if self._macros is None:
            context = generate_runtime_model_context(node, self._config, self._manifest)
            cache = Path(self._config.project_root, ".vigil", "macros")
            self._macros = PackageMacros(
                self._engine,
                self._variables,
                context["run_started_at"],
                directory=Path(self.directory),
                cache=cache,
                tables=self.tables,
                project_name=self._config.project_name,
                target_name=self._config.target_name,
            )
        try:
            return self._macros.compiled_test(node.test_metadata.name, kwargs)
        except (VigilError, KeyError, AttributeError) as error:
            raise NotStored(f"test {node.name} is rendered by macros of the project's own") from error
