"""What happens to `vigil test` when a machine of the cluster dies."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests import killing
from tests.conftest import only
from tests.shop import Shop
from tests.spark.cluster import Cluster, tasks

# In two files, so that each worker has a part of every scan.
ROWS = "select id, if(id % 1000 = 0, null, id) as amount from range(0, 2000000, 1, 2)"
SLOW = "select 1 as x from range(0, 1500000000, 1, 2) where sqrt(id) < 0"


@only("delta")
def test_a_worker_killed_in_the_middle_of_a_suite_costs_no_verdict_and_no_heartbeat(
    lake: Cluster, tmp_path: Path
) -> None:
    tests = {
        "found_null": {},
        "few_nulls": {"test": "vigil.null_rate"},
        "many_nulls": {"test": "vigil.null_rate", "arguments": {"max_rate": 0.0001}},
        "no_duplicate": {"test": "unique"},
        "no_orphan": {"test": "vigil.orphan_rate", "arguments": {"to": "ref('orders')", "field": "id"}},
        "broken": {"config": {"where": "no_such_column = 1"}},
    }
    shop = Shop(tmp_path, tests, ROWS, lake.engine)
    shop.project.write("tests/slow.sql", f"{SLOW} and id in (select id from {{{{ ref('orders') }}}})")
    assert shop.vigil("build").code == 2
    running = subprocess.Popen(
        [killing.VIGIL, "test"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ)
    )
    while not (worker := lake.busy_worker(2)):
        assert running.poll() is None, "it ended before a worker was killed"
        time.sleep(0.1)
    lake.kill_a_worker(worker)
    try:
        printed, _ = running.communicate()
    finally:
        lake.add_a_worker()
    assert running.returncode == 2, printed
    assert tasks(worker), "its last task had ended before it was killed"
    schema = tmp_path.name.replace("-", "_")
    recorded = lake.engine.rows(
        tmp_path,
        f"""select check_name, status from {schema}.check_runs as runs
            inner join {schema}.check_registry using (check_id)
            where invocation_id = (select max_by(invocation_id, started_at) from {schema}.invocations)""",
    )
    assert sorted((row["check_name"], row["status"]) for row in recorded) == [
        ("broken", "error"), ("few_nulls", "pass"), ("found_null", "fail"), ("many_nulls", "fail"),
        ("no_duplicate", "pass"), ("no_orphan", "pass"), ("slow", "pass"),
    ]  # fmt: skip
