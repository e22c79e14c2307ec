"""From a table to an instance of a backend's typed config class, by cattrs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import attrs
from cattrs import (
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
)

from orchestrix_core.configuration._document import Document, KeyPath, Text, nearest
from orchestrix_core.secrets import Secret, mask

__all__ = ["config_fields", "structure"]

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_TOML_NAMES: Final[Mapping[type, str]] = {
    str: "a string", int: "an integer", float: "a number", bool: "a boolean",
    list: "an array", dict: "a table", Path: "a path (a string)", Secret: "a string",
    date: "a date", datetime: "a date and time", time: "a time",
}  # fmt: skip


class _Mismatch(Exception):
    """A value is not what was declared; the text says what was expected, and never the value."""


def structure(document: Document, path: KeyPath, config: type[Any]) -> Any:
    """Return an instance of `config` made from the table at `path`."""
    table: Any = document.table
    for key in path:
        table = table.get(key, {})
    converter = _make_converter(document.folder)
    try:
        return converter.structure(_with_default_paths(table, config), config)
    except (BaseValidationError, _Mismatch) as exc:
        at, reason = _first_fault(exc, path)
        raise document.fault(at, reason) from None  # the cause would show the values


def config_fields(config: type[Any]) -> dict[str, Any]:
    """Return the fields of an attrs class (or dataclass) that a table may set, by name."""
    if attrs.has(config):
        return {field.name: field for field in attrs.fields(config) if field.init}
    return {field.name: field for field in dataclasses.fields(config) if field.init}


def _with_default_paths(table: Any, config: type[Any]) -> Any:
    """Add the defaults that are paths, so that they too are meant from the file's folder."""
    if not isinstance(table, dict):
        return table
    defaults = {
        name: str(field.default)
        for name, field in config_fields(config).items()
        if isinstance(field.default, Path)
    }
    return {**defaults, **table}


def _make_converter(folder: Path) -> Converter:
    """Make a converter that takes no liberties with TOML's types, and converts `Text`."""
    converter = Converter(forbid_extra_keys=True)

    def plain(kind: type[Any], hook: Callable[[Any], Any]) -> None:
        # cattrs dispatches on the base class: a StrEnum arrives at the hook of str.
        converter.register_structure_hook(
            kind, lambda value, t: _choice(value, t) if _is_choice(t) else hook(value)
        )

    plain(str, lambda value: str(_expect(value, str)))
    plain(int, lambda value: _number(value, int))
    plain(float, lambda value: _number(value, float))
    plain(bool, _boolean)
    plain(Path, lambda value: _path(value, folder))
    plain(Secret, lambda value: Secret(str(_expect(value, str))))
    plain(datetime, lambda value: _expect(value, datetime))
    plain(date, lambda value: _expect(value, date))
    plain(time, lambda value: _expect(value, time))
    converter.register_structure_hook_func(_is_choice, _choice)
    converter.register_structure_hook_factory(_is_array, _array_hook)
    converter.register_structure_hook_factory(_is_table, _table_hook)
    return converter


def _expect(value: Any, kind: type[Any], wanted: str | None = None) -> Any:
    if type(value) is not kind and not (kind is str and type(value) is Text):
        found = _TOML_NAMES[str if type(value) is Text else type(value)]
        msg = f"expected {wanted or _TOML_NAMES[kind]}, found {found}"
        raise _Mismatch(msg)
    return value


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    if type(value) is Text:
        try:
            return kind(value)
        except ValueError:
            msg = f"expected {_TOML_NAMES[kind]}, found other text"
            raise _Mismatch(msg) from None  # the cause would show the value
    if kind is float and type(value) is int:
        return float(value)
    return _expect(value, kind)


def _boolean(value: Any) -> bool:
    if type(value) is not Text:
        return bool(_expect(value, bool))
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        msg = "expected a boolean (true or false), found other text"
        raise _Mismatch(msg)
    return word in _TRUE


def _path(value: Any, folder: Path) -> Path:
    """A file means its paths from its own folder, a variable means them from where one is."""
    given = Path(str(_expect(value, str, _TOML_NAMES[Path]))).expanduser()
    return given if type(value) is Text and value.variable else folder / given


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))


def _choice(value: Any, kind: Any) -> Any:
    """Find a member of a `Literal` or an `Enum` by its value; text also finds numbers."""
    if get_origin(kind) is Literal:
        members = {member: member for member in get_args(kind)}
    else:
        members = {member.value: member for member in kind}
    for known, member in members.items():
        same = (
            str(known) == value
            if type(value) is Text
            else (type(known), known) == (type(value), value)
        )
        if same:
            return member
    msg = f"expected one of {', '.join(repr(known) for known in members)}"
    raise _Mismatch(msg)


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and (attrs.has(kind) or dataclasses.is_dataclass(kind))


def _is_array(kind: Any) -> bool:
    """Tell arrays of one element type; a tuple of several types is left to cattrs."""
    origin, of = get_origin(kind), get_args(kind)
    return origin in {list, set, frozenset} or (origin is tuple and len(of) == 2 and of[1] is ...)


def _array_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    of, make = get_args(kind)[0], get_origin(kind)
    element = converter.get_structure_hook(of)

    def hook(value: Any, _: Any) -> Any:
        return make(element(item, of) for item in _expect(split(value), list))

    return hook


def split(value: Any) -> Any:
    """Return the comma-separated parts of text from the environment; anything else as it is."""
    if type(value) is not Text:
        return value
    return [Text(part.strip(), value.variable) for part in value.split(",") if part.strip()]


def _table_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    make = converter.gen_structure_attrs_fromdict(kind)
    return lambda value, _: make(_expect(value, dict), kind)


def _first_fault(exc: BaseException, path: KeyPath, kind: Any = None) -> tuple[KeyPath, str]:
    """
    Return the first fault in what cattrs raised, with its key path.

    An unknown key comes first: a misspelt key is also a missing one, and is the cause.
    """
    if isinstance(exc, ForbiddenExtraKeysError):
        key = min(exc.extra_fields)
        return (*path, key), f"unknown key; {nearest(key, config_fields(exc.cl))}"
    if isinstance(exc, ClassValidationError):
        noted, others = exc.group_exceptions()
        for other in others:
            return _first_fault(other, path)
        error, note = noted[0]
        return _first_fault(error, (*path, note.name), note.type)
    if isinstance(exc, IterableValidationError):
        return _first_fault(exc.exceptions[0], path, kind)
    if isinstance(exc, KeyError):
        return path, f"is missing: expected {_type_name(kind)}"
    return path, mask(str(exc)) or f"expected {_type_name(kind)}"


def _type_name(kind: Any) -> str:
    return _TOML_NAMES.get(kind) or getattr(kind, "__name__", None) or str(kind)
