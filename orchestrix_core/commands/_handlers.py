"""Which handler answers which command."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from orchestrix_core.commands._results import ResultCodec
from orchestrix_core.errors import DuplicateHandlerError, NoHandlerError
from orchestrix_core.handlers import handled, name_of, takes_application
from orchestrix_core.messages import Command

__all__ = ["CommandHandler", "Routes", "handlers_of"]


@attrs.frozen(eq=False)
class CommandHandler:
    """
    A function, and what is to know of it.

    Attributes:
        function: answers the command; the application is given to it if it takes it.
        name: for messages.
        types: the command classes.
        idempotent: whether its result is kept.
        results: writes and reads what it returns.
    """

    function: Callable[..., Any]
    name: str
    types: tuple[type[Command], ...]
    idempotent: bool
    takes_app: bool
    results: ResultCodec

    async def __call__(self, command: Command, app: Any) -> Any:
        """Return what the function, which need not be async, answers."""
        result = self.function(command, app) if self.takes_app else self.function(command)
        return await result if inspect.isawaitable(result) else result


def handlers_of(function: Callable[..., Any]) -> Iterator[CommandHandler]:
    """Return what each `@handles` of a function, or bound method, says."""
    for mark in handled(function):
        yield CommandHandler(
            function=function,
            name=name_of(function),
            types=mark.types,
            idempotent=mark.idempotent,
            takes_app=takes_application(function, "command"),
            results=ResultCodec(function),
        )


class Routes:
    """The handlers by the classes of their commands."""

    def __init__(self) -> None:
        self._named: dict[type[Command], CommandHandler] = {}
        self._found: dict[type[Command], CommandHandler] = {}

    def __iter__(self) -> Iterator[type[Command]]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def add(self, handler: CommandHandler) -> None:
        """
        Let a handler answer the commands that it names; the very same one is added once.

        Raises:
            DuplicateHandlerError: there is another one.
        """
        for kind in handler.types:
            known = self._named.get(kind, handler)
            if known.function != handler.function:
                raise DuplicateHandlerError(kind.__name__, known.name, handler.name)
        self._named.update(dict.fromkeys(handler.types, handler))
        self._found = {}

    def find(self, kind: type[Command]) -> CommandHandler:
        """Return the handler of a class: its own, or that of the nearest base which has one."""
        found = self._found.get(kind)
        if found is None:
            found = next((self._named[base] for base in kind.__mro__ if base in self._named), None)
            if found is None:
                raise NoHandlerError(kind.__name__, self._near(kind))
            self._found[kind] = found
        return found

    def _near(self, kind: type[Command]) -> tuple[str, ...]:
        """Return the names most like that of a class; of the same name, with their modules."""
        same = [one for one in self._named if one.__name__ == kind.__name__]
        if same:  # a module that was run as a script and imported, as a rule
            return tuple(f"{one.__module__}.{one.__qualname__}" for one in same)
        names = sorted({one.__name__ for one in self._named})
        return tuple(difflib.get_close_matches(kind.__name__, names, n=3, cutoff=0.6))
