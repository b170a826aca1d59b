"""Puts forms together into statements: which tests share one, and the SQL in which the engine answers it fastest.

On DuckDB a statement has a row for each test: `test, failures, should_warn, should_error, measured`. Aggregates of the
same rows are computed in one scan; others apart, because each is often answered by statistics or zone maps alone.
On Spark it has the same rows, `measured` as JSON, of every plain aggregate of a table in one scan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dbt_vigil.plan.forms import (
    JUDGED,
    MEASURED,
    Aggregate,
    AntiJoin,
    CompiledTest,
    Form,
    Known,
    Statement,
    Value,
    Verdict,
)
from dbt_vigil.plan.probing import Matches
from dbt_vigil.report import counted

__all__ = ["assembled", "halved", "own_statement"]

DUCKDB_TESTS = 50
"""In one statement: the cost of planning one grows faster than the number of its parts."""
SPARK_CONDITIONS = 60
"""In one scan: Spark interprets a stage whose generated code is too long to be compiled."""
SPARK_QUERIES = 4
"""In one statement, of tests with their own query: Spark runs the stages of several at the same time."""
VALUES = ("failures", *JUDGED)
NULLS = ("cast(null as bigint)", *["cast(null as string)"] * 2, *["cast(null as double)"] * (len(JUDGED) - 2))
REFERENCE = re.compile(r"\bvigil_([0-9]+)\b")


def assembled(forms: Sequence[Form], engine: str, matches: Matches = MappingProxyType({})) -> list[Statement]:
    """Write the statements that answer the tests.

    Args:
        forms: The tests.
        engine: `duckdb` or `spark`.
        matches: The anti joins that are cheaper to answer by counting matches (see `probed`).
    """
    if engine == "duckdb":
        return [_duckdb(forms[start : start + DUCKDB_TESTS], matches) for start in range(0, len(forms), DUCKDB_TESTS)]
    groups: dict[object, list[Form]] = {}
    for form in forms:
        groups.setdefault(_spark_group(form), []).append(form)
    return [_spark(part) for group in groups.values() for part in _spark_parts(group)]


def halved(statement: Statement, engine: str, matches: Matches = MappingProxyType({})) -> list[Statement]:
    """The statements for either half of the tests of one."""
    middle = len(statement.forms) // 2
    halves = (statement.forms[:middle], statement.forms[middle:])
    return [part for forms in halves for part in assembled(forms, engine, matches)]


def own_statement(test: CompiledTest) -> str:
    """The statement that dbt sends for a test."""
    limit = "" if test.limit is None else f"limit {test.limit}"
    return (
        f"select {test.fail_calc} as failures, {test.fail_calc} {test.warn_if} as should_warn, "
        f"{test.fail_calc} {test.error_if} as should_error\nfrom (\n{test.sql}\n{limit}\n) dbt_internal_test"
    )


def _duckdb(forms: Sequence[Form], matches: Matches) -> Statement:
    scans = _scans([aggregate for form in forms for aggregate in form.aggregates])
    ctes = [f"vigil_scan_{k} as materialized (\n  {_scan(scan, matches)}\n)" for k, scan in enumerate(scans)]
    name_of = _names(scans)
    rules = _rules(forms)
    rows, parts = [], []
    for test, form in enumerate(forms):
        if form.aggregates:
            names = [name_of[aggregate] for aggregate in form.aggregates]
            tables = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            rows.append(f"select {', '.join(_values(form, test, rules, names))} from {tables}")
        else:
            parts.append(_own(form, test, "list(struct_pack({}))", "{0} := {0}"))
    if rows:
        ctes.append(f"vigil_found({', '.join(rules.columns)}) as (\n  " + "\n  union all\n  ".join(rows) + "\n)")
        parts.insert(0, _judged(rules, "vigil_found", "[struct_pack({})]", "{0} := {0}"))
    start = "with " + ",\n".join(ctes) + "\n" if ctes else ""
    return Statement(start + "\nunion all\n".join(parts), tuple(forms), _shared(forms, len(scans)))


@dataclass(frozen=True)
class _Rule:
    """What is done with the values of a test. It is the same for many tests, and planned once for all of them."""

    formulas: tuple[str, ...]
    """Of the columns VALUES, from counts, called count_0, count_1, …; empty where a row has the value itself."""
    verdict: Verdict | None
    warn_if: str
    error_if: str


@dataclass(frozen=True)
class _Rules:
    rules: tuple[_Rule, ...]
    columns: tuple[str, ...]


def _rules(forms: Sequence[Form]) -> _Rules:
    counts = max((len(form.aggregates) for form in forms), default=0)
    rules = tuple(dict.fromkeys(_rule(form) for form in forms if form.aggregates))
    # Every column of every row is planned: only those that some test needs.
    values = [name for k, name in enumerate(VALUES) if not all(rule.formulas[k] for rule in rules)]
    return _Rules(rules, ("test", "rule", *values, *_counts(counts)))


def _rule(form: Form) -> _Rule:
    formulas = tuple(_formula(value, form) for value in _all_values(form))
    return _Rule(formulas, form.verdict, form.test.warn_if, form.test.error_if)


def _counts(n: int) -> list[str]:
    return [f"count_{k}" for k in range(n)]


def _all_values(form: Form) -> tuple[str, ...]:
    """The expressions of the columns VALUES."""
    return (NULLS[0], *form.values) if form.verdict else (f"cast({form.values[0]} as bigint)", *NULLS[1:])


def _formula(value: str, form: Form) -> str:
    used = {int(k) for k in REFERENCE.findall(value)}
    return _bound(value, _counts(len(form.aggregates))) if all(_is_count(form.aggregates[k]) for k in used) else ""


def _is_count(aggregate: Value) -> bool:
    return isinstance(aggregate, AntiJoin) or aggregate.function == "count"


def _values(form: Form, test: int, rules: _Rules, names: Sequence[str]) -> list[str]:
    """A row of the columns of the rules; `names` are those of the form's aggregates."""
    rule = _rule(form)
    own = zip(VALUES, NULLS, rule.formulas, _all_values(form), strict=True)
    values = [null if formula else _bound(value, names) for name, null, formula, value in own if name in rules.columns]
    counts = [name if _is_count(aggregate) else "null" for name, aggregate in zip(names, form.aggregates, strict=True)]
    row = [str(test), str(rules.rules.index(rule)), *values, *counts]
    return [*row, *["cast(null as bigint)"] * (len(rules.columns) - len(row))]


def _judged(rules: _Rules, found: str, measured: str, field: str) -> str:
    """From rows of `found` to the columns of a result."""

    def by_rule(expressions: Iterable[str], otherwise: str = "null") -> str:
        whens: dict[str, list[str]] = {}
        for k, text in enumerate(expressions):
            whens.setdefault(text or otherwise, []).append(str(k))
        if len(whens) == 1:
            return next(iter(whens))
        cases = (f"when rule in ({', '.join(of)}) then {text}" for text, of in whens.items() if text != otherwise)
        return f"case {' '.join(cases)} else {otherwise} end"

    verdicts = [rule.verdict for rule in rules.rules]
    values = ", ".join(
        f"{by_rule((rule.formulas[k] for rule in rules.rules), name if name in rules.columns else 'null')} as {name}"
        for k, name in enumerate(VALUES)
    )
    name = by_rule(verdict.check_name if verdict else "" for verdict in verdicts)
    verdict = by_rule(verdict.verdict if verdict else "" for verdict in verdicts)
    failed = by_rule((verdict.failed if verdict else "" for verdict in verdicts), "failures")
    warned = by_rule(f"failed {rule.warn_if}" for rule in rules.rules)
    errors = by_rule(f"failed {rule.error_if}" for rule in rules.rules)
    fields = ", ".join(field.format(name) for name in MEASURED)
    return f"""\
select
  test, cast(failed as string), cast({warned} as string), cast({errors} as string),
  case when check_name is not null then {measured.format(fields)} end
from (
  select *, {failed} as failed
  from (
    select *, {name} as check_name, {verdict} as verdict from (select test, rule, {values} from {found}) as judged
  ) as verdicts
) as judged"""


def _own(form: Form, test: int, measured: str, field: str) -> str:
    fields = ", ".join(field.format(name) for name in MEASURED)
    failures, row = form.test.fail_calc, measured.format(fields) if form.test.is_check else "null"
    return (
        f"select {test}, cast({failures} as string), cast({failures} {form.test.warn_if} as string), "
        f"cast({failures} {form.test.error_if} as string), {row}\nfrom (\n{form.query}\n) dbt_internal_test"
    )


def _shared(forms: Sequence[Form], scans: int) -> str:
    return f"{counted(len(forms), 'test')}, {counted(scans, 'scan')}"


Scan = tuple[tuple[str, str], list[Aggregate]] | AntiJoin


def _scans(aggregates: Iterable[Value]) -> list[Scan]:
    """Aggregates of the same filtered rows together, all others apart.

    Over all rows each column has a scan of its own: one that has nulls must be read, and would keep statistics from
    answering for the others.
    """
    shared: dict[tuple[str, str, str], list[Aggregate]] = {}
    joins: dict[AntiJoin, None] = {}
    for aggregate in dict.fromkeys(aggregates):
        if isinstance(aggregate, AntiJoin):
            joins[aggregate] = None
        elif isinstance(aggregate, Aggregate):
            column = "" if aggregate.where else aggregate.argument
            shared.setdefault((aggregate.table, aggregate.where, column), []).append(aggregate)
    return [*(((table, where), found) for (table, where, _), found in shared.items()), *joins]


def _names(scans: Sequence[Scan]) -> dict[Value, str]:
    names: dict[Value, str] = {}
    for k, scan in enumerate(scans):
        values: Sequence[Value] = [scan] if isinstance(scan, AntiJoin) else scan[1]
        names |= {value: f"vigil_scan_{k}.value_{n}" for n, value in enumerate(values)}
    return names


def _bound(expression: str, names: Sequence[str]) -> str:
    return REFERENCE.sub(lambda found: names[int(found[1])], expression)


def _scan(scan: Scan, matches: Matches) -> str:
    if isinstance(scan, AntiJoin):
        return f"select {_orphans(scan, matches)} as value_0"
    (table, where), aggregates = scan
    values = ", ".join(f"{a.function}({a.argument}) as value_{k}" for k, a in enumerate(aggregates))
    return f"select {values} from {table}{f' where {where}' if where else ''}"


def _orphans(join: AntiJoin, matches: Matches) -> str:
    child, parent, on, are_known = _sides(join)
    known = "count(key_0)" if join.keys == 1 else f"count(case when {are_known} then 1 end)"
    if join in matches:
        found = (
            f"(select count(*) from {child} join (select distinct * from {parent} where {part}) as parent on {on})"
            for part in matches[join]
        )
        return f"(select {known} from {child}) - ({' + '.join(found)})"
    # A filter on the keys would let DuckDB expect few rows, and join them the wrong way round.
    return f"(select count(*) from {child} anti join {parent} on {on}) - (select count(*) - {known} from {child})"


def _sides(join: AntiJoin) -> tuple[str, str, str, str]:
    """The tables `child` and `parent`, that their keys are equal, and that the child's are known."""
    on = " and ".join(f"child.key_{k} = parent.key_{k}" for k in range(join.keys))
    are_known = " and ".join(f"child.key_{k} is not null" for k in range(join.keys))
    return f"({join.child}) as child", f"({join.parent}) as parent", on, are_known


def _spark_group(form: Form) -> object:
    """Forms over one table are together, those of no table, and those of their own query; a join stands alone."""
    if not form.aggregates:
        return None
    tables = {a.table if isinstance(a, Aggregate) else a for a in form.aggregates if not isinstance(a, Known)}
    if not tables:
        return Known
    return tables.pop() if len(tables) == 1 else id(form)


def _spark_parts(forms: Sequence[Form]) -> Iterable[Sequence[Form]]:
    """Parts of a group, so that no scan has too many conditions, and no statement too many queries."""
    part: list[Form] = []
    seen: set[Value] = set()
    for form in forms:
        both = seen | set(form.aggregates)
        conditions = sum(not isinstance(a, Known) and bool(a.where) for a in both)
        if part and (conditions > SPARK_CONDITIONS or (not both and len(part) == SPARK_QUERIES)):
            yield part
            part, both = [], set(form.aggregates)
        part.append(form)
        seen = both
    yield part


def _spark(forms: Sequence[Form]) -> Statement:
    aggregates = list(dict.fromkeys(aggregate for form in forms for aggregate in form.aggregates))
    if not aggregates:
        queries = (
            _own(form, k, "to_json(collect_list(named_struct({})))", "'{0}', {0}") for k, form in enumerate(forms)
        )
        return Statement("\nunion all\n".join(queries), tuple(forms), counted(len(forms), "test"))
    rules = _rules(forms)
    rows = []
    for test, form in enumerate(forms):
        names = [f"value_{aggregates.index(aggregate)}" for aggregate in form.aggregates]
        fields = zip(rules.columns, _values(form, test, rules, names), strict=True)
        rows.append("named_struct(" + ", ".join(f"'{name}', {value}" for name, value in fields) + ")")
    structs = ",\n    ".join(rows)
    found = f"(\n  select inline(array(\n    {structs}\n  ))\n  from ({_spark_scan(aggregates)}) as scan\n) as found"
    sql = _judged(rules, found, "to_json(array(named_struct({})))", "'{0}', {0}")
    return Statement(sql, tuple(forms), _shared(forms, int(any(not isinstance(a, Known) for a in aggregates))))


def _spark_scan(aggregates: Sequence[Value]) -> str:
    plain = [a for a in aggregates if isinstance(a, Aggregate)]
    joins = [a for a in aggregates if isinstance(a, AntiJoin)]
    if len(joins) == 1 and plain == [joins[0].known]:
        return _spark_matched(aggregates, joins[0])
    filters = {a.where for a in plain}
    shared = filters.pop() if len(filters) == 1 else ""
    values = [f"{_spark_value(a, shared)} as value_{k}" for k, a in enumerate(aggregates)]
    if not plain:
        return f"select {', '.join(values)}"
    return f"select {', '.join(values)} from {plain[0].table}{f' where {shared}' if shared else ''}"


def _spark_value(aggregate: Value, shared: str) -> str:
    if isinstance(aggregate, Known):
        return aggregate.value
    return _spark_orphans(aggregate) if isinstance(aggregate, AntiJoin) else _conditional(aggregate, shared)


def _spark_matched(aggregates: Sequence[Value], join: AntiJoin) -> str:
    """The orphans and the number of rows that they are among, in one scan of the child."""
    child, parent, on, are_known = _sides(join)
    counts = ("count(case when not is_found then 1 end)" if a is join else "count(*)" for a in aggregates)
    values = ", ".join(f"{count} as value_{k}" for k, count in enumerate(counts))
    found = f"exists (select 1 from {parent} where {on})"
    return f"select {values} from (select {found} as is_found from {child} where {are_known}) as matched"


def _spark_orphans(join: AntiJoin) -> str:
    child, parent, on, are_known = _sides(join)
    return f"(select count(*) from {child} left anti join {parent} on {on} where {are_known})"


def _conditional(aggregate: Aggregate, shared: str) -> str:
    if aggregate.where == shared:
        return f"{aggregate.function}({aggregate.argument})"
    argument = "1" if aggregate.argument == "*" else aggregate.argument
    return f"{aggregate.function}(case when {aggregate.where} then {argument} end)"
