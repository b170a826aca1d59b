"""Announces a removal: writes it where the gates look for it, and says it to those who must hear of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from dbt_vigil.contracts.findings import Hit
from dbt_vigil.contracts.gates.deprecation import DAYS, WHOLE, declaring, entries_of
from dbt_vigil.contracts.gates.schema import Version, fields_of
from dbt_vigil.contracts.registry import Subject
from dbt_vigil.project import VigilError

__all__ = ["Announcement", "announce"]


@dataclass(frozen=True)
class Announcement:
    """That a field, or the whole of a subject, will go."""

    subject: Subject
    field: str
    """Empty is the whole."""
    announced: date
    remove_after: date
    replacement: str | None
    file: Path
    """That it was written to."""
    declared_by: Sequence[Hit]

    @property
    def text(self) -> str:
        """For those who must hear of it."""
        what = f"`{self.field}` of {self.subject}" if self.field else f"The {self.subject}"
        lines = [f"{what} will be removed: not before {self.remove_after}, nor within {DAYS} days of this landing."]
        if self.replacement:
            lines.append(f"Use `{self.replacement}` in its place.")
        if self.declared_by:
            lines.append("It stays as long as any of these declares it:")
            lines += [f"- {hit.consumer}, of {hit.owner} ({hit.where})" for hit in self.declared_by]
        else:
            lines.append("No consumer declares it.")
        return "\n".join(lines)


def announce(
    version: Version,
    project: Path,
    subject: Subject,
    field: str,
    today: date,
    remove_after: date | None = None,
    replacement: str | None = None,
) -> Announcement:
    """Write that a field, or the whole of a subject, will be removed.

    Args:
        version: The registry, and what dbt knows.
        project: The folder of the dbt project.
        subject: A topic or table of the registry, or a model or source of dbt.
        field: Its path; empty is the whole.
        today: The day.
        remove_after: How long it stays at least. Default: 28 days.
        replacement: What to use in its place.

    Raises:
        VigilError: There is no such subject or field, it has no YAML, it is announced already, or `remove_after` is
            too early.
    """
    after = remove_after or today + timedelta(days=DAYS)
    if after < today + timedelta(days=DAYS):
        raise VigilError(f"{DAYS} days are promised: it stays until {today + timedelta(days=DAYS)} at least.")
    entry = {"announced": str(today), "remove_after": str(after)} | (
        {"replacement": replacement} if replacement else {}
    )
    producer = version.registry.producers.get(subject)
    if producer and field and field not in fields_of(producer.schema.record()):
        raise VigilError(f"{producer.schema_file} has no field `{field}`.")
    node = version.graph.tables.get(subject) if version.graph else None
    if producer:
        file = producer.file

        def add(document: Any) -> bool:
            if document.get(subject.kind) != subject.name:
                return False
            given = document.setdefault("deprecations", [])
            if any(deprecation["field"] == (field or WHOLE) for deprecation in given):
                raise VigilError(f"{producer.where}: the removal of `{field or subject}` is announced already.")
            given.append({"field": field or WHOLE, **entry})
            return True
    elif node and field and node.built is not None and field.lower() not in node.built:
        raise VigilError(f"{node.kind} {node.name} has no column `{field}`.")
    elif node and node.file.endswith((".yml", ".yaml")):
        file = project / node.file

        def add(document: Any) -> bool:
            return _add_to_table(document, subject, field, entry, file)
    elif node:
        raise VigilError(f"{node.kind} {node.name} has no YAML: give it some, where its removal can be announced.")
    else:
        raise VigilError(f"There is no {subject}: the registry does not have it, nor does dbt.")
    _rewrite(file, add)
    return Announcement(subject, field, today, after, replacement, file, declaring(version, subject, field))


def _add_to_table(document: Any, subject: Subject, field: str, entry: dict[str, str], file: Path) -> bool:
    entries = entries_of(document, subject)
    if not entries:
        return False
    found = entries[0]
    if field:
        columns = found.setdefault("columns", [])
        column = next((c for c in columns if str(c["name"]).lower() == field.lower()), None)
        if column is None:
            column = {"name": field}
            columns.append(column)
        found = column
    meta = found.setdefault("config", {}).setdefault("meta", {})
    if "deprecation" in meta:
        raise VigilError(f"{file}: the removal of `{field or subject}` is announced already.")
    meta["deprecation"] = entry
    return True


def _rewrite(file: Path, add: Callable[[Any], bool]) -> None:
    """Add to the first document that has the place for it, and leave all else as it is written."""
    text = file.read_text()
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    try:
        _, indent, offset = load_yaml_guess_indent(text.partition("\n---")[0])
        yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
        documents = list(yaml.load_all(text))
    except YAMLError as error:
        raise VigilError(f"{file} is not YAML: {error}") from error
    if not any(add(document) for document in documents if isinstance(document, dict)):
        raise VigilError(f"{file} does not have what is to be announced.")
    written = io.StringIO()
    yaml.dump_all(documents, written)
    file.write_text(written.getvalue())
