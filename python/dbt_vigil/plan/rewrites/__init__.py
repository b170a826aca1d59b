"""Rewrites of a test's query, one a module: a tree in, an equal but cheaper one out, or None where none applies."""

from dbt_vigil.plan.rewrites.accepted_values import rows_outside
from dbt_vigil.plan.rewrites.conditional_count import counted_where
from dbt_vigil.plan.rewrites.relationships import as_anti_join

__all__ = ["as_anti_join", "counted_where", "rows_outside"]
