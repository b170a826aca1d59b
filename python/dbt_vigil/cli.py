"""The command `vigil`."""

from __future__ import annotations

import gc
import json
import logging
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import yaml

from dbt_vigil import __version__
from dbt_vigil.contracts.cli import contracts
from dbt_vigil.project import Project, VigilError, find_project
from dbt_vigil.record import CheckStatus, read_status
from dbt_vigil.watching import EXIT_CODES, UNJUDGED, exit_code, ping

if TYPE_CHECKING:
    from dbt_vigil.summary import RunSummary

F = TypeVar("F", bound=Callable[..., Any])


class _Group(click.Group):
    """Turns what a person must mend into one line and the exit code for "could not be judged"."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VigilError as error:
            click.echo(f"vigil: {error}", err=True)
            ctx.exit(UNJUDGED)


def _variables(_: click.Context, __: click.Parameter, value: str) -> Mapping[str, Any]:
    try:
        variables = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):  # the latter of a date that is none
        variables = None
    if not isinstance(variables, dict):
        raise click.BadParameter("not a YAML mapping, such as '{vigil_schema: monitoring}'")
    return variables


def _years(_: click.Context, __: click.Parameter, value: str) -> list[int]:
    try:
        first, *rest = map(int, value.split("-", 1))
        return list(range(first, (rest or [first])[0] + 1))
    except ValueError as error:
        raise click.BadParameter("not a year or two, such as 2026 or 2026-2028") from error


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00")) if value else None
    except ValueError as error:
        raise click.BadParameter("not an ISO 8601 time, such as 2026-11-23T18:00:00Z") from error
    return moment.replace(tzinfo=timezone.utc) if moment and not moment.tzinfo else moment


def _of_a_project(command: F) -> F:
    """Adds the options that say which project and target; the command gets them as one Project."""
    for option in reversed(
        (
            click.option(
                "--project-dir", help="The folder of dbt_project.yml. Default: DBT_PROJECT_DIR, or this folder."
            ),
            click.option("--profiles-dir", help="The folder of profiles.yml. Default: as dbt looks for it."),
            click.option("--profile", help="The profile. Default: that of dbt_project.yml."),
            click.option("-t", "--target", help="The target. Default: that of the profile."),
            click.option("--vars", "variables", default="{}", callback=_variables, help="Variables, as YAML."),
        )
    ):
        command = option(command)
    return command


def _at_a_moment(command: F) -> F:
    return click.option(
        "--as-of", callback=_moment, help="The moment to judge, ISO 8601; without an offset in UTC. Default: now."
    )(command)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vigil")
def main() -> None:
    """Run dbt's data tests so that none goes missing, and watch that each of them ran.

    Exit codes: 0 all is fine, 1 a check failed, 2 a check errored or something could not be judged, 3 a check is
    overdue (only `vigil watch`). When several hold, 2 comes before 3, and 3 before 1.
    """
    logging.basicConfig(format="vigil: %(message)s", level=logging.WARNING)


def _dbt_command(name: str) -> None:
    @main.command(
        name,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h"]},
        help=f"""Run `dbt {name}`, with dbt's own arguments, and see to it that the record gets every result.

        Tests share statements, with the verdicts of dbt. What a run did survives its death: the next vigil command
        writes it to the record. `dbt {name} --help` lists the arguments; --debug says why a run needs dbt.
        """,
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def command(ctx: click.Context, as_json: bool, arguments: tuple[str, ...]) -> None:
        if {"--debug", "-d"} & set(arguments):
            logging.getLogger("dbt_vigil").setLevel(logging.DEBUG)
        summary = _run(name, arguments, as_json)
        if as_json:
            click.echo(json.dumps(summary.to_json(), indent=2))
        else:
            _print_summary(summary)
        ctx.exit(summary.exit_code)


def _run(command: str, arguments: tuple[str, ...], as_json: bool) -> RunSummary:
    if command == "test":
        from dbt_vigil.progress import lines, table
        from dbt_vigil.warm import run_stored

        summary = run_stored(arguments, None if as_json else table if sys.stdout.isatty() else lines)
        if summary:
            return summary
    with _importing():
        from dbt_vigil.running import run

    return run(command, arguments, quietly=as_json)


@contextmanager
def _importing() -> Iterator[None]:
    """Within it dbt is imported: that makes no garbage, and looking for some takes a tenth of a small run."""
    if "dbt" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


_dbt_command("test")
_dbt_command("build")


def _print_summary(summary: RunSummary) -> None:
    from dbt_vigil.progress import PROBLEMS, timing
    from dbt_vigil.report import counted

    if summary.stopped_by is not None:
        click.echo(f"vigil: dbt stopped: {summary.stopped_by}", err=True)
    if summary.path == "dbt":
        for check in summary.checks:
            if check.status in PROBLEMS:
                click.echo(f"{check.status:<8} {check.name}: {check.explanation}")
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts().most_common())
    recorded = {
        True: "recorded",
        False: "NOT in the record, but kept",
        None: "not recorded by vigil itself",
    }
    checks = f"{counted(len(summary.checks), 'check')}{': ' + counts if counts else ''}"
    click.echo(f"vigil: {checks}; {recorded[summary.recorded]}")
    if summary.statements:
        click.echo(f"vigil: {timing(summary)}")


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--explain", is_flag=True, help="Print the engine's own plan of each statement too.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def plan(explain: bool, arguments: tuple[str, ...]) -> None:
    """Print which tests share which statement, why, and the SQL. Nothing is run.

    The arguments are those of `dbt compile`, such as `--select`.
    """
    with _importing():
        from dbt_vigil.planning import explained, plan_suite
    from dbt_vigil.warm import project_of

    project = project_of(arguments)
    suite = plan_suite(project, arguments)
    for line in suite.lines():
        click.echo(line)
    if explain:
        for number, text in enumerate(explained(project, suite), 1):
            click.echo(f"-- The engine's plan of statement {number}\n{text}")


@main.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The manifest.json of the run. Default: the one beside PATH.",
)
@_of_a_project
def record(path: Path, manifest: Path | None, **options: Any) -> None:
    """Record a run that was made elsewhere, from the run_results.json at PATH.

    A run that the record already has changes nothing.
    """
    from dbt_vigil.artifacts import record_artifacts

    checks, started_at = record_artifacts(_project(**options), path, manifest or path.with_name("manifest.json"))
    click.echo(f"vigil: {checks} checks recorded, of the run of {started_at}")


@main.command()
@_of_a_project
def maintain(**options: Any) -> None:
    """Delete from the record what is older than var `vigil_retention`, and join its small files.

    What a status rests on stays, however old. Runs may be recorded meanwhile.
    """
    project = _project(**options)
    with _importing():
        from dbt_vigil.running import maintain as maintain_record

    maintain_record(project)
    click.echo(f"vigil: the record of target {project.target_name} is maintained")


@main.command()
@_of_a_project
@_at_a_moment
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, every column of check_status.")
def status(as_of: datetime | None, as_json: bool, **options: Any) -> None:
    """Print the state of every expected check, the worst first."""
    project = _project(**options)
    _flush(project)
    statuses = read_status(project, as_of)
    if as_json:
        from dbt_vigil.measurements import finite_or_text

        rows = [
            {
                name: finite_or_text(value) if isinstance(value, float) else value
                for name, value in asdict(status).items()
            }
            for status in statuses
        ]
        click.echo(json.dumps(rows, indent=2, default=lambda time: time.isoformat(), allow_nan=False))
    else:
        from dbt_vigil.tables import print_status

        print_status(statuses, as_of or datetime.now(timezone.utc))


@main.command()
@_of_a_project
@_at_a_moment
@click.option(
    "--wait", default=60.0, show_default=True, help="Seconds to wait for a DuckDB file that is being written."
)
@click.option(
    "--ping", "url", help="Call this URL when every check could be judged: the dead man's switch of the watch."
)
@click.pass_context
def watch(ctx: click.Context, /, as_of: datetime | None, wait: float, url: str | None, **options: Any) -> None:
    """Name every check that is failing, overdue or could not be judged; the exit code says the worst.

    It needs no parse of the project, so it can run every minute, and while the project itself is broken.
    """
    project = _project(**options)
    kept = _flush(project)
    statuses = read_status(project, as_of, wait)
    for status in statuses:
        if EXIT_CODES[status.state]:
            click.echo(_alert(status))
    if kept:
        click.echo(f"unjudged {kept} runs: what they found is in {project.spool_directory}, and not yet in the record")
    code = UNJUDGED if kept else exit_code(statuses)
    counts = {state: sum(status.state == state for status in statuses) for state in EXIT_CODES}
    click.echo(f"vigil: {len(statuses)} checks: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if not statuses:
        click.echo("vigil: no check is expected for this target: nothing is being watched", err=True)
    if url and code != UNJUDGED:
        try:
            ping(url)
        except OSError as error:
            raise VigilError(str(error)) from error
    ctx.exit(code)


@main.command()
@_of_a_project
@_at_a_moment
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Replace this file, at once. Default: print."
)
@click.option("--push", "url", help="Push to the Prometheus Pushgateway at this URL.")
def metrics(as_of: datetime | None, output: Path | None, url: str | None, **options: Any) -> None:
    """Print the state of every expected check as OpenMetrics text, or hand it to a Prometheus.

    When the record cannot be read nothing is written or pushed: the metrics that are there grow old.
    """
    from dbt_vigil.metrics import Judgement, openmetrics, push, write

    project = _project(**options)
    moment = as_of or datetime.now(timezone.utc)
    _flush(project)
    judgement = Judgement(project.name, project.target_name, moment, read_status(project, moment))
    if output:
        write(openmetrics(judgement), output)
    if url:
        push(judgement, url)
    if not output and not url:
        click.echo(openmetrics(judgement), nl=False)


@main.group()
def baseline() -> None:
    """Pin the baselines that psi checks name as their `pinned_baseline`, and say which are pinned."""


def _changes_a_baseline(command: F) -> F:
    """Adds who changes which baseline of which project."""
    named = click.argument("name")(_of_a_project(command))
    return click.option("--by", help="Who does it. Default: your login name.")(named)


@baseline.command()
@_changes_a_baseline
@click.option("--as-of", help="As of when the check's baseline is kept, as variable vigil_as_of has it. Default: now.")
def pin(name: str, by: str | None, as_of: str | None, **options: Any) -> None:
    """Keep what the baseline NAME is now in the record, for its checks to compare with from now on."""
    _write_baseline("pin_baseline", name, by, {"vigil_as_of": as_of} if as_of else {}, options)


@baseline.command()
@_changes_a_baseline
def unpin(name: str, by: str | None, **options: Any) -> None:
    """Let the checks of the baseline NAME be without data until it is pinned again. The record keeps what it was."""
    _write_baseline("unpin_baseline", name, by, {}, options)


def _write_baseline(
    macro: str, name: str, by: str | None, variables: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    from dbt_vigil.baselines import write_baseline

    click.echo(write_baseline(_project(**options), macro, name, by, variables))


@baseline.command()
@click.argument("name", required=False)
@_of_a_project
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, with the bins of each baseline.")
def show(name: str | None, as_json: bool, **options: Any) -> None:
    """Print which baselines are pinned, of what, when and by whom; with NAME its bins too."""
    from dbt_vigil.baselines import read_baselines

    baselines = read_baselines(_project(**options), name)
    if as_json:
        click.echo(json.dumps([asdict(b) for b in baselines], indent=2, default=lambda time: time.isoformat()))
    else:
        from dbt_vigil.tables import print_baselines, print_bins

        print_baselines(baselines)
        if name is not None:
            print_bins(baselines[0])


@main.command("calendar")
@click.argument("country")
@click.option("--subdivision", help="A part of the country, such as NY.")
@click.option("--years", required=True, callback=_years, help="A year, or the first and the last: 2026-2028.")
def calendar_command(country: str, subdivision: str | None, years: list[int]) -> None:
    """Print a country's public holidays as YAML, for `holidays:` of a calendar in var `vigil_calendars`.

    COUNTRY is its two-letter code, such as US. The dates are those of the Python package `holidays`.
    """
    from dbt_vigil.holidays import public_holidays

    found = public_holidays(country, years, subdivision)
    click.echo(yaml.safe_dump({"holidays": found}, sort_keys=False, allow_unicode=True), nl=False)


main.add_command(contracts)


def _alert(status: CheckStatus) -> str:
    guards = ".".join(part for part in (status.table_name, status.column_name) if part)
    if status.state == "overdue":
        ran = f"last result {_time(status.last_result_at)}" if status.last_result_at else "it has never run"
        text = f"no result since {_time(status.overdue_since or status.next_due_at)}, when it was due; {ran}"
    elif status.state == "failing":
        text = f"failing since {_time(status.failing_since)}; {_measured(status) or status.last_message or ''}"
    else:
        text = f"{status.last_status} at {_time(status.last_ran_at)}; {status.last_message or ''}"
    contact = "".join(
        f"; {name}: {value}" for name, value in (("owner", status.owner), ("runbook", status.runbook)) if value
    )
    return f"{status.state:<8} {status.check_name} ({guards}): {_one_line(text + contact)}"


def _measured(status: CheckStatus) -> str:
    if status.last_value is None:
        return ""
    bounds = (("at least", status.last_lower_bound), ("at most", status.last_upper_bound))
    accepted = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    segment = f" in segment {status.last_segment}" if status.last_segment else ""
    return f"measured {status.last_value:,.6g}{segment}, accepted is {accepted}"


def _one_line(text: str) -> str:
    return textwrap.shorten(text, 600, placeholder=" ...") if text else ""


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else "never"


def _project(variables: Mapping[str, Any], **options: Any) -> Project:
    return find_project(
        options["project_dir"], options["profiles_dir"], options["profile"], options["target"], variables
    )


def _flush(project: Project) -> int:
    """Write what is in the spool to the record; return how many runs could not be written."""
    if not any(project.spool_directory.glob("*.jsonl")):
        return 0
    from dbt_vigil.running import flush_if_free

    return flush_if_free(project)


if __name__ == "__main__":
    sys.exit(main())
