"""The jars of Delta and Iceberg, which pip does not install: Spark's own Ivy fetches them once."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".venv/spark"
PACKAGES = {
    "delta": ["io.delta:delta-spark_4.1_2.13:4.4.0"],
    "iceberg": ["org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0", "org.xerial:sqlite-jdbc:3.54.1.0"],
}
# Spark itself has what else they depend on, in the versions that it is tested with.
GROUPS = ("io.delta", "org.apache.iceberg", "org.xerial_sqlite")


def jars(table_format: str) -> list[Path]:
    """The jars of a table format."""
    packages = PACKAGES[table_format]
    folder = FOLDER / hashlib.sha256(" ".join(packages).encode()).hexdigest()[:16]
    if not (folder / "jars").exists():
        _fetch(packages, folder)
    return sorted(file for file in (folder / "jars").iterdir() if file.name.startswith(GROUPS))


def _fetch(packages: list[str], folder: Path) -> None:
    from pyspark import SparkConf
    from pyspark.java_gateway import launch_gateway

    settings = {"spark.jars.packages": ",".join(packages), "spark.jars.ivy": str(folder)}
    try:
        launch_gateway(SparkConf(loadDefaults=False).setAll(list(settings.items()))).shutdown()  # type: ignore[no-untyped-call]
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
