"""What the planner reads and writes: frozen records of text, which a stored plan keeps as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "JUDGED",
    "MEASURED",
    "Aggregate",
    "AntiJoin",
    "CompiledTest",
    "Form",
    "Known",
    "Statement",
    "Value",
    "Verdict",
]

JUDGED = ("segment", "detail", "value", "lower_bound", "upper_bound", "numerator", "denominator")
"""The columns of a check's row that its verdict depends on."""
MEASURED = ("check_name", *JUDGED, "verdict", "failed")
"""The columns of a check's row."""


@dataclass(frozen=True)
class CompiledTest:
    """A data test as dbt compiled it, and the configuration that decides its result."""

    test_id: str
    sql: str
    fail_calc: str = "count(*)"
    warn_if: str = "!= 0"
    error_if: str = "!= 0"
    limit: int | None = None
    is_check: bool = False
    """Whether its rows are those of a check of the package."""


@dataclass(frozen=True)
class Aggregate:
    """`function(argument)` over the rows of `table` where `where` holds; all as SQL, `where` empty for every row."""

    function: str
    argument: str
    table: str
    where: str = ""
    is_prunable: bool = field(default=False, compare=False)
    """Whether statistics of files can show that it is 0; of a count over all rows, that no argument is null."""


@dataclass(frozen=True)
class AntiJoin:
    """The number of rows of `child`, of those without a null key, whose keys no row of `parent` has.

    Both are queries with columns `key_0`, `key_1` and so on. The rows of `child` without a null key are those of
    `table` where `where` holds.
    """

    child: str
    parent: str
    keys: int
    table: str
    where: str

    @property
    def known(self) -> Aggregate:
        """The number of rows of `child` without a null key."""
        return Aggregate("count", "*", self.table, self.where)


@dataclass(frozen=True)
class Known:
    """An aggregate whose value, as SQL, is known from the metadata of its table, or from them and a few of its rows."""

    function: str
    value: str
    reads_rows: bool = False


Value = Aggregate | AntiJoin | Known
"""What a test is computed from."""


@dataclass(frozen=True)
class Verdict:
    """How a check judges its row: expressions over the columns JUDGED, and `failed` over `verdict` as well."""

    check_name: str
    verdict: str
    failed: str


@dataclass(frozen=True)
class Form:
    """How the result of a test is computed.

    Either from `aggregates`, which `values` call `vigil_0`, `vigil_1` and so on, or, without any, from the rows of
    `query`, as dbt would.
    """

    test: CompiledTest
    why: str
    query: str = ""
    aggregates: tuple[Value, ...] = ()
    values: tuple[str, ...] = ()
    """Of a check the columns JUDGED, of any other test the number of failures."""
    verdict: Verdict | None = None
    is_exact: bool = True
    """False where it is only known whether the number is 0, which is cheaper. 0 is then the test's own 0."""

    @property
    def source(self) -> str:
        """What answers: `metadata` of the table's files, a `scan` of rows, or both, `mixed`."""
        known = [a.reads_rows for a in self.aggregates if isinstance(a, Known)]
        if not known:
            return "scan"
        return "mixed" if any(known) else "metadata"


@dataclass(frozen=True)
class Statement:
    """A statement which answers several tests, in the order of `forms`."""

    sql: str
    forms: tuple[Form, ...]
    why: str
