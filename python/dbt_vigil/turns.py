"""One process at a time, where the database lets one write at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import portalocker

from dbt_vigil.project import Project, VigilError
from dbt_vigil.record import wait_for_database

__all__ = ["database_turn"]


@contextmanager
def database_turn(project: Project, timeout: float | None = None) -> Iterator[None]:
    """Wait for this process's turn where the database lets one process write at a time, that is for a DuckDB file.

    Args:
        project: Whose database.
        timeout: Seconds to wait. Default: VIGIL_LOCK_TIMEOUT, or an hour.

    Raises:
        VigilError: It was not this process's turn for so long.
    """
    seconds = float(os.environ.get("VIGIL_LOCK_TIMEOUT", "3600")) if timeout is None else timeout
    file = project.database_file
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    turn = portalocker.Lock(file.with_name(file.name + ".vigil-lock"), "a", timeout=seconds, check_interval=0.05)
    try:
        turn.acquire()
    except portalocker.LockException as error:
        raise VigilError(
            f"{file} was in use by another vigil command for {seconds:g} s (VIGIL_LOCK_TIMEOUT)."
        ) from error
    try:
        wait_for_database(file, seconds, read_only=False).close()
        yield
    finally:
        turn.release()
