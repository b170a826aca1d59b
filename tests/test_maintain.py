"""`vigil maintain`: what the record may forget, and what it never does."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.engines import DuckDB, Engine, Row, Spark
from tests.shop import Shop
from tests.spark.cluster import Cluster
from tests.test_record import literal
from tests.writing import PROCESSES, RUNS, start_writers

DAY = timedelta(days=1)
RETENTION = 60
CHECKS = 60
STATUSES = ("pass", "warn", "fail", "fail", "no_data", "error", "skipped")


def write_history(engine: Engine, directory: Path, schema: str, now: datetime, seed: int) -> None:
    """What happened in 200 days to checks that were registered, ran, also for past days, and were retired."""
    chance = random.Random(seed)
    events: list[Row] = []
    runs: list[Row] = []
    for number in range(CHECKS):
        key = {"check_id": f"test.cases.c{number}", "project_name": "cases", "target_name": engine.name}
        kept = {"check_name": f"c{number}", "severity": chance.choice(("error", "warn"))}
        times = {"expect_every_seconds": 86400.0, "grace_seconds": 3600.0}
        ages = sorted((chance.uniform(0, 200) for _ in range(chance.randrange(4))), reverse=True)
        for event, age in zip(("registered", "retired", "registered"), ages, strict=False):
            events.append(key | kept | times | {"event": event, "recorded_at": now - age * DAY})
        for run in range(chance.randrange(8)):
            finished = now - chance.uniform(0, 200) * DAY
            status = chance.choice(STATUSES)
            as_of = finished - chance.choice((0, 0, chance.uniform(0, 100))) * DAY
            failures = 0 if status == "pass" else chance.choice((0, 1)) if status == "no_data" else 1
            moments = {"as_of": as_of, "finished_at": finished, "recorded_at": finished}
            runs.append(key | {"invocation_id": f"{number} {run}", "status": status, "failures": failures} | moments)
    for table, rows in (("vigil_registry_log", events), ("vigil_check_log", runs)):
        if engine.file_format == "delta":
            rows = [row | {"recorded_on": str(row["recorded_at"].date())} for row in rows]
        values = ", ".join(f"({', '.join(map(literal, row.values()))})" for row in rows)
        engine.rows(directory, f"insert into {schema}.{table} ({', '.join(rows[0])}) values {values}")


def told(shop: Shop, moment: datetime) -> list[dict[str, Any]]:
    """What `vigil status` says of every check at a moment, but for the number of its runs."""
    answer = shop.vigil("status", "--json", "--as-of", moment.isoformat())
    assert answer.code == 0, answer.text
    checks = json.loads(answer.text)
    return [{key: value for key, value in check.items() if key != "runs_last_30_days"} for check in checks]


def log(engine: Engine, shop: Shop, table: str, what: str = "*", where: str = "true") -> list[Row]:
    schema = engine.profile(shop.directory).get("schema", "main")
    return engine.rows(shop.directory, f"select {what} from {schema}.vigil_{table}_log where {where}")


@pytest.mark.parametrize("seed", range(3))
def test_a_retention_forgets_nothing_that_a_status_rests_on(tmp_path: Path, seed: int) -> None:
    engine = DuckDB()
    shop = Shop(tmp_path, {"one": {}}, engine=engine)
    assert shop.vigil("build").code == 0
    now = datetime.now(timezone.utc)
    write_history(engine, tmp_path, "main", now, seed)
    moments = [now, *(now - days * DAY for days in (20, 40, RETENTION - 1))]
    before = [told(shop, moment) for moment in moments]
    rows = log(engine, shop, "check")
    assert shop.vigil("maintain").code == 0
    assert len(log(engine, shop, "check")) == len(rows), "without a retention it keeps all"
    answer = shop.vigil("maintain", "--vars", f"{{vigil_retention: {RETENTION} days}}")
    assert answer.code == 0, answer.text
    assert [told(shop, moment) for moment in moments] == before
    kept = log(engine, shop, "check")
    assert 20 < len(kept) < len(rows) - 20
    recent = f"recorded_at >= timestamp '{now - RETENTION * DAY:%Y-%m-%d %H:%M:%S}'"
    assert [
        row for row in rows if row not in kept and row["recorded_at"] >= (now - RETENTION * DAY).replace(tzinfo=None)
    ] == []
    assert len(log(engine, shop, "check", where=recent)) > 20
    retired = {check["check_id"] for check in before[0]}
    assert {row["check_id"] for row in log(engine, shop, "registry")} >= retired


def test_a_retention_that_is_none_deletes_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"one": {}})
    shop.vigil("build")
    answer = shop.vigil("maintain", "--vars", "{vigil_retention: a year}")
    assert (answer.code, "var `vigil_retention` is a year. Accepted: " in answer.text) == (2, True), answer.text
    assert shop.rows("select count(*) from check_runs") == [(1,)]


@pytest.mark.spark
def test_a_record_in_parquet_says_what_it_cannot(spark: Spark, tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"one": {}}, engine=spark)
    assert shop.vigil("build").code == 0
    answer = shop.vigil("maintain")
    assert (answer.code, "is in parquet" in answer.text, "Accepted: delta, iceberg" in answer.text) == (2, True, True)


def files(engine: Engine, shop: Shop) -> int:
    """How many files the runs of the record are in."""
    table = f"{engine.profile(shop.directory)['schema']}.vigil_check_log"
    if engine.file_format == "delta":
        return int(engine.rows(shop.directory, f"describe detail {table}")[0]["numFiles"])
    return int(engine.rows(shop.directory, f"select count(*) as n from {table}.files")[0]["n"])


def test_processes_write_while_the_record_is_maintained(lake: Cluster, tmp_path: Path) -> None:
    shop, engine = Shop(tmp_path, {"one": {}}, engine=lake.engine), lake.engine
    assert shop.vigil("build").code == 0
    write_history(engine, tmp_path, str(engine.profile(tmp_path)["schema"]), datetime.now(timezone.utc), seed=1)
    now = datetime.now(timezone.utc)
    history, before = log(engine, shop, "check", where="check_id like 'test.cases.c%'"), told(shop, now)
    retention = ["--vars", f"{{vigil_retention: {RETENTION} days}}"]

    writers = start_writers(tmp_path, RUNS)
    assert shop.vigil("maintain", *retention).code == 0
    outputs = [writer.communicate()[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * PROCESSES, outputs
    assert list(shop.spool.glob("*.jsonl")) == []

    for _ in range(2):  # that there is something to join, whenever the others were done
        assert shop.vigil("test").code == 0
    runs = PROCESSES * RUNS + 3
    written = "count(*) as n, count(distinct invocation_id) as different", "check_id like 'test.cases.one.%'"
    assert log(engine, shop, "check", *written) == [{"n": runs, "different": runs}]
    assert log(engine, shop, "invocation", written[0]) == [{"n": runs, "different": runs}]
    if engine.file_format == "delta":  # whose partitions are days in UTC, in a session of whichever zone
        moments = "unix_micros(recorded_at) as at, cast(recorded_on as string) as day"
        days = {
            row["day"]: datetime.fromtimestamp(row["at"] / 1e6, timezone.utc)
            for row in log(engine, shop, "check", moments)
        }
        assert all(str(moment.date()) == day for day, moment in days.items())
    many = files(engine, shop)
    assert shop.vigil("maintain", *retention).code == 0
    assert files(engine, shop) < many
    assert log(engine, shop, "check", *written) == [{"n": runs, "different": runs}]
    assert len(log(engine, shop, "check", where="check_id like 'test.cases.c%'")) < len(history)
    assert told(shop, now) == before
    assert modules_of_watch(tmp_path) == "set()\n"


def modules_of_watch(directory: Path) -> str:
    """Which of the slow modules `vigil watch` imports."""
    script = """if True:
        import sys
        from click.testing import CliRunner
        from dbt_vigil.cli import main
        run = CliRunner().invoke(main, ["watch"])
        assert "checks: " in run.output, run.output
        print({"dbt", "dbt_common", "pyspark"} & set(sys.modules))
    """
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout
