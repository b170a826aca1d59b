{% macro as_of() %}
  {% set given = var('vigil_as_of', none) %}
  {{ return(run_started_at.astimezone(modules.pytz.utc) if given is none else vigil._instant(given)) }}
{% endmacro %}


{% macro _instant(given) %}
  {% set text = given | string | trim | replace('Z', '+00:00') %}
  {% set accepted = 'vigil: var `vigil_as_of` is ' ~ given ~ '. Accepted: an ISO 8601 date or time from 1900 on, such as 2013-02-10 or 2013-02-10T06:00:00Z.' %}
  {% if not modules.re.match('^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{3}|[.][0-9]{6})?)?([+-][0-9]{2}:[0-9]{2})?)?$', text) %}
    {% do exceptions.raise_compiler_error(accepted) %}
  {% endif %}
  {% set moment = try_or_compiler_error(accepted, modules.datetime.datetime.fromisoformat, text) %}
  {{ return(moment.astimezone(modules.pytz.utc) if moment.tzinfo else vigil._to_instant(moment)) }}
{% endmacro %}


{% macro _timezone() %}
  {{ return(vigil._zone('var `vigil_timezone`', var('vigil_timezone', 'UTC'))) }}
{% endmacro %}


{% macro _zone(what, name) %}
  {% if name is not string or name not in modules.pytz.all_timezones_set %}
    {% do exceptions.raise_compiler_error('vigil: ' ~ what ~ ' is ' ~ name ~ '. Accepted: an IANA name, such as UTC or America/New_York.') %}
  {% endif %}
  {{ return(modules.pytz.timezone(name)) }}
{% endmacro %}


{% macro _to_instant(wall_clock, zone=none) %}
  {#- A time that the clocks show twice is the first of the two; one that they skip is as much later. -#}
  {% set zone = zone or vigil._timezone() %}
  {% set first = zone.localize(wall_clock, is_dst=true).astimezone(modules.pytz.utc) %}
  {% set second = zone.localize(wall_clock, is_dst=false).astimezone(modules.pytz.utc) %}
  {{ return(first if first.astimezone(zone).replace(tzinfo=none) == wall_clock else second) }}
{% endmacro %}


{% macro _to_wall_clock(instant) %}
  {{ return(instant.astimezone(vigil._timezone()).replace(tzinfo=none)) }}
{% endmacro %}


{% macro _before(instant, duration) %}
  {#- Days are calendar days of the time zone (23 to 25 hours where the clocks change), other units are elapsed time. -#}
  {% if duration.days is none %}
    {{ return(instant - modules.datetime.timedelta(seconds=duration.seconds)) }}
  {% endif %}
  {{ return(vigil._to_instant(vigil._to_wall_clock(instant) - modules.datetime.timedelta(days=duration.days))) }}
{% endmacro %}
