"""Tables of Delta: their log keeps of each file its number of rows, and of most columns nulls and bounds.

The log is read as its protocol has it (https://github.com/delta-io/delta/blob/master/PROTOCOL.md): the last checkpoint
and the commits after it. What is read must be of the files that Delta itself says the table has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from dbt_vigil.plan.lakes import BOUNDED, COUNTED, ROWS, Rows, Table, quoted, sizes_of_files, statistic, tried

__all__ = ["DETAIL", "tables"]

PLAIN_PATH = re.compile(r"[\w:/.@=+-]+")
"""A location that no part of is read as a pattern."""
FEATURES = {
    "allowColumnDefaults", "appendOnly", "changeDataFeed", "checkConstraints", "clustering", "columnMapping",
    "deletionVectors", "domainMetadata", "generatedColumns", "identityColumns", "inCommitTimestamp", "invariants",
    "rowTracking", "timestampNtz", "vacuumProtocolCheck",
}  # fmt: skip
"""Of a table, what leaves its log and the statistics in it as they are read here."""
DETAIL = (
    "format", "id", "name", "description", "location", "createdAt", "lastModified", "partitionColumns",
    "clusteringColumns", "numFiles", "sizeInBytes", "properties", "minReaderVersion", "minWriterVersion",
    "tableFeatures",
)  # fmt: skip
"""The columns of `describe detail`."""
COMMIT = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"\d{20}\.checkpoint\..*")
LARGE = 16 * 2**20
"""Bytes of a table's files: to scan less takes no longer than to ask."""
FILE = (
    "coalesce(add.path, remove.path) as file, add.path is not null as is_added, add.partitionValues, add.size, "
    "add.stats, add.deletionVector is not null as is_partly_deleted"
)
ACTIONS = (
    "add struct<path string, partitionValues map<string, string>, size bigint, stats string, "
    "deletionVector struct<storageType string>>, remove struct<path string>"
)
FEW = 10_000
"""Files of a table: to read what the log has of them takes less time than to share that work out."""
WHOLE_MINUTES = "timestamp '1973-01-01 00:00:00Z'"
"""Since when the zone in which a time is written is some minutes, without seconds, which are not written."""


@dataclass(frozen=True)
class DeltaTable(Table):
    """One of Delta, as of a version."""

    names: Mapping[str, str]
    """The columns' names as they are written, by their names in small letters."""
    partitions: Sequence[str]
    """The columns that the table is partitioned by, as they are written."""
    log: str
    """The folder."""
    checkpoint: str
    """The name of the last one, or nothing."""
    first: int
    """The first commit after it."""
    version: int
    file_count: int
    size: int

    @property
    def cut(self) -> Collection[str]:
        """A millisecond is the least that is written of a time."""
        return ("timestamp", "timestamp_ntz")

    @property
    def is_exact(self) -> str:
        """Without deletion vectors, and the files that Delta says there are."""
        is_all = f"count(*) = {self.file_count} and coalesce(sum(size), 0) = {self.size}"
        return f"{is_all} and count_if(is_partly_deleted) = 0"

    @property
    def pinned(self) -> str:
        return f"{self.name} version as of {self.version}"

    def files(self, columns: Sequence[str]) -> str:
        statistics = [f"stats.numRecords as {ROWS}", "size", "is_partly_deleted"]
        for column in columns:
            values = self._of_partition(column) if self.names[column] in self.partitions else self._of_column(column)
            statistics += [f"{value} as {statistic(column, what)}" for what, value in values.items()]
        counts = ", ".join(f"{quoted(self.names[column])} bigint" for column in columns)
        bounds = ", ".join(
            f"{quoted(self.names[c])} {self.columns[c]}" for c in columns if BOUNDED.fullmatch(self.columns[c])
        )
        schema = "numRecords bigint"
        schema += f", nullCount struct<{counts}>" if counts else ""
        schema += f", minValues struct<{bounds}>, maxValues struct<{bounds}>" if bounds else ""
        added = f"select * except (stats), from_json(stats, '{schema}') as stats from ({self._added()}) as added"
        return f"select {', '.join(statistics)} from ({added}) as read"

    def _of_column(self, column: str) -> dict[str, str]:
        name, kind = quoted(self.names[column]), self.columns[column]
        values = {"nulls": f"stats.nullCount.{name}", "nans": "cast(null as bigint)"}
        if BOUNDED.fullmatch(kind):
            lower, upper = f"stats.minValues.{name}", f"stats.maxValues.{name}"
            if kind == "timestamp":
                lower, upper = (f"case when {bound} > {WHOLE_MINUTES} then {bound} end" for bound in (lower, upper))
            values |= {"lower": lower, "upper": f"{upper} + interval '0.000999' second" if kind in self.cut else upper}
        return values

    def _of_partition(self, column: str) -> dict[str, str]:
        """A file has one value of it, as text. That of a time hangs on the zone of who wrote it."""
        name, kind = self.names[column].replace("'", "\\'"), self.columns[column]
        value = f"nullif(partitionValues['{name}'], '')"
        is_there = f"map_contains_key(partitionValues, '{name}')"
        values = {"nulls": f"case when {is_there} then if({value} is null, stats.numRecords, 0) end"}
        values["nans"] = "cast(null as bigint)"
        if BOUNDED.fullmatch(kind):
            bound = f"try_cast({'null' if kind in self.cut else value} as {kind})"
            values |= {"lower": bound, "upper": bound}
        return values

    def _added(self) -> str:
        """The files that are added by the last action on them."""
        file, name = "_metadata.file_name", "{:020}.json"
        action = f"select cast(left({file}, 20) as bigint) as version, inline(array(from_json(value, '{ACTIONS}')))"
        of_files = "(value like '{\"add\":%' or value like '{\"remove\":%')"
        after = f"{file} between '{name.format(self.first)}' and '{name.format(self.version)}'"
        parts = [f"({action} from text.`{self.log}/*.json` where {after} and {of_files})"]
        if self.checkpoint:
            parts.append(f"(select -1 as version, * from parquet.`{self.log}/{self.checkpoint}` where add is not null)")
        hint = "/*+ coalesce(1) */ " if self.file_count <= FEW else ""
        every = " union all ".join(f"select version, {FILE} from {part} as of_files" for part in parts)
        actions = f"select {hint}* from ({every}) as every"
        last = "select max_by(struct(*), struct(version, is_added)) as last"
        return f"select last.* from ({last} from ({actions}) as actions group by file) as files where last.is_added"


def tables(names: Mapping[str, str], settings: Mapping[str, str], rows: Rows) -> list[Table]:
    """Those that take longer to scan than to ask, and whose logs can be read.

    Args:
        names: Of the tables, as SQL.
        settings: The session's.
        rows: Executes a query.
    """
    if not names or settings.get("spark.databricks.delta.stalenessLimit", "0") not in ("0", "0ms", "0s"):
        return []  # what is read may be a version of earlier
    scans = " union all ".join(f"select 1 from {name}" for name in names)
    sizes = [size for plan, *_ in tried(f"explain cost {scans}", rows) for size in sizes_of_files(plan)]
    if len(sizes) != len(names):
        return []
    large = [name for name, size in zip(names, sizes, strict=True) if size >= LARGE]
    return [table for name in large if (table := _table(name, rows))]


def _table(name: str, rows: Rows) -> DeltaTable | None:
    details, columns = tried(f"describe detail {name}", rows), tried(f"describe {name}", rows)
    if len(details) != 1 or len(details[0]) != len(DETAIL):
        return None
    detail = {key: _parsed(value) for key, value in zip(DETAIL, details[0], strict=True)}
    location, maps_columns = detail["location"], detail["properties"].get("delta.columnMapping.mode", "none") != "none"
    if maps_columns or not PLAIN_PATH.fullmatch(location) or not FEATURES.issuperset(detail["tableFeatures"]):
        return None
    log = f"{location}/_delta_log"
    files = [PurePosixPath(path).name for path, *_ in tried(f"select path from binaryFile.`{log}/*`", rows)]
    commits = sorted(int(found[1]) for file in files if (found := COMMIT.fullmatch(file)))
    checkpoint = max((file for file in files if CHECKPOINT.fullmatch(file)), default="")
    first = int(checkpoint[:20]) + 1 if checkpoint else 0
    after = [commit for commit in commits if commit >= first]
    version = max([*after, first - 1])
    is_in_parts = checkpoint[20:] not in ("", ".checkpoint.parquet")
    if is_in_parts or version < 0 or after != list(range(first, version + 1)):
        return None
    names = [column for column, *_ in columns]
    listed = columns[: next((k for k, column in enumerate(names) if not column or column.startswith("#")), None)]
    return DeltaTable(
        name=name,
        columns={column.lower(): kind for column, kind, *_ in listed if COUNTED.fullmatch(kind)},
        names={column.lower(): column for column, *_ in listed},
        partitions=detail["partitionColumns"],
        log=log,
        checkpoint=checkpoint,
        first=first,
        version=version,
        file_count=detail["numFiles"],
        size=detail["sizeInBytes"],
    )


def _parsed(value: Any) -> Any:
    """A list or a map, which a Thrift Server gives as text."""
    return json.loads(value) if isinstance(value, str) and value[:1] in ("[", "{") else value
