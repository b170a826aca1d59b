"""What contracts say about data, as models and tests of dbt: who hears of what, and that no text of theirs is code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt import deprecations

from dbt_vigil.contracts.compiling import Compiled, compile_contracts, write_compiled
from dbt_vigil.contracts.graph import Column, Graph, Node, read_graph
from dbt_vigil.contracts.registry import Registry, read_registry
from dbt_vigil.project import VigilError
from tests.case_table import select
from tests.conftest import ENGINES, engine_of
from tests.engines import Engine, Row
from tests.project import Project, TestResult

KINDS = ("good", "enum", "cents", "nulls")
COLUMNS = {"id": "int", "status": "string", "total": "double", "email": "string", "ordered_at": "timestamp"}
HOSTILE = [
    "{{ env_var('VIGIL_NOT_THERE') }}", "{% do nothing.at_all() %}", "{# gone #}", "env_var('VIGIL_NOT_THERE')",
    "ref('nothing')", "it's", 'a "b" \\c', "line\n", "no", "1", "Größe 😀", "}}",
]  # fmt: skip
ODD = 'it\'s "odd"'
ODD_COLUMNS = {"n": "int", "x": "double", "text": "string", ODD: "int", "order": "int", "two words": "int"}
ODD_ROWS: list[list[Any]] = [
    *([n, 1.5, text, 1, 1, 1] for n, text in enumerate(HOSTILE)),
    [50, None, None, 1, 1, None],
    [51, "NaN", "no", 1, 1, None],
    [52, "Infinity", "unheard of", 1, None, None],
    [53, -1, None, None, None, None],
]


def orders(kind: str) -> list[list[Any]]:
    rows: list[list[Any]] = [[n, "open", 10.5 * n, f"{n}@example.com", "2013-02-09 12:00:00"] for n in range(1, 11)]
    for row in rows:
        row[2] *= 100 if kind == "cents" else 1
    if kind == "enum":
        rows[0][1] = "refunded"
    if kind == "nulls":
        for row in rows[:3]:
            row[0] = row[3] = None
    return rows


def odd_rows(engine: Engine) -> list[list[Any]]:
    """As a literal of the engine takes them."""
    escaped = "\\\\" if engine.dialect == "spark" else "\\"
    return [[cell.replace("\\", escaped) if isinstance(cell, str) else cell for cell in row] for row in ODD_ROWS]


def contract(consumer: str, *depends_on: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    owner = {"team": f"team {consumer}", "email": f"{consumer}@example.com"}
    return {"consumer": consumer, "owner": owner, "depends_on": list(depends_on)} | more


def of_kinds(fields: list[dict[str, Any]], **checks: Any) -> list[dict[str, Any]]:
    return [{"model": f"orders_{kind}", "fields": fields, "checks": checks} for kind in KINDS]


BILLING = contract(
    "billing",
    *of_kinds(
        [
            {"name": "id", "type": "integer", "required": True},
            {"name": "status", "type": "string", "allowed_values": ["open", "paid"]},
            {"name": "total", "type": "number", "constraints": {"min": 0, "max": 1000}},
        ]
    ),
    runbook="https://example.com/billing",
)
ML_TEAM = contract(
    "ml-team",
    *of_kinds(
        [
            {"name": "status", "type": "string", "allowed_values": ["open", "paid", "refunded"]},
            {"name": "total", "type": "number", "constraints": {"max": 1000, "max_rate": 1}},
        ]
    ),
)
SEARCH = contract(
    "search",
    *of_kinds(
        [{"name": "email", "type": "string"}],
        max_null_rate=0.1,
        freshness={"max_age": "2 days", "timestamp_column": "ordered_at"},
    ),
)
STRANGE = contract(
    "strange",
    {
        "model": "odd",
        "fields": [
            {"name": "x", "type": "number", "constraints": {"min": 0, "max_rate": 1}},
            {"name": "text", "type": "string", "allowed_values": HOSTILE},
            {"name": ODD, "type": "integer", "required": True},
            {"name": "order", "type": "integer", "required": True},
            {"name": "two words", "type": "integer"},
        ],
        "checks": {"max_null_rate": 0.5},
    },
    owner={"team": HOSTILE[0], "email": HOSTILE[1], "slack": HOSTILE[2]},
    description=HOSTILE[0],
    runbook=HOSTILE[3],
)
OF_KIND = {
    "billing_{}_id_required",
    "billing_{}_status_allowed_values",
    "billing_{}_total_range",
    "ml_team_{}_status_allowed_values",
    "ml_team_{}_total_range",
    "search_{}_email_max_null_rate",
    "search_{}_ordered_at_freshness",
}
OF_ODD = {
    "strange_odd_x_max_null_rate",
    "strange_odd_x_range",
    "strange_odd_text_max_null_rate",
    "strange_odd_text_allowed_values",
    "strange_odd_it_s__odd__required",
    "strange_odd_order_required",
    "strange_odd_two_words_max_null_rate",
}
FAILING = {
    "contract_billing_orders_enum_status_allowed_values",
    "contract_billing_orders_cents_total_range",
    "contract_billing_orders_nulls_id_required",
    "contract_search_orders_nulls_email_max_null_rate",
    "contract_strange_odd_text_allowed_values",
    "contract_strange_odd_it_s__odd__required",
    "contract_strange_odd_order_required",
    "does_not_add_up",
}


def registry(folder: Path, *documents: Mapping[str, Any]) -> Registry:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yml").write_text("---\n".join(yaml.safe_dump(json.loads(json.dumps(one))) for one in documents))
    return read_registry(folder)


@dataclass(frozen=True)
class Built:
    """A project with what was generated in it, and what dbt said."""

    project: Project
    registry: Registry
    first: Compiled
    results: dict[str, TestResult]

    @property
    def graph(self) -> Graph:
        return read_graph(self.project.directory / "target/manifest.json")

    def rows(self, sql: str) -> list[Row]:
        schema = self.project.engine.profile(self.project.directory).get("schema", "main")
        return self.project.engine.rows(self.project.directory, sql.replace("$", f"{schema}."))


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp(f"compiling_{request.param}_", numbered=False)
    project = Project(directory, engine_of(request), {"vigil_record": True, "vigil_as_of": "2013-02-10"})
    for kind in KINDS:
        project.write(f"models/orders_{kind}.sql", select(project.engine, COLUMNS, orders(kind)))
    project.write(
        "models/odd.sql", f"{{% raw %}}{select(project.engine, ODD_COLUMNS, odd_rows(project.engine))}{{% endraw %}}"
    )
    parts = {"name": "does_not_add_up", "arguments": {"parts": ["ref('orders_enum')", "ref('orders_cents')"]}}
    project.write_yaml(
        "models/own.yml", {"models": [{"name": "orders_good", "data_tests": [{"vigil.rows_add_up": parts}]}]}
    )
    assert project.run("parse").success
    read = registry(directory / "contracts", BILLING, ML_TEAM, SEARCH, STRANGE)
    graph = read_graph(directory / "target/manifest.json")
    compiled = compile_contracts(read, graph, directory / "models/contracts", dead_letter=True)
    write_compiled(compiled)
    deprecations.active_deprecations.clear()  # those of other tests in this process
    parsed = project.run("parse", "--warn-error", "--show-all-deprecations", "--no-partial-parse")
    assert parsed.success, parsed.exception
    return Built(project, read, compiled, project.test_results(project.run("build")))


def names_of(graph: Graph) -> set[str]:
    return {node.name for node in graph.nodes.values() if node.kind == "test" and node.name.startswith("contract_")}


def test_every_rule_is_a_test(built: Built) -> None:
    of_kinds = {f"contract_{name.format(f'orders_{kind}')}" for name in OF_KIND for kind in KINDS}
    parts = {f"contract_{name}_rows_add_up" for name in ("odd", *(f"orders_{kind}" for kind in KINDS))}
    assert names_of(built.graph) == of_kinds | {f"contract_{name}" for name in OF_ODD} | parts


def test_exactly_what_is_broken_fails(built: Built) -> None:
    assert {name for name, result in built.results.items() if result.status != "pass"} == FAILING
    assert {built.results[name].status for name in FAILING} == {"fail"}


def test_a_failure_names_the_consumer_and_its_owner(built: Built) -> None:
    manifest = yaml.safe_load((built.project.directory / "target/manifest.json").read_text())
    metas = {node["name"]: node["config"]["meta"] for node in manifest["nodes"].values()}
    assert metas["contract_billing_orders_cents_total_range"] == {
        "consumer": "billing",
        "contract_field": "total",
        "contract_rule": "range",
        "owner": {"name": "team billing", "email": "billing@example.com"},
        "runbook": "https://example.com/billing",
    }
    recorded = built.rows("select check_id, status, owner, runbook from $check_runs")
    rows = {row.pop("check_id").split(".")[2]: row for row in recorded}
    assert rows["contract_billing_orders_cents_total_range"] == {
        "status": "fail",
        "owner": "team billing, billing@example.com",
        "runbook": "https://example.com/billing",
    }
    assert rows["contract_strange_odd_order_required"]["owner"] == f"{HOSTILE[0]}, {HOSTILE[1]}"
    assert rows["contract_strange_odd_order_required"]["runbook"] == HOSTILE[3]


def test_text_stays_text(built: Built) -> None:
    manifest = yaml.safe_load((built.project.directory / "target/manifest.json").read_text())
    exposure = manifest["exposures"]["exposure.cases.strange"]
    assert exposure["description"] == HOSTILE[0]
    assert exposure["owner"]["name"] == HOSTILE[0]
    assert exposure["owner"]["email"] == HOSTILE[1]
    assert exposure["meta"] == {"consumer": "strange", "runbook": HOSTILE[3], "slack": HOSTILE[2]}
    assert exposure["depends_on"]["nodes"] == ["model.cases.odd", "model.cases.odd__contracted"]
    # Each of these values is in a row; only `unheard of` is not allowed.
    assert built.results["contract_strange_odd_text_allowed_values"].failures == 1
    [row] = built.rows(built.results["contract_strange_odd_text_allowed_values"].compiled_sql)
    assert (row["numerator"], row["denominator"], row["detail"]) == (
        1,
        len(HOSTILE) + 2,
        "not allowed: unheard of (1 row)",
    )


def test_every_row_is_valid_or_rejected(built: Built) -> None:
    valid = built.rows("select n from $odd__valid order by n")
    assert [row["n"] for row in valid] == [*range(len(HOSTILE)), 50]
    rejected = built.rows("select n, contract_reasons from $odd__rejected order by n")
    missing = f"strange: {ODD} required; strange: order required"
    assert {row["n"]: row["contract_reasons"] for row in rejected} == {
        51: "strange: x range",
        52: "strange: order required; strange: text allowed_values",
        53: f"{missing}; strange: x range",
    }
    [nulls] = built.rows("select count(*) as n, count(id) as ids from $orders_nulls__rejected")
    assert nulls == {"n": 3, "ids": 0}
    assert set(built.rows("select * from $odd__rejected")[0]) == {*ODD_COLUMNS, "contract_reasons"}
    assert set(built.rows("select * from $odd__valid")[0]) == {*ODD_COLUMNS}


def test_what_was_generated_changes_nothing_when_it_is_generated_again(built: Built) -> None:
    assert "model.cases.odd__contracted" in built.graph.nodes
    again = compile_contracts(built.registry, built.graph, built.first.folder, dead_letter=True)
    assert again == built.first
    written = write_compiled(again)
    assert (written.written, written.removed, set(written.unchanged)) == ((), (), set(again.files))


def test_a_consumer_that_leaves_takes_its_rules_with_it(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "models/contracts"
    write_compiled(replace(built.first, folder=folder))
    read = registry(tmp_path / "contracts", BILLING, ML_TEAM)
    written = write_compiled(compile_contracts(read, built.graph, folder, dead_letter=False))
    assert {name for name in written.removed if name.startswith("odd")} == {
        "odd__contracted.sql",
        "odd__rejected.sql",
        "odd__valid.sql",
    }
    left = {path.name: path.read_text() for path in folder.iterdir()}
    assert sorted(left) == sorted(["contracts.yml", *(f"orders_{kind}__contracted.sql" for kind in KINDS)])
    assert not any("search" in text or "name: email" in text for text in left.values())
    assert left["contracts.yml"].splitlines()[0] == (
        "# Generated by vigil contracts compile. Edit the contracts, not this file."
    )
    assert write_compiled(Compiled(folder, {}, ())).removed == tuple(sorted(left))


# From here on without dbt.


def table(name: str, *columns: str, kind: str = "model", **more: Any) -> Node:
    given = {column.lower(): Column(column, None) for column in columns}
    return Node(f"{kind}.shop.{name}", kind, name, None, (), "models/shop.yml", "shop", given, **more)


GRAPH = Graph(
    "shop",
    "duckdb",
    {
        node.unique_id: node
        for node in (
            table("orders", "Id", "status", 'a"{{b}}', is_enforced=True),
            table("raw.orders", "id", "loaded", kind="source", timestamp_column="loaded"),
            table("raw.cast", kind="source", timestamp_column="cast(at as timestamp)"),
            table("open"),
            replace(table("theirs", "id"), package="other"),
        )
    },
)
ID = {"name": "id", "type": "integer", "required": True}


def compiled(folder: Path, *documents: Mapping[str, Any], graph: Graph = GRAPH, dead_letter: bool = False) -> Compiled:
    (folder / "schema.avsc").write_text('{"type": "record", "name": "Order", "fields": []}')
    return compile_contracts(registry(folder, *documents), graph, folder / "models", dead_letter=dead_letter)


def topic(name: str, **more: Any) -> dict[str, Any]:
    return {"topic": name, "owner": {"team": "orders"}, "schema": "schema.avsc"} | more


def test_names_are_quoted_where_they_need_to_be(tmp_path: Path) -> None:
    fields = [{"name": name, "type": "integer", "required": True} for name in ("ID", "status", 'a"{{b}}')]
    found = compiled(tmp_path, contract("a", {"model": "orders", "fields": fields}), dead_letter=True)
    assert found.files["orders__contracted.sql"] == (
        "-- Generated by vigil contracts compile. Edit the contracts, not this file.\n"
        '{{ config(materialized="view") }}\n\n'
        "select\n"
        "  Id,\n"
        "  status,\n"
        '  {{ vigil.identifier("a\\x22\\x7b\\x7bb\\x7d\\x7d") }} as a___b__\n'
        'from {{ ref("orders") }}\n'
    )
    assert '"column": "a\\x22\\x7b\\x7bb\\x7d\\x7d"' in found.files["orders__rejected.sql"]


def test_subjects_that_land_in_one_table_share_its_view(tmp_path: Path) -> None:
    found = compiled(
        tmp_path,
        topic("orders", lands_in={"source": "raw.orders"}),
        contract("b", {"topic": "orders", "fields": [ID], "checks": {"freshness": "2 hours"}}),
        contract("a", {"source": "raw.orders", "fields": [ID | {"required": False}], "checks": {"max_null_rate": 0.5}}),
        contract("c", {"model": "theirs", "fields": [ID | {"required": False}]}),
    )
    assert sorted(found.files) == ["contracts.yml", "raw__orders__contracted.sql"]
    assert found.files["raw__orders__contracted.sql"].endswith(
        'select\n  id,\n  loaded\nfrom {{ source("raw", "orders") }}\n'
    )
    content = yaml.safe_load(found.files["contracts.yml"])
    [model] = content["models"]
    assert [next(iter(test)) for test in model["data_tests"]] == ["vigil.freshness"]
    assert [next(iter(test)) for test in model["columns"][0]["data_tests"]] == ["vigil.null_rate", "not_null"]
    assert [exposure["depends_on"] for exposure in content["exposures"]] == [
        ['ref("raw__orders__contracted")', 'source("raw", "orders")'],
        ['ref("raw__orders__contracted")', 'source("raw", "orders")'],
        ['ref("other", "theirs")'],
    ]


def test_what_cannot_be_checked_is_noted(tmp_path: Path) -> None:
    nested = ID | {"name": "address.city", "type": "string"}
    found = compiled(
        tmp_path,
        topic("clicks", lands_in=None),
        contract("a", {"topic": "clicks", "fields": [ID]}, {"model": "orders", "fields": [ID, nested]}),
    )
    assert [note.partition(": ")[2] for note in found.notes] == [
        "topic clicks lands in no table: what a says of its data is not checked.",
        "address.city of model orders is within a column: only its type is checked, not required.",
    ]
    assert "city" not in "".join(found.files.values())


def test_a_table_that_dbt_does_not_know_is_read_by_its_name(tmp_path: Path) -> None:
    producer = {"table": "lake.raw.orders", "owner": {"team": "lake"}, "schema": "schema.avsc"}
    found = compiled(tmp_path, producer, contract("a", {"table": "lake.raw.orders", "fields": [ID]}))
    relation = '{{ vigil.identifier("lake") ~ "." ~ vigil.identifier("raw") ~ "." ~ vigil.identifier("orders") }}'
    assert f"from {relation}\n" in found.files["lake__raw__orders__contracted.sql"]
    assert yaml.safe_load(found.files["contracts.yml"])["exposures"][0]["depends_on"] == [
        'ref("lake__raw__orders__contracted")'
    ]


def test_names_are_unique_and_short(tmp_path: Path) -> None:
    fields = [
        {"name": "x" * 190, "type": "string", "required": True},
        {"name": "y", "type": "string", "required": True},
    ]
    found = compiled(tmp_path, *(contract(name, {"model": "open", "fields": fields}) for name in ("a-b", "a_b", "c")))
    content = yaml.safe_load(found.files["contracts.yml"])
    names = [test["not_null"]["name"] for column in content["models"][0]["columns"] for test in column["data_tests"]]
    assert len({name.lower() for name in names}) == 6
    assert max(map(len, names)) < 200
    assert "contract_c_open_y_required" in names
    exposures = [exposure["name"] for exposure in content["exposures"]]
    assert len(set(exposures)) == 3
    assert exposures[2] == "c"


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    at = {"checks": {"freshness": "1 hour"}}
    found = [
        topic("silent"),
        contract(
            "a",
            {"model": "nowhere", "fields": [ID]},
            {"topic": "nothing", "fields": [ID]},
            {"topic": "silent", "fields": [ID]},
            {"model": "orders", "fields": [ID | {"name": "gone"}]},
            {"model": "open", "fields": [ID]} | at,
            {"source": "raw.cast", "fields": [ID]} | at,
            {
                "source": "raw.orders",
                "fields": [
                    {"name": "id", "type": "boolean", "allowed_values": ["yes"]},
                ],
            },
        ),
    ]
    with pytest.raises(VigilError) as error:
        compiled(tmp_path, *found)
    said = str(error.value).splitlines()
    assert all(line.startswith(f"{tmp_path / 'all.yml'}:") for line in said)
    for text, line in zip(
        [
            "dbt knows no model nowhere, and no one else produces it.",
            "no one produces topic nothing: there is no `topic: nothing`.",
            "`lands_in` is missing: a has rules about the data of topic silent.",
            "model orders has no column `gone`, as models/shop.yml declares it.",
            "add `timestamp_column` to it, or a column as `event_time` of model open.",
            "add `timestamp_column` to it, or a column as `loaded_at_field` of source raw.cast.",
            "`allowed_values` of a boolean: accepted are texts for a string and a date",
        ],
        said,
        strict=True,
    ):
        assert text in line


def test_names_that_the_project_has_are_not_taken(tmp_path: Path) -> None:
    graph = replace(GRAPH, nodes={**GRAPH.nodes, "m": table("orders__contracted"), "e": table("a", kind="exposure")})
    with pytest.raises(VigilError, match=r"models/shop\.yml:1: model orders__contracted is in the way"):
        compiled(tmp_path, contract("a", {"model": "orders", "fields": [ID]}), graph=graph)
    found = compiled(tmp_path, contract("a", {"model": "open", "fields": [ID]}), graph=graph)
    [exposure] = yaml.safe_load(found.files["contracts.yml"])["exposures"]
    assert exposure["name"].startswith("a_")


def test_all_or_nothing_is_written(tmp_path: Path) -> None:
    found = compiled(tmp_path, contract("a", {"model": "orders", "fields": [ID]}))
    found.folder.mkdir()
    own = found.folder / "orders__contracted.sql"
    own.write_text("select 1")
    with pytest.raises(VigilError, match=r"orders__contracted\.sql:1: it was not generated"):
        write_compiled(found)
    assert [path.name for path in found.folder.iterdir()] == [own.name]
    own.unlink()
    (found.folder / "own.sql").write_text("select 1")
    assert str(write_compiled(found)) == "2 files written, 0 removed, 0 unchanged"
    assert str(write_compiled(Compiled(found.folder, {}, ()))) == "0 files written, 2 removed, 0 unchanged"
    assert [path.name for path in found.folder.iterdir()] == ["own.sql"]
