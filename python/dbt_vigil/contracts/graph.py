"""What dbt knows of a project: its manifest and its catalog, as far as contracts and their gates need it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from dbt_vigil.contracts.registry import Deprecation, Owner, Subject
from dbt_vigil.project import VigilError, read_artifact

__all__ = ["Column", "Graph", "Node", "owner_of", "read_graph"]

TABLES = ("model", "source", "seed", "snapshot")


@dataclass(frozen=True)
class Column:
    """A column, as it is declared, or as it is built where there is a catalog."""

    name: str
    type: str | None
    """Null where neither says it."""
    nullable: bool = True
    deprecation: Deprecation | None = None


@dataclass(frozen=True)
class Node:
    """A model, source, seed, snapshot, test or exposure."""

    unique_id: str
    kind: str
    """dbt's resource type."""
    name: str
    """Of a source `SOURCE.TABLE`."""
    owner: Owner | None
    depends_on: Sequence[str]
    """The unique ids of what it reads; a test's own table is the first."""
    file: str
    """Of its YAML where it has some, relative to the project."""
    package: str
    declared: Mapping[str, Column] = field(default_factory=dict)
    """The columns that its YAML has, by their names in small letters."""
    built: Mapping[str, Column] | None = None
    """Those that it has, by the catalog; None where that does not have it."""
    is_enforced: bool = False
    """Whether dbt enforces that its columns are those declared."""
    is_public: bool = False
    """Whether others may rely on it: its access is public, or dbt enforces its contract."""
    sql: str | None = None
    """As compiled; none unless dbt compiled it."""
    relation: str | None = None
    """As SQL."""
    table: str | None = None
    """The relation's name within its schema."""
    timestamp_column: str | None = None
    """A model's `event_time`, or a source's `loaded_at_field`."""
    column: str | None = None
    """Of a test: the column that it is under."""
    group: str | None = None
    """dbt's."""
    version: str | None = None
    """Of a model that has versions."""
    is_latest: bool = True
    """Whether its name alone is of this version."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """Its columns, by their names in small letters: as they are built, if that is known."""
        return self.declared if self.built is None else self.built

    @property
    def has_all_columns(self) -> bool:
        """Whether all of its columns are known: the YAML of a model may name some of them."""
        return self.built is not None or self.is_enforced

    @property
    def offers(self) -> Mapping[str, Mapping[str, Column]]:
        """What it gives: as declared, where that is all of it, and as built. Empty names are of what is alone."""
        if self.built is None:
            return {"": self.declared}
        return {"declared": self.declared, "built": self.built} if self.is_enforced else {"": self.built}

    @property
    def subject(self) -> Subject:
        """As a contract names it: of a version that is not the latest `NAME.vVERSION`."""
        name = self.name if self.is_latest else f"{self.name}.v{self.version}"
        return Subject("source" if self.kind == "source" else "model", name)


@dataclass(frozen=True)
class Graph:
    """The enabled nodes of a project, and of the packages that it installs."""

    project: str
    """The name of the root project."""
    engine: str
    """The adapter's type, which is sqlglot's name of its dialect."""
    nodes: Mapping[str, Node]
    """By unique id."""
    invocation_id: str | None = None
    """Of the run that wrote the manifest."""

    @cached_property
    def tables(self) -> Mapping[Subject, Node]:
        """Models, seeds, snapshots and sources, as contracts name them."""
        return {node.subject: node for node in self.nodes.values() if node.kind in TABLES}

    @cached_property
    def children(self) -> Mapping[str, list[Node]]:
        """Who reads a node."""
        found: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes.values():
            for parent in node.depends_on:
                found[parent].append(node)
        return dict(found)


def read_graph(manifest: Path, catalog: Path | None = None, project: Path | None = None) -> Graph:
    """Read what dbt has written.

    Args:
        manifest: A manifest.json.
        catalog: A catalog.json of the same project, which knows types. Default: the one beside the manifest, if any.
        project: The folder of the project, if what is read must be of what it is now.

    Raises:
        VigilError: A file cannot be read, or is not dbt's; or the project, or what is built of it, is newer.
    """
    content = read_artifact(manifest, "nodes")
    beside = catalog or manifest.with_name("catalog.json")
    built = read_artifact(beside, "nodes") if catalog or beside.exists() else {"nodes": {}, "sources": {}}
    if project and "metadata" in built and built["metadata"]["generated_at"] < content["metadata"]["generated_at"]:
        text = f"{beside} is older than {manifest}: what it says may have changed."
        raise VigilError(f"{text} Run dbt build and dbt docs generate, as the last.")
    if project and (changed := _changed_since(content, project)):
        text = f"{', '.join(changed[:3])}: changed since {manifest} was written."
        raise VigilError(f"{text} Run dbt build and dbt docs generate, as the last.")
    owners = {group["name"]: owner_of(group["owner"]) for group in content["groups"].values()}
    in_catalog = built["nodes"] | built["sources"]
    nodes = {
        key: _node(node, owners, in_catalog.get(key))
        for part in ("nodes", "sources", "exposures")
        for key, node in content[part].items()
    }
    metadata = content["metadata"]
    return Graph(
        project=metadata.get("project_name") or "",
        engine=metadata.get("adapter_type") or "",
        nodes=nodes,
        invocation_id=metadata.get("invocation_id"),
    )


def _changed_since(manifest: Mapping[str, Any], project: Path) -> list[str]:
    """The models whose files are not those that dbt has read."""
    name, changed = manifest["metadata"].get("project_name"), []
    for node in manifest["nodes"].values():
        file = project / node["original_file_path"]
        known = (node.get("checksum") or {}).get("checksum")
        if node["package_name"] != name or node["resource_type"] != "model" or not known:
            continue
        # As dbt does: https://github.com/dbt-labs/dbt-core, FileHash.from_contents of the stripped text.
        text = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
        if sha256(text.encode()).hexdigest() != known:
            changed.append(node["original_file_path"])
    return changed


def owner_of(given: Any) -> Owner | None:
    """An owner as dbt's YAML has it: a name, or a mapping of `team` or `name`, `email` and `slack`."""
    if isinstance(given, str) and given.strip():
        return Owner(given.strip())
    if isinstance(given, Mapping):
        team = given.get("team") or given.get("name") or given.get("email")
        emails = given.get("email")
        email = ", ".join(map(str, emails)) if isinstance(emails, list) else emails
        return Owner(str(team), email, given.get("slack")) if team and str(team).strip() else None
    return None


def _node(node: Mapping[str, Any], owners: Mapping[str, Owner | None], built: Mapping[str, Any] | None) -> Node:
    config: Mapping[str, Any] = node.get("config") or {}
    kind = node["resource_type"]
    meta = (node.get("meta") or {}) | (config.get("meta") or {})
    owner = owner_of(meta.get("owner")) or owners.get(config.get("group") or node.get("group") or "")
    is_table = kind in TABLES
    columns = (node.get("columns") or {}) if is_table else {}
    declared = {name.lower(): _declared(column["name"], column) for name, column in columns.items()}
    is_enforced = bool((config.get("contract") or {}).get("enforced"))
    parents = list((node.get("depends_on") or {}).get("nodes") or ())
    attached = node.get("attached_node")
    version = node.get("version") if kind == "model" else None
    patch = (node.get("patch_path") or "").partition("://")[2]
    return Node(
        unique_id=node["unique_id"],
        kind=kind,
        name=f"{node['source_name']}.{node['name']}" if kind == "source" else node["name"],
        owner=owner_of(node.get("owner")) if kind == "exposure" else owner,
        depends_on=sorted(parents, key=lambda parent: parent != attached),
        file=patch or node["original_file_path"],
        package=node["package_name"],
        declared=declared,
        built=_built(built, declared) if built else None,
        is_enforced=is_enforced,
        is_public=node.get("access") == "public" or is_enforced,
        sql=node.get("compiled_code") if is_table else None,
        relation=node.get("relation_name"),
        table=node.get("identifier") or node.get("alias"),
        timestamp_column=(config.get("event_time") or node.get("loaded_at_field")) if is_table else None,
        column=node.get("column_name"),
        group=config.get("group") or node.get("group"),
        version=None if version is None else str(version),
        is_latest=version is None or version == node.get("latest_version"),
    )


def _built(built: Mapping[str, Any], declared: Mapping[str, Column]) -> dict[str, Column]:
    """Those of the catalog, with what is declared of them beside their types."""
    return {
        name.lower(): replace(declared[name.lower()], name=name, type=column["type"])
        if name.lower() in declared
        else Column(name, column["type"])
        for name, column in built["columns"].items()
    }


def _declared(name: str, column: Mapping[str, Any]) -> Column:
    constraints = {constraint["type"] for constraint in column.get("constraints") or ()}
    is_nullable = not constraints & {"not_null", "primary_key"}
    return Column(name, column.get("data_type"), is_nullable, _deprecation(column))


def _deprecation(column: Mapping[str, Any]) -> Deprecation | None:
    meta = (column.get("meta") or {}) | ((column.get("config") or {}).get("meta") or {})
    given = meta.get("deprecation")
    if not isinstance(given, Mapping) or not given:
        return None
    announced, remove_after = (str(given.get(name) or "") for name in ("announced", "remove_after"))
    return Deprecation(announced, remove_after, given.get("replacement"))
