"""Records a run from the files that it left, run_results.json and manifest.json, whatever has written them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbt_vigil.project import Project, read_artifact
from dbt_vigil.running import flush, record_run
from dbt_vigil.turns import database_turn

__all__ = ["record_artifacts"]

NODE = ("unique_id", "resource_type", "name", "schema", "alias", "identifier", "meta")
TEST = (*NODE, "column_name", "attached_node", "depends_on", "test_metadata", "refs", "sources", "unrendered_config")
CONFIG = ("meta", "group", "severity", "enabled")


def record_artifacts(project: Project, run_results: Path, manifest: Path) -> tuple[int, str]:
    """Append a run to the record, and what its manifest expects to the registry.

    Args:
        project: Whose record.
        run_results: The run_results.json of the run.
        manifest: The manifest.json of the run.

    Returns:
        The number of the run's data tests, and when it started.

    Raises:
        VigilError: A file is not what it should be, or the record cannot be written.
    """
    results, nodes = read_artifact(run_results, "results"), read_artifact(manifest, "nodes")
    metadata = results["metadata"]
    entries = [entry for entry in results["results"] if str(entry.get("unique_id")).startswith("test.")]
    arguments = results.get("args") or {}
    facts = {
        "invocation_id": metadata["invocation_id"],
        "project_name": nodes["metadata"].get("project_name") or project.name,
        "command": arguments.get("which"),
        "vigil_as_of": str(_variables(arguments).get("vigil_as_of") or project.vars.get("vigil_as_of") or ""),
        "started_at": metadata.get("invocation_started_at") or _first_start(entries) or metadata["generated_at"],
        "finished_at": metadata["generated_at"],
        "is_empty": bool(arguments.get("empty")),
    }
    with database_turn(project):
        flush(project)
        record_run(project, facts, entries, _trimmed(nodes))
    return len(entries), str(facts["started_at"])


def _variables(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    variables = arguments.get("vars")
    return variables if isinstance(variables, dict) else {}


def _first_start(entries: list[dict[str, Any]]) -> str | None:
    return min((timing["started_at"] for entry in entries for timing in entry.get("timing") or []), default=None)


def _trimmed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """As much of a manifest as the registry needs."""
    return {
        "nodes": {key: _some(node) for key, node in manifest["nodes"].items()},
        "sources": {key: _some(source) for key, source in manifest.get("sources", {}).items()},
        "groups": {key: {"name": group["name"], "owner": group["owner"]} for key, group in manifest["groups"].items()},
        "disabled": {key: [_some(node) for node in nodes] for key, nodes in (manifest.get("disabled") or {}).items()},
    }


def _some(node: Mapping[str, Any]) -> dict[str, Any]:
    config = node.get("config") or {}
    keys = TEST if node["resource_type"] == "test" else NODE
    return {key: node.get(key) for key in keys} | {"config": {key: config.get(key) for key in CONFIG}}
