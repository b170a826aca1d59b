"""How long `vigil watch` takes to answer, on a DuckDB record of 1,000 checks and 1,000,000 of their runs.

Run it as `python -m benchmarks.watch`. It prints the seconds of the whole command, and beside them those of
`vigil --version`, which is start-up alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb

from tests.engines import DuckDB
from tests.project import Project

TURNS = 5
CHECKS, RUNS = 1000, 1000
RECORD = f"""
insert into vigil_registry_log
select
  'test.cases.check_' || c, 'cases', 'duckdb', uuid(), 'registered', 'check_' || c, 'main.table_' || c // 10,
  'column_' || c, 'error', 86400, 3600, 'team_' || c % 20, null, md5(c::varchar), timestamp '2023-01-01'
from range({CHECKS}) as checks(c);
insert into vigil_check_log
select
  'test.cases.check_' || c, 'cases', 'duckdb', md5(r::varchar), moment, moment, moment + interval 1 second,
  case when hash(c, r) % 500 = 0 then 'fail' when hash(c, r) % 997 = 0 then 'error' else 'pass' end,
  case when hash(c, r) % 500 = 0 then 1 else 0 end, null, random(), null, 0.5, random() * 1000, 1000, null,
  'team_' || c % 20, null, moment + interval 1 minute
from
  (select r, timestamp '2023-01-01' + to_hours(24 * r) as moment from range({RUNS}) as runs(r)),
  range({CHECKS}) as checks(c)
order by r
"""


def main() -> None:
    """Builds the record, and asks it in turns."""
    with tempfile.TemporaryDirectory() as directory:
        project = Project(Path(directory), DuckDB(), {"vigil_record": True})
        project.write("models/one.sql", "select 1 as id")
        assert project.run("build").success
        with duckdb.connect(str(project.directory / "cases.duckdb")) as connection:
            connection.execute(RECORD)
            [(rows,)] = connection.execute("select count(*) from vigil_check_log").fetchall()
        watch = [seconds(project, "watch", "--as-of", "2025-09-27") for _ in range(TURNS)]
        start = [seconds(project, "--version") for _ in range(TURNS)]
        print(
            f"vigil watch, {CHECKS:,} checks, {rows:,} runs: {median(watch):.2f} s, "
            f"of which start-up {median(start):.2f} s"
        )


def seconds(project: Project, *arguments: str) -> float:
    """The seconds of one `vigil` command."""
    vigil = str(Path(sys.executable).parent / "vigil")
    started = time.perf_counter()
    run = subprocess.run([vigil, *arguments], cwd=project.directory, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - started
    assert run.returncode in (0, 1, 2), run.stderr
    return elapsed


if __name__ == "__main__":
    main()
