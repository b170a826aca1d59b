{#- One literal for any number of rows: the engine reads JSON many times faster than it parses as many values. -#}
{% macro json_rows(rows, columns) -%}
  {{ return(adapter.dispatch('json_rows', 'vigil')(tojson(rows) | replace("'", "\\u0027"), columns)) }}
{%- endmacro %}

{% macro duckdb__json_rows(json, columns) -%}
  select unnest(from_json('{{ json }}', '[{{ tojson(columns) }}]'), recursive := true)
{%- endmacro %}

{% macro spark__json_rows(json, columns) -%}
  {%- set types = [] -%}
  {%- for name, type in columns.items() %}{% do types.append(name ~ ':' ~ type) %}{% endfor -%}
  select inline(from_json('{{ json | replace("\\", "\\\\") }}', 'array<struct<{{ types | join(",") }}>>'))
{%- endmacro %}

{% macro default__json_rows(json, columns) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- Of a JSON array of texts, null where it has null. -#}
{% macro json_item(json, position) -%}
  {{ return(adapter.dispatch('json_item', 'vigil')(json, position)) }}
{%- endmacro %}

{% macro duckdb__json_item(json, position) -%}
  json_extract_string({{ json }}, '$[{{ position - 1 }}]')
{%- endmacro %}

{% macro spark__json_item(json, position) -%}
  get_json_object({{ json }}, '$[{{ position - 1 }}]')
{%- endmacro %}

{% macro default__json_item(json, position) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}
