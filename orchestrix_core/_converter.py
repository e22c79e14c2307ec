"""The cattrs converter for what msgspec does not know: hooked types, ambiguous unions, enums."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_args, get_origin
from uuid import UUID

import msgspec
from cattrs.preconf.json import JsonConverter, make_converter

__all__ = ["make_field_converter"]

_SCALARS = (bytes, bytearray, date, datetime, time, timedelta, Decimal, UUID)


def make_field_converter() -> JsonConverter:
    """Return a converter to and from JSON values; a union of several types carries a tag."""
    converter = make_converter()
    for kind in _SCALARS:  # one JSON form for a type, whichever library writes it
        converter.register_unstructure_hook(kind, msgspec.to_builtins)
        converter.register_structure_hook(kind, _structure_scalar)
    converter.register_unstructure_hook_func(_is_enum, _unstructure_enum)
    converter.register_structure_hook_func(_is_enum, _structure_enum)
    converter.register_unstructure_hook_factory(_is_union, lambda hint: _tagger(converter, hint))
    converter.register_structure_hook_factory(_is_union, lambda hint: _untagger(converter, hint))
    return converter


def _structure_scalar(value: Any, kind: type) -> Any:
    return msgspec.convert(value, kind)


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def _unstructure_enum(member: enum.Enum) -> Any:
    """By value where JSON holds the value exactly, else by name."""
    return member.value if type(member.value) in (str, int) else {"name": member.name}


def _structure_enum(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    return kind[value["name"]] if isinstance(value, dict) else kind(value)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (typing.Union, types.UnionType)


def _tags(union: Any) -> dict[str, Any]:
    """Return the members of a union by tag: the type's name, made longer where two share it."""
    members = [member for member in get_args(union) if member is not type(None)]
    origins = [get_origin(member) or member for member in members]
    names = [origin.__name__ for origin in origins]
    return {
        name if names.count(name) == 1 else f"{origin.__module__}.{origin.__qualname__}": member
        for name, origin, member in zip(names, origins, members, strict=True)
    }


def _only_member(union: Any) -> Any:
    """Return what an optional type is, None apart; None where there are several."""
    members = list(_tags(union).values())
    return members[0] if len(members) == 1 else None


def _tagger(converter: JsonConverter, union: Any) -> Callable[[Any], Any]:
    only = _only_member(union)
    if only is not None:
        return lambda value: _optional(converter, value, only)
    tags = {(get_origin(member) or member): (tag, member) for tag, member in _tags(union).items()}

    def unstructure(value: Any) -> Any:
        if value is None:
            return None
        kind = next(
            (kind for kind in type(value).__mro__ if kind in tags), None
        )  # the class itself first: a subclass that is a member wins over its base
        if kind is None:
            msg = f"{value!r} is of no member of {union}"
            raise TypeError(msg)
        tag, member = tags[kind]
        return {"type": tag, "value": converter.unstructure(value, member)}

    return unstructure


def _optional(converter: JsonConverter, value: Any, hint: Any) -> Any:
    plain = None if value is None else converter.unstructure(value, hint)
    if plain is None and value is not None:
        msg = f"its hook makes null of {value!r}, which an optional field reads as None"
        raise TypeError(msg)
    return plain


def _untagger(converter: JsonConverter, union: Any) -> Callable[[Any, Any], Any]:
    only = _only_member(union)
    if only is not None:
        return lambda value, _: None if value is None else converter.structure(value, only)
    tags = _tags(union)

    def structure(value: Any, _: Any) -> Any:
        return None if value is None else converter.structure(value["value"], tags[value["type"]])

    return structure
