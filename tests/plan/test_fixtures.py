"""Each rewrite, and what is read, as pairs of SQL in `fixtures/<module>.sql`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from dbt_vigil.plan import Aggregate, AntiJoin, CompiledTest, assembled
from dbt_vigil.plan.reading import read
from dbt_vigil.plan.rewrites import as_anti_join, counted_where, rows_outside
from dbt_vigil.plan.single_row import NotRecognisedError, read_count, read_row

FIXTURES = Path(__file__).parent / "fixtures"
NOT_RECOGNISED = "(not recognised)"


def _rewritten(rewrite: Callable[[exp.Expr], exp.Expr | None]) -> Callable[[str], str]:
    def rewritten(sql: str) -> str:
        query = sqlglot.parse_one(sql, read="duckdb")
        before = query.copy()
        found = rewrite(query)
        assert query == before, "the query itself was changed"
        return NOT_RECOGNISED if found is None else found.sql("duckdb", pretty=True)

    return rewritten


def _read(sql: str) -> str:
    query = sqlglot.parse_one(sql, read="duckdb")
    try:
        columns, aggregates = read_row(query, "duckdb")
    except NotRecognisedError:
        try:
            aggregates = (read_count(query, "duckdb"),)
        except NotRecognisedError:
            return NOT_RECOGNISED
        columns = {"rows": exp.to_identifier("vigil_0")}
    values = ", ".join(f"{value.sql('duckdb')} as {name}" for name, value in columns.items())
    return "; ".join([f"select {values}", *(f"vigil_{k}: {_described(a)}" for k, a in enumerate(aggregates))])


def _described(aggregate: Aggregate | AntiJoin) -> str:
    if isinstance(aggregate, AntiJoin):
        return f"{aggregate.child} without {aggregate.parent}"
    where = f" where {aggregate.where}" if aggregate.where else ""
    return f"{aggregate.function}({aggregate.argument}) from {aggregate.table}{where}"


def _assembled(engine: str) -> Callable[[str], str]:
    def statements(sql: str) -> str:
        tests = [CompiledTest(f"t{n}", query.strip()) for n, query in enumerate(sql.split("\n\n"))]
        forms = [form for test in tests if (form := read(test, engine))]
        return "\n".join(statement.sql for statement in assembled(forms, engine))

    return statements


MODULES: dict[str, Callable[[str], str]] = {
    "accepted_values": _rewritten(rows_outside),
    "conditional_count": _rewritten(counted_where),
    "relationships": _rewritten(as_anti_join),
    "single_row": _read,
    "statements_duckdb": _assembled("duckdb"),
    "statements_spark": _assembled("spark"),
}


def _cases(module: str) -> list[tuple[str, str, str]]:
    """The name, what is before and what is after, of each case."""
    text = (FIXTURES / f"{module}.sql").read_text()
    cases = re.findall(r"^-- (?!becomes$)(.+)\n((?:.*\n)+?)-- becomes\n((?:(?!-- ).*\n)+)", text, re.MULTILINE)
    assert len(cases) == text.count("-- becomes\n")
    return [(name, before.strip(), after.strip()) for name, before, after in cases]


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [pytest.param(m, before, after, id=f"{m}: {name}") for m in MODULES for name, before, after in _cases(m)],
)
def test_fixture(module: str, before: str, after: str) -> None:
    assert _plain(MODULES[module](before)) == _plain(after)


def _plain(sql: str) -> str:
    """On one line, and in small letters but for what is quoted."""
    parts = re.split(r"""("(?:[^"]|"")*"|'[^']*')""", re.sub(r"\s+", " ", sql))
    text = "".join(part if part[:1] in ("'", '"') else part.lower() for part in parts)
    return re.sub(r"not (\S+) is null", r"\1 is not null", re.sub(r"\( | \)", lambda found: found[0].strip(), text))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.sql")), ids=lambda path: path.stem)
def test_every_fixture_is_read(path: Path) -> None:
    assert path.stem in MODULES
