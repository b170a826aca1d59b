"""A connection by dbt's adapter, without a parse: for Spark, and for a DuckDB that is more than a file."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dbt.adapters.factory import get_adapter_class_by_name, load_plugin
from dbt.config.runtime import load_profile
from dbt.flags import set_from_args
from dbt.mp_context import get_mp_context
from dbt_common.exceptions import DbtBaseException

from dbt_vigil.project import Project, VigilError

__all__ = ["adapter_connection"]


@contextmanager
def adapter_connection(project: Project) -> Iterator[_Adapter]:
    """Connect as dbt would with the project's profile.

    Raises:
        VigilError: The connection cannot be made.
    """
    set_from_args(Namespace(PROFILES_DIR=str(project.profiles_directory), PROJECT_DIR=str(project.directory)), None)
    try:
        load_plugin(project.engine)
        profile: Any = load_profile(
            str(project.directory), dict(project.given_vars), project.profile_name, project.target_name
        )
        manager = get_adapter_class_by_name(project.engine).ConnectionManager(profile, get_mp_context())
        manager.set_connection_name("vigil")
    except DbtBaseException as error:
        raise VigilError(f"There is no connection to target `{project.target_name}`: {error}") from error
    try:
        yield _Adapter(manager)
    finally:
        manager.cleanup_all()


class _Adapter:
    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        try:
            _, cursor = self._manager.add_query(sql, auto_begin=False)
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
        except DbtBaseException as error:
            raise VigilError(f"The record cannot be read: {error}") from error
        return rows
