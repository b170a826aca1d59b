"""Writes findings and impacts as text, JSON, Markdown for a pull request, and SARIF for code scanning."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dbt_vigil.contracts.findings import FORMS, Finding, Gate, Verdict, exit_code
from dbt_vigil.contracts.impact import Consumer, How, Impact, Reached
from dbt_vigil.report import counted

__all__ = ["FORMS", "findings_as", "impacts_as"]

LONGEST = 60_000
"""Characters of Markdown: GitHub takes no comment of more than 65,536."""
SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SPECIAL = re.compile(r"([\\`*_\[\]{}()|~!$>])")
LINKED = re.compile(r"[@#]|:(?=//)|www(?=\.)", re.IGNORECASE)
"""After which a space without a width keeps GitHub from making a link, or from calling someone."""
PLACE = re.compile(r"(.+?)(?::(\d+))?")
RULES = {
    Gate.SCHEMA: "A schema's change breaks who reads the data.",
    Gate.CONSUMERS: "A consumer depends on what is not there, or is there otherwise.",
    Gate.DEPRECATION: "A field goes without the notice that its consumers need.",
    Gate.OWNERSHIP: "What others depend on has an owner.",
}


def findings_as(form: str, findings: Sequence[Finding], root: Path) -> str:
    """Write findings.

    Args:
        form: One of FORMS.
        findings: In the order in which they are written.
        root: The repository's folder, which the places in SARIF are relative to.
    """
    if form == "json":
        return _json(
            {
                "exit_code": exit_code(findings),
                "counts": {verdict.value: _count(findings, verdict) for verdict in Verdict},
                "findings": [asdict(finding) for finding in findings],
            }
        )
    if form == "sarif":
        return _json(_sarif([_result(finding, root) for finding in findings]))
    if form == "markdown":
        return _limited(f"### Contracts: {_summary(findings)}", [_markdown(finding) for finding in findings])
    blocks = ["\n".join(_block(finding)) for finding in findings]
    return "\n\n".join([*blocks, _summary(findings)])


def impacts_as(form: str, impacts: Sequence[Impact], root: Path) -> str:
    """Write what changes hit.

    Args:
        form: One of FORMS.
        impacts: In the order in which they are written.
        root: The repository's folder, which the places in SARIF are relative to.
    """
    if form == "json":
        return _json({"impacts": [_impact(impact) for impact in impacts]})
    if form == "sarif":
        return _json(_sarif([result for impact in impacts for result in _notes(impact, root)]))
    if form == "markdown":
        blocks = ["\n".join(_impact_lines(impact, _Markdown())) for impact in impacts]
        return _limited(f"### Contracts: what {counted(len(impacts), 'change')} would hit", blocks)
    return "\n\n".join("\n".join(_impact_lines(impact, _Text())) for impact in impacts) or "Nothing changes."


def _count(findings: Iterable[Finding], verdict: Verdict) -> int:
    return sum(finding.verdict == verdict for finding in findings)


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nothing is broken."
    counts = ", ".join(f"{_count(findings, v)} {v.value}" for v in Verdict if _count(findings, v))
    hit = {hit.consumer for finding in findings for hit in finding.hit}
    return f"{counts}; {counted(len(hit), 'consumer')} hit." if hit else f"{counts}."


def _block(finding: Finding) -> Iterator[str]:
    direction = f" ({finding.direction})" if finding.direction else ""
    yield _plain(f"{finding.verdict.value.upper()} {finding.gate.value}: {finding.name}{direction}")
    yield f"  {_plain(finding.why)}"
    for hit in finding.hit:
        yield f"  hits {_plain(f'{hit.consumer} of {hit.owner}, {hit.where}')}"
    if finding.instead:
        yield f"  instead: {_plain(finding.instead)}"
    if finding.where:
        yield f"  at: {_plain(finding.where)}"


def _markdown(finding: Finding) -> str:
    direction = f", {finding.direction}" if finding.direction else ""
    what = f"**{finding.verdict.value}** {_code(finding.name)} ({finding.gate.value}{direction})"
    lines = [f"- {what}: {_escaped(finding.why)}"]
    lines += (
        f"  - hits {_code(hit.consumer)} of {_escaped(str(hit.owner))}, {_code(hit.where)}" for hit in finding.hit
    )
    lines += [f"  - instead: {_escaped(finding.instead)}"] if finding.instead else []
    lines += [f"  - at {_code(finding.where)}"] if finding.where else []
    return "\n".join(lines)


def _limited(head: str, blocks: Sequence[str]) -> str:
    """As many blocks as a comment may have."""
    text = head
    for number, block in enumerate(blocks):
        if len(text) + len(block) > LONGEST:
            return f"{text}\n\n{len(blocks) - number} more are not shown here: a comment can be no longer.\n"
        text += f"\n\n{block}" if number == 0 or not block.startswith("- ") else f"\n{block}"
    return f"{text}\n"


class _Text:
    """For a terminal."""

    head = ""
    item = "  "
    inner = "    "

    def name(self, text: str) -> str:
        return _plain(text)

    def said(self, text: str) -> str:
        return _plain(text)


class _Markdown:
    """For a comment."""

    head = "#### "
    item = "- "
    inner = "  - "

    def name(self, text: str) -> str:
        return _code(text)

    def said(self, text: str) -> str:
        return _escaped(text)


def _impact_lines(impact: Impact, out: _Text | _Markdown) -> Iterator[str]:
    yield f"{out.head}{out.name(f'{impact.subject}.{impact.field}' if impact.field else str(impact.subject))}"
    if isinstance(out, _Markdown):
        yield ""
    for related in impact.related:
        who = f"{out.name(str(related.subject))}{_of(related.owner, out)}"
        yield f"{out.item}the same data: {who}{_at(related.where, out)}"
    yield f"{out.item}{counted(len({c.name for c in impact.consumers}), 'consumer')} declared what is hit"
    for consumer in impact.consumers:
        yield f"{out.inner}{_consumer(consumer, out)}"
    for kind, number in sorted(Counter(node.kind for node in impact.nodes).items()):
        yield f"{out.item}{counted(number, kind)} downstream"
        for node in impact.nodes:
            if node.kind == kind:
                yield f"{out.inner}{_node(node, out)}"
    if not impact.nodes:
        yield f"{out.item}nothing downstream in dbt"
    surely = [test for test in impact.tests if How.UNKNOWN not in test.how]
    for what, tests in (("hit", surely), ("that may be hit", [test for test in impact.tests if test not in surely])):
        if tests:
            names = ", ".join(f"{out.name(test.name)}{_of(test.owner, out)}" for test in tests)
            yield f"{out.item}{counted(len(tests), 'test')} {what}: {names}"
    for note in impact.notes:
        yield f"{out.item}not known: {out.said(note)}"
    owners = ", ".join(out.said(owner) for owner in impact.owners)
    yield f"{out.item}owners to ask: {owners or 'none is known'}"


def _consumer(consumer: Consumer, out: _Text | _Markdown) -> str:
    what = out.name(f"{consumer.subject}.{consumer.field}" if consumer.field else str(consumer.subject))
    how = "" if consumer.how == How.SELECTED else f" ({consumer.how.value})"
    return f"{out.name(consumer.name)}{_of(consumer.owner, out)}: {what}{how}{_at(consumer.where, out)}"


def _node(node: Reached, out: _Text | _Markdown) -> str:
    of = {how: [name for name, other in node.columns if other == how] for how in How}
    parts = [f"{how.value}{f' {names}' if (names := ', '.join(map(out.name, of[how]))) else ''}" for how in node.how]
    why = f" ({out.said(node.why)})" if node.why else ""
    return f"{node.distance}: {out.name(node.name)}{_of(node.owner, out)}: {'; '.join(parts)}{why}{_at(node.file, out)}"


def _of(owner: object, out: _Text | _Markdown) -> str:
    return f" of {out.said(str(owner))}" if owner else ""


def _at(where: str, out: _Text | _Markdown) -> str:
    return f", {out.name(where)}" if where else ""


def _impact(impact: Impact) -> dict[str, Any]:
    nodes = {
        part: [asdict(node) | {"columns": [{"name": n, "how": how} for n, how in node.columns]} for node in given]
        for part, given in (("nodes", impact.nodes), ("tests", impact.tests))
    }
    return asdict(impact) | nodes | {"owners": impact.owners}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2)


def _plain(text: str) -> str:
    """In one line, and without what a terminal would act on."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _escaped(text: str) -> str:
    """Text that Markdown and GitHub leave as it is."""
    entities = _plain(text).replace("&", "&amp;").replace("<", "&lt;")
    return LINKED.sub(lambda found: f"{found[0]}\u200b", SPECIAL.sub(r"\\\1", entities))


def _code(text: str) -> str:
    """Text as code, in which Markdown and GitHub read nothing."""
    plain = _plain(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    space = " " if "`" in plain else ""
    return f"{fence}{space}{plain}{space}{fence}"


def _sarif(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ids = [f"{gate.value}/{verdict.value}" for gate in Gate for verdict in Verdict]
    rules = [{"id": name, "shortDescription": {"text": RULES[Gate(name.split("/")[0])]}} for name in ids]
    rules += [
        {"id": f"impact/{part}", "shortDescription": {"text": f"A change hits what is {part} to read the field."}}
        for part in ("declared", "inferred")
    ]
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    driver = {"name": "vigil", "rules": rules}
    numbered = [dict(result) | {"ruleIndex": numbers[result["ruleId"]]} for result in results]
    return {"$schema": SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": numbered}]}


def _result(finding: Finding, root: Path) -> dict[str, Any]:
    hit = "".join(f" It hits {hit.consumer} of {hit.owner}." for hit in finding.hit)
    instead = f" Instead: {finding.instead}" if finding.instead else ""
    where = finding.where or next((hit.where for hit in finding.hit if hit.where), "")
    rule = f"{finding.gate.value}/{finding.verdict.value}"
    identity = (rule, finding.name, finding.direction, finding.why)
    related = [
        {"id": number, **_location(hit.where, root), "message": {"text": _plain(f"{hit.consumer} of {hit.owner}")}}
        for number, hit in enumerate((hit for hit in finding.hit if hit.where), 1)
    ]
    text = f"{finding.name}: {finding.why}{hit}{instead}"
    return _sarif_result(rule, "error", text, where, root, identity) | (
        {"relatedLocations": related} if related else {}
    )


def _notes(impact: Impact, root: Path) -> Iterator[dict[str, Any]]:
    what = f"{impact.subject}.{impact.field}" if impact.field else str(impact.subject)
    for consumer in impact.consumers:
        text = f"{what} is read by {_consumer(consumer, _Text())}"
        identity = (what, consumer.name, str(consumer.subject), consumer.field)
        yield _sarif_result("impact/declared", "note", text, consumer.where, root, identity)
    for node in impact.nodes:
        text = f"{what} reaches {node.kind} {_node(node, _Text())}"
        yield _sarif_result("impact/inferred", "note", text, node.file, root, (what, node.unique_id))


def _sarif_result(rule: str, level: str, text: str, where: str, root: Path, identity: Sequence[str]) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": _plain(text)},
        "locations": [_location(where, root)] if where else [],
        "partialFingerprints": {"vigil/v1": sha256("\n".join(identity).encode()).hexdigest()},
    }


def _location(where: str, root: Path) -> dict[str, Any]:
    """A place as SARIF has it: of `file:line` or `file`."""
    found = PLACE.fullmatch(where)
    name, line = (found[1], found[2]) if found else (where, None)
    file = Path(name)
    inside = file.is_absolute() and file.is_relative_to(root.absolute())
    relative = file.relative_to(root.absolute()) if inside else file
    uri = relative.as_uri() if relative.is_absolute() else quote(relative.as_posix())
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if line:
        physical["region"] = {"startLine": max(int(line), 1)}
    return {"physicalLocation": physical}
