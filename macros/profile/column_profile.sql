{% macro column_profile(
  relation, timestamp_column=none, columns=none, period='day', lookback=3, history=400, group_by=none, max_values=200,
  approximate=none
) %}
  {{ config(materialized='incremental', on_schema_change='fail', **vigil.replacing('period_start')) }}
  {% set wanted = {
    'relation': vigil._relation('relation', relation),
    'timestamp_column': vigil._column('timestamp_column', timestamp_column),
    'columns': vigil._columns('columns', columns),
    'period': vigil._choice('period', period, ['hour', 'day', 'week', 'month']),
    'group_by': vigil._columns('group_by', group_by, required=false),
    'max_values': vigil._integer('max_values', max_values, 10, 10000),
    'approximate': vigil._columns('approximate', approximate, required=false) or [],
  } %}
  {% set lookback = vigil._integer('lookback', lookback, 0, 1000) %}
  {% set history = vigil._integer('history', history, 1, 100000) %}
  {% if wanted.columns | length > 50 %}{% do vigil._invalid('columns', wanted.columns | length ~ ' columns', 'at most 50') %}{% endif %}
  {% if wanted.approximate | reject('in', wanted.columns) | list %}{% do vigil._invalid('approximate', approximate, 'some of `columns`') %}{% endif %}
  {% if execute %}
    {% set grain = vigil._grain(wanted.relation, wanted.period, wanted.timestamp_column, wanted.group_by) %}
    {% set periods = vigil._profiled_periods(wanted.period, lookback, history, vigil._newest_profiled(grain, wanted.period)) %}
    {{ vigil._profile_sql(wanted, grain, periods, vigil._described_columns(wanted)) }}
  {% endif %}
{% endmacro %}
