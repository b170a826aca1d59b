"""What do the gates of contracts cost? 500 contracts over 1,000 models, and 50 topics.

Run it as `python -m benchmarks.contracts 5` for 5 rounds. A repository is made anew: its registry, dbt's artifacts of a
project of that size, and those of the base branch. The seconds are those of the gates, once Python and the libraries
are loaded; the last line is the whole command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from dbt_vigil.contracts.checking import Against, check
from dbt_vigil.contracts.findings import Gate
from dbt_vigil.contracts.graph import read_graph

CONTRACTS, MODELS, TOPICS, COLUMNS = 500, 1000, 50, 12
TYPES = {"bigint": "integer", "varchar": "string", "decimal(12,2)": "number", "timestamp": "timestamp"}


def main(rounds: int) -> None:
    """Makes the repository, and prints the median seconds of each gate and of all."""
    table = Table("gates", "findings", "seconds", title=f"{CONTRACTS} contracts, {MODELS} models, {TOPICS} topics")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for gates in [*({gate} for gate in Gate), set(Gate)]:
            found, seconds = timed(folder, gates, rounds)
            table.add_row("all" if len(gates) > 1 else next(iter(gates)).value, str(found), f"{seconds:.2f}")
        vigil = str(Path(sys.executable).with_name("vigil"))
        command = [vigil, "contracts", "check", "--base", "main", "--state", "state"]
        started = time.perf_counter()
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert run.returncode == 1, run.stdout + run.stderr
        table.add_row("the command", "", f"{time.perf_counter() - started:.2f}")
    Console().print(table)


def timed(folder: Path, gates: set[Gate], rounds: int) -> tuple[int, float]:
    """How much is found, and the median seconds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        graph = read_graph(folder / "target/manifest.json", project=folder)
        against = Against("main", folder / "state")
        found = check(folder / "contracts", folder, graph, gates, against, datetime.now(timezone.utc))
        seconds.append(time.perf_counter() - started)
    return len(found), median(seconds)


def make(folder: Path) -> None:
    """A repository whose change removes a column of one model and a field of one topic."""
    registry = folder / "contracts"
    (registry / "topics").mkdir(parents=True)
    for number in range(TOPICS):
        document = {"topic": f"topic-{number}", "owner": {"team": "shop"}, "schema": f"topic-{number}.avsc"}
        (registry / f"topics/topic-{number}.yml").write_text(yaml.safe_dump(document))
        (registry / f"topics/topic-{number}.avsc").write_text(json.dumps(avro(number)))
    for number in range(CONTRACTS):
        (registry / f"consumer-{number}.yml").write_text(json.dumps(contract(number)))
    for part in ("target", "state"):
        (folder / part).mkdir()
        for name, content in artifacts().items():
            (folder / part / name).write_text(json.dumps(content))
    (folder / ".gitignore").write_text("target/\nstate/\n")
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "before"]):
        who = ["-c", "user.name=shop", "-c", "user.email=shop@example.com"]
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True)
    catalog = json.loads((folder / "target/catalog.json").read_text())
    del catalog["nodes"]["model.shop.model_7"]["columns"]["c1"]
    (folder / "target/catalog.json").write_text(json.dumps(catalog))
    less = avro(7)
    del less["fields"][1]
    (registry / "topics/topic-7.avsc").write_text(json.dumps(less))


def avro(number: int) -> dict[str, Any]:
    """The schema of a topic."""
    types = ("long", "string", "double", {"type": "long", "logicalType": "timestamp-micros"})
    fields = [{"name": f"c{k}", "type": types[k % len(types)]} for k in range(COLUMNS)]
    return {"type": "record", "name": f"Topic{number}", "fields": fields}


def contract(number: int) -> dict[str, Any]:
    """One that depends on four models and a topic."""
    types = list(TYPES.values())
    fields = [{"name": f"c{k}", "type": types[k % len(types)], "required": k == 0} for k in range(8)]
    models = [{"model": f"model_{(number * 2 + k * 17) % MODELS}", "fields": fields} for k in range(4)]
    topic = {"topic": f"topic-{number % TOPICS}", "fields": fields}
    owner = {"team": f"team-{number % 20}", "email": f"team-{number % 20}@example.com"}
    return {"consumer": f"consumer-{number}", "owner": owner, "depends_on": [*models, topic]}


def artifacts() -> dict[str, Any]:
    """What dbt writes of a project: a manifest, and a catalog."""
    nodes, built = {}, {}
    types = list(TYPES)
    for number in range(MODELS):
        name, key = f"model_{number}", f"model.shop.model_{number}"
        columns = {f"c{k}": {"name": f"c{k}", "description": f"Column {k}.", "meta": {}} for k in range(COLUMNS)}
        parents = [f"model.shop.model_{number // 3}"] if number else []
        nodes[key] = {
            "unique_id": key, "resource_type": "model", "name": name, "package_name": "shop", "group": "shop",
            "config": {"group": "shop", "meta": {}, "contract": {"enforced": False}}, "columns": columns,
            "depends_on": {"nodes": parents}, "original_file_path": f"models/{name}.sql",
            "patch_path": f"shop://models/{name}.yml", "relation_name": f'"shop"."main"."{name}"',
            "compiled_code": f"select * from model_{number // 3}", "access": "protected",
        }  # fmt: skip
        kinds = {f"c{k}": {"name": f"c{k}", "type": types[k % len(types)], "index": k} for k in range(COLUMNS)}
        built[key] = {"columns": kinds, "metadata": {}, "unique_id": key}
        for k in range(3):
            test = f"test.shop.not_null_{name}_c{k}"
            nodes[test] = {
                "unique_id": test, "resource_type": "test", "name": f"not_null_{name}_c{k}", "package_name": "shop",
                "config": {"meta": {}}, "depends_on": {"nodes": [key]}, "attached_node": key, "column_name": f"c{k}",
                "original_file_path": f"models/{name}.yml",
            }  # fmt: skip
    groups = {"group.shop.shop": {"name": "shop", "owner": {"name": "shop", "email": "shop@example.com"}}}
    about = {"project_name": "shop", "adapter_type": "duckdb", "generated_at": "2026-01-01T00:00:00Z"}
    manifest = {"metadata": about, "nodes": nodes, "sources": {}, "exposures": {}, "groups": groups}
    return {"manifest.json": manifest, "catalog.json": {"metadata": about, "nodes": built, "sources": {}}}


if __name__ == "__main__":
    main(int(next((argument for argument in sys.argv[1:] if argument.isdigit()), "5")))
