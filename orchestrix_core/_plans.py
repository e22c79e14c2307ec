"""From an annotation to its `Plan`: one small function for each family of types."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections import abc
from collections.abc import Container, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs
import msgspec

from orchestrix_core import _exact
from orchestrix_core._exact import Plan

_SCALARS: Mapping[Any, Plan] = {
    bool: Plan(frozenset({bool})),
    bytes: Plan(frozenset({bytes})),
    date: Plan(frozenset({date})),
    datetime: Plan(frozenset({datetime}), _exact.whole_offset, usual=_exact.IN_UTC),
    Decimal: Plan(frozenset({Decimal})),
    float: Plan(frozenset({float}), _exact.finite),
    int: Plan(frozenset({int})),
    str: Plan(frozenset({str})),
    time: Plan(frozenset({time}), _exact.whole_offset),
    timedelta: Plan(frozenset({timedelta})),
    UUID: Plan(frozenset({UUID})),
    type(None): Plan(frozenset({type(None)})),
    None: Plan(frozenset({type(None)})),
    bytearray: Plan(frozenset({bytearray}), immutable=False),
    Any: _exact.JSON,
    object: _exact.JSON,
}

_COLLECTIONS: Mapping[Any, type] = {
    list: list, abc.Sequence: list, abc.MutableSequence: list, abc.Collection: list,
    abc.Iterable: list, set: set, abc.Set: set, abc.MutableSet: set, frozenset: frozenset,
}  # fmt: skip
"""What msgspec reads each kind of collection back as."""

_BARE: Mapping[type, tuple[Any, ...]] = {tuple: (Any, ...), dict: (Any, Any)}

_UNSEEN = (
    "NotRequired is not seen where annotations are strings (from __future__ import annotations); "
    "declare the keys that may be missing in a base class with total=False"
)

_KEYS = frozenset({str, int, float, Decimal, UUID, date, datetime})


class Planner:
    """Makes and remembers plans; `hooked` holds the types that have hooks of their own."""

    def __init__(self, hooked: Container[Any]) -> None:
        self._hooked = hooked
        self._plans: dict[Any, Plan] = {}

    def plan(self, hint: Any) -> Plan:
        """Return the plan of an annotation that is already resolved (no string)."""
        if hint in self._hooked:
            return Plan(immutable=False, native=False)
        if hint in _SCALARS:
            return _SCALARS[hint]
        if hint not in self._plans:
            # A recursive type meets itself here: it is whatever the rest of it turns out to be.
            self._plans[hint] = self._recursion(hint)
            self._plans[hint] = self._make(hint)
        return self._plans[hint]

    def _recursion(self, hint: Any) -> Plan:
        kinds = frozenset({hint}) if isinstance(hint, type) else frozenset[type]()
        return Plan(kinds, lambda value: _exact.check_value(self._plans[hint], value))

    def _make(self, hint: Any) -> Plan:
        origin, args = get_origin(hint), get_args(hint)
        if isinstance(hint, typing.NewType):
            return self.plan(hint.__supertype__)
        if type(hint).__name__ == "TypeAliasType":  # `type X = ...`, Python 3.12
            return self.plan(hint.__value__)
        if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.Final):
            return self.plan(args[0])
        if origin in (typing.Union, types.UnionType):
            return self._union(hint, args)
        if origin is typing.Literal:
            return Plan(frozenset(map(type, args)), _exact.among(args))
        if isinstance(hint, type) and origin is None:
            return self._class(hint)
        return self._generic(origin, args) or _exact.unsupported(hint)

    def _union(self, hint: Any, args: tuple[Any, ...]) -> Plan:
        members = tuple(self.plan(arg) for arg in args)
        open_ended = any(not plan.types for plan in members)
        return Plan(
            frozenset() if open_ended else frozenset().union(*(plan.types for plan in members)),
            _exact.one_of(members),
            all(plan.immutable for plan in members),
            all(plan.native for plan in members) and _msgspec_knows(hint),
        )

    def _class(self, cls: type) -> Plan:
        if issubclass(cls, enum.Enum):
            kinds = {type(member.value) for member in cls}
            return Plan(frozenset({cls}), native=kinds in ({str}, {int}))
        if cls in _COLLECTIONS or cls in (tuple, dict):
            return self._generic(cls, _BARE.get(cls, (Any,))) or _exact.unsupported(cls)
        if typing.is_typeddict(cls):
            return self._typed_dict(cls)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._object(cls, cls._fields, frozen=True, native=True)
        if attrs.has(cls):
            return self._attrs(cls)
        if dataclasses.is_dataclass(cls):
            fields = dataclasses.fields(cls)
            frozen = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
            native = all(field.init and field.name[0] != "_" for field in fields)
            return self._object(cls, [field.name for field in fields], frozen, native)
        if issubclass(cls, msgspec.Struct):
            return self._object(cls, cls.__struct_fields__, cls.__struct_config__.frozen, True)
        return _exact.unsupported(cls)

    def _attrs(self, cls: type) -> Plan:
        fields = attrs.fields(cls)
        native = all(
            field.init
            and field.alias == field.name
            and not (isinstance(field.default, attrs.Factory) and field.default.takes_self)  # type: ignore[arg-type]
            for field in fields
        )
        frozen = cls.__setattr__.__name__ == "_frozen_setattrs"
        return self._object(cls, [field.name for field in fields], frozen, native)

    def _object(self, cls: type, names: abc.Iterable[str], frozen: bool, native: bool) -> Plan:
        hints = resolved_hints(cls)
        plans = {name: self.plan(hints[name]) for name in names}
        return Plan(
            frozenset({cls}),
            _exact.attributes(plans) if plans else None,
            frozen and all(plan.immutable for plan in plans.values()),
            native and all(plan.native for plan in plans.values()),
        )

    def _typed_dict(self, cls: type) -> Plan:
        hints = resolved_hints(cls)
        plans = {name: self.plan(hint) for name, hint in hints.items()}
        required: frozenset[str] = cls.__required_keys__  # type: ignore[attr-defined]
        if any(get_origin(hints[name]) is typing.NotRequired for name in required):
            return _exact.refused(f"{cls.__name__}: {_UNSEEN}")
        native = all(plan.native for plan in plans.values())
        return Plan(frozenset({dict}), _exact.keys(plans, required), False, native)

    def _generic(self, origin: Any, args: tuple[Any, ...]) -> Plan | None:
        if origin in _COLLECTIONS:
            item = self.plan(args[0])
            kind = _COLLECTIONS[origin]
            immutable = kind is frozenset and item.immutable
            return Plan(frozenset({kind}), _exact.each(item), immutable, item.native)
        if origin is tuple:
            return self._tuple(args)
        if origin in (dict, abc.Mapping, abc.MutableMapping):
            key, value = map(self.plan, args)
            native = key.native and value.native and _may_be_keys(key.types)
            return Plan(frozenset({dict}), _exact.entries(key, value), False, native)
        return None

    def _tuple(self, args: tuple[Any, ...]) -> Plan:
        if len(args) == 2 and args[1] is ...:
            item = self.plan(args[0])
            return Plan(frozenset({tuple}), _exact.each(item), item.immutable, item.native)
        items = tuple(map(self.plan, args))
        immutable = all(item.immutable for item in items)
        native = all(item.native for item in items)
        return Plan(frozenset({tuple}), _exact.in_place(items), immutable, native)


def resolved_hints(cls: type) -> dict[str, Any]:
    """Return a class's annotations as types, or say which cannot be resolved."""
    try:
        return get_type_hints(cls, include_extras=True)
    except NameError as error:
        msg = (
            f"{error}: an annotation names a type that cannot be found from the module; "
            "define it at module level (not inside a function, nor under TYPE_CHECKING)"
        )
        raise TypeError(f"{cls.__module__}.{cls.__qualname__}: {msg}") from error


def _may_be_keys(kinds: frozenset[type]) -> bool:
    return bool(kinds) and all(kind in _KEYS or issubclass(kind, enum.Enum) for kind in kinds)


def _msgspec_knows(hint: Any) -> bool:
    try:
        msgspec.json.Decoder(hint)
    except (TypeError, NotImplementedError):
        return False
    return True
