{% macro _periods(period, baseline_periods, seasonality, compare='complete', calendar=none) %}
  {#- {'tested': range, 'baseline': [range, …] from the newest to the oldest, 'baseline_periods': n, 'period': its name, 'accept_dates': bool,
       'note': text or none};
      a range is {'start', 'end'}, instants. With a calendar only its open days are tested, and compared with. -#}
  {% set period = vigil._choice('period', period, ['hour', 'day', 'week', 'month']) %}
  {% set n = vigil._integer('baseline_periods', baseline_periods, 1, 1000) %}
  {% set seasonality = vigil._choice('seasonality', 'none' if seasonality is none else seasonality, ['none', 'week']) %}
  {% set to_date = vigil._choice('compare', compare, ['complete', 'to_date']) == 'to_date' %}
  {% if seasonality == 'week' and period not in ('hour', 'day') %}
    {% do vigil._invalid('seasonality', seasonality, "none when period is " ~ period) %}
  {% endif %}
  {% set step = 'week' if seasonality == 'week' else period %}
  {% set whole_days = period != 'hour' %}

  {#- The tested period ends at as_of or before; under to_date it is the one that as_of ends or stands in. -#}
  {% set last_start = vigil._period_start(vigil.as_of(), period) %}
  {% set in_part = to_date and vigil.as_of() != last_start %}
  {% set start = last_start if in_part else vigil._periods_before(last_start, period, 1, whole_days) %}
  {% set last_complete = vigil._to_wall_clock(start).date() %}
  {% if calendar %}{% set start = vigil._last_open_day(start, calendar) %}{% endif %}
  {% set elapsed = vigil._to_wall_clock(vigil.as_of()) - vigil._to_wall_clock(start) %}

  {% set baseline = [] %}
  {#- Where only one day of a week is open, and a year is closed. -#}
  {% for k in range(1, 7 * n + 400 if calendar else n + 1) %}
    {% set earlier = vigil._periods_before(start, step, k, whole_days) if baseline | length < n %}
    {% if earlier and not vigil._closed_because(vigil._to_wall_clock(earlier).date(), calendar) %}
      {% set next = vigil._periods_before(earlier, period, -1, whole_days) %}
      {% set part_end = vigil._to_instant(vigil._to_wall_clock(earlier) + elapsed) %}
      {% do baseline.append({'start': earlier, 'end': [part_end, next] | min if in_part else next}) %}
    {% endif %}
  {% endfor %}
  {{ return({
    'tested': {'start': start, 'end': vigil.as_of() if in_part else vigil._periods_before(start, period, -1, whole_days)},
    'baseline': baseline,
    'baseline_periods': n,
    'period': period,
    'accept_dates': whole_days and not (period == 'day' and in_part),
    'note': vigil._why_tested(start, last_complete, calendar) if calendar,
  }) }}
{% endmacro %}


{% macro _last_open_day(start, calendar) %}
  {#- The start of the last open day whose cut-off has passed, not later than the day that starts at `start`. -#}
  {% set last = vigil._to_wall_clock(start).replace(hour=0, minute=0) %}
  {% for k in range(400) %}
    {% set day = last - modules.datetime.timedelta(days=k) %}
    {% set due = vigil._to_instant(day + modules.datetime.timedelta(days=1) + calendar.cutoff, calendar.zone) %}
    {% if due <= vigil.as_of() and not vigil._closed_because(day.date(), calendar) %}
      {{ return(vigil._to_instant(day)) }}
    {% endif %}
  {% endfor %}
  {% do vigil._invalid('calendar', calendar.name, 'a calendar that has an open day among the last 400') %}
{% endmacro %}


{% macro _why_tested(start, last_complete, calendar) %}
  {#- Said where the tested day is not the last complete one. -#}
  {% set tested = vigil._to_wall_clock(start).date() %}
  {% set reason = vigil._closed_because(last_complete, calendar) or 'not due yet' %}
  {{ return('tested ' ~ tested ~ ', because ' ~ last_complete ~ ' is: ' ~ reason if tested != last_complete) }}
{% endmacro %}


{% macro _note(periods, profile=none) %}
  {{ return((['(select gap from profile_gap)'] if profile else []) + ([vigil.text_literal(periods.note)] if periods.note else [])) }}
{% endmacro %}


{% macro _adjoined(ranges) %}
  {#- The same ranges, from the newest to the oldest, adjoining ones as one. -#}
  {% set adjoined = [] %}
  {% for range in ranges %}
    {% set newer = adjoined.pop() if adjoined and adjoined[-1].start == range.end else range %}
    {% do adjoined.append({'start': range.start, 'end': newer.end}) %}
  {% endfor %}
  {{ return(adjoined) }}
{% endmacro %}


{% macro _period_start(instant, period) %}
  {% set wall_clock = vigil._to_wall_clock(instant) %}
  {% if period == 'hour' %}
    {#- By elapsed time, so that the hour that the clocks repeat is two hours. -#}
    {{ return(instant - modules.datetime.timedelta(minutes=wall_clock.minute, seconds=wall_clock.second, microseconds=wall_clock.microsecond)) }}
  {% endif %}
  {% set day = wall_clock.replace(hour=0, minute=0, second=0, microsecond=0) %}
  {% if period == 'week' %}
    {% set day = day - modules.datetime.timedelta(days=day.weekday()) %}
  {% elif period == 'month' %}
    {% set day = day.replace(day=1) %}
  {% endif %}
  {{ return(vigil._to_instant(day)) }}
{% endmacro %}


{% macro _periods_before(start, period, n, whole_days) %}
  {% if period == 'hour' %}
    {{ return(start - modules.datetime.timedelta(hours=n)) }}
  {% endif %}
  {% set wall_clock = vigil._to_wall_clock(start) %}
  {#- A day may start at 01:00, where the clocks skip its first hour. #}
  {% set day = wall_clock.replace(hour=0, minute=0) if whole_days else wall_clock %}
  {% if period == 'month' %}
    {% set months = day.year * 12 + day.month - 1 - n %}
    {{ return(vigil._to_instant(day.replace(year=months // 12, month=months % 12 + 1))) }}
  {% endif %}
  {{ return(vigil._to_instant(day - modules.datetime.timedelta(days=n * (7 if period == 'week' else 1)))) }}
{% endmacro %}
