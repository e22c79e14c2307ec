"""Which methods of a projection hear an event."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import attrs

from orchestrix_core.handlers import heard
from orchestrix_core.messages import Event

__all__ = ["Hearer", "Hearers"]

_WITH_RECORD: Final = 3
_SIGNATURE: Final = "takes (self, event, view), or (self, event, view, record)"


@attrs.frozen
class Hearer:
    """
    A method marked with `@on`.

    Attributes:
        name: of the method; one of the same name in a subclass takes its place.
        types: the event classes that it hears.
        arity: how many of event, view and record it takes.
    """

    name: str
    types: tuple[type[Event], ...]
    arity: int

    @property
    def takes_record(self) -> bool:
        """Whether it wants to know where the event stands."""
        return self.arity == _WITH_RECORD


class Hearers(dict[type[Event], tuple[Hearer, ...]]):
    """
    The methods that hear each concrete event type, found once.

    All that match are there, those of bases first, then as they stand in the class.

    Attributes:
        types: every event class that was named.
    """

    def __init__(self, owner: type) -> None:
        super().__init__()
        self._all: dict[str, Hearer] = {}
        for base in reversed(owner.__mro__):
            for name, method in vars(base).items():
                self._add(owner, name, method)
        self.types = frozenset(kind for hearer in self._all.values() for kind in hearer.types)

    def _add(self, owner: type, name: str, method: Any) -> None:
        types = tuple(kind for mark in heard(method) for kind in mark.types)
        for mark in heard(method):
            for option in mark.options:
                msg = f"@on of {owner.__name__}.{name}: a projection has no option {option!r}"
                raise TypeError(msg)
        if types:
            self._all[name] = Hearer(name, types, _arity(owner, name, method))
        elif name in self._all and callable(method):  # overridden, and still marked
            self._all[name] = attrs.evolve(self._all[name], arity=_arity(owner, name, method))

    def __missing__(self, kind: type[Event]) -> tuple[Hearer, ...]:
        found = tuple(hearer for hearer in self._all.values() if issubclass(kind, hearer.types))
        self[kind] = found
        return found

    def with_record(self) -> list[str]:
        """Return the names of the methods that want to know where an event stands."""
        return [name for name, hearer in self._all.items() if hearer.takes_record]


def _arity(owner: type, name: str, method: Callable[..., Any]) -> int:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    count = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if count not in (2, _WITH_RECORD) or count < len(parameters):
        msg = f"{owner.__name__}.{name} {_SIGNATURE}"
        raise TypeError(msg)
    return count
