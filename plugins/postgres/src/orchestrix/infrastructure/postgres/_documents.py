"""What the column type jsonb would refuse or change, found before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from orchestrix_core import Event, SerializationError

__all__ = ["check_jsonb"]

_SUSPECT: Final = re.compile(rb"\\u0000|[0-9][eE]\+?[0-9]")
_NUL: Final = "holds a NUL character, which jsonb cannot store: choose payload 'json'"
_NUMBER: Final = (
    "is a number so large that jsonb would make a whole number of it: choose payload 'json'"
)


class _Exponent(float):
    """A number that was written with an exponent."""


def _number(text: str) -> float:
    return _Exponent(text) if re.search(r"[eE]\+?[0-9]", text) else float(text)


def check_jsonb(event: Event, document: bytes) -> None:
    """Raise `SerializationError`, with the path of the field, for what would not read back."""
    if _SUSPECT.search(document):  # a cheap look first; text may look like it and be harmless
        for path, reason in _problems(json.loads(document, parse_float=_number), ""):
            raise SerializationError(f"{type(event).__name__}{path}", reason)


def _problems(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and "\0" in value:
        yield path, _NUL
    elif isinstance(value, _Exponent):
        yield path, _NUMBER
    elif isinstance(value, dict):
        for key, item in value.items():
            where = f".{key}" if not path else f"{path}[{key!r}]"
            if "\0" in key:
                yield where, _NUL
            yield from _problems(item, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, f"{path}[{index}]")
