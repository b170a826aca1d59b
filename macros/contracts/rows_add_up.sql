{% test rows_add_up(model, parts=none) %}
  {% if not parts or parts is string or parts is mapping %}
    {% do vigil._invalid('parts', parts, "a list of relations: ref('model')") %}
  {% endif %}
select *
from (
  select
    (select count(*) from {{ model }}) as all_rows,
    {% for part in parts %}(select count(*) from {{ vigil._relation('parts', part) }}){{ ' + ' if not loop.last }}{% endfor %} as rows_of_parts
) as counted
where all_rows <> rows_of_parts
{% endtest %}
