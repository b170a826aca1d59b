"""The state of every expected check as metrics that a Prometheus reads: as text, in a file, or pushed to a gateway."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from prometheus_client import CollectorRegistry, push_to_gateway
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from dbt_vigil.project import VigilError
from dbt_vigil.record import CheckStatus
from dbt_vigil.watching import EXIT_CODES

__all__ = ["Judgement", "openmetrics", "push", "write"]

LABELS: dict[str, Callable[[CheckStatus], str | None]] = {
    "check": lambda status: status.check_name,
    "check_id": lambda status: status.check_id,
    "table": lambda status: status.table_name,
    "column": lambda status: status.column_name,
    "owner": lambda status: status.owner,
    "severity": lambda status: status.severity,
    "project": lambda status: status.project_name,
    "target": lambda status: status.target_name,
}

# The help of a metric has no quotation mark: OpenMetrics escapes it, which the older text format refuses.
GAUGES: dict[str, tuple[str, Callable[[CheckStatus], float | datetime | None]]] = {
    "last_run_timestamp_seconds": (
        "When the check last ran, with or without a result. Absent when it never ran.",
        lambda status: status.last_ran_at,
    ),
    "last_result_timestamp_seconds": (
        "When the check last ran and had a result. Absent when it never had one.",
        lambda status: status.last_result_at,
    ),
    "next_due_timestamp_seconds": (
        "When the check must have its next result, grace included.",
        lambda status: status.next_due_at,
    ),
    "expected_interval_seconds": (
        "How often the check is expected to have a result (expect_every), without the grace.",
        lambda status: status.expect_every_seconds,
    ),
    "grace_seconds": (
        "How late a result may be beyond the expected interval before the check is overdue.",
        lambda status: status.grace_seconds,
    ),
    "value": (
        "What the check last measured. Absent when that is not known.",
        lambda status: status.last_value,
    ),
    "failures": (
        "How many failures the check last counted. Absent when it had no result.",
        lambda status: status.last_failures,
    ),
}


@dataclass(frozen=True, eq=False)
class Judgement(Collector):
    """The state of the expected checks of a project and target at a moment, as gauges."""

    project_name: str
    target_name: str
    moment: datetime
    statuses: Sequence[CheckStatus]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics that the page docs/metrics.md describes."""
        checks = [([label(status) or "" for label in LABELS.values()], status) for status in self.statuses]
        for name, (documentation, value_of) in GAUGES.items():
            family = GaugeMetricFamily(f"vigil_check_{name}", documentation, labels=list(LABELS))
            for labels, status in checks:
                value = value_of(status)
                if value is not None:
                    family.add_metric(labels, _number(value))
            yield family
        states = GaugeMetricFamily(
            "vigil_check_status", "1 for the state that the check is in, 0 for the others.", labels=[*LABELS, "state"]
        )
        for labels, status in checks:
            for state in EXIT_CODES:
                states.add_metric([*labels, state], float(status.state == state))
        yield states
        yield self._watch("last_judged_timestamp_seconds", "The moment that the checks were judged for.", self.moment)
        yield self._watch("checks", "How many checks are expected to run.", len(self.statuses))

    def _watch(self, name: str, documentation: str, value: float | datetime) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"vigil_watch_{name}", documentation, labels=["project", "target"])
        family.add_metric([self.project_name, self.target_name], _number(value))
        return family


def openmetrics(judgement: Judgement) -> str:
    """The metrics as OpenMetrics text, which is valid in Prometheus' older text format too."""
    text: bytes = generate_latest(_registry(judgement))  # type: ignore[no-untyped-call]
    return text.decode()


def write(text: str, file: Path) -> None:
    """Put text in a file at once: who reads the file gets all of the old text or all of the new.

    Args:
        text: What to write.
        file: Where to. Everybody may read it.

    Raises:
        VigilError: The file cannot be written.
    """
    # The name neither ends in .prom nor shows up in a listing: no collector takes it for a file of its own.
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(file)
    except OSError as error:
        raise VigilError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def push(judgement: Judgement, url: str, timeout: float = 10) -> None:
    """Replace what a Pushgateway has of the project and target.

    Args:
        judgement: What to push.
        url: The address of the gateway, without `/metrics`.
        timeout: Seconds to wait for its answer.

    Raises:
        VigilError: The gateway did not take it. The message has no part of the URL, which may be a secret.
    """
    key = {"project": judgement.project_name, "target": judgement.target_name}
    try:
        push_to_gateway(url, job="vigil", registry=_registry(judgement), grouping_key=key, timeout=timeout)
    except HTTPError as error:
        raise VigilError(f"The Pushgateway refused the metrics: HTTP {error.code}.") from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise VigilError(f"The Pushgateway could not be reached: {reason}.") from None
    except (HTTPException, ValueError) as error:
        raise VigilError(f"The Pushgateway could not be reached at this URL: {type(error).__name__}.") from None


def _registry(judgement: Judgement) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(judgement)
    return registry


def _number(value: float | datetime) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)
