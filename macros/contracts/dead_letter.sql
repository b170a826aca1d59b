{#- A row is rejected where a reason is not the empty text, and valid where it is: never both, never neither. -#}
{% macro dead_letter(relation, rules, keep) %}
{%- do vigil._choice('keep', keep, ['valid', 'rejected']) -%}
{%- set reasons -%}
concat_ws('; '
  {%- for rule in rules %},
    case when {{ vigil._is_broken(rule) }} then {{ vigil.text_literal(rule.reason) }} end
  {%- endfor %}
  )
{%- endset -%}
{%- if keep == 'valid' -%}
select *
from {{ relation }}
where {{ reasons }} = ''
{%- else -%}
select *
from (
  select
    *,
    {{ reasons }} as contract_reasons
  from {{ relation }}
) as judged
where contract_reasons <> ''
{%- endif -%}
{% endmacro %}


{% macro _is_broken(rule) -%}
  {%- set column = vigil.identifier(rule.column) -%}
  {%- if rule.rule == 'required' -%}
    {{ column }} is null
  {%- elif rule.rule == 'allowed_values' -%}
    {{ column }} not in ({{ vigil._literals('values', rule['values']).literals | join(', ') }})
  {%- else -%}
    {{ vigil.is_outside(column, rule.get('min_value'), rule.get('max_value')) }}
  {%- endif -%}
{%- endmacro %}
