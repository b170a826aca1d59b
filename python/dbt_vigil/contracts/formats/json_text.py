"""Reads JSON strictly, and says in which line it is wrong."""

from __future__ import annotations

import json
from json import decoder, scanner
from pathlib import Path
from typing import Any

from dbt_vigil.project import VigilError

__all__ = ["read_json"]

PARTS: Any = decoder
SCANNER: Any = scanner


class _Decoder(json.JSONDecoder):
    """Refuses a key that is there twice, and numbers that are none of JSON."""

    def __init__(self) -> None:
        super().__init__(parse_constant=self._constant)
        parts: Any = self
        parts.parse_object = self._object
        # Only the scanner in Python calls `parse_object`.
        parts.scan_once = SCANNER.py_make_scanner(self)

    def _object(self, start: tuple[str, int], strict: bool, scan: Any, hook: Any, pairs: Any, memo: Any) -> Any:
        def content(entries: list[tuple[str, Any]]) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for key, value in entries:
                if key in found:
                    raise json.JSONDecodeError(f"`{key}` is there twice in what begins here", *start)
                found[key] = value
            return found

        return PARTS.JSONObject(start, strict, scan, None, content, memo)

    def _constant(self, name: str) -> Any:
        raise ValueError(f"{name} is no number of JSON")


def read_json(file: Path) -> Any:
    """What a file of JSON says.

    Raises:
        VigilError: It cannot be read or is not JSON, with the line; a key is there twice.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"), cls=_Decoder)
    except json.JSONDecodeError as error:
        raise VigilError(f"{file}:{error.lineno}: not JSON: {error.msg}.") from error
    except OSError as error:
        raise VigilError(f"{file} cannot be read: {error.strerror or error}.") from error
    except RecursionError as error:
        raise VigilError(f"{file}: too deeply nested to be read.") from error
    except ValueError as error:
        raise VigilError(f"{file} cannot be read: {error}.") from error
