"""Nothing public is undocumented: macros, their arguments, the pages of the checks, and the targets of the Makefile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2.nodes
import pytest
import yaml
from dbt.contracts.graph.manifest import Manifest
from dbt_common.clients.jinja import get_environment

from tests.engines import DuckDB
from tests.project import REPO, Project

PAGES = REPO / "docs/checks"
REQUIRED = object()
SECTIONS = ["What", "Why", "How it is fooled", "How to fix"]


@dataclass(frozen=True)
class Macro:
    """A macro's name, as dbt knows it, and its arguments with their defaults; REQUIRED where the signature has none."""

    name: str
    file: Path
    arguments: dict[str, Any]


def public_macros() -> dict[str, Macro]:
    found = {}
    for file in sorted((REPO / "macros").rglob("*.sql")):
        tree = get_environment(None, capture_macros=True).parse(file.read_text())
        for node in tree.find_all(jinja2.nodes.Macro):
            name = node.name.removeprefix("dbt_macro__")
            if not name.startswith("_") and "__" not in name:
                defaults = [default.as_const() for default in node.defaults]
                without = [REQUIRED] * (len(node.args) - len(defaults))
                names = [argument.name for argument in node.args]
                found[name] = Macro(name, file, dict(zip(names, without + defaults, strict=True)))
    return found


def documented_macros() -> dict[str, tuple[Path, dict[str, Any]]]:
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for file in sorted((REPO / "macros").rglob("*.yml")):
        for properties in yaml.safe_load(file.read_text())["macros"]:
            assert properties["name"] not in found, f"{properties['name']} is documented twice"
            found[properties["name"]] = (file, properties)
    return found


def checks() -> dict[str, Macro]:
    return {name.removeprefix("test_"): m for name, m in MACROS.items() if m.file.parent.name == "checks"}


def argument_table(page: str) -> dict[str, tuple[str, str]]:
    """The rows of a page's table of arguments: name, default, meaning."""
    return {
        name: (default, meaning)
        for name, default, meaning in re.findall(r"^\| `(\w+)` \| (.+?) \| (.*) \|$", page, flags=re.MULTILINE)
    }


def default_text(default: Any, optional: bool) -> str:
    if default is None:
        return "not set" if optional else "required"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


MACROS = public_macros()
DOCUMENTED = documented_macros()


def test_every_documented_macro_exists() -> None:
    assert sorted(DOCUMENTED) == sorted(MACROS)


@pytest.mark.parametrize("macro", MACROS.values(), ids=lambda macro: macro.name)
def test_macro_is_documented(macro: Macro) -> None:
    assert macro.name in DOCUMENTED, f"{macro.file} has no properties for it"
    file, properties = DOCUMENTED[macro.name]
    assert file == macro.file.with_suffix(".yml")
    assert properties["description"].strip()
    arguments = properties.get("arguments", [])
    assert [argument["name"] for argument in arguments] == list(macro.arguments)
    for argument in arguments:
        assert argument["type"], argument["name"]
        assert argument["description"].strip(), argument["name"]


def test_every_check_has_a_page() -> None:
    assert sorted(page.stem for page in PAGES.glob("*.md")) == sorted(checks())


@pytest.mark.parametrize("check", checks())
def test_page(check: str) -> None:
    page = (PAGES / f"{check}.md").read_text()
    assert page.startswith(f"# {check}\n")
    assert re.findall(r"^## (.*)$", page, flags=re.MULTILINE) == SECTIONS
    assert f"vigil.{check}:" in page, "it has no example"

    types = {argument["name"]: argument["type"] for argument in DOCUMENTED[f"test_{check}"][1]["arguments"]}
    signature = {name: default for name, default in checks()[check].arguments.items() if name != "model"}
    table = argument_table(page)
    assert {name: default for name, (default, _) in table.items()} == {
        name: default_text(default, types[name].startswith("optional[")) for name, default in signature.items()
    }
    assert list(table) == list(signature)
    assert all(meaning.strip() for _, meaning in table.values())


def test_descriptions_are_resolved_in_a_project_that_installs_the_package(tmp_path: Path) -> None:
    manifest = Project(tmp_path, DuckDB()).run("parse").result
    assert isinstance(manifest, Manifest)
    for name, macro in MACROS.items():
        described = manifest.macros[f"macro.vigil.{name}"]
        texts = [described.description, *(argument.description for argument in described.arguments)]
        assert len(texts) == 1 + len(macro.arguments)
        assert all(text.strip() and "doc(" not in text for text in texts), name


def test_every_make_target_is_documented() -> None:
    makefile, readme = (REPO / "Makefile").read_text(), (REPO / "README.md").read_text()
    targets = dict(re.findall(r"^([a-z][a-z-]*):(?!=)(.*)$", makefile, flags=re.MULTILINE))
    assert sorted(targets) == sorted(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split())
    assert [target for target, rest in targets.items() if not re.search(r"## \S", rest)] == []
    assert [target for target in targets if not re.search(rf"\bmake {target}(?![\w-])", readme)] == []
