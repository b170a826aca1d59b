"""Which types of a column may be read as which others: what each format says of its own, and no more."""

from __future__ import annotations

from dbt_vigil.contracts.formats.table_types import Enum, Scalar, Type

__all__ = ["is_readable"]

SIGNED = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63, "hugeint": 127}
"""Bits of the greatest value."""
UNSIGNED = {"utinyint": 8, "usmallint": 16, "uinteger": 32, "ubigint": 64, "uhugeint": 128}
BITS = SIGNED | UNSIGNED
EXACT = {"float": 24, "double": 53}
"""Bits of the whole numbers that are held exactly."""
DELTA_INTEGERS = ("tinyint", "smallint", "int", "bigint")
V3 = 3
"""The version of Iceberg that reads dates as timestamps."""


def is_readable(reader: Type, writer: Type, format: str, version: int) -> bool:  # noqa: A002
    """Whether data of one type is read as another without a loss.

    Args:
        reader: What is expected, no struct, array or map.
        writer: What the data has.
        format: `delta` and `iceberg` have rules of their own; of any other, it must be without a loss.
        version: That of Iceberg's format.
    """
    if reader == writer:
        return True
    if isinstance(writer, Scalar) and writer.name == "unknown" and format == "iceberg":
        return version >= V3
    if isinstance(reader, Enum) and isinstance(writer, Enum):
        return set(writer.symbols) <= set(reader.symbols)
    if not isinstance(reader, Scalar) or not isinstance(writer, Scalar):
        return False
    if reader.name == writer.name == "string":
        return not reader.size or (bool(writer.size) and writer.size <= reader.size)
    if format == "iceberg":
        return _in_iceberg(reader, writer, version)
    return _in_delta(reader, writer) if format == "delta" else _without_loss(reader, writer)


def _in_iceberg(reader: Scalar, writer: Scalar, version: int) -> bool:
    """https://iceberg.apache.org/spec/#schema-evolution."""
    pair = (writer.name, reader.name)
    if pair == ("decimal", "decimal"):
        return _is_longer(reader, writer)
    dates = version >= V3 and pair in (("date", "timestamp"), ("date", "timestamp_ns"))
    return dates or pair in (("int", "bigint"), ("float", "double"))


def _in_delta(reader: Scalar, writer: Scalar) -> bool:
    """https://github.com/delta-io/delta/blob/master/PROTOCOL.md#type-widening."""
    pair = (writer.name, reader.name)
    if reader.name == "decimal" and writer.name in ("decimal", *DELTA_INTEGERS):
        precision, scale = reader.size
        digits, places = writer.size if writer.size else (20 if writer.name == "bigint" else 10, 0)
        return precision - digits >= scale - places >= 0
    if reader.name in DELTA_INTEGERS and writer.name in DELTA_INTEGERS:
        return BITS[reader.name] > BITS[writer.name]
    to_double = writer.name in ("float", "tinyint", "smallint", "int") and reader.name == "double"
    return to_double or pair == ("date", "timestamp")


def _without_loss(reader: Scalar, writer: Scalar) -> bool:
    if reader.name == writer.name == "decimal":
        return _is_longer(reader, writer)
    if writer.name in BITS:
        bits = BITS[writer.name]
        if reader.name == "decimal":
            precision, scale = reader.size
            return precision - scale >= len(str(1 << bits))
        if reader.name in EXACT:
            return bits <= EXACT[reader.name]
        is_signed = writer.name in SIGNED
        return reader.name in BITS and BITS[reader.name] >= bits and not (is_signed and reader.name in UNSIGNED)
    return (writer.name, reader.name) == ("float", "double")


def _is_longer(reader: Scalar, writer: Scalar) -> bool:
    """Whether a decimal has as many digits or more, and the same scale."""
    return reader.size[0] >= writer.size[0] and reader.size[1] == writer.size[1]
