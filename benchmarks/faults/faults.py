"""The faults: what happens to the rows of one day of one table, as SQL.

Which rows are hit follows from a hash of their key and the trial's seed; of several columns that a fault may hit, each
trial takes the next. `faint` strengths are there to show where the sight ends, and do not count in the score.

Left out where a table has nothing that could tell: values of `orders` shuffled among its rows (TPC-H draws each at
random), and times of day in TPC-H, whose dates are shifted by one day instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from benchmarks.faults.tables import FLIGHTS, LINEITEM, ORDERS, TABLES, Table

SEED = 2013
FOUND_FROM = 1
"""Days after the faulty day: each of these faults is there at the midnight that ends it, when it is first judged."""


@dataclass(frozen=True)
class Variant:
    """One way to do it: the columns that are hit, if any, and the statements, with places for day, seed and segment."""

    sql: tuple[str, ...]
    hits: str = ""
    healed_after: int | None = None
    """Days after which nothing is left of it."""


@dataclass(frozen=True)
class Strength:
    """How hard a fault hits; its trials take the variants in turn."""

    label: str
    variants: tuple[Variant, ...]
    faint: bool = False


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    name: str
    strengths: tuple[Strength, ...]


@dataclass(frozen=True)
class Trial:
    """A fault on one day of one table."""

    table: Table
    fault: str
    strength: Strength
    number: int
    day: date
    segment: str
    seed: int

    @property
    def variant(self) -> Variant:
        """What is done to the table."""
        return self.strength.variants[self.number % len(self.strength.variants)]

    def harm(self, as_of: date) -> list[str]:
        """The statements that make the table of that moment faulty."""
        healed = self.variant.healed_after
        if healed is not None and as_of > self.day + timedelta(days=healed):
            return []
        places = {"day": f"date '{self.day}'", "seed": self.seed, "segment": f"'{self.segment}'"}
        return [sql.format_map(places) for sql in self.variant.sql]

    def __str__(self) -> str:
        """In a line."""
        hits = f" of {self.variant.hits}" if self.variant.hits else ""
        return f"{self.table.name}, {self.day}: {self.fault}, {self.strength.label}{hits}"


@dataclass(frozen=True)
class Columns:
    """What may be hit in a table. A mapping gives for each column SQL of its new value."""

    nulled: tuple[str, ...]
    orphaned: Mapping[str, str]
    amounts: tuple[str, ...]
    signed: tuple[str, ...]
    shifted: Mapping[str, str]
    """A label: the assignment, and a condition if any."""
    expanded: Mapping[str, str]
    renamed: Mapping[str, tuple[str, str, str]]
    """A label: column, code, new code. Labels that start with `faint` are faint."""
    constant: Mapping[str, str]
    shuffled: tuple[str, ...]
    swapped: tuple[tuple[str, str], ...]
    defaults: Mapping[str, str]
    trimmed: Mapping[str, int]
    rounded: Mapping[str, str]
    future: str
    named: tuple[str, ...]
    """Columns that may be renamed or dropped."""
    retyped: tuple[str, ...]
    """Columns that may become text."""
    truncated: Mapping[str, str] = field(default_factory=dict)
    """A label: which rows are missing."""


UNKNOWN = {table.name: f"hash({', '.join(table.key)}, {{seed}}) % 1000000" for table in TABLES}
COLUMNS = {
    FLIGHTS.name: Columns(
        nulled=("tailnum", "dep_delay", "air_time", "carrier", "dest", "arr_time", "distance"),
        orphaned={"dest": "'XXX'", "carrier": "'ZZ'", "tailnum": "'N' || " + UNKNOWN["flights"]},
        amounts=("distance", "air_time"),
        signed=("distance", "dep_delay", "arr_delay"),
        shifted={
            "+5 hours": "sched_dep_at = sched_dep_at + interval 5 hour",
            "-5 hours": "sched_dep_at = sched_dep_at - interval 5 hour",
            "+1 hour": "sched_dep_at = sched_dep_at + interval 1 hour",
            "+1 hour, one segment": "sched_dep_at = sched_dep_at + interval 1 hour where origin = {segment}",
        },
        expanded={"carrier": "'ZZ'", "origin": "'SWF'", "dest": "'ZZZ'"},
        renamed={
            "the largest code": ("carrier", "UA", "U2"),
            "a code of 4%": ("carrier", "WN", "wn"),
            "faint: a code of one row": ("carrier", "HA", "H2"),
        },
        constant={"dest": "'ORD'", "carrier": "'UA'", "distance": "733", "tailnum": "'N725MQ'", "origin": "'EWR'"},
        shuffled=("dest", "distance", "carrier"),
        swapped=(("origin", "dest"), ("distance", "air_time"), ("dep_delay", "arr_delay"), ("dep_time", "arr_time")),
        defaults={"tailnum": "''", "dest": "''", "dep_delay": "0", "air_time": "0", "dep_time": "0"},
        trimmed={"dest": 2, "tailnum": 4, "carrier": 1},
        rounded={
            "distance": "round(distance, -2)",
            "air_time": "round(air_time, -1)",
            "sched_dep_at": "date_trunc('hour', sched_dep_at)",
            "dep_delay": "round(dep_delay, -1)",
        },
        future="sched_dep_at",
        named=("tailnum", "dest", "dep_time", "arr_delay", "air_time", "flight", "sched_arr_time", "time_hour"),
        retyped=("distance", "air_time", "sched_dep_at", "dep_delay", "time_hour", "flight"),
        truncated={
            "from 12:00": "sched_dep_at >= {day} + interval 12 hour",
            "from 18:00": "sched_dep_at >= {day} + interval 18 hour",
            "faint: from 20:00": "sched_dep_at >= {day} + interval 20 hour",
        },
    ),
    ORDERS.name: Columns(
        nulled=("o_totalprice", "o_custkey", "o_clerk", "o_comment"),
        orphaned={"o_custkey": "1000000 + " + UNKNOWN["orders"]},
        amounts=("o_totalprice",),
        signed=("o_totalprice",),
        shifted={"-1 day": "o_orderdate = o_orderdate - 1"},
        expanded={"o_orderpriority": "'6-NEVER'", "o_orderstatus": "'X'"},
        renamed={
            "the largest code": ("o_orderpriority", "1-URGENT", "URGENT"),
            "another case": ("o_orderpriority", "5-LOW", "5-Low"),
        },
        constant={"o_orderpriority": "'5-LOW'", "o_custkey": "1", "o_totalprice": "151219.54", "o_comment": "'none'"},
        shuffled=(),
        swapped=(("o_orderpriority", "o_clerk"), ("o_clerk", "o_comment")),
        defaults={"o_totalprice": "0", "o_clerk": "''", "o_custkey": "0", "o_comment": "''"},
        trimmed={"o_clerk": 10, "o_orderpriority": 5},
        rounded={"o_totalprice": "round(o_totalprice, 0)"},
        future="o_orderdate",
        named=("o_custkey", "o_orderstatus", "o_totalprice", "o_clerk", "o_shippriority", "o_comment"),
        retyped=("o_totalprice", "o_orderdate", "o_custkey", "o_shippriority"),
    ),
    LINEITEM.name: Columns(
        nulled=("l_extendedprice", "l_partkey", "l_discount", "l_shipinstruct", "l_commitdate"),
        orphaned={"l_orderkey": "90000000 + " + UNKNOWN["lineitem"], "l_partkey": "900000 + " + UNKNOWN["lineitem"]},
        amounts=("l_extendedprice", "l_quantity"),
        signed=("l_extendedprice", "l_quantity", "l_discount"),
        shifted={
            "-1 day": "l_shipdate = l_shipdate - 1",
            "-1 day, another column": "l_receiptdate = l_receiptdate - 1",
            "faint: -1 day, of a promise": "l_commitdate = l_commitdate - 1",
        },
        expanded={"l_shipmode": "'DRONE'", "l_shipinstruct": "'LEAVE IT'", "l_returnflag": "'X'"},
        renamed={
            "the largest code": ("l_shipinstruct", "NONE", "No instruction"),
            "another case": ("l_shipmode", "TRUCK", "Truck"),
        },
        constant={"l_shipmode": "'AIR'", "l_quantity": "25", "l_discount": "0.05", "l_suppkey": "1"},
        shuffled=("l_suppkey", "l_extendedprice", "l_receiptdate"),
        swapped=(("l_partkey", "l_suppkey"), ("l_discount", "l_tax"), ("l_commitdate", "l_receiptdate")),
        defaults={"l_extendedprice": "0", "l_discount": "0", "l_shipmode": "''", "l_suppkey": "0"},
        trimmed={"l_shipmode": 3, "l_shipinstruct": 8},
        rounded={"l_extendedprice": "round(l_extendedprice, 0)", "l_discount": "round(l_discount, 1)"},
        future="l_shipdate",
        named=("l_partkey", "l_quantity", "l_discount", "l_returnflag", "l_commitdate", "l_comment"),
        retyped=("l_quantity", "l_extendedprice", "l_commitdate", "l_partkey", "l_tax"),
    ),
}


def faults(table: Table) -> list[Fault]:
    """The faults of a table."""
    columns = COLUMNS[table.name]
    name, key, today = table.name, ", ".join(table.key), f"{table.day} = {{day}}"

    def some(share: float) -> str:
        return "true" if share == 1 else f"hash({{seed}}, {key}) % 10000 < {round(share * 10000)}"

    def update(assignment: str, where: str = "true") -> tuple[str, ...]:
        return (f"update {name} set {assignment} where {today} and {where}",)

    def delete(where: str) -> tuple[str, ...]:
        return (f"delete from {name} where {today} and {where}",)

    def of_columns(assignments: Mapping[str, str], share: float) -> tuple[Variant, ...]:
        return tuple(
            Variant(update(f"{column} = {value}", some(share)), column) for column, value in assignments.items()
        )

    def of_shares(
        make: Callable[[float], tuple[Variant, ...]], stated: tuple[float, ...], faint: tuple[float, ...] = ()
    ) -> tuple[Strength, ...]:
        return tuple(Strength(_percent(share), make(share), share in faint) for share in sorted((*stated, *faint)))

    found = [
        Fault(
            "stale",
            (
                Strength("no rows from this day on", (Variant((f"delete from {name} where {table.day} >= {{day}}",)),)),
                Strength(
                    "one segment",
                    (Variant((f"delete from {name} where {table.day} >= {{day}} and {table.segment} = {{segment}}",)),),
                ),
            ),
        ),
        Fault(
            "half-loaded day, rows lost", of_shares(lambda s: (Variant(delete(some(s))),), (0.25, 0.5, 0.75), (0.1,))
        ),
        Fault(
            "duplicated load, rows twice",
            of_shares(
                lambda s: (Variant((f"insert into {name} from {name} where {today} and {some(s)}",)),), (0.05, 0.5, 1)
            ),
        ),
        Fault(
            "truncated",
            tuple(
                _strength(label, (Variant(delete(where)),))
                for label, where in (columns.truncated or _by_key(table)).items()
            ),
        ),
        Fault(
            "null burst in one segment",
            of_shares(
                lambda s: tuple(
                    Variant(update(f"{c} = null", f"{table.segment} = {{segment}} and {some(s)}"), c)
                    for c in columns.nulled
                ),
                (0.2, 0.5, 1),
                (0.05,),
            ),
        ),
        Fault("orphan burst", of_shares(lambda s: of_columns(columns.orphaned, s), (0.05, 0.2, 0.5), (0.01,))),
        Fault(
            "unit x 100",
            of_shares(lambda s: of_columns({c: f"{c} * 100" for c in columns.amounts}, s), (0.5, 1), (0.1,)),
        ),
        Fault(
            "unit x 0.01",
            of_shares(lambda s: of_columns({c: f"{c} * 0.01" for c in columns.amounts}, s), (0.5, 1), (0.1,)),
        ),
        Fault("sign flip", of_shares(lambda s: of_columns({c: f"-{c}" for c in columns.signed}, s), (0.1, 0.5, 1))),
        Fault(
            "time-zone shift",
            tuple(
                _strength(label, (Variant(update(*assignment.split(" where "))),))
                for label, assignment in columns.shifted.items()
            ),
        ),
        Fault("enum expansion", of_shares(lambda s: of_columns(columns.expanded, s), (0.02, 0.1, 0.3), (0.005,))),
        Fault(
            "enum rename",
            tuple(
                _strength(label, (Variant(update(f"{column} = '{new}'", f"{column} = '{old}'"), column),))
                for label, (column, old, new) in columns.renamed.items()
            ),
        ),
        Fault("constant column", of_shares(lambda s: of_columns(columns.constant, s), (0.5, 1))),
        Fault(
            "shuffled column",
            of_shares(
                lambda s: tuple(Variant((_shuffled(table, column, some(s)),), column) for column in columns.shuffled),
                (0.2, 0.5, 1),
            ),
        ),
        Fault(
            "swapped columns",
            of_shares(
                lambda s: tuple(
                    Variant(update(f"{a} = {b}, {b} = {a}", some(s)), f"{a}, {b}") for a, b in columns.swapped
                ),
                (0.2, 1),
            ),
        ),
        Fault(
            "0 or '' instead of a value",
            of_shares(lambda s: of_columns(columns.defaults, s), (0.1, 0.5, 1), (0.01,)),
        ),
        Fault(
            "string trimmed",
            of_shares(lambda s: of_columns({c: f"{c}[:{n}]" for c, n in columns.trimmed.items()}, s), (0.2, 1)),
        ),
        Fault("precision lost", of_shares(lambda s: of_columns(columns.rounded, s), (0.5, 1))),
        Fault(
            "future timestamps",
            of_shares(
                lambda s: of_columns({columns.future: f"{columns.future} + interval 1 year"}, s), (0.1, 0.5), (0.01,)
            ),
        ),
        Fault(
            "column renamed",
            (_of_schema(f"alter table {name} rename column {{column}} to {{column}}_2", columns.named),),
        ),
        Fault("column dropped", (_of_schema(f"alter table {name} drop column {{column}}", columns.named),)),
        Fault(
            "column retyped to text",
            (_of_schema(f"alter table {name} alter column {{column}} type varchar", columns.retyped),),
        ),
        Fault(
            "late data, one day",
            of_shares(lambda s: (Variant(delete(some(s)), healed_after=1),), (0.5, 0.9), (0.1,)),
        ),
    ]
    if table is FLIGHTS:
        nulls = {"tailnum": "''", "dep_time": "0"}
        instead = tuple(Variant(update(f"{c} = {v}", f"{c} is null"), c) for c, v in nulls.items())
        found.append(Fault("0 or '' instead of null", (Strength("of cancelled flights", instead),)))
    return [fault for fault in found if fault.strengths and all(s.variants for s in fault.strengths)]


def trials(table: Table, closed: Mapping[date, str], number: int = 3) -> list[Trial]:
    """`number` trials of each strength of each fault, on days that are drawn from the open ones."""
    days = [day for day in table.days if day not in closed]
    found = []
    for fault in faults(table):
        for strength in fault.strengths:
            draw = random.Random(f"{SEED} {table.name} {fault.name} {strength.label}")
            first = draw.randrange(len(strength.variants))
            found += [
                Trial(table, fault.name, strength, first + n, day, draw.choice(table.segments), draw.randrange(10**6))
                for n, day in enumerate(draw.sample(days[:-3], number))
            ]
    return found


def all_faults() -> list[str]:
    """The names of the faults, in their order."""
    return list(dict.fromkeys(fault.name for table in TABLES for fault in faults(table)))


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.01 else f"{share:.0%}"


def _strength(label: str, variants: tuple[Variant, ...]) -> Strength:
    return Strength(label.removeprefix("faint: "), variants, label.startswith("faint: "))


def _of_schema(sql: str, columns: tuple[str, ...]) -> Strength:
    return Strength("for good", tuple(Variant((sql.replace("{column}", column),), column) for column in columns))


def _by_key(table: Table) -> dict[str, str]:
    """A load that broke off: the keys above a quantile of the day's."""
    key, day = table.key[0], f"{table.day} = {{day}}"
    return {
        label: f"{key} > (select quantile_cont({key}, {quantile}) from {table.name} where {day})"
        for label, quantile in {"the last half": 0.5, "the last quarter": 0.75}.items()
    }


def _shuffled(table: Table, column: str, condition: str) -> str:
    """Each of the rows gets the value of another one of them."""
    order = f"hash({', '.join(table.key)}, {{seed}}, 3)"
    picked = (
        f"select rowid as row, {column} as value, row_number() over (order by {order}) as place, count(*) over () as n "
        f"from {table.name} where {table.day} = {{day}} and {condition}"
    )
    return (
        f"update {table.name} set {column} = moved.value from ("
        f"select rows.row, others.value from ({picked}) as rows "
        f"join ({picked}) as others on others.place = rows.place % rows.n + 1) as moved "
        f"where {table.name}.rowid = moved.row"
    )
