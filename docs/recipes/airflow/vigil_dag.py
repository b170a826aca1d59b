"""Runs dbt-vigil in Airflow 3: the checks of each day, and the watch that misses the checks that did not run.

Put this file into your DAGs folder. Where tasks run, install dbt-vigil in an environment of its own, because dbt and
Airflow rarely share one, and set two environment variables for Airflow: VIGIL_COMMAND, the absolute path of `vigil` in
that environment, and DBT_PROJECT_DIR, the absolute path of the folder of your dbt_project.yml.
"""

import json
import os
from datetime import datetime, timedelta
from functools import cached_property

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

VIGIL = os.environ.get("VIGIL_COMMAND", "vigil")
PROJECT = os.environ.get("DBT_PROJECT_DIR", ".")

# Exit codes after which a retry is of no use: data that failed a check fails it again five minutes later, and what is
# overdue stays so until it is run. Any other, such as 2, may be gone by then: a lock, a network, data that comes late.
FINAL = {
    1: "a check failed",
    3: "a check is overdue: what should have run it did not",
}


class VigilOperator(BaseOperator):
    """Runs a `vigil` command in the dbt project, and makes of its exit code what Airflow does next.

    Args:
        arguments: The command and its arguments.
        as_of_the_run: Whether it judges the moment that the DAG run stands for, rather than the one at which it runs.
    """

    template_fields = ("arguments",)

    def __init__(self, *, arguments: list[str], as_of_the_run: bool = False, **kwargs):  # noqa: D107
        super().__init__(**kwargs)
        self.arguments = arguments
        self.as_of_the_run = as_of_the_run

    @cached_property
    def hook(self):
        """Starts the command, and ends it."""
        return SubprocessHook()

    def execute(self, context):
        """Run the command; what it prints is the task's log."""
        arguments = list(self.arguments)
        if self.as_of_the_run:
            # The data interval of a scheduled run, of one that catches up and of one that `airflow backfill` creates
            # ends when the run is due, here at six in the morning of its day, no matter when it takes place. That of a
            # manual run ends at the logical date that it was given. A manual run without a logical date has no data
            # interval: it stands for the moment at which it was triggered. A retry, or a task that is cleared a week
            # later, judges the same moment again.
            as_of = context.get("data_interval_end") or context["dag_run"].run_after
            arguments += ["--vars", json.dumps({"vigil_as_of": as_of.isoformat()})]
        code = self.hook.run_command([VIGIL, *arguments], cwd=PROJECT).exit_code
        if code in FINAL:
            raise AirflowFailException(f"vigil {arguments[0]}: {FINAL[code]} (exit code {code})")
        if code != 0:
            raise AirflowException(f"vigil {arguments[0]}: something could not be judged (exit code {code})")

    def on_kill(self):
        """End the command with its task: left alone, it would keep a DuckDB file locked."""
        self.hook.send_sigterm()


DEFAULTS = {"retries": 2, "retry_delay": timedelta(minutes=5)}

with DAG(
    "vigil",
    description="The checks, every day as of that day",
    # When the data of the day before should be there, in the zone of `vigil_timezone`.
    schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,  # True judges every day since start_date; `airflow backfill create` judges the days that it is given
    # One process at a time can write to a DuckDB file: more runs would only wait in a row, each in a slot of a worker.
    # On Spark it can be more: the record is only appended to, and today's status follows the newest day, not the run
    # that ended last.
    max_active_runs=1,
    default_args=DEFAULTS,
):
    # Not `build`: the backfill of a past day would build today's models again.
    VigilOperator(task_id="test", arguments=["test"], as_of_the_run=True)

# The watch has a DAG of its own: it looks more often than checks run, it judges this moment and no past day, so that a
# backfill must not repeat it, and behind a failed test it would hide that failure: a run's state is that of its last
# task. It cannot tell that Airflow itself stands still: add ["--ping", "<a dead man's switch>"] for that.
with DAG(
    "vigil_watch",
    description="Fails while a check is failing, overdue or could not be judged",
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
):
    VigilOperator(task_id="watch", arguments=["watch"])
