"""
What may stand in a field so that it reads back the same, worked out once per annotation.

A store must never accept what it cannot give back, and encoding alone does not tell: JSON has no
tuple, Decimal or NaN, and a wrong type often encodes but does not decode. So each annotation has
a `Plan`: the exact types of its values, what must hold deeper inside, whether the value can change
behind the store's back, and whether msgspec by itself reads it back as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from keyword import iskeyword
from math import isfinite
from typing import Any, NoReturn, TypeAlias

import attrs

from orchestrix_core.errors import SerializationError

Check: TypeAlias = Callable[[Any], Any]
"""Raises `SerializationError`, with the path inside the value, for what would not read back."""


@attrs.frozen
class Plan:
    """
    How values of one annotation are checked; `types` empty: any type, `deep` decides.

    `usual` is an expression about a value, `{}`, that holds for nearly every one; where it does,
    `deep` would find nothing, and is not called.
    """

    types: frozenset[type] = frozenset()
    deep: Check | None = None
    immutable: bool = True
    native: bool = True
    usual: str = ""


def refuse(reason: str) -> NoReturn:
    raise SerializationError("", reason)


def check_value(plan: Plan, value: Any) -> None:
    """Check one value, type and depth."""
    if plan.types and type(value) not in plan.types:
        names = " or ".join(sorted(kind.__name__ for kind in plan.types))
        refuse(f"{_short(value)} is a {type(value).__name__}, declared is {names}")
    if plan.deep is not None:
        plan.deep(value)


def within(step: str, plan: Plan, value: Any) -> None:
    """Check a value that lies at `step` inside another, and name it so in an error."""
    try:
        check_value(plan, value)
    except SerializationError as error:
        raise SerializationError(step + error.path, error.reason) from None


def finite(value: float) -> None:
    """JSON has no NaN and no infinity."""
    if not isfinite(value):
        refuse(f"{value} has no JSON form; use None or a Decimal")


IN_UTC = "{}.tzinfo is UTC"


def whole_offset(value: datetime | time) -> None:
    """ISO 8601, as stored, has offsets of whole minutes."""
    if value.tzinfo is UTC:  # in a list or a union, nobody has asked what is usual
        return
    offset = value.utcoffset()
    if offset is not None and offset % timedelta(minutes=1):
        refuse(f"the UTC offset {offset} is not a whole number of minutes")


def aware(value: datetime) -> None:
    """A message's timestamp is an instant."""
    if value.tzinfo is None:
        refuse("has no time zone; use datetime.now(UTC)")
    whole_offset(value)


def not_empty(value: str) -> None:
    """An id names something."""
    if not value:
        refuse("is empty")


def json_value(value: Any) -> None:
    """Accept what JSON itself can tell apart: the values of a field annotated with Any."""
    kind = type(value)
    if kind is float:
        finite(value)
    elif kind is list:
        for index, item in enumerate(value):
            within(f"[{index}]", JSON, item)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                refuse(f"the key {_short(key)} is not a str")
            within(f"[{key!r}]", JSON, item)
    elif kind not in _JSON_SCALARS:
        refuse(f"{_short(value)} is a {kind.__name__}, which JSON does not tell: annotate its type")


_JSON_SCALARS = frozenset({str, int, bool, type(None)})
JSON = Plan(deep=json_value, immutable=False)


def unsupported(hint: Any) -> Plan:
    """A type that neither msgspec nor a registered hook knows."""
    return refused(f"no way to store {hint!r}; register_hooks(...) on the serializer teaches it")


def refused(reason: str) -> Plan:
    """A type of which no value can be stored."""

    def deep(value: Any) -> None:
        refuse(reason)

    return Plan(deep=deep, immutable=False, native=False)


def each(plan: Plan) -> Check:
    """Check every item of a list, set or tuple of one item type."""
    right_types, inner = plan.types, plan.deep

    def deep(items: Iterable[Any]) -> None:
        try:
            if inner is None:
                if right_types.issuperset(map(type, items)):
                    return
            else:
                for item in items:
                    if type(item) not in right_types:
                        break
                    inner(item)
                else:
                    return
        except SerializationError:
            pass  # the slow way below finds the place
        for index, item in enumerate(items):
            within(f"[{index}]", plan, item)

    return deep


def in_place(plans: tuple[Plan, ...]) -> Check:
    """Check a tuple with a type for each place."""

    def deep(items: tuple[Any, ...]) -> None:
        if len(items) != len(plans):
            refuse(f"{len(items)} items where {len(plans)} are declared")
        for index, (plan, item) in enumerate(zip(plans, items, strict=True)):
            within(f"[{index}]", plan, item)

    return deep


def entries(key: Plan, value: Plan) -> Check:
    """Check the keys and values of a dict."""

    def deep(items: Mapping[Any, Any]) -> None:
        for name, item in items.items():
            within(f"[key {name!r}]", key, name)
            within(f"[{name!r}]", value, item)

    return deep


def attributes(plans: Mapping[str, Plan], owner: str = "") -> Check:
    """
    Check the fields of an object, which an error calls `owner`.

    Every event that is stored comes through here, so what is nearly always true is asked in one
    expression, compiled for the class; only when it fails does a second look find the field.
    """

    def look(value: Any) -> None:
        for name, plan in plans.items():
            within(f"{owner}.{name}", plan, getattr(value, name))

    terms, names = _terms(plans)
    names |= {"SerializationError": SerializationError, "look": look}
    exec(_CHECK.format(" and ".join(terms) or True), names)  # noqa: S102  # made of field names alone
    check: Check = names["check"]
    return check


_CHECK = """
def check(v):
    try:
        if {}:
            return
    except SerializationError:
        pass
    look(v)
"""


def _terms(plans: Mapping[str, Plan]) -> tuple[list[str], dict[str, Any]]:
    """Return, say, `type(v.sku) is t0` and `d1(v.lines) is None`, and what their names mean."""
    terms: list[str] = []
    names: dict[str, Any] = {"UTC": UTC}
    for number, (name, plan) in enumerate(plans.items()):
        value = f"getattr(v, {name!r})" if iskeyword(name) else f"v.{name}"
        if plan.types:
            terms.append(_type_term(value, plan.types, f"t{number}", names))
        if plan.deep is not None:
            right = f"d{number}({value}) is None"
            terms.append(f"({plan.usual.format(value)} or {right})" if plan.usual else right)
            names[f"d{number}"] = plan.deep
    return terms, names


def _type_term(value: str, types: frozenset[type], name: str, names: dict[str, Any]) -> str:
    others = types - {type(None)}
    if len(others) != 1:
        names[name] = types
        return f"type({value}) in {name}"
    (names[name],) = others
    term = f"type({value}) is {name}"
    return term if others == types else f"({value} is None or {term})"


def keys(plans: Mapping[str, Plan], required: frozenset[str]) -> Check:
    """Check a TypedDict."""

    def deep(value: Mapping[str, Any]) -> None:
        for name in required - value.keys():
            refuse(f"the key {name!r} is missing")
        for name, item in value.items():
            if name not in plans:
                refuse(f"the key {name!r} is not declared")
            within(f"[{name!r}]", plans[name], item)

    return deep


def one_of(members: tuple[Plan, ...]) -> Check | None:
    """Check a union: the value's type picks the member."""
    if not any(plan.deep for plan in members):
        return None
    by_type = {kind: plan.deep for plan in members for kind in plan.types}
    fallback = next((plan.deep for plan in members if not plan.types), None)

    def deep(value: Any) -> None:
        check = by_type.get(type(value), fallback)
        if check is not None:
            check(value)

    return deep


def among(values: tuple[Any, ...]) -> Check:
    """Check a Literal."""

    def deep(value: Any) -> None:
        if value not in values:
            refuse(f"{_short(value)} is none of {', '.join(map(repr, values))}")

    return deep


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
