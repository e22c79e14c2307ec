"""From a command that is sent to its result: the route, the middleware, the check, the handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrix_core._watching import about
from orchestrix_core.commands._execution import Execution
from orchestrix_core.commands._handlers import CommandHandler, Routes, handlers_of
from orchestrix_core.commands._middleware import Middleware, wrapped
from orchestrix_core.context import current_message, handling
from orchestrix_core.errors import InvalidCommandError, SerializationError
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.messages import Command
from orchestrix_core.serialization import JSONSerializer, Serializer

__all__ = ["Sending"]


class Sending:
    """
    What one application does with commands.

    Attributes:
        routes: its handlers.
    """

    def __init__(
        self, app: Any, execution: Execution, serializer: Serializer, watch: Instrumentation
    ) -> None:
        self.routes = Routes()
        self._app = app
        self._execution = execution
        self._check = _checker(serializer)
        self._watch = watch
        self._middleware: list[Middleware] = []
        self._call = wrapped([], self._handle)

    def register(self, function: Callable[..., Any]) -> list[CommandHandler]:
        """Add a function for each of its marks; return what was added."""
        found = list(handlers_of(function))
        for handler in found:
            self.routes.add(handler)
        return found

    def wrap(self, middleware: Middleware) -> None:
        """Add what is to happen around the handling of each command, inside of what is there."""
        self._middleware.append(middleware)
        self._call = wrapped(self._middleware, self._handle)

    async def send(self, command: Command) -> Any:
        """
        Let the one handler of a command answer it.

        Raises:
            NoHandlerError: there is none.
            InvalidCommandError: a value of the command is not what its class declares.
        """
        if not isinstance(command, Command):
            msg = f"command must be a Command, not {type(command).__name__}"
            raise TypeError(msg)
        self.routes.find(type(command))
        with self._watch.operation("handle_command", about(command)), handling(command):
            self._check(command)
            return await self._call(command)

    async def _handle(self, command: Command) -> Any:
        """Handle what came through the middleware, which may have put another in its place."""
        if command is current_message.get():
            return await self._run(command)
        with handling(command):
            self._check(command)
            return await self._run(command)

    async def _run(self, command: Command) -> Any:
        handler = self.routes.find(type(command))
        return await self._execution.run(handler, command, self._app)


def _checker(serializer: Serializer) -> Callable[[Any], None]:
    """Return a check that a command is what its class declares: as exact as for stored events."""

    def check(command: Any) -> None:
        try:
            if isinstance(serializer, JSONSerializer):
                serializer.codec(type(command)).check(command)
            else:
                serializer.encode(command)
        except SerializationError as error:
            raise InvalidCommandError(error.path, error.reason) from error

    return check
