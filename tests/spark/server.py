"""A Spark Thrift Server on this machine, which any number of dbt processes can connect to at once."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines import SESSION_ZONE, SPARK_TYPES, Row
from tests.spark.processes import HOST, free_port, start, stop, wait_until_it_answers

SERVER_LOG = "server.log"


@dataclass(frozen=True)
class ThriftServer:
    """The engine behind a server."""

    port: int
    file_format: str | None = None
    dialect = "spark"

    @property
    def name(self) -> str:
        return self.file_format or "spark"

    def profile(self, directory: Path) -> dict[str, Any]:
        schema = directory.name.replace("-", "_")
        where = {"type": "spark", "method": "thrift", "host": HOST, "port": self.port}
        return {**where, "schema": schema, "threads": 1, "connect_retries": 3, "connect_timeout": 10}

    def type_name(self, column_type: str) -> str:
        return SPARK_TYPES.get(column_type, column_type)

    def rows(self, directory: Path, sql: str) -> list[Row]:
        from pyhive import hive

        with hive.connect(HOST, self.port) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column[0].split(".")[-1] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def release(self) -> None:
        pass


def start_server(directory: Path, port: int, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server that keeps its tables and its log in `directory`."""
    defaults = {
        "spark.master": "local[2]",
        "spark.driver.bindAddress": HOST,
        "spark.driver.host": HOST,
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={directory / 'derby'}",
        "spark.sql.session.timeZone": SESSION_ZONE,
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.ui.enabled": "false",
    }
    arguments = [part for key, value in {**defaults, **settings}.items() for part in ("--conf", f"{key}={value}")]
    arguments += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
    for key, value in {"hive.server2.thrift.bind.host": HOST, "hive.server2.thrift.port": str(port)}.items():
        arguments += ["--hiveconf", f"{key}={value}"]
    return start("spark-submit", arguments, directory / SERVER_LOG)


def create_default_schema(port: int, catalog: str) -> None:
    """PyHive opens the schema `default`, which a new catalog of Iceberg does not have."""
    from pyhive import hive

    with hive.connect(HOST, port, database="spark_catalog`.`default") as connection, connection.cursor() as cursor:
        cursor.execute(f"create schema if not exists {catalog}.default")


@contextmanager
def thrift_server(directory: Path) -> Iterator[ThriftServer]:
    """A server with executors of its own, and tables in parquet. It is stopped at the end."""
    port = free_port()
    process = start_server(directory, port, {})
    try:
        wait_until_it_answers(process, port, directory / SERVER_LOG)
        yield ThriftServer(port)
    finally:
        stop(process.pid, signal.SIGTERM)
        process.wait()
