{#- DuckDB keeps the rows of a CTE that is read twice, which hides them from statistics and zone maps. Spark plans it into each reader. -#}
{% macro inlined() -%}
  {{ return(adapter.dispatch('inlined', 'vigil')()) }}
{%- endmacro %}

{% macro duckdb__inlined() -%}
  not materialized
{%- endmacro %}

{% macro spark__inlined() -%}
{%- endmacro %}

{% macro default__inlined() -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}
