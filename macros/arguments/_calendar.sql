{% macro _calendar(name, closed_dates, period='day', compare='complete') %}
  {#- {'weekdays': closed ones, Monday is 0, 'closed': {date: reason}, 'cutoff': after the day's end, 'zone'}, or none without a calendar. -#}
  {% if name is none and closed_dates is none %}
    {{ return(none) }}
  {% endif %}
  {% set calendars = var('vigil_calendars', {}) %}
  {% set given = {} if name is none else calendars[vigil._choice('calendar', name, calendars | list)] or {} %}
  {% if period != 'day' or compare != 'complete' %}
    {% do vigil._invalid('calendar' if name else 'except', name or closed_dates, 'none when period is not day or compare is not complete') %}
  {% endif %}
  {% for key in given if key not in ('weekdays', 'holidays', 'days_around', 'cutoff', 'timezone') %}
    {% do vigil._invalid_calendar(name, key, 'not known. Accepted: weekdays, holidays, days_around, cutoff, timezone.') %}
  {% endfor %}

  {% set names = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] %}
  {% set weekdays = [] %}
  {% for weekday in given.get('weekdays', names) %}
    {% if weekday not in names %}{% do vigil._invalid_calendar(name, 'weekdays', weekday ~ '. Accepted: a list of ' ~ names | join(', ') ~ '.') %}{% endif %}
    {% do weekdays.append(names.index(weekday)) %}
  {% endfor %}
  {% if not weekdays %}{% do vigil._invalid_calendar(name, 'weekdays', 'empty. Accepted: a list of ' ~ names | join(', ') ~ '.') %}{% endif %}

  {% set closed = {} %}
  {% set holidays = vigil._dated_reasons('holidays', given.get('holidays', []), 'holiday') %}
  {% set around = vigil._integer('days_around', given.get('days_around', 0), 0, 7) %}
  {% for day, reason in holidays.items() %}
    {% for offset in range(-around, around + 1) %}
      {% do closed.setdefault(day + modules.datetime.timedelta(days=offset), 'next to ' ~ reason) %}
    {% endfor %}
  {% endfor %}
  {% do closed.update(holidays) %}
  {% do closed.update(vigil._dated_reasons('except', closed_dates or [], 'excepted')) %}

  {% set cutoff = modules.re.match('^([01][0-9]|2[0-3]):([0-5][0-9])$', given.get('cutoff', '00:00') | string) %}
  {% if not cutoff %}{% do vigil._invalid_calendar(name, 'cutoff', given.cutoff ~ '. Accepted: a time of day in quotes, such as "06:00".') %}{% endif %}
  {{ return({
    'name': name,
    'open_weekdays': weekdays,
    'closed': closed,
    'cutoff': modules.datetime.timedelta(hours=cutoff.group(1) | int, minutes=cutoff.group(2) | int),
    'zone': vigil._zone('timezone of calendar ' ~ name, given['timezone']) if 'timezone' in given else vigil._timezone(),
  }) }}
{% endmacro %}


{% macro _invalid_calendar(name, key, problem) %}
  {% do exceptions.raise_compiler_error('vigil: var `vigil_calendars`, calendar `' ~ name ~ '`: `' ~ key ~ '` is ' ~ problem) %}
{% endmacro %}


{% macro _dated_reasons(argument, value, reason) %}
  {#- From a list of dates, or a mapping of dates to reasons, to {date: reason}. -#}
  {% set accepted = "a list of dates, or a mapping of dates to reasons, such as {'2013-12-25': no flights}" %}
  {% if value is string or value is not iterable %}{% do vigil._invalid(argument, value, accepted) %}{% endif %}
  {% set found = {} %}
  {% for given in value %}
    {% set text = given | string | trim %}
    {% if not modules.re.match('^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$', text) %}{% do vigil._invalid(argument, text, accepted) %}{% endif %}
    {% set no_date = 'vigil: `' ~ argument ~ '` has ' ~ text ~ ', which is no date.' %}
    {% set moment = try_or_compiler_error(no_date, modules.datetime.datetime.fromisoformat, text) %}
    {% do found.update({moment.date(): value[given] if value is mapping else reason}) %}
  {% endfor %}
  {{ return(found) }}
{% endmacro %}


{% macro _closed_because(day, calendar) %}
  {#- Why a date is closed, none where it is open. -#}
  {% if not calendar %}
    {{ return(none) }}
  {% endif %}
  {{ return(calendar.closed.get(day, none if day.weekday() in calendar.open_weekdays else 'closed weekday')) }}
{% endmacro %}


{% macro _last_cutoff(calendar) %}
  {#- The last moment at which a day's rows were due, as_of or earlier. -#}
  {% set today = modules.datetime.datetime.combine(vigil.as_of().astimezone(calendar.zone).date(), modules.datetime.time()) %}
  {% set cutoff = vigil._to_instant(today + calendar.cutoff, calendar.zone) if calendar.cutoff else vigil.as_of() %}
  {% if cutoff <= vigil.as_of() %}{{ return(cutoff) }}{% endif %}
  {{ return(vigil._to_instant(today - modules.datetime.timedelta(days=1) + calendar.cutoff, calendar.zone)) }}
{% endmacro %}


{% macro _closed_ranges(calendar, since, until) %}
  {#- From the newest to the oldest, adjoining days as one. -#}
  {% set closed = [] %}
  {% set last = vigil._to_wall_clock(until).replace(hour=0, minute=0, second=0, microsecond=0) %}
  {% for k in range((until - since).days + 2) %}
    {% set day = last - modules.datetime.timedelta(days=k) %}
    {% if vigil._closed_because(day.date(), calendar) %}
      {% do closed.append({'start': vigil._to_instant(day), 'end': vigil._to_instant(day + modules.datetime.timedelta(days=1))}) %}
    {% endif %}
  {% endfor %}
  {{ return(vigil._adjoined(closed)) }}
{% endmacro %}


{% macro _open_seconds(column, age, calendar, max_age) -%}
  {#- An age in seconds, less what of it lies in closed days. Dates have whole days of 24 hours. Of an age that is far above max_age
      only the newest part is looked at, so that it stays above. -#}
  {%- set until = vigil._last_cutoff(calendar) -%}
  {%- set since = until - modules.datetime.timedelta(seconds=max_age.seconds * 7, days=400) -%}
  {%- set terms = {'date': [], 'instant': []} -%}
  {%- for range in vigil._closed_ranges(calendar, since, until) -%}
    {%- set today = vigil._to_wall_clock(until).date() -%}
    {%- set days = [today - vigil._to_wall_clock(range.start).date(), today - vigil._to_wall_clock(range.end).date()] -%}
    {%- do terms.date.append(vigil._overlap(age, days[0].total_seconds(), days[1].total_seconds())) -%}
    {%- do terms.instant.append(vigil._overlap(age, (until - range.start).total_seconds(), (until - range.end).total_seconds())) -%}
  {%- endfor -%}
  {%- if not terms.instant -%}
    {{ age }}
  {%- else -%}
    {{ age }} - case when {{ vigil.is_date(column) }} then {{ terms.date | join(' + ') }} else {{ terms.instant | join(' + ') }} end
  {%- endif -%}
{%- endmacro %}


{% macro _overlap(age, start, end) -%}
  greatest(least({{ age }}, {{ start }}) - {{ [end, 0] | max }}, 0)
{%- endmacro %}
