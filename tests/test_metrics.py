"""`vigil metrics`: what it exports of a real record, where to, and the alert rules that read it."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from click.testing import CliRunner, Result
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from dbt_vigil.cli import main
from dbt_vigil.metrics import GAUGES, LABELS, write
from dbt_vigil.project import VigilError, find_project
from dbt_vigil.record import CheckStatus, read_status
from dbt_vigil.watching import EXIT_CODES
from tests.engines import DuckDB
from tests.project import REPO, Project

RULES = REPO / "docs/prometheus/vigil.rules.yml"
RULES_TEST = REPO / "tests/vigil.rules.test.yml"
OWNER = 'Ann "A" \\ O\'Neill\nand \\n no newline, é'
VALUE_OF: dict[str, Callable[[CheckStatus], float | datetime | None]] = {
    "vigil_check_last_run_timestamp_seconds": lambda status: status.last_ran_at,
    "vigil_check_last_result_timestamp_seconds": lambda status: status.last_result_at,
    "vigil_check_next_due_timestamp_seconds": lambda status: status.next_due_at,
    "vigil_check_expected_interval_seconds": lambda status: status.expect_every_seconds,
    "vigil_check_grace_seconds": lambda status: status.grace_seconds,
    "vigil_check_value": lambda status: status.last_value,
    "vigil_check_failures": lambda status: status.last_failures,
}

Samples = dict[str, list[tuple[dict[str, str], float]]]


@dataclass(frozen=True)
class Recorded:
    """A project whose record has a check in every state at the moment."""

    directory: Path
    moment: datetime

    def run(self, *arguments: str, moment: datetime | None = None) -> Result:
        where = ["--project-dir", str(self.directory), "--profiles-dir", str(self.directory)]
        return CliRunner().invoke(
            main,
            ["metrics", *where, "--as-of", (moment or self.moment).isoformat(), *arguments],
            catch_exceptions=False,
        )

    def statuses(self) -> dict[str, CheckStatus]:
        project = find_project(self.directory, self.directory)
        return {status.check_name: status for status in read_status(project, self.moment)}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    project = Project(tmp_path_factory.mktemp("metrics"), DuckDB(), {"vigil_record": True})
    project.write("models/subject.sql", "select 1 as x union all select null as x")

    def check(name: str, rate: float = 1, **config: Any) -> dict[str, Any]:
        return {"vigil.null_rate": {"name": name, "arguments": {"max_rate": rate}, "config": config}}

    column = [
        check("passes", store_failures=True, meta={"owner": OWNER}),
        check("fails", 0.1, severity="error"),
        check("warns", 0.1, severity="warn"),
        check("errs", where="no_such_column = 1"),
        check("late", meta={"expect_every": "1 minute"}),
        check("never_ran"),
        {"not_null": {"name": "dbts_own"}},
    ]
    project.write(
        "tests/generic/small.sql", "{% test small(model) %} select * from {{ model }} where x > 1 {% endtest %}"
    )
    table = [{"small": {"name": "of_table"}}]
    subject = {"name": "subject", "data_tests": table, "columns": [{"name": "x", "data_tests": column}]}
    project.write_yaml("models/subject.yml", {"models": [subject]})
    assert project.run("run").success
    results = project.test_results(project.run("test", "--exclude", "never_ran"))
    assert len(results) == 7, results
    return Recorded(project.directory, datetime.now(timezone.utc) + timedelta(hours=1))


@pytest.fixture(scope="module")
def text(recorded: Recorded) -> str:
    result = recorded.run()
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def samples(text: str) -> Samples:
    return _samples(openmetrics_parser, text)


def _samples(parser: Any, text: str) -> Samples:
    families = parser.text_string_to_metric_families(text)
    return {family.name: [(sample.labels, sample.value) for sample in family.samples] for family in families}


def _number(value: float | datetime) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _labels(status: CheckStatus) -> dict[str, str]:
    return {
        "check": status.check_name,
        "check_id": status.check_id,
        "table": status.table_name or "",
        "column": status.column_name or "",
        "owner": status.owner or "",
        "severity": status.severity,
        "project": "cases",
        "target": "duckdb",
    }


def test_the_record_has_every_state(recorded: Recorded) -> None:
    assert {name: status.state for name, status in recorded.statuses().items()} == {
        "passes": "ok",
        "fails": "failing",
        "warns": "ok",
        "errs": "unjudged",
        "late": "overdue",
        "never_ran": "waiting",
        "dbts_own": "failing",
        "of_table": "ok",
    }


@pytest.mark.parametrize("metric", VALUE_OF)
def test_a_gauge_has_the_labels_and_the_value_of_each_check(metric: str, recorded: Recorded, samples: Samples) -> None:
    expected = [
        (_labels(status), _number(value))
        for status in recorded.statuses().values()
        if (value := VALUE_OF[metric](status)) is not None
    ]
    assert expected
    assert sorted(samples[metric], key=str) == sorted(expected, key=str)


def test_what_is_not_known_is_absent(samples: Samples) -> None:
    def names(metric: str) -> set[str]:
        return {labels["check"] for labels, _ in samples[f"vigil_check_{metric}"]}

    everything = {"passes", "fails", "warns", "errs", "late", "never_ran", "dbts_own", "of_table"}
    assert names("next_due_timestamp_seconds") == names("grace_seconds") == everything
    assert names("last_run_timestamp_seconds") == everything - {"never_ran"}
    assert names("last_result_timestamp_seconds") == names("failures") == everything - {"never_ran", "errs"}
    assert names("value") == {"passes", "fails", "warns"}  # of those that pass, dbt keeps the rows only where told to


def test_a_check_is_in_one_state_of_five(recorded: Recorded, samples: Samples) -> None:
    found = [{**labels, "value": value} for labels, value in samples["vigil_check_status"]]
    expected = [
        _labels(status) | {"state": state, "value": float(state == status.state)}
        for status in recorded.statuses().values()
        for state in ("ok", "waiting", "failing", "overdue", "unjudged")
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_labels_survive_whatever_an_owner_is_called(samples: Samples) -> None:
    owners = {labels["check"]: labels["owner"] for labels, _ in samples["vigil_check_grace_seconds"]}
    assert owners["passes"] == OWNER
    assert owners["fails"] == ""


def test_the_watch_says_when_it_judged_and_how_many(recorded: Recorded, samples: Samples) -> None:
    key = {"project": "cases", "target": "duckdb"}
    assert samples["vigil_watch_last_judged_timestamp_seconds"] == [(key, recorded.moment.timestamp())]
    assert samples["vigil_watch_checks"] == [(key, 8)]


def test_a_record_without_a_check_still_says_that_it_was_judged(recorded: Recorded) -> None:
    result = recorded.run(moment=datetime(2000, 1, 1, tzinfo=timezone.utc))
    found = _samples(openmetrics_parser, result.stdout)
    assert [value for _, value in found["vigil_watch_checks"]] == [0]
    assert [value for _, value in found["vigil_watch_last_judged_timestamp_seconds"]] == [946684800]
    assert found["vigil_check_status"] == []


def test_the_older_text_format_reads_the_same(text: str, samples: Samples) -> None:
    assert _samples(text_parser, text) == samples
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments.pop() == "# EOF"
    for line in comments:
        # Only \\ and \n may be escaped in a help text of the older format, and it knows no other types than these.
        assert re.fullmatch(r"# HELP \w+ [^\"\\]+|# TYPE \w+ gauge", line), line
    assert text.endswith("\n") and "\r" not in text


def test_output_replaces_a_file(recorded: Recorded, text: str, tmp_path: Path) -> None:
    file = tmp_path / "vigil.prom"
    file.write_text("old")
    file.chmod(0o600)
    with file.open() as being_read:
        umask = os.umask(0o077)
        try:
            result = recorded.run("--output", str(file))
        finally:
            os.umask(umask)
        assert being_read.read() == "old"
    assert (result.exit_code, result.output) == (0, "")
    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_output_that_cannot_be_written_leaves_nothing(recorded: Recorded, tmp_path: Path) -> None:
    result = recorded.run("--output", str(tmp_path / "nowhere" / "vigil.prom"))
    assert (result.exit_code, "cannot be written" in result.output) == (2, True)
    (tmp_path / "vigil.prom").mkdir()  # the new text gets as far as the folder, and no further
    with pytest.raises(VigilError, match="cannot be written"):
        write("text", tmp_path / "vigil.prom")
    assert [file.name for file in tmp_path.iterdir()] == ["vigil.prom"]


def test_without_a_record_the_old_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "vigil.prom"
    file.write_text("old")
    project = Project(tmp_path / "project", DuckDB())
    result = Recorded(project.directory, datetime.now(timezone.utc)).run("--output", str(file))
    assert (result.exit_code, "no record" in result.output) == (2, True)
    assert file.read_text() == "old"


@dataclass
class Gateway:
    """A web server that keeps what is sent to it."""

    url: str
    answer: int = 200
    requests: list[tuple[str, str, str]] = field(default_factory=list)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv("no_proxy", "*")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.requests.append((self.command, self.path, body))
            self.send_response(found.answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Gateway(f"http://127.0.0.1:{server.server_port}/secret")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_push_replaces_what_the_gateway_has_of_the_target(
    gateway: Gateway, recorded: Recorded, samples: Samples
) -> None:
    result = recorded.run("--push", gateway.url)
    assert (result.exit_code, result.output) == (0, "")
    [(method, path, body)] = gateway.requests
    assert (method, path) == ("PUT", "/secret/metrics/job/vigil/project/cases/target/duckdb")
    assert _samples(text_parser, body) == samples


def test_push_and_output_go_together(gateway: Gateway, recorded: Recorded, text: str, tmp_path: Path) -> None:
    assert recorded.run("--push", gateway.url, "--output", str(tmp_path / "vigil.prom")).output == ""
    assert (tmp_path / "vigil.prom").read_text() == text
    assert len(gateway.requests) == 1


def test_a_gateway_that_refuses(gateway: Gateway, recorded: Recorded) -> None:
    gateway.answer = 400
    result = recorded.run("--push", gateway.url)
    assert (result.exit_code, result.output) == (2, "vigil: The Pushgateway refused the metrics: HTTP 400.\n")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}/secret", "http://user:secret@127.0.0.1", "http://[secret", "http://127.0.0.1/secret\n"],
)
def test_a_gateway_that_cannot_be_reached(url: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:  # bound, and so nobody else's, but not listening
        closed.bind(("127.0.0.1", 0))
        result = recorded.run("--push", url.format(port=closed.getsockname()[1]))
    assert result.exit_code == 2
    assert result.output.startswith("vigil: The Pushgateway could not be reached")
    assert "secret" not in result.output and "127.0.0.1" not in result.output


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_reads_what_is_exported(rule: dict[str, Any], samples: Samples) -> None:
    used: set[str] = set()
    labels: set[str] = set()

    def visit(expression: Any) -> None:
        if isinstance(expression, promql_parser.VectorSelector):
            assert expression.name in samples
            used.add(expression.name)
            exported = samples[expression.name][0][0]
            for matcher in expression.matchers.matchers:
                assert matcher.name in exported
                assert matcher.value in {labels[matcher.name] for labels, _ in samples[str(expression.name)]}
        elif isinstance(expression, promql_parser.MatrixSelector):
            visit(expression.vector_selector)
        elif isinstance(expression, promql_parser.AggregateExpr) and expression.modifier:
            labels.update(expression.modifier.labels)
        elif isinstance(expression, promql_parser.BinaryExpr) and expression.modifier and expression.modifier.matching:
            labels.update(expression.modifier.matching.labels)

    promql_parser.walk(promql_parser.parse(rule["expr"]), visit)
    assert used
    known = {label for name in used for labels, _ in samples[name] for label in labels}
    assert labels <= known
    for template in [*rule["labels"].values(), *rule["annotations"].values()]:
        in_template = set(re.findall(r"\$labels\.(\w+)", template))
        # What an alert says of a check, all of its metrics know.
        assert in_template <= set.intersection(*(set(samples[name][0][0]) for name in used)), template
    assert {"summary", "description"} <= set(rule["annotations"])


def test_every_alert_is_there() -> None:
    assert [rule["alert"] for rule in rules()] == [
        "VigilCheckOverdue",
        "VigilCheckFailing",
        "VigilCheckUnjudged",
        "VigilWatchDead",
        "VigilWatchEmpty",
    ]


@pytest.mark.parametrize(
    "arguments", [["check", "rules", str(RULES)], ["test", "rules", str(RULES_TEST)]], ids=" ".join
)
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool(arguments: list[str]) -> None:
    result = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_reads_the_metrics(text: str) -> None:
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_page_names_every_metric_and_label(samples: Samples) -> None:
    page = (REPO / "docs/metrics.md").read_text()
    assert set(re.findall(r"^\| `(vigil_\w+)`", page, re.MULTILINE)) == set(samples)
    assert {f"`{label}`" for label in LABELS} <= set(re.findall(r"`\w+`", page))
    assert {f"`{state}`" for state in EXIT_CODES} <= set(re.findall(r"`\w+`", page))
    assert {f"vigil_check_{name}" for name in GAUGES} == set(VALUE_OF)
    assert {f"`{rule['alert']}`" for rule in rules()} <= set(re.findall(r"`\w+`", page))
