"""Plans a suite: compiled data tests in, the statements that the engine answers fastest out.

Pure: nothing here runs a statement or knows dbt. Each test is read into a `Form` (what it counts, over which rows), and
the forms are put together into statements, as text. A test that is not recognised keeps its own query, and a test whose
query cannot stand inside another statement is left to dbt. `reading.read` is not imported here: sqlglot is slow to import.
"""

from dbt_vigil.plan.forms import MEASURED, Aggregate, AntiJoin, CompiledTest, Form, Statement
from dbt_vigil.plan.probing import small_parents
from dbt_vigil.plan.results import Finding, findings
from dbt_vigil.plan.statements import asked_alone, assembled, own_statement

__all__ = [
    "MEASURED",
    "Aggregate",
    "AntiJoin",
    "CompiledTest",
    "Finding",
    "Form",
    "Statement",
    "asked_alone",
    "assembled",
    "findings",
    "own_statement",
    "small_parents",
]
