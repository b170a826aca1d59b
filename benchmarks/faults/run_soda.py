"""Soda as a peer of the fault bench: a line of JSON in, a line out. Runs in its own environment."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from soda_core.contracts import verify_contract_locally  # type: ignore[import-not-found]

Contract = dict[str, Any]


def between(low: float, high: float, **more: Any) -> dict[str, Any]:
    """A threshold."""
    slack = 1e-9 * max(abs(low), abs(high), 1)
    bounds = {"greater_than_or_equal": low - slack, "less_than_or_equal": high + slack}
    return {"threshold": {"must_be_between": bounds, **more}}


def bare(type_: str) -> str:
    """A type without its precision."""
    return type_.partition("(")[0].lower()


def contracts(content: dict[str, Any]) -> list[Contract]:
    """One of the table and one of its view, for the rows of variable DAY."""
    found = []
    for number, relation in enumerate(content["relations"]):
        columns = []
        for name, column in relation["columns"].items():
            checks: list[dict[str, Any]] = [
                {"missing": {"threshold": {"metric": "percent", "must_be_less_than_or_equal": 100 * column["nulls"]}}},
                {
                    "metric": {
                        "qualifier": "distinct",
                        "expression": f"count(distinct {name})",
                        **between(*column["distinct"]),
                    }
                },
            ]
            if "values" in column:
                checks.append({"invalid": {"valid_values": column["values"]}})
            if column["kind"] == "number":
                checks += [
                    {"aggregate": {"function": function, "qualifier": function, **between(*column[of])}}
                    for function, of in (("min", "min"), ("max", "max"), ("avg", "mean"))
                ]
            columns.append({"name": name, "data_type": bare(relation["types"][name]), "checks": checks})
        columns.append({"name": content["day"], "data_type": bare(relation["types"][content["day"]])})
        of_dataset: list[dict[str, Any]] = [{"schema": {"allow_other_column_order": True}}]
        if number == 0:
            of_dataset += [
                {"row_count": between(*content["rows"])},
                {"duplicate": {"columns": content["key"]}},
                {
                    "freshness": {
                        "column": content["time_column"],
                        "now_variable": "AS_OF",
                        **between(0, content["max_age_hours"], unit="hour"),
                    }
                },
            ]
            by_name = {column["name"]: column["checks"] for column in columns if "checks" in column}
            for parent in content["parents"]:
                orphans = {"metric": "percent", "must_be_less_than_or_equal": 100 * parent["max_rate"]}
                to = {"dataset": f"kept/main/{parent['to']}", "column": parent["key"]}
                check = {"qualifier": "orphans", "valid_reference_data": to, "threshold": orphans}
                by_name[parent["column"]].append({"invalid": check})
        found.append(
            {
                "dataset": f"kept/main/{relation['name']}",
                "filter": f"{content['day']} = date '${{var.DAY}}'",
                "variables": {"DAY": {"default": "2000-01-01"}, "AS_OF": {"default": "2000-01-01T00:00:00+00:00"}},
                "columns": columns,
                "checks": of_dataset,
            }
        )
    return found


def judge(folder: Path, names: list[str], day: str, as_of: str) -> list[str]:
    """The checks that fail or are not evaluated."""
    red = []
    for name in names:
        result = verify_contract_locally(
            data_source_file_path=str(folder / "source.yml"),
            contract_file_path=str(folder / f"{name}.yml"),
            variables={"DAY": day, "AS_OF": f"{as_of}T00:00:00+00:00"},
        )
        for verified in result.contract_verification_results:
            for found in verified.check_results:
                if found.outcome.name not in ("PASSED", "WARN", "EXCLUDED"):
                    red.append(f"{found.check.type} {found.check.column_name or ''} {found.check.name or ''}".strip())
            if verified.has_errors and not red:
                red.append(f"{name}: error")
    return red


def main(file: Path) -> None:
    """Answer each line."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    logging.disable(logging.CRITICAL)
    content = json.loads(file.read_text())
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        source = {"type": "duckdb", "name": "kept", "connection": {"database": content["database"], "read_only": True}}
        written = contracts(content)
        names = [relation["name"] for relation in content["relations"]]
        for name, what in [("source", source), *zip(names, written)]:  # noqa: B905
            (folder / f"{name}.yml").write_text(json.dumps(what))  # which is YAML
        checks = sum(
            len(contract["checks"]) + sum(len(column.get("checks", ())) for column in contract["columns"])
            for contract in written
        )
        print(json.dumps({"checks": checks}), file=answers, flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps({"red": judge(folder, names, asked["day"], asked["as_of"])}), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
