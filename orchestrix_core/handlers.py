"""
The marks of handlers: `@on` for what hears events, `@handles` for what answers a command.

A mark does nothing by itself: a marked function is called once it is registered with an
application, a marked method of a projection or a saga once that is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import attrs

from orchestrix_core.messages import Command, Event, Message

__all__ = [
    "Handled",
    "Heard",
    "handled",
    "handles",
    "heard",
    "name_of",
    "on",
    "stored_names",
    "takes_application",
]

F = TypeVar("F", bound=Callable[..., Any])

_HEARS: Final = "__orchestrix_hears__"
_HANDLES: Final = "__orchestrix_handles__"


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
    _check("@on", types, Event)

    def mark(function: F) -> F:
        setattr(function, _HEARS, (*heard(function), Heard(types, options)))
        return function

    return mark


def heard(function: Any) -> tuple[Heard, ...]:
    """Return what each `@on` of a function said, the innermost first; () where there is none."""
    marks: tuple[Heard, ...] = getattr(function, _HEARS, ())
    return marks


@attrs.frozen
class Handled:
    """
    What one `@handles` said.

    Attributes:
        types: the command classes; a subclass without a handler of its own is handled as well.
        idempotent: whether the result is kept, so that a command that comes again gets it.
    """

    types: tuple[type[Command], ...]
    idempotent: bool


def handles(*types: type[Command], idempotent: bool = True) -> Callable[[F], F]:
    """
    Mark a function or method as the one handler of commands of these types.

    It takes the command, and as a second parameter the application if it wants it; it may be
    async. What it saves is stored when it returns, all or nothing, together with its result: a
    command that comes again, from whichever process, gets the first result and changes nothing.
    With `idempotent=False` no result is kept, and each time counts.
    """
    _check("@handles", types, Command)

    def mark(function: F) -> F:
        setattr(function, _HANDLES, (*handled(function), Handled(types, idempotent)))
        return function

    return mark


def handled(function: Any) -> tuple[Handled, ...]:
    """Return what each `@handles` of a function said, the innermost first."""
    marks: tuple[Handled, ...] = getattr(function, _HANDLES, ())
    return marks


def _check(mark: str, types: tuple[Any, ...], base: type[Message]) -> None:
    what = base.__name__.lower()
    if not types:
        msg = f"{mark} takes the {what} classes it is for, at least one: {mark}({base.__name__})"
        raise TypeError(msg)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, base)):
            msg = f"{mark} takes {what} classes, not {kind!r}"
            raise TypeError(msg)


def name_of(function: Any) -> str:
    """Return how a handler is called in messages, and in the store: `module.Class.method`."""
    return f"{function.__module__}.{function.__qualname__}"


def takes_application(function: Callable[..., Any], message: str) -> bool:
    """Return whether a handler wants the application beside the message; refuse other shapes."""
    signature = inspect.signature(function)
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    msg = f"{name_of(function)} must take ({message}), or ({message}, app); it is {signature}"
    raise TypeError(msg)


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
