"""Judges the record: what a person on call must know, and the exit code that says it to a machine."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence

from dbt_vigil.record import CheckStatus

__all__ = ["EXIT_CODES", "UNJUDGED", "exit_code", "ping"]

UNJUDGED = 2
EXIT_CODES = {"unjudged": UNJUDGED, "overdue": 3, "failing": 1, "waiting": 0, "ok": 0}
# Not to know is worse than to know that it is bad: first what could not be judged, then what was not, then what failed.
SEVERITY = (UNJUDGED, 3, 1, 0)


def exit_code(statuses: Sequence[CheckStatus]) -> int:
    """The most severe of the checks' exit codes; without any check nothing is judged."""
    return min((EXIT_CODES[status.state] for status in statuses), key=SEVERITY.index, default=UNJUDGED)


def ping(url: str, timeout: float = 10) -> None:
    """Tell a dead man's switch that the watch is alive.

    Raises:
        OSError: It could not be told. The message has no part of the URL, which may be a secret.
    """
    if not url.startswith(("https://", "http://")):
        raise OSError("the URL to ping is not an http or https URL")
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            pass
    except OSError as error:
        raise OSError(f"the dead man's switch could not be told: {getattr(error, 'reason', None) or error}") from None
