"""Where a project's record is: what dbt_project.yml and profiles.yml say of it, read without dbt.

A command that only looks at the record must answer in a second, and while the project itself does not parse.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

__all__ = ["Project", "VigilError", "find_project", "read_artifact"]


class VigilError(Exception):
    """What a person must mend before vigil can judge: the message says what, and where."""


@dataclass(frozen=True)
class Project:
    """A dbt project and one target of its profile."""

    directory: Path
    name: str
    profiles_directory: Path
    profile_name: str
    target_name: str
    credentials: Mapping[str, Any] = field(repr=False)
    """The target's entry in profiles.yml, rendered. It may hold secrets: nothing prints it."""
    vars: Mapping[str, Any] = field(default_factory=dict)
    given_vars: Mapping[str, Any] = field(default_factory=dict)
    """Those of `vars` that were given on the command line."""

    @property
    def engine(self) -> str:
        """The type of the adapter: `duckdb` or `spark`."""
        return str(self.credentials["type"])

    @property
    def record_schema(self) -> str:
        """The schema that the tables of the record are in."""
        return str(self.vars.get("vigil_schema") or self.credentials.get("schema") or "main")

    @property
    def database_file(self) -> Path | None:
        """The file of a local DuckDB database, None for any other engine and for one in memory."""
        path = str(self.credentials.get("path") or ":memory:")
        is_file = self.engine == "duckdb" and not path.startswith((":memory:", "md:", "motherduck:", "ducklake:"))
        return Path(path).absolute() if is_file else None

    @property
    def spool_directory(self) -> Path:
        """Where runs that are not yet in the record are kept."""
        base = os.environ.get("VIGIL_SPOOL")
        return Path(base or self.directory / ".vigil" / "spool") / self.name / self.target_name


def find_project(
    project_dir: str | Path | None = None,
    profiles_dir: str | Path | None = None,
    profile: str | None = None,
    target: str | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Project:
    """Read a project and its profile, looked for where dbt looks for them.

    Args:
        project_dir: The folder of dbt_project.yml. Default: DBT_PROJECT_DIR, or the current folder.
        profiles_dir: The folder of profiles.yml. Default: DBT_PROFILES_DIR, or the current folder, or ~/.dbt.
        profile: The profile's name. Default: DBT_PROFILE, or that of dbt_project.yml.
        target: The target's name. Default: DBT_TARGET, or that of the profile.
        variables: Variables as given to `--vars`, which come before those of dbt_project.yml.

    Raises:
        VigilError: A file, the profile or the target is missing, or cannot be read.
    """
    directory = Path(project_dir or os.environ.get("DBT_PROJECT_DIR") or ".").expanduser().absolute()
    profiles_directory = Path(
        profiles_dir
        or os.environ.get("DBT_PROFILES_DIR")
        or (Path.cwd() if Path("profiles.yml").exists() else Path.home() / ".dbt")
    ).expanduser().absolute()  # fmt: skip
    given = dict(variables or {})
    project = _load(directory / "dbt_project.yml")
    name = _rendered(project.get("name"), given, "name in dbt_project.yml")
    profile_name = profile or os.environ.get("DBT_PROFILE") or _rendered(project.get("profile"), given, "profile")
    file = profiles_directory / "profiles.yml"
    profiles = _load(file)
    if profile_name not in profiles:
        raise VigilError(f"{file} has no profile `{profile_name}`. It has: {', '.join(map(str, profiles)) or 'none'}.")
    chosen = profiles[profile_name]
    target_name = target or os.environ.get("DBT_TARGET") or _rendered(chosen.get("target", "default"), given, "target")
    outputs = chosen.get("outputs") or {}
    if target_name not in outputs:
        raise VigilError(
            f"{file}: profile `{profile_name}` has no target `{target_name}`. It has: {', '.join(outputs) or 'none'}."
        )
    return Project(
        directory=directory,
        name=name,
        profiles_directory=profiles_directory,
        profile_name=profile_name,
        target_name=target_name,
        credentials=_rendered_all(outputs[target_name], given, f"target `{target_name}` in {file}"),
        vars=_variables(project, name) | given,
        given_vars=given,
    )


def read_artifact(file: Path, key: str) -> dict[str, Any]:
    """A file that dbt has written, such as manifest.json.

    Args:
        file: Which.
        key: What it has besides `metadata`: a list or a mapping.

    Raises:
        VigilError: It cannot be read, or is not such a file.
    """
    try:
        content = json.loads(file.read_bytes())
        if isinstance(content[key], list | dict) and isinstance(content["metadata"], dict):
            return dict(content)
    except OSError as error:
        raise VigilError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise VigilError(f"{file} is not an artifact of dbt that has `{key}`.")


def _variables(project: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The variables that the package's hooks see: the global ones, those of the project, those for the package."""
    declared = project.get("vars") or {}
    scoped = {key: value for part in (name, "vigil") for key, value in (declared.get(part) or {}).items()}
    return {key: value for key, value in declared.items() if not isinstance(value, dict)} | scoped


def _load(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise VigilError(f"{file} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise VigilError(f"{file} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise VigilError(f"{file} is not a mapping.")
    return content


def _rendered_all(value: Any, given: Mapping[str, Any], where: str) -> Any:
    if isinstance(value, dict):
        return {key: _rendered_all(entry, given, f"`{key}` of {where}") for key, entry in value.items()}
    if isinstance(value, list):
        return [_rendered_all(entry, given, where) for entry in value]
    return _rendered(value, given, where) if isinstance(value, str) else value


def _rendered(text: Any, given: Mapping[str, Any], where: str) -> str:
    if not isinstance(text, str):
        raise VigilError(f"The {where} is missing.")
    environment = Environment(undefined=StrictUndefined)
    # dbt's filters; a value of any type is text here.
    environment.filters |= dict.fromkeys(("as_text", "as_native", "as_number", "as_bool"), str)

    def env_var(name: str, default: str | None = None) -> str:
        value = os.environ.get(name, default)
        if value is None:
            raise VigilError(f"Environment variable `{name}` is not set, which {where} asks for.")
        return value

    def var(name: str, default: Any = None) -> Any:
        return given.get(name, default)

    try:
        return environment.from_string(text).render(env_var=env_var, var=var)
    except TemplateError as error:
        raise VigilError(f"The {where} cannot be rendered: {error}") from error
