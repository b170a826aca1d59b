"""A plan on disk: what a run of the same command would ask, for as long as nothing that dbt read has changed.

It holds no secret: of a profile and of environment variables, only a digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from dbt_vigil.plan.forms import Aggregate, AntiJoin, CompiledTest, Form, Value, Verdict
from dbt_vigil.spool import ignored_by_git

__all__ = [
    "StoredPlan",
    "StoredTest",
    "bound",
    "files",
    "fingerprint",
    "plan_file",
    "slotted",
    "times",
    "without_as_of",
]

FORMAT = 6
PACKAGES = (
    "dbt-vigil", "dbt-core", "dbt-common", "dbt-adapters", "dbt-duckdb", "dbt-spark", "duckdb", "pyspark", "sqlglot",
)  # fmt: skip
TIME = re.compile(r"'(\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d\.\d{6}(\+00|Z)?)?)'")
PLACES = date(9000, 1, 1)
"""The place of a query's first time; that of the next is a day later. It can be parsed as the time can."""
PLACE = re.compile(r"'(9\d{3}-\d\d-\d\d)(?: 00:00:00\.000000(?:\+00|Z)?)?'")


@dataclass(frozen=True)
class StoredTest:
    """A test of a stored plan."""

    form: Form
    name: str
    path: str
    """The file that declares it, as dbt's messages name it."""
    severity: str
    clock: int | None
    """Which of the plan's clocks gives the form its times; None where it has none."""


@dataclass(frozen=True)
class StoredPlan:
    """What is needed to run a command again without dbt."""

    fingerprint: str
    watched: tuple[str, ...]
    """The files and folders that dbt read."""
    environment: tuple[str, ...]
    """The environment variables that the project reads."""
    target: tuple[str, str, str]
    """The file of the profile, its name and that of the target."""
    tests: tuple[StoredTest, ...]
    clocks: tuple[Mapping[str, Any], ...]
    """One check for each set of times that a moment gives rise to: `name`, `kwargs`, and `sql` with places for them."""
    variables: Mapping[str, Any]
    """Those of dbt's variables that the package reads, without `vigil_as_of` if that was given on the command line."""
    macros: str
    """The folder of the package's macros; empty where the project does not install the package."""
    tables: Mapping[str, str]
    """The names of the record's tables in SQL; none where the project does not install the package."""
    record: Mapping[str, Any] | None
    """The checks that the record expects, by id; None where nothing is recorded."""
    run_results: str
    """The path of run_results.json."""
    dbt_version: str

    def save(self, file: Path) -> None:
        """Write the plan, at once."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, default=_no_json)
        file.parent.mkdir(parents=True, exist_ok=True)
        ignored_by_git(file.parent)
        new = file.with_suffix(f".{os.getpid()}.new")
        new.write_text(f"{_digest(text)}\n{text}")
        new.replace(file)

    @classmethod
    def load(cls, file: Path) -> StoredPlan | None:
        """Read a plan; None where there is none that this version wrote."""
        try:
            digest, _, text = file.read_text().partition("\n")
            if digest != _digest(text):
                return None
            content = json.loads(text)
            if content.pop("format") != FORMAT:
                return None
            content["target"] = tuple(content["target"])
            content["tests"] = tuple(StoredTest(**test | {"form": _form(test["form"])}) for test in content["tests"])
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _no_json(value: Any) -> Any:
    raise TypeError(f"{value!r} is no JSON")


def _form(content: Mapping[str, Any]) -> Form:
    aggregates = tuple(AntiJoin(**a) if "child" in a else Aggregate(**a) for a in content["aggregates"])
    verdict = Verdict(**content["verdict"]) if content["verdict"] else None
    test = CompiledTest(**content["test"])
    values = tuple(content["values"])
    return Form(**{**content, "test": test, "aggregates": aggregates, "verdict": verdict, "values": values})


def plan_file(directory: Path, arguments: Sequence[str], variables: Mapping[str, Any]) -> Path:
    """The file of the plan of `vigil test` with these arguments.

    Args:
        directory: The project's.
        arguments: Those of dbt, without the variables.
        variables: Those of the command line, without `vigil_as_of`.
    """
    key = repr((list(arguments), dict(variables), str(Path.cwd())))
    return directory / ".vigil" / "plans" / f"{_digest(ascii(key))}.json"


def without_as_of(arguments: Sequence[str], *, keep: bool = False) -> tuple[list[str], dict[str, Any]]:
    """The arguments of a command but `--vars`, and the variables of that but `vigil_as_of`, which every run may change.

    Args:
        arguments: dbt's arguments.
        keep: Keep `vigil_as_of` too.

    Raises:
        yaml.YAMLError: The variables are no YAML.
    """
    rest: list[str] = []
    variables: dict[str, Any] = {}
    pending = iter(arguments)
    for argument in pending:
        name, has_value, value = argument.partition("=")
        if name == "--vars":
            found = _loaded(value if has_value else next(pending, ""))
            variables = found if isinstance(found, dict) else {"": found}  # of several, dbt takes the last
        else:
            rest.append(argument)
    if not keep:
        variables.pop("vigil_as_of", None)
    return rest, variables


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except ValueError as error:  # a date that is none
        raise yaml.YAMLError(str(error)) from error


def fingerprint(watched: Iterable[str], environment: Iterable[str]) -> str:
    """A digest of all that dbt reads: the files' names and content, environment variables, versions, plugins.

    Args:
        watched: Files and folders, which need not exist; of a folder that ends in /*, only the names in it count.
        environment: Names of environment variables; those that dbt reads itself, DBT_…, are always among them.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)

    def add(*parts: str | bytes) -> None:
        for part in parts:
            content = os.fsencode(part) if isinstance(part, str) else part
            digest.update(len(content).to_bytes(8, "big") + content)

    for name in sorted({*environment, *(name for name in os.environ if name.startswith("DBT_"))}):
        add(name, os.environ.get(name, "\0not set"))
    for package in PACKAGES:
        add(package, _version(package))
    add("modules", *_modules())
    for root in watched:
        if root.endswith("/*"):
            add(root, *sorted(path.name for path in Path(root).parent.glob("*")))
            continue
        for file in files(Path(root)):
            add(str(file), file.read_bytes() if file.is_file() else "\0missing")
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return ""


def _modules() -> list[str]:
    """The installed modules that dbt may take for its plugins, by their names on disk."""
    names: set[str] = set()
    for folder in filter(None, sys.path):
        with suppress(OSError):
            names.update(name for name in os.listdir(folder) if name.startswith("dbt_"))  # noqa: PTH208
    names -= {"dbt_packages", "dbt_project.yml"}  # the folder of a project may be among them
    return sorted(names)


def files(root: Path) -> list[Path]:
    """The files that dbt may read in a folder of a project, or the file itself."""
    if not root.is_dir():
        return [root]
    found = []
    for folder, _, names in os.walk(root, followlinks=True):
        found += [Path(folder, name) for name in names if _is_read(name)]
    return sorted(found)


def _is_read(name: str) -> bool:
    return not name.startswith(".") and not name.endswith((".pyc", "~", ".swp"))


def times(sql: str) -> list[str]:
    """The dates and times that stand in a query as literals, in their order."""
    return [found[1] for found in TIME.finditer(sql)]


def slotted(sql: str) -> str:
    """A query with the place of each of its times in that of the time itself."""
    places = iter(range(len(sql)))

    def place(found: re.Match[str]) -> str:
        day = PLACES + timedelta(days=next(places))
        time_of_day = " 00:00:00.000000" if " " in found[1] else ""
        return f"'{day}{time_of_day}{found[2] or ''}'"

    return TIME.sub(place, sql)


def bound(form: Form, found: Sequence[str]) -> Form:
    """A form with times in the places for them."""

    def filled(text: str) -> str:
        return PLACE.sub(lambda place: f"'{found[(date.fromisoformat(place[1]) - PLACES).days]}'", text)

    def filled_in(aggregate: Value) -> Value:
        fields: dict[str, Any] = {k: filled(value) for k, value in vars(aggregate).items() if isinstance(value, str)}
        return replace(aggregate, **fields)

    return replace(
        form,
        test=replace(form.test, sql=filled(form.test.sql)),
        query=filled(form.query),
        aggregates=tuple(map(filled_in, form.aggregates)),
        values=tuple(filled(value) for value in form.values),
    )
