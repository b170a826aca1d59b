"""Consumers' contracts, and the gates that a change of what a producer gives must pass.

Nothing else in dbt_vigil depends on it; what it needs is installed by `pip install dbt-vigil[contracts]`.
"""
