"""A Spark Thrift Server on this machine, which any number of dbt processes can connect to at once."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.engines import SESSION_ZONE, Row
from tests.spark.jars import jars


def lake_settings(directory: Path) -> dict[str, str]:
    """The settings of a server that has tables in Iceberg, in catalog `lake`."""
    catalogs = {
        "lake": {"cache-enabled": "false"},
        "kept": {},  # the same tables, as a session remembers them that has read them
    }
    catalog = {"type": "hadoop", "warehouse": str(directory / "lake")}
    return {
        "spark.driver.extraClassPath": ":".join(map(str, jars("iceberg"))),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        **{f"spark.sql.catalog.{name}": "org.apache.iceberg.spark.SparkCatalog" for name in catalogs},
        **{f"spark.sql.catalog.{n}.{key}": v for n, own in catalogs.items() for key, v in (catalog | own).items()},
    }


class ThriftServer:
    name = "spark"

    def __init__(self, port: int) -> None:
        self._port = port

    def profile(self, directory: Path) -> dict[str, Any]:
        schema = directory.name.replace("-", "_")
        where = {"type": "spark", "method": "thrift", "host": "127.0.0.1", "port": self._port}
        return {**where, "schema": schema, "threads": 1, "connect_retries": 3, "connect_timeout": 10}

    def type_name(self, column_type: str) -> str:
        return column_type

    def rows(self, directory: Path, sql: str) -> list[Row]:
        from pyhive import hive

        with hive.connect("127.0.0.1", self._port) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column[0].split(".")[-1] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def release(self) -> None:
        pass


@contextmanager
def thrift_server(directory: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[ThriftServer]:
    """Start a server that keeps its tables in `directory`, wait until it answers, and stop it at the end."""
    import pyspark

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    defaults = {
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": SESSION_ZONE,
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={directory / 'derby'}",
    }
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local[2]"]
    for key, value in {**defaults, **settings}.items():
        command += ["--conf", f"{key}={value}"]
    command += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
    hive = {"hive.server2.thrift.bind.host": "127.0.0.1", "hive.server2.thrift.port": str(port)}
    for key, value in hive.items():
        command += ["--hiveconf", f"{key}={value}"]
    log = directory / "thrift.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ))
    try:
        _wait_until_it_answers(server, port, log)
        yield ThriftServer(port)
    finally:
        server.terminate()
        server.wait()


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if server.poll() is not None:
                raise RuntimeError(f"the Thrift Server stopped:\n{log.read_text()[-3000:]}") from None
            try:
                server.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
