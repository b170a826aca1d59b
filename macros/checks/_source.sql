{% macro _source_rows(check_name, relation, arguments) -%}
  {#- The columns that a check's arguments name, under the arguments' names: `column_name`, and `group_by_1, group_by_2` for a list.
      The alias says which argument named which column, because an engine's error about an unknown column shows the alias. -#}
  {%- set columns = {} -%}
  {%- set described = [] -%}
  {%- for argument, names in arguments.items() if names -%}
    {%- for name in ([names] if names is string else names) -%}
      {%- do columns.update({argument ~ ('' if names is string else '_' ~ loop.index): name}) -%}
      {%- do described.append(argument ~ ': ' ~ name[1:-1]) -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- set alias = vigil.identifier(check_name ~ '(' ~ described | join(', ') ~ ')') -%}
  select
    {%- for name, column in columns.items() %}
    {{ alias }}.{{ column }} as {{ name }},
    {%- endfor %}
    1 as one
  from {{ vigil._wrapped(relation) }} as {{ alias }}
{%- endmacro %}


{% macro _wrapped(relation) -%}
  {#- What carries an alias of its own already (dbt's `where`, `--empty` or `--sample`) is wrapped. -#}
  {{ relation if relation.limit is none and relation.event_time_filter is none else '(select * from ' ~ relation ~ ')' }}
{%- endmacro %}


{% macro _in_range(start, end, accept_dates=true) -%}
  {{ vigil.compare_time('timestamp_column', [('>=', start), ('<', end)], accept_dates) }}
{%- endmacro %}


{% macro _in_window(window) -%}
  {{ vigil._in_range(window.start, window.end, window.length.days is not none) if window else 'true' }}
{%- endmacro %}


{% macro _group_columns(group_by, of=none) -%}
  {#- `group_by_1, group_by_2, ` with a trailing comma, or nothing. -#}
  {%- for _ in group_by %}{{ of ~ '.' if of }}group_by_{{ loop.index }}, {% endfor -%}
{%- endmacro %}


{% macro _grouped(group_by) -%}
  {%- if group_by %}group by {% for _ in group_by %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}{% endif -%}
{%- endmacro %}


{% macro _same_segment(left, right, group_by) -%}
  {%- for _ in group_by %} and {{ left }}.group_by_{{ loop.index }} is not distinct from {{ right }}.group_by_{{ loop.index }}{% endfor -%}
{%- endmacro %}


{% macro _aggregate(function, column, condition, group_by) -%}
  {#- Over the rows where the condition holds. Without groups a query of its own, which zone maps and statistics can answer. -#}
  {%- if group_by -%}
    {{ function }}(case when {{ condition }} then {{ column }} end)
  {%- else -%}
    (select {{ function }}({{ column }}) from source_rows where {{ condition }})
  {%- endif -%}
{%- endmacro %}
