"""The macros of the package, rendered without dbt: the SQL that dbt compiled before, for another moment.

Importing dbt and reading a project costs seconds, rendering a check costs milliseconds. Nothing of a check's SQL hangs
on the moment but what its macros make of `vigil.as_of()`, so the arguments that dbt once rendered serve at any other.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from dbt_vigil.project import VigilError
from dbt_vigil.spool import ignored_by_git

__all__ = ["PackageMacros", "from_json", "to_json"]

QUOTES = {"duckdb": '"', "spark": "`"}
PREFIX = "macro_of_vigil_"
STRINGS = {"duckdb": "TEXT", "spark": "string"}


@dataclass(frozen=True)
class Relation:
    """As much of dbt's relations as the macros look at."""

    text: str
    identifier: str
    schema: str | None = None
    limit: int | None = None
    event_time_filter: None = None

    def __str__(self) -> str:
        return self.text

    def render(self) -> str:
        """Its name, also where dbt limits its rows."""
        return self.text


class PackageMacros:
    """The macros of the package, rendered without dbt."""

    def __init__(
        self,
        engine: str,
        variables: Mapping[str, Any],
        run_started_at: datetime.datetime,
        *,
        directory: Path,
        cache: Path,
        tables: Mapping[str, str],
        project_name: str,
        target_name: str,
    ) -> None:
        """Read the macros.

        Args:
            engine: `duckdb` or `spark`.
            variables: dbt's variables as the package sees them.
            run_started_at: What checks take for now, if variable `vigil_as_of` is not given. It has a time zone.
            directory: The folder `macros` of the installed package.
            cache: A folder to keep the compiled macros in: to compile them takes most of a second.
            tables: The names of the record's tables in SQL, as `capturing.captured_tables` gives them.
            project_name: dbt's, of the root project.
            target_name: That of the profile's target.
        """
        import pytz  # type: ignore[import-untyped]
        from jinja2 import Environment, FileSystemBytecodeCache, FunctionLoader

        self._engine = engine
        cache.mkdir(parents=True, exist_ok=True)
        ignored_by_git(cache)
        environment = Environment(
            extensions=["jinja2.ext.do"],
            loader=FunctionLoader(lambda _: _source(directory)),
            bytecode_cache=FileSystemBytecodeCache(str(cache)),
        )
        self._macros = SimpleNamespace()
        context = {
            "vigil": self._macros,
            "return": _return,
            "var": variables.get,
            "run_started_at": run_started_at,
            "project_name": project_name,
            "model": {},  # the test, which a message about an argument names
            "target": {"name": target_name},
            "flags": {"EMPTY": False},
            "config": lambda **_: "",
            "modules": {"datetime": datetime, "re": re, "pytz": pytz},
            "exceptions": {"raise_compiler_error": _raise},
            "try_or_compiler_error": _try,
            "tojson": json.dumps,
            "dbt": {"type_string": lambda: STRINGS[engine]},
            "adapter": {"dispatch": self._dispatched, "quote": self._quoted, "type": lambda: engine},
            "api": {"Relation": {"create": lambda identifier, **_: Relation(tables[identifier], identifier)}},
        }
        for name, macro in environment.get_template("macros").make_module(context).__dict__.items():
            if name.startswith(PREFIX):
                setattr(self._macros, name.removeprefix(PREFIX), _returning(macro))

    def call(self, macro: str, *args: Any, **kwargs: Any) -> Any:
        """What a macro returns, or its text."""
        return getattr(self._macros, macro)(*args, **kwargs)

    def compiled_test(self, name: str, kwargs: Mapping[str, Any]) -> str:
        """The SQL that dbt compiles a check to.

        Args:
            name: The check, such as `null_rate`.
            kwargs: Its arguments, as `capturing.captured_kwargs` gives them.

        Raises:
            VigilError: An argument or a variable is wrong.
        """
        return str(self.call(f"test_{name}", **from_json(kwargs)))

    def record_statements(
        self, run: Mapping[str, Any], results: Sequence[Mapping[str, Any]], checks: Mapping[str, Any]
    ) -> list[str]:
        """The statements that append a run to the record, the last of which is an error unless the others have done so.

        Args:
            run: The facts of the run, as `vigil.record_artifacts` takes them: with `invocation_id`, `project_name`,
                `target_name`, `command`, `started_at` and `finished_at`.
            results: Entries of a run_results.json.
            checks: What `capturing.captured_checks` gave when the registry was last written: it is left as it is.
        """
        facts = self.call("_new_run", **run)
        statements = self.call("_statements", facts, results, checks, [], {})
        return [statement.strip() for statement in statements]

    def _dispatched(self, name: str, _: str) -> Callable[..., Any]:
        macro: Callable[..., Any] = getattr(self._macros, f"{self._engine}__{name}")
        return macro

    def _quoted(self, identifier: str) -> str:
        return QUOTES[self._engine] + identifier + QUOTES[self._engine]


def to_json(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that dbt hands to a check, as JSON: what JSON has no type for becomes a mapping from its kind.

    Raises:
        TypeError: One is of another type than the checks take.
    """
    return {name: _to_json(value) for name, value in kwargs.items()}


def from_json(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that `to_json` was given."""
    return {name: _from_json(value) for name, value in kwargs.items()}


def _to_json(value: Any) -> Any:
    if type(value) in (str, int, float, bool, type(None)):
        return value
    if type(value) is datetime.date:
        return {"date": value.isoformat()}
    if type(value) is list:
        return [_to_json(entry) for entry in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {"mapping": to_json(value)}
    if getattr(value, "identifier", None) and value.event_time_filter is None:
        return {
            "relation": {
                "text": str(value),
                "identifier": value.identifier,
                "schema": value.schema,
                "limit": value.limit,
            }
        }
    raise TypeError(f"{value!r} is no argument of a check")


def _from_json(value: Any) -> Any:
    match value:
        case {"date": day}:
            return datetime.date.fromisoformat(day)
        case {"mapping": entries}:
            return from_json(entries)
        case {"relation": facts}:
            return Relation(**facts)
        case list():
            return [_from_json(entry) for entry in value]
    return value


def _source(directory: Path) -> str:
    """All macros as one template. It exports no name that begins with an underscore, and knows no tag `test`."""
    folders = ("arguments", "checks", "profile", "sql", "heartbeat", "heartbeat/views")
    files = sorted(file for folder in folders for file in (directory / folder).glob("*.sql"))
    text = "\n".join(file.read_text() for file in files)
    text = re.sub(r"({%-? )macro ", rf"\1macro {PREFIX}", text)
    return re.sub(r"({%-? )test ", rf"\1macro {PREFIX}test_", text).replace(" endtest ", " endmacro ")


class _Returned(Exception):  # noqa: N818
    """Not an error: how a macro returns a value."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _return(value: Any) -> NoReturn:
    raise _Returned(value)


def _returning(macro: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return macro(*args, **kwargs)
        except _Returned as returned:
            return returned.value

    return call


def _raise(message: str) -> NoReturn:
    raise VigilError(message)


def _try(message: str, function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:
        raise VigilError(message) from error
