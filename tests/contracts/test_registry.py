"""What is wrong in a registry is said with its file and line, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbt_vigil.contracts.changes import Mode
from dbt_vigil.contracts.registry import Freshness, Owner, Subject, read_registry
from dbt_vigil.project import VigilError

CONTRACT = """\
consumer: analytics-platform
owner: {team: analytics, email: analytics@example.com}
depends_on:
  - topic: order-events
    fields:
      - {name: order_id, type: string, required: true}
      - {name: total_usd, type: number, constraints: {min: 0, max: 1000000, max_rate: 0.01}}
      - {name: status, type: string, allowed_values: [pending, "yes", 3]}
    checks: {freshness: 2 hours, max_null_rate: 0.01}
"""
PRODUCER = "topic: order-events\nowner: {team: shop}\nschema: a.avsc\n"
SCHEMA = '{"type": "record", "name": "A", "fields": [{"name": "order_id", "type": "string"}]}'


def registry(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    (folder / "a.avsc").write_text(SCHEMA)
    return folder


def test_a_contract_is_read(tmp_path: Path) -> None:
    found = read_registry(registry(tmp_path, one=CONTRACT, two=PRODUCER))
    [contract] = found.contracts
    [dependency] = contract.depends_on
    order_id, total, status = dependency.fields
    assert (contract.owner, dependency.subject) == (
        Owner("analytics", "analytics@example.com"),
        Subject("topic", "order-events"),
    )
    assert (order_id.required, total.required) == (True, False)
    assert (total.min, total.max, total.max_rate) == (0, 1000000, 0.01)
    assert status.allowed_values == ("pending", "yes", 3)
    assert (dependency.freshness, dependency.max_null_rate) == (Freshness("2 hours"), 0.01)
    assert dependency.lines["status"] == f"{tmp_path / 'one.yml'}:8"
    assert found.producers[dependency.subject].mode is Mode.FULL
    assert found.consumers[dependency.subject] == [(contract, dependency)]


def changed(old: str, new: str, text: str = CONTRACT) -> str:
    assert old in text
    return text.replace(old, new)


WRONG = {
    "no YAML": ("consumer: [\n", "one.yml:2: not YAML: did not find expected node content."),
    "a list": ("- consumer\n", "one.yml:1: not a mapping."),
    "neither": ("owner: {team: a}\n", "one.yml:1: a contract has `consumer`, a producer `topic` or `table`."),
    "a key twice": (changed("depends_on:", "consumer: b\ndepends_on:"), "one.yml:3: `consumer` is there twice."),
    "an unknown key": (
        changed("    checks:", "    check:"),
        "one.yml:9: unknown key `check` in depends_on[0]; known are topic, model, source, table, fields, checks.",
    ),
    "an alias": (
        changed("type: string, required", "type: &a string, required").replace("type: string,", "type: *a,"),
        "one.yml:6: an anchor is not read here: write the value out.",
    ),
    "a tag": (changed("type: number", "type: !!python/none number"), "one.yml:7: the tag"),
    "an unknown type": (
        changed("type: number", "type: money"),
        "one.yml:7: depends_on[0].fields[1].type: `money`: no type;",
    ),
    "no type": (changed(", type: number", ""), "one.yml:7: depends_on[0].fields[1]: `type` is missing."),
    "a field twice": (changed("name: status", "name: order_id"), "one.yml:8: field `order_id` is there twice."),
    "yes, unquoted": (
        changed('"yes"', "yes"),
        "one.yml:8: depends_on[0].fields[2].allowed_values[1]: `True` is not a text (put it in quotes) or a number.",
    ),
    "bounds swapped": (changed("min: 0, max: 1000000", "min: 5, max: 1"), "one.yml:7: min 5 is more than max 1."),
    "a bound that is none": (changed("max: 1000000", "max: .nan"), "one.yml:7: `min` and `max` are numbers, not NaN"),
    "bounds of a text": (changed("type: number", "type: string"), "one.yml:7: `min` and `max` are of numbers;"),
    "a rate of nothing": (changed("min: 0, max: 1000000, ", ""), "one.yml:7: `max_rate` says how much may be outside"),
    "a rate above 1": (
        changed("max_null_rate: 0.01", "max_null_rate: 2"),
        "one.yml:9: depends_on[0].checks.max_null_rate:",
    ),
    "no duration": (changed("2 hours", "2 hrs"), "one.yml:9: depends_on[0].checks.freshness: not a duration"),
    "two subjects": (
        changed("    fields:", "    model: a\n    fields:"),
        "one.yml:4: depends_on[0]: one of `topic`, `model`, `source` and `table` says what it depends on.",
    ),
    "a source alone": (
        changed("topic: order-events", "source: orders"),
        "one.yml:4: depends_on[0].source: `orders`: not SOURCE.TABLE.",
    ),
    "no owner": (
        changed("owner: {team: analytics, email: analytics@example.com}\n", ""),
        "one.yml:1: `owner` is missing.",
    ),
    "no schema": (changed("schema: a.avsc\n", "", PRODUCER), "one.yml:1: `schema` is missing."),
    "a schema of no format": (
        changed("a.avsc", "a.xml", PRODUCER),
        "one.yml:3: a topic's schema ends in .avsc, .proto, .json.",
    ),
    "an unknown mode": (PRODUCER + "mode: SOME\n", "one.yml:4: mode: `SOME` is none of BACKWARD, FORWARD, FULL"),
    "no versions": (
        PRODUCER + "mode: FULL_TRANSITIVE\n",
        "one.yml:1: FULL_TRANSITIVE compares with `versions`, and there",
    ),
    "no day": (
        PRODUCER + "deprecations:\n  - {field: a, announced: soon, remove_after: 2026-01-01}\n",
        "one.yml:5: deprecations[0].announced: `soon`: not a day, such as 2026-11-25.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str) -> None:
    text, expected = WRONG[name]
    with pytest.raises(VigilError) as error:
        read_registry(registry(tmp_path, one=text))
    assert str(error.value).startswith(f"{tmp_path}/{expected}")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = changed("type: number", "type: money").replace("2 hours", "soon")
    with pytest.raises(VigilError) as error:
        read_registry(registry(tmp_path, one=wrong, two=PRODUCER.replace("a.avsc", "a.xml")))
    assert [line.split(":")[:2] for line in str(error.value).splitlines()] == [
        [str(tmp_path / "one.yml"), "7"],
        [str(tmp_path / "one.yml"), "9"],
        [str(tmp_path / "two.yml"), "3"],
    ]


def test_a_consumer_and_a_topic_are_there_once(tmp_path: Path) -> None:
    with pytest.raises(VigilError) as error:
        read_registry(registry(tmp_path, a=CONTRACT, b=CONTRACT, c=PRODUCER, d=PRODUCER))
    assert str(error.value).splitlines() == [
        f"{tmp_path}/b.yml:1: consumer `analytics-platform` is in {tmp_path}/a.yml:1 too: make it one.",
        f"{tmp_path}/d.yml:1: topic order-events is in {tmp_path}/c.yml:1 too: make it one.",
    ]


def test_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        (tmp_path / f"v{number}.avsc").write_text(SCHEMA)
    found = read_registry(registry(tmp_path, one=PRODUCER + "mode: FULL_TRANSITIVE\nversions: v*.avsc\n"))
    [producer] = found.producers.values()
    assert [file.name for file in producer.versions] == ["v1.avsc", "v9.avsc", "v10.avsc"]


def test_what_looks_like_a_contract_is_read_or_is_an_error(tmp_path: Path) -> None:
    folder = registry(tmp_path, two=PRODUCER)
    (folder / "one.YML").write_text(CONTRACT)
    assert [contract.consumer for contract in read_registry(folder).contracts] == ["analytics-platform"]
    (folder / "old.yml.bak").write_text(CONTRACT)
    (folder / "elsewhere").mkdir()
    (folder / "linked").symlink_to("elsewhere")
    with pytest.raises(VigilError) as error:
        read_registry(folder)
    assert str(error.value).splitlines() == [
        f"{folder}/linked: a link to a folder is not read: put the folder here.",
        f"{folder}/old.yml.bak: its name does not end in .yml or .yaml, so it is not read: rename it, or take it away.",
    ]
