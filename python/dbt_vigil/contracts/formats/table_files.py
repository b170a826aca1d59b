"""Reads the columns of tables from the files of Delta, Iceberg and DuckDB."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from dbt_vigil.contracts.formats.json_text import read_json
from dbt_vigil.contracts.formats.table_types import Entry, Struct, Unknown, of_lake, of_sql
from dbt_vigil.project import VigilError

__all__ = ["read_table"]

Table = tuple[tuple[Entry, ...], str, int]
"""The columns, the format and its version."""

COLUMNS = """
    select
      schema_name,
      table_name,
      column_name,
      data_type || case when data_type = 'VARCHAR' and (
        select count(*) > 0 from duckdb_tables() as t where t.table_oid = c.table_oid and sql ilike '% collate %'
      ) then ' collate' else '' end,
      is_nullable
    from duckdb_columns() as c
    where database_name = current_database()
      and lower(table_name) = lower($table)
      and ($schema is null or lower(schema_name) = lower($schema))
    order by column_index
"""
KNOWN = (
    "a folder of Delta (with _delta_log) or Iceberg (with metadata), a *.metadata.json of Iceberg,"
    " a file of JSON with the schemaString of Delta, or a file of DuckDB (*.duckdb, *.db)"
)


def read_table(path: Path, name: str) -> Table:
    """The columns of a table of files.

    Raises:
        VigilError: It is of no known kind, or cannot be read.
    """
    if not path.exists():
        raise VigilError(f"{path}: there is no such file or folder.")
    if (path / "_delta_log").is_dir():
        return _delta(_logged(path / "_delta_log"), path)
    if (path / "metadata").is_dir():
        return _iceberg(_current(path / "metadata"))
    if path.is_file() and path.name.endswith(".metadata.json"):
        return _iceberg(path)
    if path.is_file() and path.suffix == ".json":
        return _delta(read_json(path), path)
    if path.is_file() and path.suffix in (".duckdb", ".db"):
        return _duckdb(path, name)
    raise VigilError(f"{path}: the schema of a table is {KNOWN}.")


def _columns(said: Any, format: str, where: Path) -> tuple[Entry, ...]:  # noqa: A002
    schema = of_lake(said, format) if isinstance(said, dict) else None
    if not isinstance(schema, Struct):
        reason = f": {schema.why}" if isinstance(schema, Unknown) else ""
        raise VigilError(f"{where}: not a schema of {format.capitalize()}{reason}.")
    return schema.fields


def _delta(said: Any, where: Path) -> Table:
    return _columns(said, "delta", where), "delta", 0


def _logged(log: Path) -> Any:
    """The newest schema in a log: in its commits, or in a checkpoint, which has all of the commits before it."""
    commits: dict[int, Path] = {}
    checkpoints: dict[int, list[Path]] = {}
    for file in sorted(log.iterdir()):
        if re.fullmatch(r"\d{20}\.json", file.name):
            commits[int(file.stem)] = file
        elif match := re.fullmatch(r"(\d{20})\.checkpoint\..*(?:parquet|json)", file.name):
            checkpoints.setdefault(int(match[1]), []).append(file)
    for version in range(max((*commits, *checkpoints), default=-1), -1, -1):
        files = [*([commits[version]] if version in commits else []), *checkpoints.get(version, [])]
        if not files:
            raise VigilError(f"{log}: neither commit {version} nor a checkpoint of it is there.")
        for file in files:
            text = _checkpointed(file) if file.suffix == ".parquet" else _committed(file)
            if text is not None:
                return _parsed(text, file)
    raise VigilError(f"{log}: no schema is in it.")


def _committed(file: Path) -> str | None:
    found = None
    for number, line in enumerate(_text(file).splitlines(), 1):
        action = _parsed(line, file, number) if line.strip() else {}
        if isinstance(action, dict) and action.get("metaData"):
            found = str(action["metaData"].get("schemaString"))
    return found


def _checkpointed(file: Path) -> str | None:
    query = "select metaData.schemaString from read_parquet($file) where metaData is not null"
    try:
        with closing(duckdb.connect()) as connection:
            row = connection.execute(query, {"file": str(file)}).fetchone()
    except duckdb.Error as error:
        raise VigilError(f"{file} cannot be read: {error}") from error
    return str(row[0]) if row else None


def _parsed(text: str, file: Path, line: int = 1) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VigilError(f"{file}:{line}: not JSON: {error}.") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VigilError(f"{file} cannot be read: {error}.") from error


def _current(folder: Path) -> Path:
    """The file of the newest metadata."""
    numbered: dict[int, list[Path]] = {}
    for file in sorted(folder.glob("*.metadata.json")):
        if match := re.match(r"v?(\d+)", file.name):
            numbered.setdefault(int(match[1]), []).append(file)
    if not numbered:
        raise VigilError(f"{folder}: no *.metadata.json is in it.")
    newest = numbered[max(numbered)]
    if len(newest) > 1:
        names = ", ".join(file.name for file in newest)
        raise VigilError(f"{folder}: which of {names} is current, only the catalog knows: name the file.")
    return newest[0]


def _iceberg(file: Path) -> Table:
    said = read_json(file)
    if not isinstance(said, dict) or not isinstance(said.get("format-version"), int):
        raise VigilError(f"{file}: not the metadata of a table of Iceberg.")
    return _columns(_current_schema(said), "iceberg", file), "iceberg", said["format-version"]


def _current_schema(said: Mapping[str, Any]) -> Any:
    if "current-schema-id" not in said:
        return said.get("schema")
    schemas = said.get("schemas") or []
    return next((one for one in schemas if one.get("schema-id") == said["current-schema-id"]), None)


def _duckdb(file: Path, name: str) -> Table:
    schema, _, table = name.rpartition(".")
    try:
        with closing(duckdb.connect(str(file), read_only=True)) as connection:
            rows = connection.execute(COLUMNS, {"table": table, "schema": schema or None}).fetchall()
    except duckdb.Error as error:
        raise VigilError(f"{file} cannot be read: {error}") from error
    tables = sorted({(row[0], row[1]) for row in rows})
    if not tables:
        raise VigilError(f"{file}: there is no table `{name}`.")
    if len(tables) > 1:
        raise VigilError(f"{file}: `{name}` is in more than one schema: {', '.join(one for one, _ in tables)}.")
    return tuple(Entry(row[2], of_sql(row[3], "duckdb"), bool(row[4])) for row in rows), "duckdb", 0
