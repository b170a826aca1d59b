"""Processes of Spark on this machine, bound to its loopback address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def start(program: str, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program of Spark's in the folder of its log, and in a session of its own, as all of its children are."""
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST}
    environment["SPARK_MASTER_OPTS"] = "-Dspark.master.rest.enabled=false"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        return subprocess.Popen(
            [str(home / "bin" / program), *arguments],
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            try:
                process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"Spark stopped:\n{log.read_text()[-3000:]}") from None


def stop(pid: int, how: signal.Signals) -> None:
    """Signal a program and all of its children."""
    with suppress(ProcessLookupError):
        os.killpg(pid, how)
