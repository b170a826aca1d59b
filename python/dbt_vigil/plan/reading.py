"""Reads a compiled test: whether its query can stand in a statement with others, and in which form it is cheapest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from dbt_vigil.plan.forms import JUDGED, Aggregate, AntiJoin, CompiledTest, Form, Verdict
from dbt_vigil.plan.rewrites import as_anti_join, counted_where, rows_outside
from dbt_vigil.plan.single_row import NotRecognisedError, read_count, read_row

__all__ = ["read"]

CHECK_FAIL_CALC = "coalesce(sum(failed), 1)"
ROW_COUNT = "count(*)"
DEEPEST = 1000
"""Brackets in brackets: DuckDB takes no more, and sqlglot, which is compiled, would overflow its stack."""
BRACKETS = {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}
UNFIT = (TokenType.SEMICOLON, TokenType.BLOCK_START)
EXACT = {TokenType.STRING: "", TokenType.IDENTIFIER: '"'}
TIME = re.compile(r"\b(date|timestamp|timestamp_ntz|timestamptz) '([-0-9 :.]+)(?:Z|\+[0-9:]+)?'", re.IGNORECASE)


def read(test: CompiledTest, engine: str) -> Form | None:
    """Read a test in its cheapest form.

    Args:
        test: The test.
        engine: `duckdb` or `spark`, which are names of sqlglot's dialects too.

    Returns:
        The form, or None where only dbt's own statement is surely the same.
    """
    if not _stands_alone(test.sql, engine) or not all(
        _is_condition(f"{test.fail_calc}{condition}", engine)
        for condition in ("", f" {test.warn_if}", f" {test.error_if}")
    ):
        return None
    own = Form(test, "its own query", _limited(test))
    if test.limit == 0:
        return own
    try:
        return _recognised(test, sqlglot.parse_one(test.sql, read=engine), engine) or own
    except (NotRecognisedError, SqlglotError, RecursionError):
        return own


def _recognised(test: CompiledTest, query: exp.Expr, engine: str) -> Form | None:
    if not _is_kept(query, test.sql, engine) or not all(
        _is_of_numbers(c, engine) for c in (test.warn_if, test.error_if)
    ):
        return None
    return _check(test, query, engine) if test.is_check else _count(test, query, engine)


def _check(test: CompiledTest, query: exp.Expr, engine: str) -> Form | None:
    """A check, which judges one row of CTE `judged`."""
    if not isinstance(query, exp.Select):
        return None
    ctes = {cte.alias: cte.this for cte in query.ctes}
    if test.fail_calc.strip() != CHECK_FAIL_CALC or not {"judged", "verdicts"} <= set(ctes):
        return None
    judged = ctes["judged"].copy()
    judged.set(
        "with_", exp.With(expressions=[cte.copy() for cte in query.ctes if cte.alias not in ("judged", "verdicts")])
    )
    row, aggregates = read_row(counted_where(judged) or judged, engine)
    if not set(row) >= set(JUDGED):
        return None
    last = {item.alias_or_name: item.unalias().sql(engine) for item in query.selects}
    verdict = {item.alias_or_name: item.unalias().sql(engine) for item in ctes["verdicts"].selects}["verdict"]
    values = tuple(row[name].sql(engine) for name in JUDGED)
    return Form(
        test,
        f"aggregates of {_tables(aggregates)}",
        aggregates=aggregates,
        values=values,
        verdict=Verdict(last["check_name"], verdict, last["failed"]),
    )


def _count(test: CompiledTest, query: exp.Expr, engine: str) -> Form | None:
    """A test that counts rows."""
    if test.fail_calc.strip() != ROW_COUNT:
        return None
    # DuckDB 2.0 forgets a limit of orphans where there are no parents, and counts them all.
    values, orphans = rows_outside(query), as_anti_join(query) if test.limit is None else None
    if engine == "duckdb" and values is None and orphans is None:
        return None  # DuckDB answers such a query as it stands
    aggregate = read_count(values or orphans or query, engine)
    failures = "vigil_0" if test.limit is None else f"least(vigil_0, {test.limit})"
    what = "rows outside the list" if values else "orphans" if orphans else "rows"
    return Form(
        test, f"{what} of {_tables([aggregate])}", aggregates=(aggregate,), values=(failures,), is_exact=values is None
    )


def _tables(aggregates: Iterable[Aggregate | AntiJoin]) -> str:
    return ", ".join(dict.fromkeys("a join" if isinstance(a, AntiJoin) else a.table for a in aggregates))


def _limited(test: CompiledTest) -> str:
    return test.sql if test.limit is None else f"{test.sql}\nlimit {test.limit}"


def _stands_alone(sql: str, engine: str) -> bool:
    """Whether a text is one query, and not too deep: what it opens it closes, and nothing follows it."""
    try:
        tokens = sqlglot.tokenize(sql, read=engine)
    except SqlglotError:
        return False
    depth = 0
    for token in tokens:
        depth += BRACKETS.get(token.token_type, 0)
        if not 0 <= depth <= DEEPEST or token.token_type in UNFIT:
            return False
    return depth == 0 and bool(tokens) and tokens[0].token_type in (TokenType.SELECT, TokenType.WITH)


@lru_cache(maxsize=1000)
def _is_condition(text: str, engine: str) -> bool:
    try:
        tree = sqlglot.parse_one(f"select {text}", read=engine)
    except SqlglotError:
        return False
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or "--" in text or "/*" in text:
        return False
    return not isinstance(tree.expressions[0], exp.Alias) and {k for k, v in tree.args.items() if v} == {"expressions"}


@lru_cache(maxsize=1000)
def _is_of_numbers(condition: str, engine: str) -> bool:
    """Whether a condition says the same of a number wherever that stands: it has no name and no aggregate in it."""
    tree = sqlglot.parse_one(f"vigil_0 {condition}", read=engine)
    allowed = (exp.Condition, exp.Literal, exp.Column, exp.Identifier)
    others = (exp.Func, exp.Subquery, exp.Window)
    return all(
        isinstance(node, allowed)
        and (not isinstance(node, others) or isinstance(node, exp.Connector))
        and (not isinstance(node, exp.Column) or node == exp.column("vigil_0"))
        for node in tree.walk()
    )


def _is_kept(tree: exp.Expr, sql: str, engine: str) -> bool:
    """Whether sqlglot writes what it read: word by word, though `x is not null` may come out as `not x is null`.

    It capitalises the unit of DuckDB's `date_diff`, writes `date '2013-01-01'` as a cast, and quotes an `at` that is an
    error as it stands.
    """

    def words(text: str) -> Counter[str]:
        found = Counter(
            token.text.lower()
            if token.token_type not in EXACT or token.text == "DAY"
            else EXACT[token.token_type] + token.text
            for token in sqlglot.tokenize(TIME.sub(_as_cast, text), read=engine)
        )
        found["<>"] += found.pop("!=", 0)
        return Counter({word: n for word, n in found.items() if n and word not in ("(", ")", "as")})

    return words(tree.sql(engine)) == words(sql)


def _as_cast(literal: re.Match[str]) -> str:
    """As sqlglot writes it, if it is valid: any other is an error in Spark, and its cast null."""
    try:
        datetime.fromisoformat(literal[2])
    except ValueError:
        return literal[0]
    return f"cast({literal[0]})"
