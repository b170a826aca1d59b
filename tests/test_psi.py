"""PSI equals an independent implementation to 1e-9, on both engines: random samples, each a segment of one check."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.engines import Engine
from tests.project import Project

BINS, MAX_CATEGORIES, EPSILON = 7, 4, 1e-3
SIDES = {"baseline": date(2013, 1, 20), "window": date(2013, 2, 5)}
Sample = list[Any]


def numeric_sample(rng: np.random.Generator) -> Sample:
    """Continuous, rounded, skewed, constant or mostly one value; with nulls, NaN and infinities among them."""
    size = int(rng.integers(1, 400))
    values = rng.choice(
        [
            rng.normal(rng.uniform(-1, 1), rng.uniform(0.5, 2), size),
            rng.normal(0, 3, size).round(),
            rng.lognormal(0, 2, size),
            np.full(size, float(rng.integers(3))),
            np.where(rng.random(size) < 0.8, 0.0, rng.normal(0, 1, size)),
        ]
    )
    special = rng.choice(np.array([None, float("nan"), float("inf"), -0.0]), size)
    return [s if r < 0.1 else float(v) for v, s, r in zip(values, special, rng.random(size), strict=True)]


def categorical_sample(rng: np.random.Generator) -> Sample:
    size = int(rng.integers(1, 400))
    names = [None, "", "a", "A", "b", "ä", "null", "nan", "other"]
    return [names[i] for i in rng.choice(len(names), size, p=rng.dirichlet(np.ones(len(names))))]


def numeric_bins(baseline: Sample) -> Any:
    """A function from a value to its bin: between two quantiles, or alone if it is a bin's share of the baseline."""
    values = sorted(v for v in baseline if v is not None and not np.isnan(v))
    n = len(values)
    edges = [values[-(-n * k // BINS) - 1] for k in range(1, BINS)] if n else []
    alone = {value for value, times in Counter(values).items() if times * BINS >= n}

    def bin_of(value: Any) -> Any:
        if value is None or np.isnan(value):
            return str(value)
        return ("alone", value) if value in alone else int(np.searchsorted(sorted(set(edges)), value, side="left"))

    return bin_of


def categorical_bins(baseline: Sample) -> Any:
    counts = Counter(v for v in baseline if v is not None)
    kept = sorted(counts, key=lambda v: (-counts[v], v.encode()))[:MAX_CATEGORIES]
    return lambda value: None if value is None else value if value in kept else ("the rest",)


def psi(baseline: Sample, window: Sample, bins: Any) -> float:
    expected, actual = (Counter(map(bins(baseline), side)) for side in (baseline, window))
    keys = sorted(expected.keys() | actual.keys(), key=str)
    e = np.maximum([expected[k] / len(baseline) for k in keys], EPSILON)
    a = np.maximum([actual[k] / len(window) for k in keys], EPSILON)
    return float(np.sum((a - e) * np.log(a / e)))


@pytest.mark.parametrize(
    ("kind", "sample", "bins"),
    [("numeric", numeric_sample, numeric_bins), ("categorical", categorical_sample, categorical_bins)],
)
def test_psi(engine: Engine, tmp_path: Path, kind: str, sample: Any, bins: Any) -> None:
    rng = np.random.default_rng(2013)
    segments = {f"s{i}": {side: sample(rng) for side in SIDES} for i in range(100)}
    column_type = "double" if kind == "numeric" else "varchar"
    with duckdb.connect() as connection:
        connection.execute(f"create table samples (segment varchar, d date, x {column_type})")
        connection.executemany(
            "insert into samples values (?, ?, ?)",
            [
                (name, SIDES[side], x)
                for name, both in segments.items()
                for side, values in both.items()
                for x in values
            ],
        )
        connection.execute(f"copy samples to '{tmp_path}/samples.parquet'")
    project = Project(tmp_path, engine, {"vigil_as_of": "2013-02-10"})
    read = "parquet.`{}`" if engine.name == "spark" else "'{}'"
    project.write("models/samples.sql", f"select * from {read.format(tmp_path / 'samples.parquet')}")
    arguments = {
        "timestamp_column": "d", "window": "7 days", "baseline_window": "28 days", "group_by": "segment",
        "bins": BINS, "max_categories": MAX_CATEGORIES, "epsilon": EPSILON, "min_rows": 1,
    }  # fmt: skip
    test = {"vigil.psi": {"name": "psi_of_samples", "arguments": arguments}}
    project.write_yaml(
        "models/samples.yml", {"models": [{"name": "samples", "columns": [{"name": "x", "data_tests": [test]}]}]}
    )
    result = project.test_results(project.run("build"))["psi_of_samples"]
    rows = {row["segment"]: row["value"] for row in engine.rows(tmp_path, result.compiled_sql)}
    assert rows.keys() == segments.keys()
    for name, both in segments.items():
        if any(v is not None and v == v for v in both["baseline"]):
            assert rows[name] == pytest.approx(psi(both["baseline"], both["window"], bins), rel=1e-9, abs=1e-12), name
        else:
            assert rows[name] is None
