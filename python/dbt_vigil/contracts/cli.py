"""The commands `vigil contracts`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dbt_vigil.contracts.changes import Mode
from dbt_vigil.contracts.findings import FORMS, Finding, Gate, exit_code, unreadable
from dbt_vigil.project import VigilError

if TYPE_CHECKING:
    from dbt_vigil.contracts.gates.schema import Version
    from dbt_vigil.contracts.graph import Graph
    from dbt_vigil.contracts.registry import Registry, Subject

__all__ = ["contracts"]

F = TypeVar("F", bound=Callable[..., Any])
Folder = click.Path(exists=True, file_okay=False, path_type=Path)
File = click.Path(exists=True, dir_okay=False, path_type=Path)
GATES = [gate.value for gate in Gate]


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    return lambda command: functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


_where = _options(
    click.option(
        "--registry", type=click.Path(path_type=Path), default="contracts", show_default=True, help="The folder."
    ),
    click.option(
        "--project-dir", "project", type=Folder, default=".", show_default=True, help="The folder of the dbt project."
    ),
    click.option("--manifest", type=File, help="Default: target/manifest.json of the project, if it is there."),
    click.option("--catalog", type=File, help="Default: the catalog.json beside the manifest, if it is there."),
)
_format = click.option("--format", "as_format", type=click.Choice(FORMS), default="text", show_default=True)
_to_a_file = click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: print.")


class _Group(click.Group):
    """Says what to install where a library of the extra is not there."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if str(error.name).startswith("dbt_vigil"):
                raise
            text = f"vigil contracts needs {error.name}: pip install 'dbt-vigil[contracts]'."
            raise VigilError(text) from error


@click.group(cls=_Group)
def contracts() -> None:
    """Check consumers' contracts: what a change of a table or a topic breaks, and for whom.

    The registry is a folder of YAML. Exit codes: 0 nothing is broken, 1 something is, 2 something could not be judged.
    """


@contracts.command()
@_where
@click.option("--base", default="origin/main", show_default=True, help="The branch that the change is to land in.")
@click.option("--base-registry", type=click.Path(path_type=Path), help="Where that branch has it. Default: --registry.")
@click.option("--state", type=Folder, help="A folder with the manifest.json and catalog.json of that branch.")
@click.option("--gate", "gates", multiple=True, type=click.Choice(GATES), help="Only this gate; may be repeated.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The day on which it is to land. Default: today.")
@_format
@_to_a_file
@click.pass_context
def check(
    ctx: click.Context,
    /,
    registry: Path,
    project: Path,
    manifest: Path | None,
    catalog: Path | None,
    base: str,
    base_registry: Path | None,
    state: Path | None,
    gates: Sequence[str],
    as_of: datetime | None,
    as_format: str,
    output: Path | None,
) -> None:
    """Let the change in this work tree go through the gates.

    \b
    schema       who has the schema of before or after can read the data of after or before
    consumers    what each consumer declares is there, and is what it was
    deprecation  what is removed was announced 28 days ago on the base branch, and nobody declares it
    ownership    every model, source and data test has an owner
    """
    from dbt_vigil.contracts.checking import Against, check
    from dbt_vigil.contracts.reports import findings_as

    chosen = {Gate(gate) for gate in gates or GATES}
    now = as_of.replace(tzinfo=timezone.utc) if as_of else datetime.now(timezone.utc)
    try:
        graph = _graph(project, manifest, catalog, is_current=True)
        findings = check(registry, project, graph, chosen, Against(base, state, base_registry), now)
    except VigilError as error:
        findings = unreadable(error)
    _print(findings_as(as_format, findings, Path.cwd()), output)
    ctx.exit(exit_code(findings))


@contracts.command()
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--mode", type=click.Choice([mode.value for mode in Mode if not mode.is_transitive]), default="FULL")
@click.option("--message", help="Of Protobuf, the message. Default: the only one.")
@click.option("--lenient", is_flag=True, help="Of JSON Schema: nobody sends what a schema does not name.")
@click.option("--table", help="The name of a table: OLD and NEW are of Delta, Iceberg or DuckDB.")
@_format
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    old: Path,
    new: Path,
    mode: str,
    message: str | None,
    lenient: bool,
    table: str | None,
    as_format: str,
) -> None:
    """Judge the schema in NEW against that in OLD.

    Each is a file of Avro (.avsc), Protobuf (.proto) or JSON Schema (.json); with --table, a folder of Delta or of
    Iceberg, an Iceberg metadata.json, or a DuckDB file.
    """
    from dbt_vigil.contracts.formats import read_schema
    from dbt_vigil.contracts.formats.tables import TableSchema
    from dbt_vigil.contracts.gates.schema import changes_between
    from dbt_vigil.contracts.reports import findings_as

    before, after = (
        TableSchema.read(file, table) if table else read_schema(file, message, is_lenient=lenient)
        for file in (old, new)
    )
    findings = [
        Finding.of(change, table or new.name, str(new))
        for change in changes_between(before, after, Mode(mode))
        if change.direction in Mode(mode).directions
    ]
    click.echo(findings_as(as_format, findings, Path.cwd()))
    ctx.exit(exit_code(findings))


@contracts.command("compile")
@_where
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="models/contracts",
    show_default=True,
    help="A folder within the project's models, of which only what is generated is replaced.",
)
@click.option(
    "--dead-letter", is_flag=True, help="Models of the rows that are as the contracts say, and of the others."
)
def compile_command(
    registry: Path, project: Path, manifest: Path | None, catalog: Path | None, folder: Path, dead_letter: bool
) -> None:
    """Write the contracts' rules about data as dbt's data tests, with an exposure for each consumer."""
    from dbt_vigil.contracts.compiling import compile_contracts, write_compiled

    graph = _graph(project, manifest, catalog)
    if graph is None:
        raise VigilError(f"{project}/target/manifest.json is not there: run dbt parse, or give it as --manifest.")
    compiled = compile_contracts(_registry(registry), graph, project / folder, dead_letter=dead_letter)
    written = write_compiled(compiled)
    for note in compiled.notes:
        click.echo(f"vigil: {note}", err=True)
    click.echo(f"vigil: {written} in {project / folder}")


@contracts.command()
@_where
@click.argument("subject")
@click.argument("field", default="")
@click.option("--replacement", help="What to use in its place.")
@click.option("--remove-after", type=click.DateTime(["%Y-%m-%d"]), help="Default: in 28 days.")
def announce(
    registry: Path,
    project: Path,
    manifest: Path | None,
    catalog: Path | None,
    subject: str,
    field: str,
    replacement: str | None,
    remove_after: datetime | None,
) -> None:
    """Write that FIELD of SUBJECT will be removed, or all of it, and print the announcement.

    SUBJECT is a name, or KIND:NAME where several have it, such as topic:orders and model:orders.
    """
    from dbt_vigil.contracts.announcing import announce
    from dbt_vigil.contracts.gates.schema import Version

    version = Version(_registry(registry), _graph(project, manifest, catalog))
    today = datetime.now(timezone.utc).date()
    after: date | None = remove_after.date() if remove_after else None
    announcement = announce(version, project, _subject(version, subject), field, today, after, replacement)
    click.echo(announcement.text)
    click.echo(f"vigil: written to {announcement.file}; the days count from when it lands", err=True)


@contracts.command()
@_where
@click.argument("subject", required=False)
@click.argument("field", required=False)
@click.option(
    "--state", type=Folder, help="Of all that differs from the manifest.json and catalog.json in this folder."
)
@_format
@_to_a_file
def impact(
    registry: Path,
    project: Path,
    manifest: Path | None,
    catalog: Path | None,
    subject: str | None,
    field: str | None,
    state: Path | None,
    as_format: str,
    output: Path | None,
) -> None:
    """Print who is hit if FIELD of SUBJECT changes, or any of it: who declares it, and what derives from it.

    SUBJECT is a name, or KIND:NAME where several have it, such as topic:orders and model:orders. What derives from it
    is read from the SQL that dbt compiled.
    """
    from dbt_vigil.contracts.gates.schema import Version
    from dbt_vigil.contracts.graph import Graph, read_graph
    from dbt_vigil.contracts.impact import changed
    from dbt_vigil.contracts.impact import impact as impact_of
    from dbt_vigil.contracts.reports import impacts_as

    if (subject is None) == (state is None):
        raise click.UsageError("Give a SUBJECT, or --state.")
    found, graph = _registry(registry), _graph(project, manifest, catalog)
    if state:
        if graph is None:
            raise VigilError(f"{project}/target/manifest.json is not there: run dbt compile, or give it as --manifest.")
        before = read_graph(state / "manifest.json")
        impacts = [impact_of(found, before, *change) for change in changed(before, graph)]
    else:
        version = Version(found, graph)
        what = _subject(version, str(subject))
        node = graph.tables.get(what) if graph else None
        if field and node and node.has_all_columns and field.lower() not in node.columns:
            raise VigilError(f"{what} has no column `{field}`.")
        impacts = [impact_of(found, graph or Graph("", "", {}), what, field)]
    _print(impacts_as(as_format, impacts, Path.cwd()), output)


@contracts.command()
@_where
@click.argument("subject")
@_to_a_file
def export(
    registry: Path, project: Path, manifest: Path | None, catalog: Path | None, subject: str, output: Path | None
) -> None:
    """Print what SUBJECT gives as a contract of the Open Data Contract Standard; and, on stderr, what that leaves out.

    SUBJECT is a topic, or a model or source of dbt: a name, or KIND:NAME where several have it.
    """
    from dbt_vigil.contracts.gates.schema import Version
    from dbt_vigil.contracts.interchange import to_odcs

    graph = _graph(project, manifest, catalog)
    version = Version(_registry(registry), graph)
    found = _subject(version, subject)
    given = version.registry.producers.get(found) or (graph.tables.get(found) if graph else None)
    if given is None:
        raise VigilError(f"Nobody produces {found}.")
    text, lost = to_odcs(given, graph.engine if graph else "duckdb")
    _print(text, output)
    _say_lost(lost)


@contracts.command("import")
@click.argument("file", type=File)
@click.option("--registry", type=click.Path(path_type=Path), default="contracts", show_default=True, help="The folder.")
def import_command(file: Path, registry: Path) -> None:
    """Add what a contract of the Open Data Contract Standard describes to the registry; say what of it is not kept.

    Each of its objects is a topic, with a schema of Avro. No file is replaced.
    """
    from dbt_vigil.contracts.interchange import from_odcs

    texts: dict[Path, str] = {}
    lost: list[str] = []
    for imported in from_odcs(file):
        texts |= {
            registry / f"{imported.name}.yml": imported.document,
            registry / f"{imported.name}.avsc": imported.schema,
        }
        lost += imported.lost
    if there := [str(path) for path in texts if path.exists()]:
        raise VigilError(f"{', '.join(there)}: there already, and not replaced.")
    registry.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text)
        click.echo(path)
    _say_lost(lost)


def _say_lost(lost: Sequence[str]) -> None:
    for sentence in lost:
        click.echo(f"vigil: not kept: {sentence}", err=True)


def _registry(folder: Path) -> Registry:
    from dbt_vigil.contracts.checking import read_schemas
    from dbt_vigil.contracts.registry import read_registry

    return read_schemas(read_registry(folder))


def _graph(project: Path, manifest: Path | None, catalog: Path | None, *, is_current: bool = False) -> Graph | None:
    from dbt_vigil.contracts.graph import read_graph

    file = manifest or project / "target" / "manifest.json"
    if manifest or file.exists():
        return read_graph(file, catalog, project if is_current else None)
    if (project / "dbt_project.yml").exists():
        raise VigilError(f"{file} is not there: run dbt docs generate, or give another as --manifest.")
    return None


def _subject(version: Version, text: str) -> Subject:
    from dbt_vigil.contracts.registry import KINDS, Subject

    known: set[Subject] = {
        *version.registry.producers,
        *version.registry.consumers,
        *(version.graph.tables if version.graph else ()),
    }
    kind, separator, name = text.partition(":")
    if separator and kind in KINDS:
        return Subject(kind, name)
    found = sorted(subject for subject in known if subject.name == text)
    if len(found) == 1:
        return found[0]
    if found:
        raise VigilError(f"`{text}` is {' and '.join(map(str, found))}: say {found[0].kind}:{text}, or another.")
    raise VigilError(f"There is nothing named `{text}`: the registry does not have it, nor does dbt.")


def _print(text: str, output: Path | None) -> None:
    if output:
        output.write_text(text)
    else:
        click.echo(re.sub(r"\n$", "", text))
