"""Gate D: everything has an owner, so that somebody can be asked."""

from __future__ import annotations

from collections.abc import Iterator

from dbt_vigil.contracts.findings import Finding, Gate, Verdict
from dbt_vigil.contracts.graph import Graph, Node

__all__ = ["ownerless"]


def ownerless(graph: Graph) -> Iterator[Finding]:
    """The models, sources and data tests of a project that no owner answers for.

    Contracts, and the producers of topics, cannot be written without one.

    Args:
        graph: The project. What belongs to a package that it installs is that package's.
    """
    for node in graph.nodes.values():
        if node.package != graph.project or node.kind not in ("model", "source", "test"):
            continue
        table = graph.nodes.get(node.depends_on[0]) if node.kind == "test" and node.depends_on else None
        if not node.owner and not (table and table.owner):
            yield Finding(
                gate=Gate.OWNERSHIP,
                verdict=Verdict.BROKEN,
                subject=f"{'check' if node.kind == 'test' else node.kind} {node.name}",
                field="",
                direction="",
                why="No owner: nobody is told when it fails or changes.",
                instead=_instead(node, table),
                where=node.file,
            )


def _instead(node: Node, table: Node | None) -> str:
    if node.kind == "test" and table:
        return f"Give {table.kind} {table.name} a dbt `group`, or `owner` in its `config.meta`."
    if node.kind == "source":
        return "Give it `owner` in its `config.meta`."
    return "Give it a dbt `group`, or `owner` in its `config.meta`."
