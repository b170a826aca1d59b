"""Findings and impacts, as they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dbt_vigil.contracts.findings import Finding, Gate, Hit, Verdict, exit_code, merged
from dbt_vigil.contracts.impact import Consumer, How, Impact, Reached, Related
from dbt_vigil.contracts.registry import Owner, Subject
from dbt_vigil.contracts.reports import FORMS, LONGEST, findings_as, impacts_as

ROOT = Path("/repository")
FRAUD = Hit("fraud", Owner("risk", "risk@example.com", "#risk"), "contracts/fraud.yml:7")
WEB = Hit("web", Owner("shop"), "contracts/web.yml:3")
REMOVED = Finding(
    Gate.SCHEMA,
    Verdict.BROKEN,
    "topic order-events",
    "address.city",
    "forward",
    "It is gone.",
    "Announce it first.",
    "schemas/order events.avsc:12",
    (FRAUD,),
)
UNJUDGED = Finding(Gate.CONSUMERS, Verdict.UNDECIDED, "model orders", "", "", "Its types are not known.", "", "")
NASTY = (
    "a|b `c` <img src=x> @octo/team\n# head\r\n[x](https://evil.example) www.evil.example ![i](j) #1 \x1b[31m $x$ &lt;"
)
IMPACT = Impact(
    subject=Subject("source", "shop.orders"),
    field="x",
    related=(Related(Subject("topic", "order-events"), Owner("shop"), "contracts/topic.yml:1"),),
    consumers=(
        Consumer(
            "fraud", Owner("risk"), "contracts/fraud.yml:7", Subject("source", "shop.orders"), "x", How.SELECTED, 0
        ),
        Consumer("web", Owner("shop"), "contracts/web.yml:3", Subject("model", "a"), "", How.CONDITION, 1),
    ),
    nodes=(
        Reached(
            "model.a",
            "model",
            "a",
            Owner("shop"),
            "models/a.yml",
            1,
            (("a1", How.SELECTED),),
            (How.SELECTED, How.CONDITION),
        ),
        Reached("model.b", "model", "b", None, "models/b.sql", 2, (), (How.UNKNOWN,), "it is not compiled"),
        Reached("exposure.c", "exposure", "c", Owner("bi"), "models/c.yml", 2, (), (How.UNKNOWN,)),
    ),
    tests=(
        Reached("test.t", "test", "t", Owner("shop"), "models/a.yml", 1, (), (How.SELECTED,)),
        Reached("test.u", "test", "u", None, "models/a.yml", 1, (), (How.UNKNOWN,)),
    ),
    notes=("it may have another name.",),
)
NOTHING = Impact(Subject("table", "t"), None, (), (), (), (), ())


def test_merged() -> None:
    other = Finding(**{**vars(REMOVED), "hit": (WEB, FRAUD)})
    found = merged([UNJUDGED, other, REMOVED, UNJUDGED])
    assert found == [Finding(**{**vars(REMOVED), "hit": (FRAUD, WEB)}), UNJUDGED]
    assert merged([REMOVED, other, UNJUDGED]) == found
    assert merged([]) == []


def test_owners_without_an_address_are_sorted_too() -> None:
    hits = [Hit("a", Owner("x", email), "f:1") for email in (None, "e")]
    assert merged([Finding(**{**vars(REMOVED), "hit": tuple(order)}) for order in (hits, hits[::-1])])[0].hit == (
        *hits,
    )


@pytest.mark.parametrize(
    ("findings", "code"), [([], 0), ([REMOVED], 1), ([UNJUDGED], 2), ([REMOVED, UNJUDGED], 2), ([UNJUDGED, REMOVED], 2)]
)
def test_exit_code(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code
    assert json.loads(findings_as("json", findings, ROOT))["exit_code"] == code


def test_text() -> None:
    assert findings_as("text", [REMOVED, UNJUDGED], ROOT).splitlines() == [
        "BROKEN schema: topic order-events.address.city (forward)",
        "  It is gone.",
        "  hits fraud of risk (risk@example.com, #risk), contracts/fraud.yml:7",
        "  instead: Announce it first.",
        "  at: schemas/order events.avsc:12",
        "",
        "UNDECIDED consumers: model orders",
        "  Its types are not known.",
        "",
        "1 broken, 1 undecided; 1 consumer hit.",
    ]
    assert findings_as("text", [UNJUDGED], ROOT).splitlines()[-1] == "1 undecided."
    assert findings_as("text", [], ROOT) == "nothing is broken."


def test_text_keeps_a_terminal_as_it_is() -> None:
    nasty = Finding(**{**vars(REMOVED), "why": NASTY, "subject": "topic a\nOK: all is well"})
    text = findings_as("text", [nasty], ROOT)
    assert "\x1b" not in text
    assert len(text.splitlines()) == len(findings_as("text", [REMOVED], ROOT).splitlines())


def test_json() -> None:
    found = json.loads(findings_as("json", [REMOVED], ROOT))
    assert found["counts"] == {"broken": 1, "undecided": 0}
    assert found["findings"] == [
        {
            "gate": "schema",
            "verdict": "broken",
            "subject": "topic order-events",
            "field": "address.city",
            "direction": "forward",
            "why": "It is gone.",
            "instead": "Announce it first.",
            "where": "schemas/order events.avsc:12",
            "hit": [
                {
                    "consumer": "fraud",
                    "owner": {"team": "risk", "email": "risk@example.com", "slack": "#risk"},
                    "where": "contracts/fraud.yml:7",
                }
            ],
        }
    ]


def test_markdown() -> None:
    assert findings_as("markdown", [REMOVED, UNJUDGED], ROOT).splitlines() == [
        "### Contracts: 1 broken, 1 undecided; 1 consumer hit.",
        "",
        "- **broken** `topic order-events.address.city` (schema, forward): It is gone.",
        "  - hits `fraud` of risk \\(risk@\u200bexample.com, #\u200brisk\\), `contracts/fraud.yml:7`",
        "  - instead: Announce it first.",
        "  - at `schemas/order events.avsc:12`",
        "- **undecided** `model orders` (consumers): Its types are not known.",
    ]


def test_markdown_is_not_written_by_contracts() -> None:
    hit = Hit(NASTY, Owner(NASTY), NASTY)
    given = {"subject": f"topic {NASTY}", "field": NASTY, "why": NASTY, "instead": NASTY, "where": NASTY, "hit": (hit,)}
    text = findings_as("markdown", [Finding(**{**vars(REMOVED), **given})], ROOT)
    assert len(text.splitlines()) == 6
    words = _outside_code(text)
    for wrong in ("<", "@octo", "#1", "://", "www.", "\x1b", " $x", "`"):
        assert wrong not in words.replace("\\`", "").replace("\\$", "").removeprefix("###"), wrong
    assert "\\|" in words and "|" not in words.replace("\\|", "")
    assert "&amp;lt;" in words


def _outside_code(text: str) -> str:
    """Without what is between two backticks and two others: all names that are nasty have one backtick."""
    parts = text.split("``")
    assert len(parts) % 2 == 1
    return "".join(parts[::2])


def test_markdown_is_no_longer_than_a_comment() -> None:
    many = [Finding(**{**vars(REMOVED), "field": f"f{n}"}) for n in range(1000)]
    text = findings_as("markdown", many, ROOT)
    assert len(text) < LONGEST + 200
    shown = text.count("**broken**")
    assert text.splitlines()[-1].startswith(f"{1000 - shown} more ")


def test_sarif() -> None:
    content = json.loads(findings_as("sarif", [REMOVED, UNJUDGED], ROOT))
    assert content["version"] == "2.1.0"
    [run] = content["runs"]
    first, second = run["results"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert (first["ruleId"], first["level"]) == ("schema/broken", "error")
    assert (second["ruleId"], second["level"], second["locations"]) == ("consumers/undecided", "error", [])
    assert "fraud" in first["message"]["text"] and "Announce it first." in first["message"]["text"]
    assert first["locations"] == [_location("schemas/order%20events.avsc", 12)]
    [related] = first["relatedLocations"]
    assert related["physicalLocation"] == _location("contracts/fraud.yml", 7)["physicalLocation"]


def _location(uri: str, line: int | None) -> dict[str, Any]:
    region = {"region": {"startLine": line}} if line else {}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, **region}}


@pytest.mark.parametrize(
    ("where", "location"),
    [
        ("a.yml:3", _location("a.yml", 3)),
        ("a.yml", _location("a.yml", None)),
        ("/repository/b/a.yml:3", _location("b/a.yml", 3)),
        ("/elsewhere/a.yml:3", _location("file:///elsewhere/a.yml", 3)),
        ("a:b.yml:0", _location("a%3Ab.yml", 1)),
    ],
)
def test_places_of_sarif(where: str, location: dict[str, Any]) -> None:
    content = json.loads(findings_as("sarif", [Finding(**{**vars(UNJUDGED), "where": where})], ROOT))
    assert content["runs"][0]["results"][0]["locations"] == [location]


def test_sarif_knows_a_finding_again_when_its_line_moves() -> None:
    def prints(**changed: object) -> str:
        content = json.loads(findings_as("sarif", [Finding(**{**vars(REMOVED), **changed})], ROOT))
        return str(content["runs"][0]["results"][0]["partialFingerprints"])

    assert prints() == prints(where="schemas/order events.avsc:99")
    assert prints() != prints(field="address.zip")


def test_impact_as_text() -> None:
    assert impacts_as("text", [IMPACT], ROOT).splitlines() == [
        "source shop.orders.x",
        "  the same data: topic order-events of shop, contracts/topic.yml:1",
        "  2 consumers declared what is hit",
        "    fraud of risk: source shop.orders.x, contracts/fraud.yml:7",
        "    web of shop: model a (condition), contracts/web.yml:3",
        "  1 exposure downstream",
        "    2: c of bi: unknown, models/c.yml",
        "  2 models downstream",
        "    1: a of shop: selected a1; condition, models/a.yml",
        "    2: b: unknown (it is not compiled), models/b.sql",
        "  1 test hit: t of shop",
        "  1 test that may be hit: u",
        "  not known: it may have another name.",
        "  owners to ask: bi, risk, shop",
    ]
    assert impacts_as("text", [NOTHING], ROOT).splitlines() == [
        "table t",
        "  0 consumers declared what is hit",
        "  nothing downstream in dbt",
        "  owners to ask: none is known",
    ]
    assert impacts_as("text", [], ROOT) == "Nothing changes."


def test_impact_as_json() -> None:
    [found] = json.loads(impacts_as("json", [IMPACT], ROOT))["impacts"]
    assert found["subject"] == {"kind": "source", "name": "shop.orders"}
    assert found["nodes"][0]["columns"] == [{"name": "a1", "how": "selected"}]
    assert found["nodes"][0]["how"] == ["selected", "condition"]
    assert found["consumers"][1]["how"] == "condition"
    assert found["owners"] == ["bi", "risk", "shop"]


def test_impact_as_markdown() -> None:
    text = impacts_as("markdown", [IMPACT, NOTHING], ROOT)
    assert text.startswith("### Contracts: what 2 changes would hit\n\n#### `source shop.orders.x`\n\n- ")
    assert "  - 1: `a` of shop: selected `a1`; condition, `models/a.yml`\n" in text
    assert "\n\n#### `table t`\n\n" in text


def test_impact_as_sarif() -> None:
    results = json.loads(impacts_as("sarif", [IMPACT], ROOT))["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["impact/declared"] * 2 + ["impact/inferred"] * 3
    assert {result["level"] for result in results} == {"note"}
    assert results[2]["locations"] == [_location("models/a.yml", None)]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_of_nothing_too(form: str) -> None:
    assert findings_as(form, [], ROOT)
    assert impacts_as(form, [], ROOT)
