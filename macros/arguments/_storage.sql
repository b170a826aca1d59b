{% macro _storage(check_name, relation, file_format, files, argument=none, columns=[]) %}
  {#- What is asked for files: {'table', 'file_format' or none, 'files' or none, 'alias' that says which arguments, 'argument', 'columns'}. -#}
  {% if relation is string %}
    {% do exceptions.raise_compiler_error('vigil: in test `' ~ model.name ~ '`, config `where` is set. Accepted: none, because files are measured, not rows.') %}
  {% endif %}
  {% set file_format = vigil._file_format() if file_format is none else vigil._choice('file_format', file_format, vigil._formats()) %}
  {% if files is not none and (files is not string or not files | trim) %}
    {% do vigil._invalid('files', files, vigil._accepted_files()) %}
  {% endif %}
  {% set described = ['file_format: ' ~ file_format if file_format else 'files'] %}
  {% for column in columns %}{% do described.append(argument ~ ': ' ~ column[1:-1]) %}{% endfor %}
  {{ return({
    'table': relation.render(),
    'file_format': file_format,
    'files': files,
    'alias': vigil.identifier(check_name ~ '(' ~ described | join(', ') ~ ')'),
    'argument': argument,
    'columns': columns,
  }) }}
{% endmacro %}


{% macro _accepted_files() -%}
  the path of Parquet files, such as s3://bucket/orders/**/*.parquet; a table of DuckDB's own is one file
{%- endmacro %}


{% macro _required_format(file_format) %}
  {% if file_format is none %}
    {% do vigil._invalid('file_format', none, vigil._formats() | join(', ') ~ '; or else the variable vigil_file_format') %}
  {% endif %}
  {{ return(file_format) }}
{% endmacro %}


{% macro _required_files(files) %}
  {#- When it runs, so that the configuration `enabled` can leave a check out where the tables are DuckDB's own. -#}
  {% if files is none and execute %}
    {% do vigil._invalid('files', none, vigil._accepted_files()) %}
  {% endif %}
  {{ return(files or '') }}
{% endmacro %}


{% macro _measured_storage(query) -%}
  select * from ({{ query }}) as storage{{ ' where 1 = 0' if flags.EMPTY }}
{%- endmacro %}
