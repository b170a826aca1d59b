"""Carries out DAG runs of the recipe, in Airflow's own environment, and writes what became of each to a file.

Called as `dag_runs.py PLAN RESULTS`. PLAN is a JSON list of {"dag_id", "project", "between"}: a DAG, the dbt project
that it works on, and the days whose runs to make as the DAG's own timetable schedules them, or null for one manual run
without a logical date.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag  # type: ignore[import-not-found]
from airflow.sdk.definitions import dag as dag_definition  # type: ignore[import-not-found]
from airflow.serialization.serialized_objects import DagSerialization  # type: ignore[import-not-found]

_run_task = dag_definition._run_task  # after each try, it has the task instance with its state


def runs(dag_id: str, project: str, between: list[str] | None) -> Iterator[dict[str, Any]]:
    os.environ["DBT_PROJECT_DIR"] = project  # the recipe reads it when it is parsed
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    assert not bag.import_errors, bag.import_errors
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        task.retry_delay = timedelta(0)
    if between is None:
        yield carried_out(dag, None)
        return
    scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    for due in scheduled.iter_dagrun_infos_between(*map(datetime.fromisoformat, between)):
        run = carried_out(dag, due.logical_date)
        assert run["data_interval_end"] == due.data_interval.end.isoformat(), "not the data interval of a scheduled run"
        yield run


def carried_out(dag: Any, logical_date: datetime | None) -> dict[str, Any]:
    tries: list[str] = []

    def run_task(ti: Any, **arguments: Any) -> Any:
        result = _run_task(ti=ti, **arguments)
        tries.append(ti.state)
        return result

    dag_definition._run_task = run_task
    run = dag.test(logical_date=logical_date)
    return {
        "state": run.state,
        "tries": tries,
        "run_after": run.run_after.isoformat(),
        "data_interval_end": run.data_interval_end and run.data_interval_end.isoformat(),
    }


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([list(runs(**entry)) for entry in plan]))
