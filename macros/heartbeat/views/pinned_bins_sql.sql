{% macro pinned_bins_sql(log) %}
select distinct
  baseline_name, project_name, target_name, event, recorded_by, recorded_at, as_of, relation, column_name, data_type, kind, bins,
  max_categories, group_by, timestamp_column, baseline_window, segment, is_categorical, bin, least_value, greatest_value, greatest_number, bin_rows
from (
  select *, max(recorded_at) over (partition by project_name, target_name, baseline_name) as newest
  from {{ log }}
) as events
where recorded_at = newest
{% endmacro %}
