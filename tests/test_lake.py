"""Tables of a lake, read by DuckDB: Parquet by itself, Delta and Iceberg by the plugins of dbt-duckdb."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dbt_common.events.base_types import EventMsg
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog import load_catalog

from tests.engines import DuckDB
from tests.project import Project
from tests.test_stored_plan import Answer, Shop

VARS = {"vigil_as_of": "2013-02-10T00:00:00Z"}
PLACED = "timestamp '2013-02-09 12:00:00'"
STATUS = {"fresh": "pass", "present": "pass", "orphans": "pass", "unique": "pass"}


class Lake(Shop):
    """A project whose tables are files of a lake."""

    def __init__(self, directory: Path, engine: DuckDB | None = None) -> None:
        self.project, self.directory = Project(directory, engine or DuckDB(), VARS), directory

    def vigil(self, *arguments: str) -> Answer:
        return super().vigil("--vars", self.project.variables(), *arguments)

    def dbt(self) -> dict[str, str]:
        """The statuses that `dbt test` gives."""
        results = self.project.test_results(self.project.run("test"))
        return {name: result.status for name, result in results.items()}


def checks_of(name: str) -> dict[str, Any]:
    """A relation of orders and its tests: STATUS has what they say at first."""
    days = {"timestamp_column": "placed", "max_age": "26 hours"}
    present = {"arguments": {"column_name": "id"}, "config": {"where": "placed >= '2013-02-01'"}}
    customers = {"to": "source('lake', 'customers')", "field": "id"}
    return {
        "name": name,
        "data_tests": [
            {"vigil.freshness": {"name": f"{name}_fresh", "arguments": days}},
            {"vigil.null_rate": {"name": f"{name}_present", **present}},
        ],
        "columns": [
            {"name": "id", "data_tests": [{"unique": {"name": f"{name}_unique"}}]},
            {
                "name": "customer",
                "data_tests": [{"vigil.orphan_rate": {"name": f"{name}_orphans", "arguments": customers}}],
            },
        ],
    }


def of(*names: str, **statuses: str) -> dict[str, str]:
    """The statuses of the tests of relations."""
    return {f"{name}_{test}": status for name in names for test, status in (STATUS | statuses).items()}


def write_parquet(folder: Path, file: str, sql: str) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(f"copy ({sql}) to '{folder / file}'")


@pytest.fixture
def parquet(tmp_path: Path) -> Lake:
    """A shop with orders in a folder for each day, as a source and as a view."""
    lake = Lake(tmp_path / "shop")
    write_parquet(tmp_path, "customers/all/rows.parquet", "select 1 as id")
    write_parquet(tmp_path, "orders/day=9/rows.parquet", f"select 1 as id, 1 as customer, {PLACED} as placed")
    files = f"read_parquet('{tmp_path}/{{name}}/*/*.parquet', hive_partitioning=true, union_by_name=true)"
    tables = [checks_of("orders"), {"name": "customers"}]
    source = {"name": "lake", "config": {"meta": {"external_location": files}}, "tables": tables}
    lake.project.write_yaml("models/lake.yml", {"sources": [source], "models": [checks_of("daily")]})
    lake.project.write("models/daily.sql", "select * from {{ source('lake', 'orders') }}")
    assert lake.project.run("run").success
    return lake


def test_parquet(parquet: Lake, tmp_path: Path) -> None:
    first, second = parquet.vigil(), parquet.vigil()
    assert (first.path, second.path) == ("dbt", "stored plan")
    assert first.statuses == second.statuses == parquet.dbt() == of("orders", "daily")

    # A later file, without one of the columns.
    write_parquet(tmp_path, "orders/day=10/rows.parquet", f"select 1 as id, {PLACED} as placed")
    write_parquet(tmp_path, "customers/all/rows.parquet", "select 2 as id")
    third = parquet.vigil()
    assert third.path == "stored plan"
    assert third.statuses == parquet.dbt() == of("orders", "daily", orphans="fail", unique="fail")


def test_no_plan_is_stored_where_a_plugin_loads_a_source(parquet: Lake) -> None:
    table = {"name": "sheet", "config": {"plugin": "excel"}}
    parquet.project.write_yaml("models/sheet.yml", {"sources": [{"name": "office", "tables": [table]}]})
    assert [parquet.vigil().path for _ in range(2)] == ["dbt", "dbt"]


def test_a_folder_without_files_is_an_error(parquet: Lake, tmp_path: Path) -> None:
    parquet.vigil()
    (tmp_path / "orders/day=9/rows.parquet").unlink()
    stored = parquet.vigil()
    assert stored.path == "stored plan"
    errors = dict.fromkeys(STATUS, "error")
    assert stored.statuses == parquet.dbt() == of("orders", "daily", **errors)


class DeltaOrders:
    """A table that the plugin `delta` loads, which makes it a view."""

    def __init__(self, directory: Path, **configuration: str) -> None:
        self.path = directory / "delta"
        self.plugin: dict[str, Any] = {"module": "delta"}
        self.source = {"plugin": "delta", "delta_table_path": str(self.path)}
        write_deltalake(self.path, rows(1, 2), configuration=configuration)

    def append(self, table: pa.Table) -> None:
        write_deltalake(self.path, table, mode="append", schema_mode="merge")

    def delete(self, order: int) -> None:
        DeltaTable(self.path).delete(f"id = {order}")


class IcebergOrders:
    """A table that the plugin `iceberg` loads, which makes it a table."""

    def __init__(self, directory: Path) -> None:
        config = {"type": "sql", "uri": f"sqlite:///{directory}/catalog.db", "warehouse": f"file://{directory}/iceberg"}
        self.plugin: dict[str, Any] = {"module": "iceberg", "config": {"catalog": "shop", **config}}
        self.source = {"plugin": "iceberg", "iceberg_table": "shop.orders"}
        catalog = load_catalog("shop", **config)
        catalog.create_namespace("shop")
        self.table = catalog.create_table("shop.orders", rows(1).schema)
        self.table.append(rows(1, 2))

    def append(self, table: pa.Table) -> None:
        with self.table.update_schema() as update:
            update.union_by_name(table.schema)
        self.table.append(table)

    def delete(self, order: int) -> None:
        self.table.delete(f"id = {order}")


Orders = DeltaOrders | IcebergOrders
OrdersOf = Callable[[Path], Orders]


def rows(*ids: int, **more: str) -> pa.Table:
    orders = [{"id": order, "customer": 1, "placed": datetime(2013, 2, 9, 12), **more} for order in ids]
    given = [("id", pa.int64()), ("customer", pa.int64()), ("placed", pa.timestamp("us"))]
    return pa.Table.from_pylist(orders, pa.schema([*given, *((name, pa.string()) for name in more)]))


class WithPlugin(DuckDB):
    def __init__(self, plugin: dict[str, Any]) -> None:
        self.plugin = plugin

    def profile(self, directory: Path) -> dict[str, Any]:
        return super().profile(directory) | {"threads": 1, "plugins": [self.plugin]}


def with_orders(directory: Path, orders: Orders, **source: str) -> Lake:
    lake = Lake(directory / "shop", WithPlugin(orders.plugin))
    write_parquet(directory, "customers.parquet", "select 1 as id")
    customers = {"name": "customers", "meta": {"external_location": str(directory / "customers.parquet")}}
    tables = [checks_of("orders") | {"meta": orders.source | source}, customers]
    lake.project.write_yaml("models/lake.yml", {"sources": [{"name": "lake", "tables": tables}]})
    return lake


@pytest.mark.parametrize("orders_of", [DeltaOrders, IcebergOrders])
def test_a_table_is_loaded_in_each_run(tmp_path: Path, orders_of: OrdersOf) -> None:
    orders = orders_of(tmp_path)
    lake = with_orders(tmp_path, orders)

    def statuses() -> dict[str, str]:
        found = lake.vigil()
        assert found.path == "dbt"
        assert found.statuses == lake.dbt()
        return found.statuses

    assert statuses() == of("orders")
    orders.append(rows(2, note="twice"))
    assert statuses() == of("orders", unique="fail")
    orders.delete(2)
    assert statuses() == of("orders")


def warned(lake: Lake, *command: str) -> list[str]:
    """The tests that a command of dbt warns of."""
    found: list[str] = []

    def listen(event: EventMsg) -> None:
        if event.info.name == "JinjaLogWarning" and "does not load source lake.orders" in event.data.msg:
            found.extend(re.findall(r"\b\w+_(?:" + "|".join(STATUS) + ")", event.data.msg))

    lake.project.run(*command, on_event=listen)
    return sorted(found)


def test_a_copy_is_never_judged_silently(tmp_path: Path) -> None:
    orders = IcebergOrders(tmp_path)
    lake = with_orders(tmp_path, orders)
    lake.project.write("models/recent.sql", "select * from {{ source('lake', 'orders') }}")
    lake.project.write("models/newest.sql", "select * from {{ ref('recent') }}")
    lake.project.write_yaml("models/recent.yml", {"models": [checks_of("newest")]})
    assert not warned(lake, "build")
    assert warned(lake, "test") == sorted(of("newest"))


def test_a_source_that_is_loaded_once_is_warned_of(tmp_path: Path) -> None:
    lake = with_orders(tmp_path, IcebergOrders(tmp_path), save_mode="ignore")
    assert warned(lake, "build") == sorted(of("orders"))


@pytest.mark.parametrize("orders_of", [DeltaOrders, IcebergOrders])
def test_a_view_of_what_is_not_loaded_is_an_error(tmp_path: Path, orders_of: OrdersOf) -> None:
    orders = orders_of(tmp_path)
    lake = with_orders(tmp_path, orders, materialization="view")
    lake.project.write("models/recent.sql", "select * from {{ source('lake', 'orders') }}")
    lake.project.write_yaml("models/recent.yml", {"models": [checks_of("recent")]})
    assert lake.project.run("build", "--select", "recent").success
    assert warned(lake, "test", "--select", "recent") == sorted(of("recent"))
    assert lake.vigil("--select", "recent").statuses == of("recent", **dict.fromkeys(STATUS, "error"))


def test_deletion_vectors_are_an_error(tmp_path: Path) -> None:
    lake = with_orders(tmp_path, DeltaOrders(tmp_path, **{"delta.enableDeletionVectors": "true"}))
    assert lake.vigil().statuses == lake.dbt() == of("orders", **dict.fromkeys(STATUS, "error"))
