"""What is to happen around the handling of every command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from orchestrix_core.messages import Command

__all__ = ["Middleware", "Next", "wrapped"]

Next: TypeAlias = Callable[[Command], Awaitable[Any]]
"""Goes on with a command, as a rule the one that was sent, and gives its result."""
Middleware: TypeAlias = Callable[[Command, Next], Awaitable[Any]]
"""Is called with each command; what it returns is the result. It may go on, or not."""


def wrapped(middleware: list[Middleware], innermost: Next) -> Next:
    """Return a call that goes through all of it, the first in the list outermost."""
    call = innermost
    for layer in reversed(middleware):
        call = partial(_through, layer, call)
    return call


async def _through(layer: Middleware, call: Next, command: Command) -> Any:
    return await layer(command, call)
