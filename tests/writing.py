"""Many processes that run `vigil test`, again and again, into one record.

`python -m tests.writing <runs> <number>` is one of them: it works in the current folder, a project that was built.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from dbt_vigil.cli import main

# `make test-writers` lets eight run 50 times each.
RUNS = int(os.environ.get("VIGIL_RUNS", "1"))
PROCESSES = 8 if RUNS > 1 else 3


def start_writers(directory: Path, runs: int) -> list[subprocess.Popen[str]]:
    """Start all of them at once."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.writing", str(runs), str(number)],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(PROCESSES)
    ]


def write(runs: int, number: str) -> None:
    """One process: the first run that is not green ends it."""
    for _ in range(runs):
        run = CliRunner().invoke(main, ["test", "--target-path", f"target_{number}", "--log-path", f"logs_{number}"])
        if run.exit_code != 0:
            sys.exit(f"{run.output}\n{run.exception}")


if __name__ == "__main__":
    write(int(sys.argv[1]), sys.argv[2])
