"""Plans a suite: compiled data tests in, the statements that the engine answers fastest out.

Pure: nothing here runs a statement or knows dbt. Each test is read into a `Form` (what it counts, over which rows), and
the forms are put together into statements, as text. A test that is not recognised keeps its own query, and a test whose
query cannot stand inside another statement is left to dbt. `reading.read` is not imported here: sqlglot imports slowly.
"""

from dbt_vigil.plan.forms import MEASURED, Aggregate, AntiJoin, CompiledTest, Form, Known, Statement
from dbt_vigil.plan.probing import Matches, probed
from dbt_vigil.plan.results import Finding, findings
from dbt_vigil.plan.statements import assembled, halved, own_statement

__all__ = [
    "MEASURED",
    "Aggregate",
    "AntiJoin",
    "CompiledTest",
    "Finding",
    "Form",
    "Known",
    "Matches",
    "Statement",
    "assembled",
    "findings",
    "halved",
    "own_statement",
    "probed",
]
