{# Each macro returns its argument's value, or stops with an error that names the argument and what it accepts. #}

{% macro _number(argument, value, minimum, maximum=1e300) %}
  {% if value is not number or value is boolean or not (minimum <= value <= maximum) %}
    {% set accepted = 'a number' ~ (' of at least ' ~ minimum if minimum > -1e300) %}
    {% do vigil._invalid(argument, value, accepted if maximum == 1e300 else 'a number from ' ~ minimum ~ ' to ' ~ maximum) %}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _integer(argument, value, minimum, maximum=1000000000) %}
  {% if value is not integer or value is boolean or not (minimum <= value <= maximum) %}
    {% do vigil._invalid(argument, value, 'a whole number from ' ~ minimum ~ ' to ' ~ maximum) %}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _boolean(argument, value) %}
  {% if value is not boolean %}
    {% do vigil._invalid(argument, value, 'true or false') %}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _choice(argument, value, accepted) %}
  {% if value is not string or value not in accepted %}
    {% do vigil._invalid(argument, value, accepted | join(', ')) %}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _relation(argument, value) %}
  {% if value.identifier is undefined %}
    {% do vigil._invalid(argument, value, "a relation: ref('model') or source('source', 'table')") %}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _duration(argument, value, accept_zero=false) %}
  {#- {'seconds': its length, 'days': its length in calendar days, or none when it has a part of a day} -#}
  {% set duration = vigil._parsed_duration(value, accept_zero) %}
  {% if not duration %}
    {% do vigil._invalid(argument, value, vigil._accepted_durations()) %}
  {% endif %}
  {{ return(duration) }}
{% endmacro %}


{% macro _parsed_duration(value, accept_zero=false) %}
  {#- As _duration, but none for what is no duration. -#}
  {% set parts = modules.re.match('^([0-9]+(?:[.][0-9]+)?) ?(second|minute|hour|day|week)s?$', value | string | trim) %}
  {% set amount = parts.group(1) | float if parts else 0 %}
  {% set unit = {'second': 1, 'minute': 60, 'hour': 3600, 'day': 86400, 'week': 604800}[parts.group(2)] if parts else 0 %}
  {% set seconds = amount * unit %}
  {% if not parts or (amount == 0 and not accept_zero) or seconds > 36500 * 86400 %}
    {{ return(none) }}
  {% endif %}
  {% set in_days = parts.group(2) in ('day', 'week') and seconds % 86400 == 0 %}
  {{ return({'seconds': seconds, 'days': (seconds / 86400) | int if in_days else none}) }}
{% endmacro %}


{% macro _accepted_durations() -%}
  a number above 0 and a unit: seconds, minutes, hours, days or weeks, such as 26 hours; at most 36500 days
{%- endmacro %}


{% macro _size(argument, value) %}
  {#- Bytes, at least one. -#}
  {% set parts = modules.re.match('^([0-9]+(?:[.][0-9]+)?) ?(B|[kKMGT]B|[KMGT]iB)$', value | string | trim) %}
  {% set unit = parts.group(2) | upper if parts else 'B' %}
  {% set bytes = (parts.group(1) | float * (1024 if 'I' in unit else 1000) ** 'BKMGT'.index(unit[0])) | int if parts else 0 %}
  {% if not bytes %}
    {% do vigil._invalid(argument, value, 'a number above 0 and a unit: B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 10 GB') %}
  {% endif %}
  {{ return(bytes) }}
{% endmacro %}


{% macro _literals(argument, value) %}
  {#- {'literals': texts, numbers or truth values as SQL, 'accepted_type': a condition on column_name's type, 'accepted': in words}.
      Texts are compared with numbers and times in each engine's own way, which no check can rest on. -#}
  {% set accepted = 'a list of texts, of numbers, or of true and false; dates as texts' %}
  {% if value is none or value is string or value is mapping or value is not iterable or not value %}
    {% do vigil._invalid(argument, value, accepted) %}
  {% endif %}
  {% set kinds = [] %}
  {% set literals = [] %}
  {% for item in value %}
    {% do kinds.append('text' if item is string else 'boolean' if item is boolean else 'number' if item is number and -1e300 <= item <= 1e300) %}
    {% do literals.append(vigil.text_literal(item) if item is string else item | string | lower) %}
  {% endfor %}
  {% if kinds[0] not in ('text', 'boolean', 'number') or kinds | unique | list | length > 1 %}
    {% do vigil._invalid(argument, value, accepted) %}
  {% endif %}
  {% set is_boolean = "lower(typeof(column_name)) = 'boolean'" %}
  {% set is_no_text = vigil.is_number('column_name') ~ ' or ' ~ vigil.is_timestamp('column_name') ~ ' or ' ~ is_boolean %}
  {{ return({
    'literals': literals,
    'accepted_type': {'text': 'not (' ~ is_no_text ~ ')', 'number': vigil.is_number('column_name'), 'boolean': is_boolean}[kinds[0]],
    'accepted': {'text': 'a text or a date', 'number': 'a number', 'boolean': 'a boolean'}[kinds[0]] ~ ', as in `' ~ argument ~ '`',
  }) }}
{% endmacro %}


{% macro _columns(argument, value, required=true) %}
  {#- A list of quoted identifiers; a single name is a list of one. Empty when the argument may be missing and is. -#}
  {% if value is none and not required %}
    {{ return([]) }}
  {% endif %}
  {% set names = [value] if value is string else value %}
  {% if not names or names is mapping or names is not iterable %}
    {% do vigil._invalid(argument, value, 'a column name, or a list of them') %}
  {% endif %}
  {% set quoted = [] %}
  {% for name in names %}
    {% if name is not string or not name | trim %}
      {% do vigil._invalid(argument, value, 'a column name, or a list of them') %}
    {% endif %}
    {% do quoted.append(vigil.identifier(name)) %}
  {% endfor %}
  {{ return(quoted) }}
{% endmacro %}


{% macro _column(argument, value) %}
  {% if value is not string or not value | trim %}
    {% do vigil._invalid(argument, value, 'a column name') %}
  {% endif %}
  {{ return(vigil.identifier(value)) }}
{% endmacro %}


{% macro _condition(argument, value) %}
  {% if value is not none and (value is not string or not value | trim) %}
    {% do vigil._invalid(argument, value, 'a condition in SQL') %}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _no_data_passes(on_no_data) %}
  {#- Under `--empty` every relation is empty by the user's wish: no_data is reported, and does not fail. -#}
  {% set default = var('vigil_on_no_data', 'fail') %}
  {% if default not in ('fail', 'pass') %}
    {% do exceptions.raise_compiler_error('vigil: var `vigil_on_no_data` is ' ~ default ~ '. Accepted: fail, pass.') %}
  {% endif %}
  {% set chosen = default if on_no_data is none else vigil._choice('on_no_data', on_no_data, ['fail', 'pass']) %}
  {{ return(chosen == 'pass' or flags.EMPTY == true) }}
{% endmacro %}
