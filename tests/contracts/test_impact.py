"""Who is hit by a change of a field."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dbt_vigil.contracts.changes import Mode
from dbt_vigil.contracts.graph import Column, Graph, Node
from dbt_vigil.contracts.impact import How, Impact, changed, impact
from dbt_vigil.contracts.registry import (
    Contract,
    Dependency,
    Field,
    Freshness,
    Owner,
    Producer,
    Registry,
    Subject,
)

ORDERS = Subject("source", "shop.orders")
TEAM = Owner("team-a", "a@example.com")


def columns(names: Sequence[str]) -> dict[str, Column]:
    return {name.lower(): Column(name, "integer") for name in names}


def node(key: str, sql: str | None = None, parents: Sequence[str] = (), **others: object) -> Node:
    """A model; its relation is `db.main.KEY`."""
    given: dict[str, object] = {
        "unique_id": key,
        "kind": "model",
        "name": key,
        "owner": None,
        "depends_on": parents,
        "file": f"models/{key}.sql",
        "package": "shop",
        "sql": sql,
        "relation": f'"db"."main"."{key}"',
    }
    return Node(**(given | others))  # type: ignore[arg-type]


def orders(*, is_built: bool) -> Node:
    known = columns(["id", "x", "y", "Items", "customer_id"]) if is_built else None
    return node("orders", kind="source", name="shop.orders", built=known)


CUSTOMERS = node("customers", kind="source", name="shop.customers", built=columns(["id", "name", "z"]))
RAW = node("raw", kind="source", name="shop.raw")
"""A source of which no column is known."""


def graph(*nodes: Node, engine: str = "duckdb", is_built: bool = True) -> Graph:
    relations = {"spark": lambda name: f"`main`.`{name}`", "duckdb": lambda name: f'"db"."main"."{name}"'}
    given = (orders(is_built=is_built), CUSTOMERS, RAW, *nodes)
    named = (replace(n, relation=relations[engine](n.unique_id)) if n.relation else n for n in given)
    return Graph("shop", engine, {n.unique_id: n for n in named})


def registry(*contracts: Contract, producers: Sequence[Producer] = ()) -> Registry:
    return Registry(Path("contracts"), contracts, {producer.subject: producer for producer in producers})


def contract(name: str, subject: Subject, *fields: str, freshness: Freshness | None = None) -> Contract:
    lines = {field: f"{name}.yml:{number}" for number, field in enumerate(fields, 5)}
    declared = tuple(Field(field, "integer") for field in fields)
    dependency = Dependency(subject, declared, freshness, None, f"{name}.yml:3", lines)
    return Contract(name, TEAM, (dependency,), f"{name}.yml:1")


def topic(name: str, lands_in: Subject | None) -> Producer:
    file = Path("contracts/topic.yml")
    return Producer(
        Subject("topic", name),
        TEAM,
        file,
        None,
        False,
        Mode.FULL,
        (),
        lands_in,
        True,
        {},
        file,
        "contracts/topic.yml:1",
    )


def hits(found: Impact) -> dict[str, tuple[set[str], set[How]]]:
    """Of each node that is hit: its columns, and how."""
    return {n.name: ({name for name, _ in n.columns}, set(n.how)) for n in found.nodes}


SELECTED, CONDITION, UNKNOWN = How.SELECTED, How.CONDITION, How.UNKNOWN
ORD, C, R = "{orders}", "{customers}", "{raw}"

LINEAGE: Mapping[str, tuple[str, set[str], set[How]]] = {
    # What derives from column x of orders.
    "another column": (f"select id, y from {ORD}", set(), set()),
    "itself": (f"select id, x from {ORD}", {"x"}, {SELECTED}),
    "a word in another case": (f"select ID, X from {ORD}", {"x"}, {SELECTED}),
    "a rename": (f"select x as total, y from {ORD}", {"total"}, {SELECTED}),
    "an expression": (f"select coalesce(x, 0) + y as a, y as b from {ORD}", {"a"}, {SELECTED}),
    "another's column of that name": (f"select c.z as x, o.y from {ORD} o join {C} c on c.id = o.id", set(), set()),
    "an alias of a table": (f"select o.x as a, c.z as b from {ORD} o join {C} c on c.id = o.id", {"a"}, {SELECTED}),
    "no alias of a table": (f"select orders.x as a from {ORD}", {"a"}, {SELECTED}),
    "no table, and a join": (f"select x as a, z as b from {ORD} join {C} on name = y", {"a"}, {SELECTED}),
    "a table that is not known": (f"select x as a, k as b from {ORD} o join {R} r on r.id = o.id", {"a"}, {SELECTED}),
    "CTEs": (
        f"with src as (select * from {ORD}), renamed as (select x as a, y as b from src) select a as c, b from renamed",
        {"c"},
        {SELECTED},
    ),
    "a CTE that has a table's name": (
        f"with orders as (select * from {ORD}) select x as a from orders",
        {"a"},
        {SELECTED},
    ),
    "a CTE with columns": (f"with a(k, v) as (select id, x from {ORD}) select v as b, k from a", {"b"}, {SELECTED}),
    "a CTE that is not used": (f"with a as (select x from {ORD}) select id from {C}", set(), set()),
    "a subquery": (f"select a from (select x as a, y from {ORD}) t", {"a"}, {SELECTED}),
    "a star": (f"select * from {ORD}", {"x"}, {SELECTED}),
    "a star of one table": (f"select c.* from {ORD} o join {C} c on c.id = o.id", set(), set()),
    "a scalar subquery": (
        f"select c.id, (select max(o.x) from {ORD} o where o.id = c.id) as m from {C} c",
        {"m"},
        {SELECTED},
    ),
    "an outer column": (
        f"select o.id, (select max(c.z) from {C} c where c.z > o.x) as m from {ORD} o",
        {"m"},
        {SELECTED},
    ),
    "an outer column without its table": (
        f"select id, (select max(c.z) from {C} c where c.z > x) as m from {ORD}",
        {"m"},
        {SELECTED},
    ),
    "a table beside a CTE of its name": (
        f"with orders as (select id, y as x from {ORD}) select t.x as a from {ORD} t join orders on orders.id = t.id",
        {"a"},
        {SELECTED},
    ),
    "a window": (f"select id, row_number() over (partition by x order by id) as n from {ORD}", {"n"}, {SELECTED}),
    "a named window": (f"select id, sum(y) over w as n from {ORD} window w as (partition by x)", {"n"}, {SELECTED}),
    "a case": (f"select case when x > 1 then 'a' end as a, y from {ORD}", {"a"}, {SELECTED}),
    "a column of the same select": (f"select x + 1 as a, a * 2 as b, y as c from {ORD}", {"a", "b"}, {SELECTED}),
    "union all": (f"select y as a, id as b from {ORD} union all select id, x from {ORD}", {"b"}, {SELECTED}),
    "many unions": (
        " union all ".join([f"select id as a, y as b from {ORD}"] * 300 + [f"select x, y from {ORD}"]),
        {"a"},
        {SELECTED},
    ),
    "a union of a column that is there twice": (
        f"select id as a, id as b from {ORD} union all select x, x from {ORD}",
        {"a", "b"},
        {SELECTED},
    ),
    "two columns of a name": (
        f"select id_1 as a from (select * from {C} join (select x as id from {ORD}) o on true) t",
        {"a"},
        {UNKNOWN},
    ),
    "union": (f"select id as a from {ORD} union select x from {ORD}", {"a"}, {SELECTED, CONDITION}),
    "except": (f"select z as a from {C} except select x from {ORD}", {"a"}, {SELECTED, CONDITION}),
    "a recursive CTE": (
        f"with recursive r(n, m) as (select id, x from {ORD} union all select m, m from r where n < 5) select n from r",
        {"n"},
        {SELECTED, CONDITION},
    ),
    "where": (f"select id from {ORD} where x > 1", set(), {CONDITION}),
    "where, of a CTE": (
        f"with a as (select id from {ORD} where x > 1) select c.id from {C} c join a on a.id = c.id",
        set(),
        {CONDITION},
    ),
    "join": (f"select c.name from {C} c left join {ORD} o on o.x = c.id", set(), {CONDITION}),
    "using": (f"select name from {C} join (select x as id from {ORD}) o using (id)", set(), {CONDITION}),
    "group by": (f"select count(*) as n from {ORD} group by x", set(), {CONDITION}),
    "group by a number": (f"select x as a, count(*) as n from {ORD} group by 1", {"a"}, {SELECTED, CONDITION}),
    "group by another number": (f"select y as a, sum(x) as n from {ORD} group by 1", {"n"}, {SELECTED}),
    "group by an alias": (f"select x % 2 as k, count(*) as n from {ORD} group by k", {"k"}, {SELECTED, CONDITION}),
    "group by all": (f"select x as a, count(*) as n from {ORD} group by all", {"a"}, {SELECTED, CONDITION}),
    "having": (f"select id from {ORD} group by id having max(x) > 1", set(), {CONDITION}),
    "qualify": (f"select id from {ORD} qualify row_number() over (partition by id order by x) = 1", set(), {CONDITION}),
    "order": (f"select id from {ORD} order by x limit 5", set(), {CONDITION}),
    "order by an alias": (f"select x as a from {ORD} order by a", {"a"}, {SELECTED, CONDITION}),
    "order of a union": (
        f"select x as a from {ORD} union all select y from {ORD} order by a",
        {"a"},
        {SELECTED, CONDITION},
    ),
    "distinct": (f"select distinct x as a, y from {ORD}", {"a"}, {SELECTED, CONDITION}),
    "in a subquery": (f"select id from {C} where id in (select x from {ORD})", set(), {CONDITION}),
    "exists": (f"select id from {C} c where exists (select 1 from {ORD} o where o.x = c.id)", set(), {CONDITION}),
    "exists, of another column": (
        f"select id from {C} c where exists (select 1 from {ORD} o where o.y = c.id)",
        set(),
        set(),
    ),
    "brackets": (f"select c.name, o.x as a from ({ORD} o join {C} c on o.id = c.id)", {"a"}, {SELECTED}),
    "count of rows": (f"select count(*) as n from {ORD}", set(), set()),
    "text that says x": (f"select 'x' as a, id from {ORD} -- x", set(), set()),
}

DUCKDB: Mapping[str, tuple[str, set[str], set[How]]] = {
    "exclude": (f"select * exclude (x) from {ORD}", set(), set()),
    "replace": (f"select * replace (x + 1 as y) from {ORD}", {"x", "y"}, {SELECTED}),
    "rename": (f"select * rename (x as a) from {ORD}", {"a"}, {SELECTED}),
    "from first": (f"from {ORD}", {"x"}, {SELECTED}),
    "union by name": (
        f"select id as a, x as b from {ORD} union all by name select y as b, y as a from {ORD}",
        {"b"},
        {SELECTED},
    ),
    "distinct on": (f"select distinct on (x) id from {ORD}", set(), {CONDITION}),
    "a whole row": (f"select to_json(o) as a, 1 as b from {ORD} o", {"a"}, {SELECTED}),
    "columns of a pattern": (f"select columns('x.*') from {ORD}", set(), {SELECTED}),
    "a pivot": (
        f"select * from {ORD} pivot (sum(y) for x in (1, 2))",
        set(),
        {UNKNOWN},
    ),
    "natural join": (f"select c.name from {C} c natural join (select x as id from {ORD}) o", set(), {CONDITION}),
    "unnest": (f"select o.id, u.i from {ORD} o, unnest(o.x) as u(i)", {"i"}, {SELECTED, CONDITION}),
    "unnest in a select": (f"select id, unnest(x) as i from {ORD}", {"i"}, {SELECTED, CONDITION}),
    "lateral": (f"select o.id, l.a from {ORD} o, lateral (select o.x + 1 as a) l", {"a"}, {SELECTED}),
    "a field of a record": (f"select x.city as a, y.city as b, o.x.zip as c from {ORD} o", {"a", "c"}, {SELECTED}),
    "a lambda": (f"select list_transform([1], v -> v + x) as a, y from {ORD}", {"a"}, {SELECTED}),
}

SPARK: Mapping[str, tuple[str, set[str], set[How]]] = {
    "lateral view": (f"select id, i from {ORD} lateral view explode(x) e as i", {"i"}, {SELECTED, CONDITION}),
    "lateral view of another": (f"select id, x from {ORD} lateral view explode(y) e as i", {"x"}, {SELECTED}),
    "explode": (f"select id, explode(x) as (k, v) from {ORD}", {"k", "v"}, {SELECTED, CONDITION}),
    "except": (f"select * except (x) from {ORD}", set(), set()),
    "sort by": (f"select id from {ORD} sort by x", set(), {CONDITION}),
    "semi join": (f"select c.id from {C} c left semi join {ORD} o on o.x = c.id", set(), {CONDITION}),
    "values": (f"select o.id, t.a from {ORD} o join values (1, 2) as t(a, b) on t.a = o.id", set(), set()),
    "a name of two parts": ("select x as a from main.orders", {"a"}, {SELECTED}),
    "a name of three parts": ("select x as a from spark_catalog.main.orders", {"a"}, {SELECTED}),
}

CASES = [
    pytest.param(engine, *case, id=f"{engine}, {name}")
    for engine, cases in (("duckdb", LINEAGE), ("spark", LINEAGE), ("duckdb", DUCKDB), ("spark", SPARK))
    for name, case in cases.items()
]


def written(sql: str, engine: str) -> str:
    """A text with the relations of an engine."""
    form = "`main`.`{}`" if engine == "spark" else '"db"."main"."{}"'
    for name in ("orders", "customers", "raw"):
        sql = sql.replace(f"{{{name}}}", form.format(name))
    return sql


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "not built"])
@pytest.mark.parametrize(("engine", "sql", "names", "how"), CASES)
def test_lineage(engine: str, sql: str, names: set[str], how: set[How], *, is_built: bool) -> None:
    parents = [name for name in ("orders", "customers", "raw") if f"{{{name}}}" in sql or f"main.{name}" in sql]
    model = node("m", written(sql, engine), parents)
    found = impact(registry(), graph(model, engine=engine, is_built=is_built), ORDERS, "X")
    assert hits(found) == ({"m": (names, how)} if how else {})


def test_a_chain_has_distances_and_stops_where_nothing_derives() -> None:
    nodes = graph(
        node("a", 'select x as a1, y as a2 from "db"."main"."orders"', ["orders"]),
        node("b", 'select a1 + 1 as b1 from "db"."main"."a"', ["a"]),
        node("c", 'select a2 as c1 from "db"."main"."a"', ["a"]),
        node("d", 'select c1 from "db"."main"."c"', ["c"]),
        node("board", None, ["b", "c"], kind="exposure", owner=TEAM, relation=None),
        node("other board", None, ["d"], kind="exposure", owner=TEAM, relation=None),
    )
    found = impact(registry(), nodes, ORDERS, "x")
    assert [(n.name, n.distance, n.columns) for n in found.nodes] == [
        ("a", 1, (("a1", SELECTED),)),
        ("b", 2, (("b1", SELECTED),)),
        ("board", 3, ()),
    ]
    assert found.owners == ["team-a (a@example.com)"]


def test_a_condition_hits_all_who_read_the_rows() -> None:
    nodes = graph(
        node("a", 'select id from "db"."main"."orders" where x > 1', ["orders"]),
        node("b", 'select count(*) as n from "db"."main"."a"', ["a"]),
        node("board", None, ["b"], kind="exposure", relation=None),
    )
    found = hits(impact(registry(), nodes, ORDERS, "x"))
    assert found == {"a": (set(), {CONDITION}), "b": (set(), {CONDITION}), "board": (set(), {CONDITION})}


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (None, "it is not compiled"),
        ("select from where", "its SQL cannot be read"),
        ("def model(dbt, session):\n    return dbt.ref('orders')", "its SQL cannot be read"),
        ("insert into t select 1", "its SQL cannot be read"),
        ("select 1; select 2", "its SQL cannot be read"),
        ("select " + "(" * 5000 + "1" + ")" * 5000, "its SQL cannot be read"),
        ("select id from read_parquet('orders.parquet')", "its SQL does not show how it reads shop.orders"),
    ],
)
def test_what_cannot_be_read_is_hit_and_all_below_it(sql: str | None, why: str) -> None:
    nodes = graph(
        node("a", sql, ["orders"], declared=columns(["K", "v"])),
        node("b", 'select k as b1, 1 as one from "db"."main"."a"', ["a"]),
        node("c", 'select 1 as one from "db"."main"."b"', ["b"]),
    )
    found = impact(registry(), nodes, ORDERS, "x")
    assert {name for name, _ in found.nodes[0].columns} >= {"K", "v"}
    assert found.nodes[0].why == why
    assert hits(found) | {"a": 0} == {"a": 0, "b": ({"b1"}, {UNKNOWN}), "c": (set(), {UNKNOWN})}


def test_an_engine_that_sqlglot_does_not_know() -> None:
    nodes = replace(graph(node("a", 'select id from "db"."main"."orders"', ["orders"])), engine="nothing")
    assert hits(impact(registry(), nodes, ORDERS, "x")) == {"a": (set(), {UNKNOWN})}


def test_a_union_of_stars_that_cannot_be_expanded_is_unknown() -> None:
    sql = 'select id as a, y as b from "db"."main"."orders" union all select * from "db"."main"."orders"'
    model = node("a", sql, ["orders"])
    assert hits(impact(registry(), graph(model, is_built=False), ORDERS, "x")) == {"a": ({"a", "b"}, {UNKNOWN})}
    model = node("a", sql.replace("id as a, y as b", "1 as a, 2 as b, 3 as c, 4 as d, 5 as e"), ["orders"])
    assert hits(impact(registry(), graph(model), ORDERS, "x")) == {"a": ({"b"}, {SELECTED})}


def test_a_model_without_a_relation() -> None:
    cte = 'with __dbt__cte__e as (select x as k, y as v from "db"."main"."orders") '
    nodes = graph(
        node("e", 'select x as k, y as v from "db"."main"."orders"', ["orders"], relation=None),
        node("a", f"{cte}select k as a1 from __dbt__cte__e", ["e"]),
        node("b", f"{cte}select v as b1 from __dbt__cte__e", ["e"]),
    )
    expected = {"e": ({"k"}, {SELECTED}), "a": ({"a1"}, {SELECTED})}
    assert hits(impact(registry(), nodes, ORDERS, "x")) == expected
    assert hits(impact(registry(), nodes, Subject("model", "e"), "v")) == {"b": ({"b1"}, {SELECTED})}


def test_all_of_a_subject() -> None:
    nodes = graph(
        node("a", 'select count(*) as n from "db"."main"."orders"', ["orders"]),
        node("b", 'select x as b1, 1 as one from "db"."main"."orders"', ["orders"]),
        node("c", 'select id from "db"."main"."customers"', ["customers"]),
    )
    consumers = registry(contract("web", ORDERS, "id", "y"), contract("app", Subject("source", "shop.customers"), "id"))
    found = impact(consumers, nodes, ORDERS)
    assert hits(found) == {"a": (set(), {CONDITION}), "b": ({"b1"}, {SELECTED, CONDITION})}
    assert [(c.name, c.field, c.where) for c in found.consumers] == [("web", "", "web.yml:3")]


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("address", ["address.city", "address[].zip"]),
        ("Address.City", ["address.city"]),
        ("address.street", []),
        ("add", []),
        ("address.city.name", ["address.city"]),
        ("updated", ["updated"]),
    ],
)
def test_declared(field: str, names: list[str]) -> None:
    consumers = registry(
        contract("web", ORDERS, "address.city", "address[].zip", "id", freshness=Freshness("1 day", "updated"))
    )
    found = impact(consumers, graph(), ORDERS, field).consumers
    assert [c.field for c in found] == names
    assert all((c.owner, c.distance, c.how) == (TEAM, 0, SELECTED) for c in found)
    assert [c.where for c in found] == [
        {"address.city": "web.yml:5", "address[].zip": "web.yml:6"}.get(n, "web.yml:3") for n in names
    ]


def test_declared_of_what_derives() -> None:
    nodes = graph(
        node("a", 'select x as a1, y as a2 from "db"."main"."orders"', ["orders"]),
        node("b", 'select y as b1 from "db"."main"."orders" where x > 1', ["orders"]),
    )
    consumers = registry(
        contract("both", Subject("model", "a"), "a1", "a2"),
        contract("other", Subject("model", "a"), "a2"),
        contract("rows", Subject("model", "b"), "b1"),
    )
    found = impact(consumers, nodes, ORDERS, "x").consumers
    assert [(c.name, c.field, c.how, c.distance) for c in found] == [
        ("both", "a1", SELECTED, 1),
        ("rows", "", CONDITION, 1),
    ]


def test_a_topic_hits_who_depends_on_where_it_lands() -> None:
    nodes = graph(node("a", 'select x as a1 from "db"."main"."orders"', ["orders"]))
    producers = [topic("orders", ORDERS)]
    consumers = registry(
        contract("of topic", Subject("topic", "orders"), "x"),
        contract("of table", ORDERS, "X", "y"),
        producers=producers,
    )
    found = impact(consumers, nodes, Subject("topic", "orders"), "x")
    assert [(c.name, c.subject.kind, c.field) for c in found.consumers] == [
        ("of table", "source", "X"),
        ("of topic", "topic", "x"),
    ]
    assert hits(found) == {"a": ({"a1"}, {SELECTED})}
    assert [r.subject for r in found.related] == [ORDERS]
    of_table = impact(consumers, nodes, ORDERS, "x")
    assert [r.subject for r in of_table.related] == [Subject("topic", "orders")]
    assert [c.name for c in of_table.consumers] == ["of table"]


def test_a_topics_field_that_has_another_name_where_it_lands() -> None:
    nodes = graph(node("a", 'select y as a1 from "db"."main"."orders"', ["orders"]))
    consumers = registry(contract("web", ORDERS, "y"), producers=[topic("orders", ORDERS)])
    found = impact(consumers, nodes, Subject("topic", "orders"), "total")
    assert "has no column `total`" in found.notes[0]
    assert hits(found) == {"a": ({"a1"}, {UNKNOWN})}
    assert [(c.field, c.how) for c in found.consumers] == [("y", UNKNOWN)]


def test_what_dbt_does_not_have() -> None:
    found = impact(registry(contract("web", Subject("table", "t"), "x")), graph(), Subject("table", "t"), "x")
    assert [c.name for c in found.consumers] == ["web"]
    assert found.notes == ("dbt does not have table t: nothing that derives from it is known.",)
    lost = impact(registry(producers=[topic("t", Subject("model", "gone"))]), graph(), Subject("topic", "t"), "x")
    assert lost.notes == ("dbt has no model gone, where topic t lands.",)


def test_tests() -> None:
    nodes = graph(
        node("a", 'select x as a1, y as a2 from "db"."main"."orders"', ["orders"]),
        node("b", 'select y as b1 from "db"."main"."orders" where x > 1', ["orders"]),
        node("t1", None, ["orders"], kind="test", column="X", owner=TEAM),
        node("t2", None, ["orders"], kind="test", column="y"),
        node("t3", None, ["a"], kind="test", column="a1"),
        node("t4", None, ["a"], kind="test", column="a2"),
        node("t5", None, ["orders"], kind="test"),
        node("t6", None, ["customers", "orders"], kind="test", column="id"),
        node("t7", None, ["customers"], kind="test", column="id"),
        node("t8", None, ["b"], kind="test", column="b1"),
    )
    found = impact(registry(), nodes, ORDERS, "x")
    assert [(t.name, set(t.how)) for t in found.tests] == [
        ("t1", {SELECTED}),
        ("t3", {SELECTED}),
        ("t5", {UNKNOWN}),
        ("t6", {UNKNOWN}),
        ("t8", {CONDITION}),
    ]
    assert found.tests[0].owner == TEAM


def test_only_what_is_hit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def parse(sql: str, engine: str) -> None:
        read.append(sql)

    monkeypatch.setattr("dbt_vigil.contracts.lineage._parsed", parse)
    nodes = graph(node("a", "one", ["orders"]), node("b", "two", ["customers"]))
    impact(registry(), nodes, ORDERS, "x")
    assert read == ["one"]


def test_a_thousand_models() -> None:
    """Each of ten columns and a join, in a tree ten deep: far below a minute, also on a machine that is busy."""
    names = ", ".join(f"a.c{n}" for n in range(10))
    models = []
    for n in range(1000):
        parent = f"m{n - 100}" if n >= 100 else "orders"
        first = ", ".join(f"x + {k} as c{k}" for k in range(10)) + ", id"
        selected = f"{names}, a.id" if n >= 100 else first
        sql = (
            f'with a as (select * from "db"."main"."{parent}") select {selected} from a join "db"."main"."customers" c'
        )
        sql += " on a.id = c.id"
        models.append(node(f"m{n}", sql, [parent, "customers"]))
    start = time.monotonic()
    found = impact(registry(), graph(*models), ORDERS, "x")
    assert len(found.nodes) == 1000
    assert found.nodes[-1].distance == 10
    assert time.monotonic() - start < 30


def test_changed() -> None:
    old = graph(
        node("kept", 'select id as a, x as b from "db"."main"."orders"', ["orders"]),
        node("star", "select * from t", declared={"a": Column("A", "int"), "b": Column("b", "int")}),
        node("built", "select * from t", built={"a": Column("A", "int"), "b": Column("b", "int")}),
        node("typed", "select * from t", declared={"a": Column("a", "INT"), "b": Column("b", "int")}),
        node("gone", "select 1 as a"),
    )
    new = graph(
        node("kept", 'select ID as A from "db"."main"."orders"', ["orders"]),
        node("star", "select * from t", declared={"b": Column("B", "int")}),
        node("built", "select * from t", built={"B": Column("b", "int")} | {"b": Column("b", "int")}),
        node("typed", "select * from t", declared={"a": Column("a", "integer"), "b": Column("b", "varchar")}),
        node("Other", "select 1 as a"),
    )
    assert changed(old, new) == [
        (Subject("model", "built"), "A"),
        (Subject("model", "gone"), None),
        (Subject("model", "kept"), "b"),
        (Subject("model", "star"), "A"),
        (Subject("model", "typed"), "b"),
    ]
    assert changed(old, old) == []


def test_changed_reads_what_the_sql_lists() -> None:
    listed = node("a", "with t as (select 1 as k) select k as a, 2 as b from t", declared=columns(["a", "b"]))
    fewer = replace(listed, declared=columns(["a"]))
    assert changed(graph(listed), graph(fewer)) == []
    known = node("a", "select * from t", built=columns(["a", "b"]))
    unknown = node("a", "select *, 1 as c from t")
    assert changed(graph(known), graph(unknown)) == []
    assert changed(graph(known), graph(replace(listed, sql="select 1 as a"))) == [(Subject("model", "a"), "b")]
