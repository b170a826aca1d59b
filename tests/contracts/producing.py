"""A producer's repository: the example, its history in git, and what dbt wrote of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from dbt_vigil.cli import main
from tests.project import REPO

EXAMPLE = REPO / "examples/contracts"
NOW = datetime(2026, 11, 25, 9, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Repository:
    """A work tree on a branch of its own, which is to land in `main`."""

    folder: Path

    def git(self, *arguments: str, at: datetime = NOW) -> str:
        """What git prints; a commit is made at a moment."""
        who = {f"GIT_{role}_{what}": "shop" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        # The author's date says nothing: only that of the commit counts.
        when = {"GIT_COMMITTER_DATE": at.isoformat(), "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z"}
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        environment = os.environ | who | when | {"GIT_CONFIG_GLOBAL": os.devnull}
        run = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=True)
        return run.stdout

    def land(self, at: datetime = NOW) -> None:
        """Commit all that is in the work tree to `main`."""
        self.git("checkout", "--quiet", "-B", "main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "landed", at=at)
        self.git("checkout", "--quiet", "-B", "change")

    def edit(self, name: str, *edits: tuple[str, str]) -> None:
        """Replace texts, each of which is there, in a file."""
        text = (self.folder / name).read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        (self.folder / name).write_text(text)

    def artifact(self, name: str, change: Callable[[Any], None]) -> None:
        """Change an artifact of dbt."""
        file = self.folder / "target" / name
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    def vigil(self, *arguments: str, of: Sequence[str] = ("contracts",)) -> Result:
        """Run `vigil contracts` there, or another command."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return CliRunner().invoke(main, [*of, *arguments])
        finally:
            os.chdir(before)

    def check(self, *arguments: str, at: datetime = NOW) -> tuple[int, list[dict[str, Any]]]:
        """The exit code, and the findings."""
        what = ["--base", "main", "--state", "state", "--as-of", f"{at:%Y-%m-%d}", "--format", "json"]
        result = self.vigil("check", *what, *arguments)
        assert result.output[:1] in ("{", "["), result.output
        found: list[dict[str, Any]] = json.loads(result.output)["findings"]
        return result.exit_code, found


def example(folder: Path) -> Path:
    """The example, built by dbt, with its artifacts as those of the base branch too."""
    ignored = shutil.ignore_patterns("dbt_packages", "target", "logs", "*.duckdb*", ".vigil")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    (folder / "packages.yml").write_text(json.dumps({"packages": [{"local": str(REPO)}]}))
    (folder / ".gitignore").write_text("target/\nstate/\nlogs/\ndbt_packages/\n*.duckdb*\n.vigil/\n")
    dbt = Path(sys.executable).with_name("dbt")
    for command in (["deps"], ["build"], ["docs", "generate"]):
        run = subprocess.run([dbt, *command, "--profiles-dir", "."], cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout
    (folder / "state").mkdir()
    for name in ("manifest.json", "catalog.json"):
        content = json.loads((folder / "target" / name).read_text())
        content["metadata"]["invocation_id"] = "that of the base branch"
        (folder / "state" / name).write_text(json.dumps(content))
    return folder


def repository(built: Path, folder: Path) -> Repository:
    """A repository of a copy of the example, which landed 60 days ago."""
    shutil.copytree(built, folder, ignore=shutil.ignore_patterns("dbt_packages", "logs", "*.duckdb*"))
    found = Repository(folder)
    found.git("init", "--quiet")
    found.land(NOW - timedelta(days=60))
    return found
