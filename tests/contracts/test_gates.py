"""What the gates stop, and let through, in a producer's repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbt_vigil.contracts.graph import owner_of
from tests.contracts.producing import NOW, Repository, example, repository

TOPIC = "contracts/producers/order-events.yml"
AVRO = "contracts/producers/order-events.avsc"
PROTO = "contracts/producers/shipments.proto"
TOTAL = '    {"name": "total_usd", "type": "double"},\n'
NOTE = '    {"name": "note", "type": ["null", "string"], "default": null}\n'


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example(tmp_path_factory.mktemp("contracts") / "example")


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Repository:
    return repository(built, tmp_path / "shop")


def said(findings: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {(f["gate"], f["verdict"], f["subject"], f["field"]) for f in findings}


def hit(findings: list[dict[str, Any]], gate: str) -> set[str]:
    return {f"{h['consumer']}: {h['owner']['email']}" for f in findings if f["gate"] == gate for h in f["hit"]}


def test_the_example_passes(shop: Repository) -> None:
    assert shop.check() == (0, [])


ANALYTICS = "analytics-platform: analytics@example.com"
ANALYTICS_CONTRACT = "contracts/consumers/analytics-platform.yml"
DECLARED = "      - {name: total_usd, type: number, required: true, constraints: {min: 0, max: 1000000}}\n"

TOPIC_CHANGES = {
    "renamed": (
        [("total_usd", "total")],
        {("consumers", "broken", "topic order-events", "total_usd"),
         ("deprecation", "broken", "topic order-events", "total_usd"),
         ("schema", "broken", "topic order-events", "total")},
    ),
    "dropped": (
        [(TOTAL, "")],
        {("consumers", "broken", "topic order-events", "total_usd"),
         ("deprecation", "broken", "topic order-events", "total_usd")},
    ),
    "narrowed": (
        [('"total_usd", "type": "double"', '"total_usd", "type": "float"')],
        {("schema", "broken", "topic order-events", "total_usd")},
    ),
    "text": (
        [('"total_usd", "type": "double"', '"total_usd", "type": "string"')],
        {("consumers", "broken", "topic order-events", "total_usd"),
         ("schema", "broken", "topic order-events", "total_usd")},
    ),
    "optional": (
        [('"total_usd", "type": "double"', '"total_usd", "type": ["null", "double"], "default": null')],
        {("consumers", "broken", "topic order-events", "total_usd"),
         ("schema", "broken", "topic order-events", "total_usd")},
    ),
    "a new symbol": (
        [('"cancelled"', '"cancelled", "refunded"')],
        {("consumers", "broken", "topic order-events", "status"),
         ("schema", "broken", "topic order-events", "status")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOPIC_CHANGES)
def test_a_change_of_a_declared_field_names_who_is_hit(shop: Repository, name: str) -> None:
    edits, expected = TOPIC_CHANGES[name]
    shop.edit(AVRO, *edits)
    code, findings = shop.check()
    assert (code, said(findings)) == (1, expected)
    assert {ANALYTICS} == set.union(*(hit(findings, gate) for gate, *_ in expected))
    assert all(f["why"] and f["instead"] and f["where"] for f in findings)


def test_a_nullable_field_may_be_added(shop: Repository) -> None:
    shop.edit(AVRO, (NOTE, NOTE.rstrip() + ',\n    {"name": "coupon", "type": ["null", "string"], "default": null}\n'))
    assert shop.check() == (0, [])


def test_a_field_without_a_default_may_not_be_added(shop: Repository) -> None:
    shop.edit(AVRO, (NOTE, NOTE.rstrip() + ',\n    {"name": "coupon", "type": "string"}\n'))
    code, findings = shop.check()
    assert (code, said(findings)) == (1, {("schema", "broken", "topic order-events", "coupon")})
    assert [f["direction"] for f in findings] == ["backward"]


def test_protobuf_is_judged_too(shop: Repository) -> None:
    shop.edit(PROTO, ("string tracking_code = 1", "int64 tracking_code = 1"))
    code, findings = shop.check()
    assert code == 1
    assert ("consumers", "broken", "topic shipments", "parcels[].tracking_code") in said(findings)
    assert hit(findings, "consumers") == {"support-desk: support@example.com"}


def column(name: str, change: Callable[[dict[str, Any], str], None]) -> Callable[[Any], None]:
    """A change of a column of the model, as dbt built it."""

    def of(catalog: Any) -> None:
        change(catalog["nodes"]["model.contracts_example.order_events"]["columns"], name)

    return of


def test_a_column_that_is_dropped_is_found_where_it_is_built(shop: Repository) -> None:
    shop.artifact("catalog.json", column("total_usd", lambda columns, name: columns.pop(name)))
    code, findings = shop.check()
    assert code == 1
    assert said(findings) == {
        ("consumers", "broken", "model order_events", "total_usd"),
        ("deprecation", "broken", "model order_events", "total_usd"),
    }
    assert hit(findings, "consumers") == {"finance: finance@example.com", ANALYTICS}


def test_a_column_of_another_type(shop: Repository) -> None:
    def to_text(columns: dict[str, Any], name: str) -> None:
        columns[name]["type"] = "VARCHAR"

    shop.artifact("catalog.json", column("total_usd", to_text))
    code, findings = shop.check()
    assert (code, said(findings)) == (
        1,
        {
            ("consumers", "broken", "model order_events", "total_usd"),
            ("schema", "broken", "model order_events", "total_usd"),
        },
    )


def test_a_nullable_column_may_be_added(shop: Repository) -> None:
    def added(columns: dict[str, Any], name: str) -> None:
        columns[name] = {"type": "VARCHAR", "name": name, "index": 9, "comment": None}

    shop.artifact("catalog.json", column("coupon", added))
    assert shop.check() == (0, [])


def test_a_model_that_is_gone(shop: Repository) -> None:
    shop.artifact("manifest.json", lambda manifest: manifest["nodes"].pop("model.contracts_example.order_events"))
    code, findings = shop.check("--gate", "schema", "--gate", "deprecation")
    assert (code, said(findings)) == (1, {("deprecation", "broken", "model order_events", "")})
    assert hit(findings, "deprecation") == {
        "finance: finance@example.com",
        "support-desk: support@example.com",
        ANALYTICS,
    }


def test_a_type_that_nobody_knows_is_not_let_through(shop: Repository) -> None:
    (shop.folder / "target/catalog.json").unlink()
    code, findings = shop.check("--gate", "consumers")
    assert code == 2
    assert {f["verdict"] for f in findings} == {"undecided"}


def test_columns_that_nobody_knows_are_not_let_through(shop: Repository) -> None:
    for folder in ("target", "state"):
        (shop.folder / folder / "catalog.json").unlink()
    code, findings = shop.check("--gate", "schema")
    assert (code, said(findings)) == (2, {("schema", "undecided", "model order_events", "")})


def test_a_version_of_a_model_that_is_gone(shop: Repository) -> None:
    def versioned(latest: int, *versions: int) -> Callable[[Any], None]:
        def of(manifest: Any) -> None:
            node = manifest["nodes"].pop("model.contracts_example.order_events")
            for version in versions:
                key = f"model.contracts_example.order_events.v{version}"
                given = {"unique_id": key, "version": version, "latest_version": latest, "access": "public"}
                manifest["nodes"][key] = node | given

        return of

    def built(catalog: Any) -> None:
        for version in (1, 2):
            nodes = catalog["nodes"]
            nodes[f"model.contracts_example.order_events.v{version}"] = nodes["model.contracts_example.order_events"]

    for name in ("../state/manifest.json", "manifest.json"):
        shop.artifact(name, versioned(2, *((1, 2) if "state" in name else (2,))))
    for name in ("../state/catalog.json", "catalog.json"):
        shop.artifact(name, built)
    code, findings = shop.check("--gate", "schema", "--gate", "deprecation")
    assert (code, said(findings)) == (1, {("deprecation", "broken", "model order_events.v1", "")})


def test_without_the_artifacts_of_the_base_a_model_is_not_let_through(shop: Repository) -> None:
    result = shop.vigil("check", "--base", "main", "--gate", "schema")
    assert result.exit_code == 2
    assert "--state" in result.output


def test_a_catalog_older_than_the_manifest_is_refused(shop: Repository) -> None:
    def older(catalog: Any) -> None:
        catalog["metadata"]["generated_at"] = "2020-01-01T00:00:00Z"

    shop.artifact("catalog.json", older)
    code, [finding] = shop.check()
    assert (code, "catalog.json is older than" in finding["why"]) == (2, True)


def test_what_nobody_produces_is_not_let_through(shop: Repository) -> None:
    shop.edit("contracts/consumers/support-desk.yml", ("topic: shipments", "topic: parcels"))
    code, findings = shop.check("--gate", "consumers")
    assert (code, said(findings)) == (2, {("consumers", "undecided", "topic parcels", "")})
    assert [f["where"] for f in findings] == ["contracts/consumers/support-desk.yml:9"]


def test_a_mode_that_is_changed_with_the_schema_does_not_count(shop: Repository) -> None:
    shop.edit(AVRO, ('"total_usd", "type": "double"', '"total_usd", "type": "float"'))
    shop.edit(TOPIC, ("mode: FULL", "mode: FORWARD"))
    code, findings = shop.check("--gate", "schema")
    assert (code, {f["direction"] for f in findings}) == (1, {"backward"})
    shop.git("stash", "push", "--quiet", AVRO)
    shop.land()
    shop.git("stash", "pop", "--quiet")
    assert shop.check("--gate", "schema") == (0, [])


def test_transitive_modes_look_at_all_versions(shop: Repository) -> None:
    # Version 1 had a field that is gone since; who has it now with another type cannot read the oldest data.
    versions = shop.folder / "contracts/producers/versions"
    versions.mkdir()
    text = (shop.folder / AVRO).read_text()
    (versions / "1.avsc").write_text(text.replace(NOTE, NOTE.rstrip() + ',\n    {"name": "coupon", "type": "int"}\n'))
    shop.edit(TOPIC, ("mode: FULL", "mode: FULL_TRANSITIVE\nversions: versions/*.avsc"))
    shop.land()
    shop.edit(AVRO, (NOTE, NOTE.rstrip() + ',\n    {"name": "coupon", "type": ["null", "string"], "default": null}\n'))
    code, findings = shop.check("--gate", "schema")
    assert (code, said(findings)) == (1, {("schema", "broken", "topic order-events", "coupon")})
    shop.edit(TOPIC, ("FULL_TRANSITIVE\nversions: versions/*.avsc", "FULL"))
    shop.git("stash", "push", "--quiet", AVRO)
    shop.land()
    shop.git("stash", "pop", "--quiet")
    assert shop.check("--gate", "schema") == (0, [])


def test_a_topic_that_is_gone(shop: Repository) -> None:
    (shop.folder / TOPIC).unlink()
    code, findings = shop.check()
    assert code == 2  # its consumer depends on what nobody produces
    assert ("deprecation", "broken", "topic order-events", "") in said(findings)
    assert f"{TOPIC}:1" in {finding["where"] for finding in findings}


def test_a_schema_outside_of_the_repository_is_not_compared_with_itself(shop: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside.avsc"
    outside.write_text((shop.folder / AVRO).read_text())
    for place in (outside, shop.folder / AVRO):
        shop.edit(TOPIC, ("schema: order-events.avsc", f"schema: {place}"))
        shop.land()
        place.write_text(place.read_text().replace('"total_usd", "type": "double"', '"total_usd", "type": "float"'))
        code, findings = shop.check("--gate", "schema")
        assert (code, said(findings)) == (2, {("schema", "undecided", "topic order-events", "")})
        shop.git("checkout", "--quiet", ".")
        shop.edit(TOPIC, (f"schema: {place}", "schema: order-events.avsc"))


@pytest.mark.parametrize("is_link", [True, False])
def test_a_registry_that_moves(shop: Repository, is_link: bool) -> None:
    shop.git("mv", "contracts", "moved")
    if is_link:
        (shop.folder / "contracts").symlink_to("moved")
    shop.edit(AVRO.replace("contracts", "moved"), (TOTAL, ""))
    there = ["--registry", "contracts" if is_link else "moved"]
    code, [finding, *_] = shop.check(*there, "--gate", "deprecation")
    assert (code, "give that as --base-registry" in finding["why"]) == (2, True)
    code, findings = shop.check(*there, "--gate", "deprecation", "--base-registry", "contracts")
    assert (code, said(findings)) == (1, {("deprecation", "broken", "topic order-events", "total_usd")})


def test_an_empty_registry_is_not_let_through(shop: Repository) -> None:
    (shop.folder / "empty").mkdir()
    code, [finding] = shop.check("--registry", "empty")
    assert (code, finding["why"]) == (2, "empty: there is no contract in it, nor a producer.")


def test_what_dbt_has_not_read_is_not_let_through(shop: Repository) -> None:
    shop.edit("models/order_events.sql", ("total_usd", "cast(total_usd as float) as total_usd"))
    code, [finding] = shop.check()
    assert (code, "models/order_events.sql: changed since" in finding["why"]) == (2, True)
    # Only the gates need to know it.
    assert shop.vigil("announce", "order-events", "note").exit_code == 0


def test_the_artifacts_of_the_change_are_not_those_of_the_base(shop: Repository) -> None:
    code, [finding] = shop.check("--state", "target")
    assert (code, "target has the artifacts of the change itself" in finding["why"]) == (2, True)


def loosened(shop: Repository) -> None:
    shop.edit(ANALYTICS_CONTRACT, ("shipped, cancelled]", "shipped, cancelled, refunded]"))
    desk = "contracts/consumers/support-desk.yml"
    shop.edit(desk, ("shipped, cancelled]", "shipped, cancelled, refunded]"))


def test_a_contract_that_is_loosened_with_the_schema_does_not_count(shop: Repository) -> None:
    shop.edit(TOPIC, ("mode: FULL", "mode: BACKWARD"))
    shop.land()
    loosened(shop)
    assert shop.check() == (0, [])
    shop.edit(AVRO, ('"cancelled"', '"cancelled", "refunded"'))
    code, findings = shop.check()
    assert (code, said(findings)) == (1, {("consumers", "broken", "topic order-events", "status")})
    assert [f["where"] for f in findings] == [f"main:{ANALYTICS_CONTRACT}:8"]
    shop.git("checkout", "--quiet", AVRO)
    shop.land()
    shop.edit(AVRO, ('"cancelled"', '"cancelled", "refunded"'))
    assert shop.check() == (0, [])


def test_a_contract_that_is_broken_already_may_be_mended(shop: Repository) -> None:
    shop.edit("contracts/consumers/support-desk.yml", ("name: note, type: string", "name: note, type: integer"))
    shop.land()
    assert shop.check()[0] == 1
    shop.edit("contracts/consumers/support-desk.yml", ("name: note, type: integer", "name: note, type: string"))
    assert shop.check() == (0, [])


def test_where_a_topic_lands_is_not_taken_away(shop: Repository) -> None:
    shop.edit(TOPIC, ("lands_in: {model: order_events}", "lands_in: null"))
    code, findings = shop.check()
    assert (code, said(findings)) == (1, {("consumers", "broken", "topic order-events", "")})
    assert hit(findings, "consumers") == {ANALYTICS}


def test_a_model_that_a_topic_lands_in_is_judged_for_its_consumers(shop: Repository) -> None:
    for name in ("finance", "support-desk"):
        (shop.folder / f"contracts/consumers/{name}.yml").unlink()
    shop.land()

    def to_text(columns: dict[str, Any], name: str) -> None:
        columns[name]["type"] = "VARCHAR"

    shop.artifact("catalog.json", column("total_usd", to_text))
    code, findings = shop.check()
    model = "model order_events"
    assert (code, said(findings)) == (
        1,
        {("consumers", "broken", model, "total_usd"), ("schema", "broken", model, "total_usd")},
    )
    assert hit(findings, "schema") == hit(findings, "consumers") == {ANALYTICS}


def test_a_model_whose_table_has_another_name(shop: Repository) -> None:
    def renamed(manifest: Any) -> None:
        manifest["nodes"]["model.contracts_example.order_events"]["alias"] = "order_events_2"

    shop.artifact("manifest.json", renamed)
    code, [finding] = shop.check()
    assert (code, "It is the table order_events_2 now" in finding["why"]) == (1, True)


def test_an_announcement_that_says_more_days_is_kept(shop: Repository) -> None:
    shop.vigil("announce", "order-events", "note", "--remove-after", "2027-03-01")
    shop.land(NOW - timedelta(days=40))
    remove_note(shop)
    code, [finding] = shop.check()
    assert (code, "announced to stay until 2027-03-01" in finding["why"]) == (1, True)


def test_a_field_of_one_of_several_records(shop: Repository) -> None:
    def one_of(*fields: str) -> str:
        nullable = [{"name": name, "type": ["null", "long"], "default": None} for name in fields]
        records = [{"type": "record", "name": "A", "fields": nullable}, {"type": "record", "name": "B", "fields": [
            {"name": name, "type": ["null", "long"], "default": None} for name in ("p", "r")]}]  # fmt: skip
        field = {"name": "payload", "type": ["null", *records], "default": None}
        return NOTE.rstrip() + ",\n    " + json.dumps(field) + "\n"

    shop.edit(AVRO, (NOTE, one_of("p", "q")))
    shop.land()
    shop.edit(AVRO, (one_of("p", "q"), one_of("q")))
    code, findings = shop.check()
    assert (code, said(findings)) == (1, {("deprecation", "broken", "topic order-events", "payload.p")})


def test_a_dbt_project_without_a_manifest_is_not_let_through(shop: Repository) -> None:
    (shop.folder / "target/manifest.json").unlink()
    result = shop.vigil("check", "--gate", "ownership")
    assert (result.exit_code, "run dbt docs generate" in result.output) == (2, True)


def announce(shop: Repository, subject: str, field: str, file: str = TOPIC) -> None:
    """With days that are forged: neither they nor the date of a commit's author count."""
    result = shop.vigil("announce", subject, field, "--replacement", "other")
    assert result.exit_code == 0, result.output
    text = (shop.folder / file).read_text()
    days = re.findall(r"'(20\d\d-\d\d-\d\d)'", text)
    assert len(days) == 2
    shop.edit(file, *((day, "2020-01-01") for day in days))


def remove_note(shop: Repository) -> None:
    shop.edit(AVRO, ('"placed_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},\n' + NOTE,
                     '"placed_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}\n'))  # fmt: skip


@pytest.mark.parametrize(("days", "code"), [(0, 1), (27, 1), (28, 0), (40, 0)])
def test_a_field_is_removed_28_days_after_its_announcement_landed(shop: Repository, days: int, code: int) -> None:
    announce(shop, "order-events", "note")
    shop.land(NOW - timedelta(days=days))
    remove_note(shop)
    found, findings = shop.check()
    assert found == code
    assert said(findings) == ({("deprecation", "broken", "topic order-events", "note")} if code else set())
    if code:
        [finding] = findings
        assert f"{days} days after" in finding["why"]
        assert f"{28 - days} day" in finding["instead"]


def test_an_announcement_in_the_change_itself_does_not_count(shop: Repository) -> None:
    announce(shop, "order-events", "note")
    remove_note(shop)
    code, [finding] = shop.check()
    assert (code, "never announced on main" in finding["why"]) == (1, True)


def test_an_announcement_that_was_taken_back_begins_anew(shop: Repository) -> None:
    before = (shop.folder / TOPIC).read_text()
    announce(shop, "order-events", "note")
    announced = (shop.folder / TOPIC).read_text()
    shop.land(NOW - timedelta(days=50))
    (shop.folder / TOPIC).write_text(before)
    shop.land(NOW - timedelta(days=20))
    (shop.folder / TOPIC).write_text(announced)
    shop.land(NOW - timedelta(days=10))
    remove_note(shop)
    code, [finding] = shop.check()
    assert (code, "10 days after" in finding["why"]) == (1, True)


def test_a_field_stays_as_long_as_somebody_declares_it(shop: Repository) -> None:
    announce(shop, "order-events", "total_usd")
    shop.land(NOW - timedelta(days=40))
    shop.edit(AVRO, (TOTAL, ""))
    code, findings = shop.check("--gate", "deprecation")
    assert (code, said(findings)) == (1, {("deprecation", "broken", "topic order-events", "total_usd")})
    assert hit(findings, "deprecation") == {ANALYTICS}
    shop.edit(ANALYTICS_CONTRACT, (DECLARED, ""))
    code, findings = shop.check()
    assert (code, {f["gate"] for f in findings}) == (1, {"consumers", "deprecation"})
    assert {f["hit"][0]["where"] for f in findings} == {f"main:{ANALYTICS_CONTRACT}:7"}
    shop.edit(AVRO, ('"fields": [\n', '"fields": [\n' + TOTAL))
    shop.land()
    shop.edit(AVRO, (TOTAL, ""))
    assert shop.check() == (0, [])


def test_a_column_is_removed_after_its_announcement(shop: Repository) -> None:
    shop.edit("contracts/consumers/support-desk.yml", ("      - {name: note, type: string}\n", ""))
    announce(shop, "order_events", "note", "models/_models.yml")
    shop.land(NOW - timedelta(days=28))
    shop.artifact("catalog.json", column("note", lambda columns, name: columns.pop(name)))
    assert shop.check(at=NOW - timedelta(days=1))[0] == 1
    assert shop.check() == (0, [])


def test_a_shallow_clone_is_not_let_through(shop: Repository, tmp_path: Path) -> None:
    announce(shop, "order-events", "note")
    shop.land(NOW - timedelta(days=40))
    shop.edit(TOPIC, ("Every order,", "All orders,"))
    shop.land(NOW - timedelta(days=2))
    clone = tmp_path / "clone"
    shop.git("clone", "--quiet", "--depth", "1", "--branch", "main", f"file://{shop.folder}", str(clone))
    shutil.copytree(shop.folder / "target", clone / "target")
    shutil.copytree(shop.folder / "state", clone / "state")
    shallow = Repository(clone)
    remove_note(shallow)
    code, [finding] = shallow.check()
    assert (code, finding["verdict"], "fetch-depth: 0" in finding["instead"]) == (2, "undecided", True)


def test_everything_has_an_owner(shop: Repository) -> None:
    def disowned(manifest: Any) -> None:
        for node in manifest["nodes"].values():
            if node["package_name"] == "contracts_example" and node["resource_type"] in ("model", "test"):
                node["group"] = node["config"]["group"] = None

    shop.artifact("manifest.json", disowned)
    code, findings = shop.check("--gate", "ownership")
    assert code == 1
    assert {"model order_events", "check unique_order_events_order_id"} <= {f["subject"] for f in findings}


@pytest.mark.parametrize("owner", ["  ", "", {"email": " "}, {"name": ""}, None, 3])
def test_an_owner_that_is_nobody(owner: Any) -> None:
    assert owner_of(owner) is None


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (AVRO, '"type": "string"}', '"type": "strin"}', AVRO),
        (AVRO, '"fields": [', '"fields": ', f"{AVRO}:"),
        (PROTO, "string order_id = 1;", "string order_id = ;", f"{PROTO}:8"),
        (TOPIC, "schema: order-events.avsc", "schema: gone.avsc", f"{TOPIC}:"),
    ],
)
def test_a_schema_that_cannot_be_read(shop: Repository, file: str, old: str, new: str, expected: str) -> None:
    shop.edit(file, (old, new))
    result = shop.vigil("check", "--base", "main", "--state", "state")
    assert result.exit_code == 2
    assert expected in result.output


def test_there_is_no_such_base(shop: Repository) -> None:
    result = shop.vigil("check", "--base", "origin/other")
    assert (result.exit_code, "git knows no branch `origin/other`" in result.output) == (2, True)


@pytest.mark.parametrize(("mode", "code"), [("FULL", 1), ("BACKWARD", 0), ("FORWARD", 1)])
def test_two_files_are_compared(tmp_path: Path, mode: str, code: int) -> None:
    # Who has a double reads floats as such; who has a float does not read doubles.
    for name, kind in (("old", "float"), ("new", "double")):
        fields = [{"name": "total", "type": kind}]
        (tmp_path / f"{name}.avsc").write_text(json.dumps({"type": "record", "name": "Order", "fields": fields}))
    result = Repository(tmp_path).vigil("compare", "old.avsc", "new.avsc", "--mode", mode)
    assert (result.exit_code, "new.avsc.total" in result.output) == (code, bool(code))


def test_of_two_formats_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.avsc").write_text('{"type": "record", "name": "A", "fields": []}')
    (tmp_path / "a.json").write_text('{"type": "object"}')
    result = Repository(tmp_path).vigil("compare", "a.avsc", "a.json")
    assert (result.exit_code, "The format is another: Avro before, JSON Schema now." in result.output) == (1, True)
    (tmp_path / "a.txt").write_text("")
    result = Repository(tmp_path).vigil("compare", "a.avsc", "a.txt")
    assert (result.exit_code, "a.txt: a schema's file ends in" in result.output) == (2, True)


def test_data_that_break_a_contract_fail_the_producers_build(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(built, folder, symlinks=True)
    shop = Repository(folder)
    seed = folder / "seeds/raw_order_events.csv"
    header, *rows = [line.split(",") for line in seed.read_text().splitlines()]
    in_cents = [[key, str(round(float(total) * 100, 2)), *rest] for key, total, *rest in rows]
    in_cents[3][2] = "refunded"
    seed.write_text("\n".join(map(",".join, [header, *in_cents])) + "\n")
    dbt = Path(sys.executable).with_name("dbt")
    run = subprocess.run([dbt, "build", "--profiles-dir", "."], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout
    failing = [
        status
        for status in json.loads(shop.vigil("--json", "--profiles-dir", ".", of=("status",)).output)
        if status["state"] == "failing"
    ]
    assert {(status["check_name"], status["owner"]) for status in failing} == {
        ("contract_analytics_platform_order_events_status_allowed_values", "analytics, analytics@example.com"),
        ("contract_analytics_platform_order_events_total_usd_range", "analytics, analytics@example.com"),
        ("contract_finance_order_events_total_usd_range", "finance, finance@example.com"),
        ("contract_support_desk_order_events_status_allowed_values", "support, support@example.com"),
    }
    with duckdb.connect(str(next(folder.glob("*.duckdb"))), read_only=True) as connection:
        reasons = dict(connection.execute("select order_id, contract_reasons from order_events__rejected").fetchall())
        [(valid,)] = connection.execute("select count(*) from order_events__valid").fetchall()
    assert reasons["o-10003"] == "analytics-platform: status allowed_values; support-desk: status allowed_values"
    assert "analytics-platform: total_usd range; finance: total_usd range" in reasons.values()
    assert (0 < valid < len(rows), valid + len(reasons)) == (True, len(rows))


def test_what_is_compiled_is_that_of_the_contracts(built: Path, tmp_path: Path) -> None:
    shop = repository(built, tmp_path / "shop")
    result = shop.vigil("compile", "--dead-letter")
    assert (result.exit_code, "0 files written, 0 removed, 4 unchanged" in result.output) == (0, True), result.output


def test_what_a_change_hits(shop: Repository) -> None:
    result = shop.vigil("impact", "order_events", "total_usd", "--format", "json")
    [found] = json.loads(result.output)["impacts"]
    assert {consumer["name"] for consumer in found["consumers"]} == {"finance", "analytics-platform"}
    assert {"order_events__contracted", "order_events__rejected"} <= {node["name"] for node in found["nodes"]}
    result = shop.vigil("impact", "order_events", "totl")
    assert (result.exit_code, "model order_events has no column `totl`." in result.output) == (2, True)


def test_what_is_broken_already_hides_nothing_of_another_subject(shop: Repository) -> None:
    desk, declared = "contracts/consumers/support-desk.yml", "      - {name: carrier, type: string}\n"
    note, parcels = "      - {name: note, type: string}\n", '      - {name: "parcels[].tracking_code", type: string}\n'
    shop.edit(desk, (note, note + declared), (parcels, declared + parcels))
    shop.land()
    shop.edit(desk, (declared + parcels, parcels))
    shop.edit(PROTO, ("string carrier = 2", "string carrier_code = 2"))
    _, findings = shop.check()
    assert {s for g, _, s, f in said(findings) if (g, f) == ("consumers", "carrier")} == {
        "model order_events",
        "topic shipments",
    }
