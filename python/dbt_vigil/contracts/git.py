"""What a branch of a git repository has, and since when it has it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from dbt_vigil.project import VigilError

__all__ = ["Base", "Commit", "base_of"]

SUFFIXES = (".yml", ".yaml", ".avsc", ".proto", ".json")


@dataclass(frozen=True)
class Commit:
    """A commit of the base branch."""

    name: str
    landed_at: datetime
    """When it was committed there: not what its author says."""


@dataclass(frozen=True)
class Base:
    """The branch that a change is to land in."""

    root: Path
    """The folder of the repository."""
    ref: str
    fork: str
    """The last commit that the branch and the change have in common."""

    def export(self, folder: Path) -> None:
        """Write the schemas and YAML of the fork to a folder, in the same folders as in the repository."""
        listed = _git(self.root, "ls-tree", "-r", "-z", "--full-tree", self.fork).decode().split("\0")
        blobs = [(facts.split()[2], path) for facts, _, path in (entry.partition("\t") for entry in listed if entry)]
        wanted = [(name, path) for name, path in blobs if path.endswith(SUFFIXES)]
        contents = self._contents(name for name, _ in wanted)
        for (_, path), content in zip(wanted, contents, strict=True):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content or b"")

    def history(self, path: str) -> Iterator[tuple[Commit, str]]:
        """Each version of a file on the branch itself, the newest first. A commit in which it is not there is empty.

        Args:
            path: Relative to the repository's folder.
        """
        log = _git(self.root, "log", "--first-parent", "--format=%H %ct", self.ref, "--", path).decode().splitlines()
        commits = [Commit(name, datetime.fromtimestamp(int(at), timezone.utc)) for name, at in map(str.split, log)]
        contents = self._contents(f"{commit.name}:{path}" for commit in commits)
        for commit, content in zip(commits, contents, strict=True):
            yield commit, (content or b"").decode(errors="replace")

    def path_of(self, file: Path) -> str:
        """A file's path relative to the repository's folder."""
        return file.resolve().relative_to(self.root).as_posix()

    @property
    def is_shallow(self) -> bool:
        """Whether a part of the history is missing."""
        return _git(self.root, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def _contents(self, names: Iterator[str]) -> list[bytes | None]:
        """What objects hold; None of one that is not there."""
        asked = "".join(f"{name}\n" for name in names).encode()
        answer, found, start = _git(self.root, "cat-file", "--batch", given=asked), list[bytes | None](), 0
        while start < len(answer):
            end = answer.index(b"\n", start)
            header = answer[start:end].split()
            if header[-1] == b"missing":
                found.append(None)
                start = end + 1
            else:
                size = int(header[-1])
                found.append(answer[end + 1 : end + 1 + size])
                start = end + size + 2
        return found


def base_of(folder: Path, ref: str) -> Base:
    """The base branch of the repository that a folder is in.

    Args:
        folder: A folder of a work tree.
        ref: A branch or a commit, such as `origin/main`.

    Raises:
        VigilError: The folder is in no repository, there is no such branch, or they have no commit in common.
    """
    root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip()).resolve()
    try:
        _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except VigilError as error:
        raise VigilError(f"git knows no branch `{ref}`: fetch it, or give another as --base.") from error
    try:
        fork = _git(root, "merge-base", "--end-of-options", ref, "HEAD").decode().strip()
    except VigilError as error:
        text = f"git finds no commit that `{ref}` and HEAD have in common: fetch the whole history (fetch-depth: 0)."
        raise VigilError(text) from error
    return Base(root, ref, fork)


def _git(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    try:
        run = subprocess.run(["git", "-C", str(folder), *arguments], input=given, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise VigilError("There is no git on this machine.") from error
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip()
        raise VigilError(f"git {arguments[0]} failed in {folder}: {said or f'exit code {run.returncode}'}.")
    return run.stdout
