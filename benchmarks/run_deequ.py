"""Runs the checks of a file by Deequ, in whose own environment this is run, and prints the seconds of each round."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["SPARK_VERSION"] = "3.5"

from pydeequ.checks import Check, CheckLevel  # type: ignore[import-not-found]
from pydeequ.verification import (  # type: ignore[import-not-found]
    VerificationResult,
    VerificationSuite,
)
from pyspark.sql import SparkSession


def main(file: Path) -> None:
    """Verifies once for each round, after one that fills the caches, and prints the seconds and how many passed."""
    content = json.loads(file.read_text())
    builder = SparkSession.builder.master("local[2]").config("spark.jars", content["jar"])
    for key, value in content["settings"].items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    lineitem = spark.read.parquet(content["lineitem"])
    seconds = []
    for _ in range(content["rounds"] + 1):
        started = time.perf_counter()
        result = VerificationSuite(spark).onData(lineitem).addCheck(suite(spark, content)).run()
        rows = VerificationResult.checkResultsAsJson(spark, result)
        seconds.append(time.perf_counter() - started)
    statuses = [row["constraint_status"] for row in rows]
    print(json.dumps({"seconds": seconds[1:], "statuses": statuses}), flush=True)
    spark.stop()
    os._exit(0)  # the server of Python's callbacks would keep the process


def suite(spark: SparkSession, content: dict[str, Any]) -> Any:
    """All of the checks that Deequ has words for."""
    check = Check(spark, CheckLevel.Error, "lineitem").hasSize(lambda size: size >= 1)
    for column in content["rated"]:
        check = check.hasCompleteness(column, lambda rate: rate >= 0.99)
    for column in content["required"]:
        check = check.isComplete(column)
    for name, expression in content["expressions"]:
        check = check.satisfies(expression, name, lambda rate: rate == 1)
    for column, values in content["accepted"]:
        check = check.isContainedIn(column, values)
    return check


if __name__ == "__main__":
    main(Path(sys.argv[1]))
