"""The cases of the checks that a profile can answer, each with a profile of its rows.

A profile of its own for each case would take minutes on Spark. So the rows of all cases that share their variables,
their period and the type of their timestamps stand in one table, a segment for each case, and a table makes of each
segment's rows in the profile what a profile of that case alone would have. It calls each case's timestamp column by the
case's name, so that no check sees another case's rows. The tests stand on a table with all these columns and no row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from tests.case_table import DEFAULT_VARS, Case, model_sql, quoted
from tests.engines import Engine
from tests.project import Project

CHECKS = (
    "cardinality_change", "mean_change", "new_values", "null_rate_change", "range_change", "row_count_ratio",
    "volume_anomaly",
)  # fmt: skip
HISTORY = {"hour": 1400, "day": 410, "week": 60, "month": 30}
METRICS = ("row_count", "nulls", "nans", "distinct_values", "numbers")
VALUES = ("kind", "data_type", "total", "least_number", "greatest_number", "top_values")


def why_not(case: Case) -> str | None:
    """Why a profile cannot answer a case, by design."""
    if case.config.get("where"):
        return "a profile is of all rows"
    if isinstance(case.arguments.get("column_name"), list):
        return "a profile has no combinations of columns"
    if case.arguments.get("compare") == "to_date":
        return "a profile has no parts of periods"
    if case.name in ("timestamp_of_text", "hours_on_dates", "unknown_column", "parts_of_days_on_dates"):
        return "the profile itself stops with the error"
    return None


def write_profiled_cases(project: Project, cases: list[Case]) -> None:
    """Adds the cases' rows, their profiles, and their tests."""
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    types = {case.id: described(project, model_sql(project.engine, vars(case))) for case in cases}
    for case in cases:
        time = types[case.id][case.arguments["timestamp_column"]]
        groups[case.arguments.get("period", "day"), time].append(case)
    for number, ((period, _), members) in enumerate(groups.items()):
        columns = {case.id: types[case.id][case.column] for case in members if case.column}
        names = {name: f"x_{position}" for position, name in enumerate(sorted(set(columns.values())))} or {"int": "x_0"}
        rows = [segment(project.engine, case, columns.get(case.id), names) for case in members]
        config = "{{ config(materialized='table') }}\n"
        project.write(f"models/rows_{number}.sql", config + "\nunion all\n".join(rows))
        project.write(
            f"models/profile_{number}.sql",
            f"{{{{ vigil.column_profile(ref('rows_{number}'), timestamp_column='t', columns={list(names.values())}, "
            f"period='{period}', history={HISTORY[period]}, group_by=['case_id', 'g'], max_values=1000) }}}}",
        )
        of_column = {
            case.id: names[columns[case.id]] if case.column else next(iter(names.values())) for case in members
        }
        project.write(f"models/cases_{number}.sql", config + own_profiles(members, of_column, number))
        project.write(f"models/subject_{number}.sql", config + subject_of(project.engine, members))
        tests: dict[str | None, list[Any]] = defaultdict(list)
        for case in members:
            arguments = case.arguments | {"timestamp_column": case.id, "profile": f"ref('cases_{number}')"}
            tests[case.column].append({f"vigil.{case.check}": {"name": f"of_{case.id}", "arguments": arguments}})
        subject: dict[str, Any] = {"name": f"subject_{number}", "data_tests": tests.pop(None, [])}
        subject["columns"] = [{"name": name, "data_tests": found} for name, found in tests.items()]
        project.write_yaml(f"models/subject_{number}.yml", {"models": [subject]})


def described(project: Project, sql: str) -> dict[str, str]:
    """The names and types of a query's columns."""
    rows = project.engine.rows(project.directory, f"describe {sql}")
    return {name: column_type for name, column_type, *_ in (map(str, row.values()) for row in rows)}


def segment(engine: Engine, case: Case, column_type: str | None, names: dict[str, str]) -> str:
    """A case's rows, with its column under the name that its type has."""
    text = engine.type_name("string")
    group = case.arguments.get("group_by")
    columns = [f"cast('{case.id}' as {text}) as case_id", f"{quoted(engine, case.arguments['timestamp_column'])} as t"]
    columns.append(f"cast({quoted(engine, group) if group else 'null'} as {text}) as g")
    for type_name, name in names.items():
        is_own = type_name == column_type and case.column
        columns.append(f"{quoted(engine, str(case.column)) if is_own else f'cast(null as {type_name})'} as {name}")
    return f"select {', '.join(columns)} from (\n{model_sql(engine, vars(case))}\n) as of_case"


def subject_of(engine: Engine, cases: list[Case]) -> str:
    """A table with the columns that the cases' tests name."""
    names = {
        name.lower(): name
        for case in cases
        for name in (case.id, case.column, case.arguments.get("group_by"))
        if isinstance(name, str)
    }
    return f"select {', '.join(f'1 as {quoted(engine, name)}' for name in names.values())} where false"


def own_profiles(cases: list[Case], of_column: dict[str, str], number: int) -> str:
    """What profiles of the cases alone would be: each case has a row for each period, with rows or without."""
    metrics = ", ".join(f"coalesce(found.{name}, 0) as {name}" for name in METRICS)
    values = ", ".join(f"found.{name}" for name in VALUES)
    named = [
        f"select '{case.id}' as case_id, '{grain(case, number)}' as grain, '{of_column[case.id]}' as of_column, "
        f"'{(case.column or 'any').lower()}' as column_name"
        for case in cases
    ]
    return f"""
        with found as (select * from {{{{ ref('profile_{number}') }}}}),
        periods as (select distinct period_start from found),
        cases as ({" union all ".join(named)})
        select
          cases.grain, cases.column_name, periods.period_start, {metrics}, {values},
          coalesce(found.has_all_values, true) as has_all_values, false as is_approximate,
          case when found.row_count > 0 then {{{{ vigil.array_of([vigil.item_of('segment', 2)]) }}}} end as segment
        from periods cross join cases
        left join found
          on periods.period_start = found.period_start and cases.of_column = found.column_name
          and cases.case_id = {{{{ vigil.item_of('segment', 1) }}}}"""


def grain(case: Case, number: int) -> str:
    """The grain of a case's profile, with a timestamp column of the case's name, as Jinja."""
    zone = (DEFAULT_VARS | case.vars).get("vigil_timezone", "UTC")
    group = case.arguments.get("group_by")
    table = f"{{{{ this.schema | lower }}}}.subject_{number}"
    return f"{case.arguments.get('period', 'day')} of {table} by {case.id.lower()} in {zone}" + (
        f" for each {group.lower()}" if group else ""
    )


def error_of(project: Project, sql: str) -> str:
    """The error of a query, or nothing."""
    try:
        project.engine.rows(project.directory, sql)
    except Exception as error:
        return re.sub(r"\s+", " ", str(error))
    return ""
