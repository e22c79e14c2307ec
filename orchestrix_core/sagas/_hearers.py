"""Which method of a saga hears an event, and which instance it is for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from operator import attrgetter
from typing import Any, Final, TypeAlias

import attrs

from orchestrix_core._definition import finish
from orchestrix_core.handlers import heard
from orchestrix_core.messages import METADATA, Event
from orchestrix_core.validation import check_id

__all__ = ["Hearer", "Hearers", "Key", "key_function"]

Key: TypeAlias = str | Callable[[Any], str | None]
"""Gives the key of the instance for an event, or names the field that has it."""

_OPTIONS: Final = frozenset({"key", "starts", "timeout"})


@attrs.frozen
class Hearer:
    """
    A method marked with `@on`.

    Attributes:
        name: of the method; one of the same name in a subclass takes its place.
        key: gives the key of the instance; None: it hears time-outs of its own instance.
        starts: whether it begins an instance where there is none.
        field: of the event that `key` reads; None: it is a function of the application's.
    """

    name: str
    key: Callable[[Any], str | None] | None
    starts: bool
    field: str | None = None

    @property
    def timeout(self) -> bool:
        """Whether it hears what the instance scheduled for itself, and nothing else."""
        return self.key is None

    def key_of(self, owner: str, event: Event) -> str | None:
        """Return the key of the instance that the event is for; None: for none."""
        if self.key is None:
            return None
        what = f"the key that {owner}.{self.name} has for {event.type}"
        try:
            key = self.key(event)
        except AttributeError as exc:
            msg = f"{what} reads a field that is not there: {exc}"
            raise TypeError(msg) from exc
        if key is not None:
            check_id(key, what)
        return key


class Hearers(dict[type[Event], Hearer | None]):
    """
    The method that hears each concrete event type, found once: that of its nearest base.

    Attributes:
        types: every event class that was named.
        start: whether any of them begins an instance.
    """

    def __init__(self, owner: type, key: Key | None) -> None:
        super().__init__()
        self._owner = owner.__name__
        self._key = key
        named: dict[str, dict[type[Event], Hearer]] = {}
        for base in reversed(owner.__mro__):
            for name, method in vars(base).items():
                if heard(method):
                    named[name] = self._read(name, method)
                elif name in named and callable(method):  # overridden, and still heard
                    _check(self._owner, name, method)
                else:  # `placed = None` has it heard no more
                    named.pop(name, None)
        self._exact = self._join(named)
        self.types = frozenset(self._exact)
        self.start = any(hearer.starts for hearer in self._exact.values())

    def _read(self, name: str, method: Any) -> dict[type[Event], Hearer]:
        _check(self._owner, name, method)
        return {
            kind: self._hearer(name, kind, mark.options)
            for mark in heard(method)
            for kind in mark.types
        }

    def _hearer(self, name: str, kind: type[Event], options: Mapping[str, Any]) -> Hearer:
        where = f"@on({kind.__name__}) of {self._owner}.{name}"
        for option in sorted(set(options) - _OPTIONS):
            msg = f"{where}: a saga has no option {option!r}, it has key, starts and timeout"
            raise TypeError(msg)
        starts, timeout = options.get("starts", False), options.get("timeout", False)
        key = options.get("key", None if timeout else self._key)
        if timeout and (starts or key is not None):
            msg = f"{where}: a time-out comes to the instance that scheduled it: no key, no starts"
            raise TypeError(msg)
        if not timeout and key is None:
            msg = (
                f'{where} says not which instance the event is for: key="order_id", or a function; '
                "or timeout=True where the saga schedules it for itself"
            )
            raise TypeError(msg)
        field = key if isinstance(key, str) else None
        return Hearer(name, key_function(key, where), bool(starts), field)

    def check_keys(self) -> None:
        """Refuse a key that no event has: neither the class that was named, nor one below it."""
        for kind, hearer in self._exact.items():
            field = hearer.field
            if field is not None and not any(_has(one, field) for one in _family(kind)):
                near = get_close_matches(field, _fields(kind), n=1)
                meant = f": did you mean {near[0]!r}?" if near else ""
                known = ", ".join(_fields(kind)) or "none of its own"
                msg = (
                    f"{self._owner}.{hearer.name}: the key {field!r} is no field of "
                    f"{kind.__name__}{meant} (its fields: {known})"
                )
                raise TypeError(msg)

    def _join(self, named: Mapping[str, Mapping[type[Event], Hearer]]) -> dict[type[Event], Hearer]:
        found: dict[type[Event], Hearer] = {}
        for hearers in named.values():
            for kind, hearer in hearers.items():
                if kind in found:
                    both = f"{found[kind].name} and {hearer.name}"
                    msg = f"{self._owner}: {kind.__name__} is heard by both {both}"
                    raise TypeError(msg)
                found[kind] = hearer
        return found

    def __missing__(self, kind: type[Event]) -> Hearer | None:
        bases = (self._exact[base] for base in kind.__mro__ if base in self._exact)
        found = self[kind] = next(bases, None)
        return found


def _family(kind: type[Event]) -> Iterator[type[Event]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _family(below)


def _has(kind: type[Event], name: str) -> bool:
    """Whether events of this class have it: a field, or an attribute such as a property."""
    finish(kind)
    return name in attrs.fields_dict(kind) or hasattr(kind, name) or hasattr(kind, "__getattr__")


def _fields(kind: type[Event]) -> list[str]:
    return [name for name in attrs.fields_dict(kind) if name not in METADATA]


def key_function(key: Key | None, where: str) -> Callable[[Any], str | None] | None:
    """Return a function for what was said as a key."""
    if key is None or callable(key):
        return key
    if not (isinstance(key, str) and key.isidentifier()):
        msg = f"{where}: key must name a field of the event, or be a function of it, not {key!r}"
        raise TypeError(msg)
    return attrgetter(key)


def _check(owner: str, name: str, method: Any) -> None:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    if len(parameters) != 1 or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        msg = f"{owner}.{name} takes (self, event)"
        raise TypeError(msg)
