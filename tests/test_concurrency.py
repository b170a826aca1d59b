"""Several processes at once, and processes that are killed: every run is in the record, and none is twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import killing
from tests.shop import LATER, Shop
from tests.spark.server import ThriftServer, thrift_server


def together(directory: Path, processes: int, *arguments: str) -> list[int]:
    """The exit codes of as many `vigil test`, all started at once."""
    running = [
        subprocess.Popen(
            [killing.VIGIL, "test", "--target-path", f"target_{number}", "--log-path", f"logs_{number}", *arguments],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        for number in range(processes)
    ]
    return [process.wait() for process in running]


def test_four_processes_on_one_duckdb_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"one": {}, "two": {}})
    shop.vigil("build")
    assert together(tmp_path, 4) == [0] * 4
    assert list(shop.spool.glob("*.jsonl")) == []
    assert shop.rows("select status, count(*) from invocations group by all") == [("finished", 5)]
    assert shop.rows("select count(*), count(distinct (invocation_id, check_id)) from check_runs") == [(10, 10)]


HOLD = "import duckdb, sys; held = duckdb.connect('cases.duckdb'); print('held', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("command", ["test", "watch"])
def test_it_waits_for_whoever_has_the_database(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path, {"one": {}})
    shop.vigil("build")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    refused = shop.vigil("watch", "--wait", "0")
    assert (refused.code, "cases.duckdb cannot be opened" in refused.text) == (2, True)
    waits = []

    def until_it_lets_go(seconds: float) -> None:
        waits.append(seconds)
        holder.communicate("")

    monkeypatch.setattr("dbt_vigil.record.sleep", until_it_lets_go)
    assert shop.vigil(command).code == 0
    assert len(waits) == 1


def test_killed_at_random_moments(tmp_path: Path) -> None:
    tally = killing.rehearse(tmp_path, runs=4, seed=3)
    assert tally.killed == 4


@pytest.fixture(scope="module")
def thrift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThriftServer]:
    with thrift_server(tmp_path_factory.mktemp("thrift")) as server:
        yield server


@pytest.mark.spark
def test_eight_processes_into_one_spark_table(thrift: ThriftServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"one": {}, "two": {"test": "vigil.null_rate"}}, engine=thrift)
    assert shop.vigil("build").code == 0
    assert together(tmp_path, 8) == [0] * 8
    assert list(shop.spool.glob("*.jsonl")) == []
    schema = tmp_path.name.replace("-", "_")
    [row] = thrift.rows(tmp_path, f"select count(*) as n from {schema}.invocations where status = 'finished'")
    assert row == {"n": 9}
    counted = "select count(*) as n, count(distinct invocation_id, check_id) as different"
    assert thrift.rows(tmp_path, f"{counted} from {schema}.check_runs") == [{"n": 18, "different": 18}]
    now, later = shop.watch(), shop.watch(LATER)
    assert (now.code, "2 ok" in now.text) == (0, True)
    assert (later.code, later.named("overdue")) == (3, {"one", "two"})
    values = thrift.rows(tmp_path, f"select last_value from {schema}.check_status order by check_name")
    assert values == [{"last_value": None}, {"last_value": 0.0}]
