{% macro text_literal(text) -%}
  {{ return(adapter.dispatch('text_literal', 'vigil')(text)) }}
{%- endmacro %}

{% macro duckdb__text_literal(text) -%}
  '{{ text | replace("'", "''") }}'
{%- endmacro %}

{% macro spark__text_literal(text) -%}
  '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}

{% macro default__text_literal(text) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- An aggregate: the texts that are not null, in the order of a number. -#}
{% macro joined_texts(text, position) -%}
  {{ return(adapter.dispatch('joined_texts', 'vigil')(text, position)) }}
{%- endmacro %}

{% macro duckdb__joined_texts(text, position) -%}
  string_agg({{ text }}, ', ' order by {{ position }})
{%- endmacro %}

{% macro spark__joined_texts(text, position) -%}
  nullif(
    array_join(transform(
      sort_array(collect_list(case when {{ text }} is not null then struct({{ position }} as position, {{ text }} as text) end)),
      found -> found.text
    ), ', '),
    ''
  )
{%- endmacro %}

{% macro default__joined_texts(text, position) -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}


{#- A number as a person writes it, through decimals, because each engine writes doubles in its own way. -#}
{% macro number_text(number) -%}
  case
    when isnan({{ number }}) then 'NaN'
    when abs({{ number }}) = cast('Infinity' as double) then case when {{ number }} > 0 then 'Infinity' else '-Infinity' end
    when abs({{ number }}) >= 10 and abs({{ number }}) < 1e15 then {{ vigil._decimal_text(number, 1) }}
    when {{ number }} = 0 or abs({{ number }}) >= 0.01 and abs({{ number }}) < 10 then {{ vigil._decimal_text(number, 4) }}
    {#- The exponent is 0 for the 0 that does not come here, because DuckDB has no logarithm of it. #}
    else {{ vigil._decimal_text(number ~ ' / power(10, ' ~ vigil._exponent(number) ~ ')', 3) }}
      || 'e' || cast({{ vigil._exponent(number) }} as {{ dbt.type_string() }})
  end
{%- endmacro %}

{% macro _decimal_text(number, decimals) -%}
  regexp_replace(cast(cast(round({{ number }}, {{ decimals }}) as decimal(20, {{ decimals }})) as {{ dbt.type_string() }}), '[.]?0+$', '')
{%- endmacro %}

{% macro _exponent(number) -%}
  cast(floor(coalesce(log10(nullif(abs({{ number }}), 0)), 0)) as int)
{%- endmacro %}
