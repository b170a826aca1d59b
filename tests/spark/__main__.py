"""Starts a cluster for each table format, and leaves it running: `python -m tests.spark up [delta] [iceberg]`; `down`.

What they write, tables too, is in the folder `.spark`, and is there when they are started again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.spark.cluster import FORMATS, start_cluster
from tests.spark.processes import HOST, free_port, stop

FOLDER = Path(".spark").absolute()
PROFILE = """\
    {name}:  # tables are in the catalog {catalog}
      type: spark
      method: thrift
      host: {host}
      port: {port}
      schema: analytics
      threads: 2
"""
PROJECT = """\
In dbt_project.yml, with the same format:

models:
  +file_format: {name}
vars:
  vigil_file_format: {name}

`make spark-down` stops them."""


def up(formats: list[str]) -> None:
    """Prints what goes into profiles.yml, as soon as it is there."""
    down(formats)
    print("In profiles.yml, under `outputs:`\n")
    for name in formats:
        folder, port = FOLDER / name, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "pids").open("w") as pids:
            for process in start_cluster(name, folder, free_port(), port):
                print(process.pid, file=pids, flush=True)
        catalog = {"delta": "spark_catalog", "iceberg": "lake"}[name]
        print(PROFILE.format(name=name, catalog=catalog, host=HOST, port=port), flush=True)
    print(PROJECT.format(name=formats[0]))


def down(formats: list[str]) -> None:
    """Stops what `up` has started and what still runs."""
    for pids in (FOLDER / name / "pids" for name in formats):
        for pid in pids.read_text().split()[::-1] if pids.exists() else []:
            found = subprocess.run(["ps", "-o", "args=", "-p", pid], capture_output=True, text=True, check=False)
            if str(pids.parent) in found.stdout or "org.apache.spark" in found.stdout:
                stop(int(pid), signal.SIGTERM)
        pids.unlink(missing_ok=True)


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]](sys.argv[2:] or list(FORMATS))
