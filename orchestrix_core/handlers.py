"""The mark of what hears events: a function, or a method of a projection or a saga."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import attrs

from orchestrix_core.messages import Event

__all__ = ["Heard", "heard", "on", "stored_names"]

F = TypeVar("F", bound=Callable[..., Any])

_HEARS: Final = "__orchestrix_hears__"


@attrs.frozen
class Heard:
    """
    What one `@on` said.

    Attributes:
        types: the event classes; their subclasses are heard as well.
        options: what else was said, for whoever calls the handler.
    """

    types: tuple[type[Event], ...]
    options: Mapping[str, Any]


def on(*types: type[Event], **options: Any) -> Callable[[F], F]:
    """
    Mark a function, or a method of a projection or saga, as one that hears events of these types.

    Subclasses of the types are heard as well. What `options` there are depends on what is marked.
    """
    if not types:
        msg = "@on takes the event classes that are heard, at least one"
        raise TypeError(msg)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            msg = f"@on takes event classes, not {kind!r}"
            raise TypeError(msg)

    def mark(function: F) -> F:
        setattr(function, _HEARS, (*heard(function), Heard(types, options)))
        return function

    return mark


def heard(function: Any) -> tuple[Heard, ...]:
    """Return what each `@on` of a function said, the innermost first; () where there is none."""
    marks: tuple[Heard, ...] = getattr(function, _HEARS, ())
    return marks


def stored_names(types: Collection[type[Event]]) -> frozenset[str] | None:
    """Return the stored names of these event classes and all their subclasses; None: any event."""
    if Event in types:
        return None
    found: set[str] = set()
    waiting = list(types)
    while waiting:
        kind = waiting.pop()
        found.add(kind.__message_type__)
        waiting += kind.__subclasses__()
    return frozenset(found)
