"""The cases of the checks that a profile can answer, each with a profile of its rows.

A profile of its own for each case would take minutes on Spark. So the rows of all cases that share their variables, their
period and the type of their timestamps stand in one table, a segment for each case, and a view picks a case's rows of the
profile, as a profile of that case alone would have them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from tests.case_table import DEFAULT_VARS, Case, model_sql
from tests.engines import Engine
from tests.project import Project

CHECKS = ("cardinality_change", "mean_change", "new_values", "null_rate_change", "range_change", "row_count_ratio")
CHECKS += ("volume_anomaly",)
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
        for case in members:
            column = names[columns[case.id]] if case.column else next(iter(names.values()))
            project.write(f"models/of/{case.id}.sql", own_profile(case, f"profile_{number}", column))
        tests: dict[str | None, list[Any]] = defaultdict(list)
        for case in members:
            arguments = case.arguments | {"profile": f"ref('{case.id}')"}
            tests[case.column].append({f"vigil.{case.check}": {"name": f"of_{case.id}", "arguments": arguments}})
        subject: dict[str, Any] = {"name": f"rows_{number}", "data_tests": tests.pop(None, [])}
        subject["columns"] = [{"name": name, "data_tests": found} for name, found in tests.items()]
        project.write_yaml(f"models/rows_{number}.yml", {"models": [subject]})


def described(project: Project, sql: str) -> dict[str, str]:
    """The names and types of a query's columns."""
    rows = project.engine.rows(project.directory, f"describe {sql}")
    return {str(list(row.values())[0]): str(list(row.values())[1]) for row in rows}


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


def quoted(engine: Engine, name: str) -> str:
    quote = "`" if engine.name == "spark" else '"'
    return quote + name.replace(quote, quote * 2) + quote


def own_profile(case: Case, profile: str, column: str) -> str:
    """A view of a case's rows in a profile, and of the periods in which it has none."""
    zone = (DEFAULT_VARS | case.vars).get("vigil_timezone", "UTC")
    group = case.arguments.get("group_by")
    grain = f"{case.arguments.get('period', 'day')} of {case.arguments['timestamp_column']} in {zone}"
    grain += f" by {group}" if group else ""
    metrics = ", ".join(f"coalesce(own.{name}, 0) as {name}" for name in METRICS)
    values = ", ".join(f"own.{name}" for name in VALUES)
    relation = f"{{{{ ref('{profile}') }}}}"
    return f"""
        select
          '{grain.lower().replace(zone.lower(), zone)}' as grain, '{(case.column or column).lower()}' as column_name,
          own.group_by_2 as group_by_1, {metrics}, {values}, coalesce(own.has_all_values, true) as has_all_values,
          periods.period_start
        from (select distinct period_start from {relation}) as periods
        left join (select * from {relation} where group_by_1 = '{case.id}' and column_name = '{column}') as own
          on periods.period_start = own.period_start"""


def error_of(project: Project, sql: str) -> str:
    """The error of a query, or nothing."""
    try:
        project.engine.rows(project.directory, sql)
    except Exception as error:
        return re.sub(r"\s+", " ", str(error))
    return ""
