{#- For models that look at the record. A check asks vigil.as_of(). -#}
{% macro utc_now() -%}
  {{ return(adapter.dispatch('utc_now', 'vigil')()) }}
{%- endmacro %}

{% macro duckdb__utc_now() -%}
  make_timestamp(epoch_us(current_timestamp))
{%- endmacro %}

{% macro spark__utc_now() -%}
  current_timestamp()
{%- endmacro %}

{% macro default__utc_now() -%}
  {{ vigil._unsupported_engine() }}
{%- endmacro %}
