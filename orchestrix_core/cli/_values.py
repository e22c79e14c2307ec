"""Any value as JSON values, and how two of them differ: for states, whose shape users choose."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from orchestrix_core.json_encoder import OrchestrixJSONEncoder

__all__ = ["ABSENT", "Difference", "Path", "differences", "plain", "text_of", "text_of_path"]

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""

_ENCODER: Final = OrchestrixJSONEncoder()
_JSON: Final = (str, int, float, bool, type(None))


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What stands where there is no value."""


@attrs.frozen
class Difference:
    """A place at which two values differ; `ABSENT` where one of them has nothing there."""

    path: Path
    before: Any
    after: Any


def plain(value: Any, above: frozenset[int] = frozenset()) -> Any:
    """
    Return `value` as JSON values: messages' types as stores write them, other objects by fields.

    What has no form is its repr; an object inside of itself is `"..."`.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value, above)
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)  # JSON has no infinity
    if isinstance(value, _JSON):
        return value
    if id(value) in above:
        return "..."
    above |= {id(value)}
    if isinstance(value, Mapping):
        return {_key(key): plain(item, above) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, above) for item in value]
    return plain(_step(value), above)


def _key(key: Any) -> str:
    value = plain(key)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _step(value: Any) -> Any:
    """Return a simpler value for one that JSON has no form for."""
    try:
        return _ENCODER.default(value)
    except TypeError:
        return (
            dict(vars(value)) if hasattr(value, "__dict__") and not callable(value) else repr(value)
        )


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[Difference]:
    """Yield the smallest places at which two JSON values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before | after:
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else ABSENT
            new = after[index] if index < len(after) else ABSENT
            yield from differences(old, new, (*path, index))
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def text_of_path(path: Path) -> str:
    """Return a path as in `lines[0].quantity`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def text_of(value: Any) -> str:
    """Return a JSON value as a cell of a table; nothing is an empty one."""
    return "" if value is ABSENT else json.dumps(value, ensure_ascii=False)
