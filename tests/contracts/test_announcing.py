"""An announcement is added to the file, and leaves all else in it as it was written."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from dbt_vigil.contracts.announcing import announce
from dbt_vigil.contracts.gates.schema import Version
from dbt_vigil.contracts.graph import Column, Graph, Node
from dbt_vigil.contracts.registry import Subject, read_registry
from dbt_vigil.project import VigilError

TODAY = date(2026, 11, 25)
TOPIC = """\
# The orders, as the shop sends them.
topic: orders   # as Kafka knows it
owner: {team: 'shop', email: "shop@example.com"}
schema: orders.avsc
---
topic: parcels
owner: {team: logistics}
schema: orders.avsc
"""
MODELS = """\
version: 2

models:
  - name: other
    columns:
      - name: total
  - name: orders        # one row each
    description: >
      Every order,
      once.
    columns:
      - name: id
        data_tests: [unique, not_null]
      - name: Total
        config: {tags: [money]}

sources:
  - name: raw
    tables:
      - name: orders
"""


def node(kind: str, name: str, file: str) -> Node:
    columns = {column: Column(column, None) for column in ("id", "total")}
    return Node(f"{kind}.shop.{name}", kind, name, None, (), file, "shop", columns)


@pytest.fixture
def version(tmp_path: Path) -> Version:
    (tmp_path / "topics.yml").write_text(TOPIC)
    (tmp_path / "models.yml").write_text(MODELS)
    nodes = [
        node("model", "orders", "models.yml"),
        node("model", "bare", "bare.sql"),
        node("source", "raw.orders", "models.yml"),
    ]
    registry = tmp_path / "registry"
    registry.mkdir()
    fields = [{"name": name, "type": "long"} for name in ("id", "total")]
    (registry / "orders.avsc").write_text(json.dumps({"type": "record", "name": "Order", "fields": fields}))
    (tmp_path / "topics.yml").rename(registry / "topics.yml")
    return Version(read_registry(registry), Graph("shop", "duckdb", {one.unique_id: one for one in nodes}))


@pytest.mark.parametrize(
    ("subject", "field", "file", "before", "added"),
    [
        (
            Subject("topic", "orders"), "total", "registry/topics.yml", "---\n",
            "deprecations:\n- field: total\n  announced: '2026-11-25'\n  remove_after: '2026-12-23'\n"
            "  replacement: sum\n",
        ),
        (
            Subject("topic", "parcels"), "", "registry/topics.yml", "",
            "deprecations:\n- field: '*'\n  announced: '2026-11-25'\n  remove_after: '2026-12-23'\n"
            "  replacement: sum\n",
        ),
        (
            Subject("model", "orders"), "id", "models.yml", "      - name: Total\n",
            "        config:\n          meta:\n            deprecation:\n              announced: '2026-11-25'\n"
            "              remove_after: '2026-12-23'\n              replacement: sum\n",
        ),
        (
            Subject("source", "raw.orders"), "id", "models.yml", "",
            "        columns:\n          - name: id\n            config:\n              meta:\n"
            "                deprecation:\n                  announced: '2026-11-25'\n"
            "                  remove_after: '2026-12-23'\n                  replacement: sum\n",
        ),
    ],
)  # fmt: skip
def test_nothing_else_changes(
    tmp_path: Path, version: Version, subject: Subject, field: str, file: str, before: str, added: str
) -> None:
    old = (tmp_path / file).read_text()
    announce(version, tmp_path, subject, field, TODAY, replacement="sum")
    head, separator, tail = old.partition(before) if before else (old, "", "")
    assert (tmp_path / file).read_text() == head + added + separator + tail


def test_what_is_written_is_read_again(tmp_path: Path, version: Version) -> None:
    announce(version, tmp_path, Subject("topic", "orders"), "total", TODAY)
    [deprecated] = read_registry(tmp_path / "registry").producers[Subject("topic", "orders")].deprecations
    assert deprecated == "total"
    with pytest.raises(VigilError, match="announced already"):
        announce(version, tmp_path, Subject("topic", "orders"), "total", TODAY)


@pytest.mark.parametrize(
    ("subject", "field", "after", "expected"),
    [
        (Subject("topic", "gone"), "total", None, "There is no topic gone"),
        (Subject("model", "bare"), "total", None, "model bare has no YAML"),
        (Subject("topic", "orders"), "totl", None, "orders.avsc has no field `totl`"),
        (Subject("topic", "orders"), "total", date(2026, 12, 22), "it stays until 2026-12-23 at least"),
    ],
)
def test_nothing_is_written_of_what_is_wrong(
    tmp_path: Path, version: Version, subject: Subject, field: str, after: date | None, expected: str
) -> None:
    with pytest.raises(VigilError, match=expected):
        announce(version, tmp_path, subject, field, TODAY, after)
    assert (tmp_path / "registry/topics.yml").read_text() == TOPIC
