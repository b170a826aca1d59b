"""A run's results on local disk, until the record has them: a file of JSON lines for each run.

The file is locked for as long as the run lives, so that the death of a process, whatever its cause, is what lets
another one take over its file. A run is removed from the spool only after the record has it.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import portalocker

__all__ = ["Run", "SpoolFile", "abandoned_runs", "ignored_by_git", "scrubbed"]


class SpoolFile:
    """The file of one run that is going on in this process."""

    def __init__(self, directory: Path) -> None:
        """Open a file, under a name that no other process takes for that of a dead run.

        Raises:
            OSError: It cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        ignored_by_git(directory)
        self._path = directory / f"{uuid.uuid4()}.new"
        self._file: IO[str] = self._path.open("a")
        portalocker.lock(self._file, portalocker.LockFlags.EXCLUSIVE)

    def start(self, facts: Mapping[str, Any]) -> None:
        """Write down, safe from a power cut, that a run has started, and what is known of it."""
        self._write("started", facts)
        os.fsync(self._file.fileno())
        self._path = self._path.rename(self._path.with_suffix(".jsonl"))
        _sync_directory(self._path.parent)

    def add_result(self, result: Mapping[str, Any]) -> None:
        """Write down one result, in the form of an entry of run_results.json. It survives the death of the process."""
        self._write("result", result)

    def end(self, **facts: Any) -> None:
        """Write down, safe from a power cut, that the run has ended, and how."""
        self._write("ended", facts)
        os.fsync(self._file.fileno())

    def remove(self) -> None:
        """Remove the run from the spool: the record has it."""
        self._path.unlink()

    def close(self) -> None:
        """Let go of the file: the run is whoever's who flushes the spool. One that never started leaves nothing."""
        if self._path.suffix == ".new":
            self._path.unlink(missing_ok=True)
        self._file.close()

    def _write(self, event: str, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps({event: content}) + "\n")
        self._file.flush()


@dataclass(frozen=True)
class Run:
    """A run that its process left in the spool: what is known of it, and its results."""

    path: Path
    facts: Mapping[str, Any]
    results: tuple[Mapping[str, Any], ...]

    def remove(self) -> None:
        """Remove it from the spool: the record has it."""
        self.path.unlink(missing_ok=True)


@contextmanager
def abandoned_runs(directory: Path) -> Iterator[list[Run]]:
    """Hold the runs of processes that are no more, oldest first. Other processes do not see them meanwhile."""
    held: list[tuple[Run, IO[str]]] = []
    try:
        for path in directory.glob("*.jsonl"):
            with suppress(FileNotFoundError, portalocker.LockException):
                file: IO[str] = path.open("r+")
                try:
                    portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
                    if path.exists():
                        held.append((_read(path, file), file))
                except BaseException:
                    file.close()
                    raise
        yield sorted((run for run, _ in held), key=lambda run: str(run.facts.get("started_at")))
    finally:
        for _, file in held:
            file.close()


def _read(path: Path, file: IO[str]) -> Run:
    facts: dict[str, Any] = {"status": "interrupted"}
    results = []
    for line in file:
        try:
            [(event, content)] = json.loads(line).items()
        except ValueError:
            break  # the process died while it wrote this line
        if event == "result":
            results.append(content)
        else:
            facts |= content
    return Run(path, facts, tuple(results))


def ignored_by_git(directory: Path) -> None:
    """See to it that git ignores all in the folder `.vigil` that a folder is in, if it is in one."""
    with suppress(StopIteration):
        top = next(parent for parent in directory.parents if parent.name == ".vigil")
        if not (top / ".gitignore").exists():
            (top / ".gitignore").write_text("*\n")


def scrubbed(message: str | None) -> str | None:
    """As much of a message as is kept, without the secrets that dbt hides too."""
    for name, value in os.environ.items():
        if message and name.startswith("DBT_ENV_SECRET") and value.strip():
            message = message.replace(value, "*****")
    return message[:2000] if message else None


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened, nor needs to be
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
