{% test freshness(
  model, timestamp_column=none, max_age=none, future_tolerance='5 minutes', window=none, calendar=none, except=none, group_by=none,
  on_no_data=none
) %}
  {{ config(fail_calc='coalesce(sum(failed), 1)') }}
  {% do vigil._no_unknown_arguments(kwargs, 'timestamp_column, max_age, future_tolerance, window, calendar, except, group_by, on_no_data') %}
  {% set column = vigil._column('timestamp_column', timestamp_column) %}
  {% set max_age = vigil._duration('max_age', max_age) %}
  {% set tolerance = vigil._duration('future_tolerance', future_tolerance, accept_zero=true) %}
  {% set range = vigil._window(timestamp_column, window) if window is not none %}
  {% if range and range.length.seconds < max_age.seconds %}
    {% do vigil._invalid('window', window, 'a duration of at least max_age, because older rows are not read') %}
  {% endif %}
  {% set calendar = vigil._calendar(calendar, except) %}
  {% if calendar and window %}{% do vigil._invalid('window', window, 'none with a calendar, because closed days are no age') %}{% endif %}
  {% set group_by = vigil._columns('group_by', group_by, required=false) %}
  {% set oldest_accepted = vigil.as_of() - modules.datetime.timedelta(seconds=max_age.seconds) %}
  {% set latest_accepted = vigil.as_of() + modules.datetime.timedelta(seconds=tolerance.seconds) %}
  {% set read = [('>=', [range.start, oldest_accepted] | min)] if range else [] %}
  {% set not_in_future = vigil.compare_time('timestamp_column', read + [('<=', latest_accepted)]) %}
  {% set in_future = vigil.compare_time('timestamp_column', [('>', latest_accepted)]) %}

with source_rows as {{ vigil.inlined() }} (
  {{ vigil._source_rows('freshness', model, {'timestamp_column': column, 'group_by': group_by}) }}
),

newest as (
  select
    {{ vigil._group_columns(group_by) }}
    {{ vigil._aggregate('max', 'timestamp_column', not_in_future, group_by) }} as newest_timestamp,
    {{ vigil._aggregate('count', 'one', in_future, group_by) }} as numerator,
    {{ vigil._aggregate('count', 'one', vigil.compare_time('timestamp_column', read) if read else 'true', group_by) }} as denominator
  {{ 'from source_rows ' ~ vigil._grouped(group_by) if group_by }}
),

measured as (
  {% if calendar -%}
  select *, {{ vigil._open_seconds('newest_timestamp', 'age', calendar, max_age) }} as value
  from (select *, {{ vigil.seconds_until('newest_timestamp', vigil._last_cutoff(calendar)) }} as age from newest) as aged
  {%- else -%}
  select *, {{ vigil.seconds_until('newest_timestamp', vigil.as_of()) }} as value from newest
  {%- endif %}
),
{# Within a window, no row means an age above max_age: that fails, whatever on_no_data says. #}
{{ vigil._verdict(
  'freshness', group_by, on_no_data, upper_bound=max_age.seconds, fails_when='value is null' if window
) }}
{% endtest %}
