"""A standalone cluster with a Thrift Server on it: a master, two workers of one core, tables in Delta or in Iceberg."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from tests.spark.jars import jars
from tests.spark.processes import HOST, free_port, start, stop, wait_until_it_answers
from tests.spark.server import SERVER_LOG, ThriftServer, create_default_schema, start_server

FORMATS = ("delta", "iceberg")
WORKERS = 2
# The compiler of the JVM that is quick rather than good: most of what runs here runs once.
TASKS = re.compile(r"^(\S+ \S+) [A-Z]+ Executor: (\w+) .*\((TID \d+)\)", re.MULTILINE)
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass(frozen=True)
class Cluster:
    """A server, and the workers that it runs on, by their folders."""

    engine: ThriftServer
    directory: Path
    master: str
    workers: dict[Path, subprocess.Popen[bytes]]

    def add_a_worker(self) -> None:
        folder = self.directory / f"worker_{len(list(self.directory.glob('worker_*')))}"
        self.workers[folder] = start_worker(self.master, folder)

    def kill_a_worker(self, folder: Path) -> None:
        """As when its machine dies: its executor dies with it, and what that had written for later stages is lost."""
        worker = self.workers.pop(folder)
        stop(worker.pid, signal.SIGKILL)
        worker.wait()

    def busy_worker(self, seconds: float) -> Path | None:
        """The folder of a worker that has had a task for as many seconds."""
        long_ago = datetime.now() - timedelta(seconds=seconds)
        return next((folder for folder in self.workers if min(tasks(folder), default=datetime.max) < long_ago), None)


def tasks(folder: Path) -> list[datetime]:
    """When the tasks of a worker started that its executor has not ended, by its log."""
    running: dict[str, datetime] = {}
    for log in folder.glob("app-*/*/stderr"):
        for time, event, task in TASKS.findall(log.read_text()):
            running.pop(task, None)  # finished, failed or killed, unless this line says that it runs
            if event == "Running":
                running[task] = datetime.strptime(time, "%y/%m/%d %H:%M:%S")
    return list(running.values())


def settings(table_format: str, directory: Path) -> dict[str, str]:
    """The settings of a Thrift Server whose tables are in a format."""
    if table_format == "delta":
        return {
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.databricks.delta.snapshotPartitions": "1",  # 50 by default, for large tables
        }
    return {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "lake",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "jdbc",
        "spark.sql.catalog.lake.uri": f"jdbc:sqlite:{directory / 'catalog.sqlite'}",
        "spark.sql.catalog.lake.jdbc.schema-version": "V1",  # the first with views
        "spark.sql.catalog.lake.warehouse": str(directory / "warehouse"),
        "spark.sql.catalog.lake.cache-enabled": "false",
        # Of many that append at the same time, one at a time succeeds.
        "spark.sql.catalog.lake.table-default.commit.retry.num-retries": "20",
        "spark.sql.catalog.lake.table-default.commit.retry.min-wait-ms": "50",
    }


def start_worker(master: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker of one core."""
    options = ["--host", HOST, "--webui-port", "0", "--cores", "1", "--memory", "1g", "--work-dir", str(folder)]
    return start("spark-class", ["org.apache.spark.deploy.worker.Worker", *options, master], folder / "worker.log")


def start_cluster(
    table_format: str,
    directory: Path,
    master_port: int,
    server_port: int,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the master, the workers and the server, each one when it is asked for. At the end the server answers."""
    address, log = f"spark://{HOST}:{master_port}", directory / "master.log"
    options = ["--host", HOST, "--port", str(master_port), "--webui-port", "0"]
    master = start("spark-class", ["org.apache.spark.deploy.master.Master", *options], log)
    yield master
    wait_until_it_answers(master, master_port, log)
    for number in range(WORKERS):
        yield start_worker(address, directory / f"worker_{number}")
    classpath = ":".join(map(str, jars(table_format)))
    of_the_cluster = {
        "spark.master": address,
        "spark.driver.extraClassPath": classpath,
        "spark.driver.extraJavaOptions": f"{QUICK} -Dderby.system.home={directory / 'derby'}",
        "spark.executor.extraClassPath": classpath,
        "spark.executor.extraJavaOptions": QUICK,
        "spark.log.level": "WARN",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(WORKERS),  # else hundreds of tasks
    }
    server = start_server(directory, server_port, {**of_the_cluster, **settings(table_format, directory), **more})
    yield server
    wait_until_it_answers(server, server_port, directory / SERVER_LOG)
    if table_format == "iceberg":
        create_default_schema(server_port, "lake")


@contextmanager
def cluster(table_format: str, directory: Path, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Cluster]:
    """A cluster that keeps all it writes in `directory`, and is stopped at the end. Its server has `more` settings."""
    master_port, server_port = free_port(), free_port()
    processes: list[subprocess.Popen[bytes]] = []
    engine = ThriftServer(server_port, table_format)
    started = Cluster(engine, directory, f"spark://{HOST}:{master_port}", {})
    try:
        for process in start_cluster(table_format, directory, master_port, server_port, more):
            processes.append(process)
        master, *workers, server = processes
        started.workers.update({directory / f"worker_{number}": worker for number, worker in enumerate(workers)})
        processes = [master, server]
        yield started
    finally:
        for process in [*processes, *started.workers.values()][::-1]:
            stop(process.pid, signal.SIGTERM)
            process.wait()
