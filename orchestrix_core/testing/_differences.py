"""Where two values differ, in words: the path of each field, what was expected, what is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import attrs

from orchestrix_core.messages import METADATA, Event, Message

__all__ = ["INHERITED", "differences", "event_differences", "message_differences", "show"]

INHERITED: Final = frozenset(
    field.name
    for field in attrs.fields(Message)
    if field.name != "type" and isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]  # typed as a function
)
"""The metadata that each message gets by itself: id, time, and what it inherits."""

_NOTHING: Final = object()


def differences(
    expected: Any, actual: Any, path: str = "", ignore: Collection[str] = ()
) -> Iterator[str]:
    """Yield a line for each place where the two differ; none where they are equal."""
    if not ignore and expected == actual:
        return
    found = False
    for line in _inside(expected, actual, path, ignore):
        found = True
        yield line
    if not found and not (ignore and type(expected) is type(actual)):
        yield f"{path or 'value'}: expected {show(expected)}, got {show(actual)}"


def _inside(expected: Any, actual: Any, path: str, ignore: Collection[str]) -> Iterator[str]:
    """The same for the parts of two values of one kind; nothing for others."""
    pairs: Iterator[tuple[str, Any, Any]]
    if type(expected) is not type(actual):
        return
    if (names := _fields(expected)) is not None:
        prefix = f"{path}." if path else ""
        pairs = (
            (prefix + name, getattr(expected, name, _NOTHING), getattr(actual, name, _NOTHING))
            for name in names
            if name not in ignore
        )
    elif isinstance(expected, Mapping):
        keys = [*expected, *(key for key in actual if key not in expected)]
        pairs = (
            (f"{path}[{key!r}]", expected.get(key, _NOTHING), actual.get(key, _NOTHING))
            for key in keys
        )
    elif isinstance(expected, Sequence) and not isinstance(expected, str | bytes | bytearray):
        both = zip_longest(expected, actual, fillvalue=_NOTHING)
        pairs = ((f"{path}[{index}]", *each) for index, each in enumerate(both))
    else:
        return
    for place, left, right in pairs:
        yield from differences(left, right, place)


def _fields(value: Any) -> list[str] | None:
    """Return the names of the fields that count when values of its type are compared."""
    if attrs.has(type(value)):
        return [field.name for field in attrs.fields(type(value)) if field.eq]
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value) if field.compare]
    return None


def show(value: Any) -> str:
    """Return how a value is shown: of a message, what its class declares."""
    if value is _NOTHING:
        return "nothing"
    if not isinstance(value, Message):
        return repr(value)
    own = [field.name for field in attrs.fields(type(value)) if field.name not in METADATA]
    inside = ", ".join(f"{name}={getattr(value, name)!r}" for name in own)
    return f"{type(value).__name__}({inside})"


def event_differences(
    expected: Sequence[Event], actual: Sequence[Event], ignore: Collection[str]
) -> list[str]:
    """Return an account of two lists of events, line by line; empty where they are the same."""
    return message_differences(expected, actual, ignore, "event")


def message_differences(
    expected: Sequence[Message],
    actual: Sequence[Message],
    ignore: Collection[str],
    noun: str = "message",
) -> list[str]:
    """The same of messages, which are called by this noun."""
    lines = []
    for number, (left, right) in enumerate(zip_longest(expected, actual, fillvalue=None), 1):
        if left is None or right is None or type(left) is not type(right):
            wanted, got = (show(_NOTHING if each is None else each) for each in (left, right))
            lines.append(f"{noun} {number}: expected {wanted}, got {got}")
        else:
            named = f"{noun} {number}, {type(left).__name__}: "
            lines += [named + line for line in differences(left, right, ignore=ignore)]
    return lines
