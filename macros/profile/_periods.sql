{% macro _grain(relation, period, timestamp_column, group_by) %}
  {#- What a row of a profile is about, as text: rows of one grain are not compared with those of another. -#}
  {% set table = (relation.schema ~ '.' if relation.schema) ~ relation.identifier %}
  {% set names = [] %}
  {% for column in group_by %}{% do names.append(vigil._plain(column)) %}{% endfor %}
  {{ return(period ~ ' of ' ~ table | lower ~ ' by ' ~ vigil._plain(timestamp_column) ~ ' in ' ~ vigil._timezone().zone ~ (' for each ' ~ names | join(', ') if names)) }}
{% endmacro %}


{% macro _plain(identifier) %}
  {#- A quoted identifier's name, in lower case: neither engine tells cases apart. -#}
  {% set quote = identifier | first %}
  {{ return(identifier[1:-1] | replace(quote ~ quote, quote) | lower) }}
{% endmacro %}


{% macro _period_name(start, period) %}
  {#- What a profile calls a period: a date, or the wall clock of an hour. Names sort by time. -#}
  {% set wall_clock = vigil._to_wall_clock(start) %}
  {% if period != 'hour' %}{{ return(wall_clock.date() | string) }}{% endif %}
  {% set hour = modules.datetime.timedelta(hours=1) %}
  {#- Rows without a zone do not say which of the two hours they are of. -#}
  {% set is_unclear = wall_clock.minute or wall_clock in (vigil._to_wall_clock(start - hour), vigil._to_wall_clock(start + hour)) %}
  {{ return(wall_clock.strftime('%Y-%m-%dT%H:%M:%S') ~ (' when the clocks changed' if is_unclear)) }}
{% endmacro %}


{% macro _period_names(ranges, period) %}
  {#- The names of all periods in ranges of whole ones. -#}
  {% set names = [] %}
  {% for span in ranges %}
    {% set next = namespace(start=span.start) %}
    {% for _ in range((span.end - span.start).total_seconds() | int // (3600 if period == 'hour' else 82800) + 1) if next.start < span.end %}
      {% do names.append(vigil._period_name(next.start, period)) %}
      {% set next.start = vigil._periods_before(next.start, period, -1, period != 'hour') %}
    {% endfor %}
  {% endfor %}
  {{ return(names) }}
{% endmacro %}


{% macro _in_periods(span, period) -%}
  {#- A condition on a profile's rows, as _in_range is one on a table's. -#}
  period_start >= {{ vigil.text_literal(vigil._period_name(span.start, period)) }} and period_start < {{ vigil.text_literal(vigil._period_name(span.end, period)) }}
{%- endmacro %}


{% macro _newest_profiled(grain, period) %}
  {#- The name of the newest period that is profiled, or none. It is looked for among the last 40 first, so that its cost does not grow. -#}
  {% set recent = vigil._periods_before(vigil._period_start(vigil.as_of(), period), period, 40, period != 'hour') %}
  {% set found = [] %}
  {% for since in ([vigil._period_name(recent, period), ''] if is_incremental() else []) if not found %}
    {% set of_grain = 'grain = ' ~ vigil.text_literal(grain) ~ " and period_start >= '" ~ since ~ "'" %}
    {% set newest = run_query('select max(period_start) from ' ~ this ~ ' where ' ~ of_grain).rows[0][0] %}
    {% if newest %}{% do found.append(newest) %}{% endif %}
  {% endfor %}
  {{ return(found | first or none) }}
{% endmacro %}


{% macro _profiled_periods(period, lookback, history, newest) %}
  {#- {'names': …, 'start', 'end', 'newest': as given}: the complete periods after the newest profiled one, `history` of them at most, and `lookback` before. -#}
  {% set end = vigil._period_start(vigil.as_of(), period) %}
  {% set names = [] %}
  {% set starts = [] %}
  {% set known = [] %}
  {% for k in range(1, history + lookback + 1) %}
    {% set start = vigil._periods_before(end, period, k, period != 'hour') %}
    {% set name = vigil._period_name(start, period) %}
    {% if newest and name <= newest %}{% do known.append(name) %}{% endif %}
    {% if known | length <= lookback and k <= history + known | length %}
      {% do starts.append(start) %}
      {% if 'clocks' not in name %}{% do names.append(name) %}{% endif %}
    {% endif %}
  {% endfor %}
  {{ return({'names': names, 'start': starts | last or end, 'end': end, 'newest': newest}) }}
{% endmacro %}
