"""What can be registered with an application, and what it adds to it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from orchestrix_core._collecting import Append
from orchestrix_core._watching import about
from orchestrix_core.documents import Transaction
from orchestrix_core.handlers import heard, name_of, stored_names, takes_application
from orchestrix_core.messages import Event
from orchestrix_core.records import RecordedEvent, StreamWrite
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG
from orchestrix_core.subscriptions import RetryPolicy, Subscription, Worker

__all__ = ["Component", "Listener"]


class Component:
    """
    What a registered thing adds to an application; each method may be left as it is.

    A class, or an instance, joins by a method `__orchestrix_component__(app)` that returns one.

    Attributes:
        name: for messages.
        requires: the capabilities that the event store must have.
    """

    name: str = "component"
    requires: Collection[str] = frozenset({DOCUMENTS, GLOBAL_LOG})

    @property
    def inline(self) -> bool:
        """Whether `append` is to be called with each append."""
        return type(self).append is not Component.append

    def subscriptions(self) -> Iterable[Subscription]:
        """Return what the worker runs from the start to the end."""
        return ()

    async def start(self) -> None:
        """Prepare; the store is open, nothing is running yet. In every process, worker or not."""

    async def work(self, worker: Worker, stopping: asyncio.Event) -> None:
        """Run beside the worker, whose subscriptions it may add and remove, until asked to stop."""

    @property
    def works(self) -> bool:
        """Whether `work` has anything to do: then a worker is started."""
        return type(self).work is not Component.work

    async def following(self) -> Collection[str]:
        """Return the names of the subscriptions that are to be waited for until all is done."""
        return [subscription.name for subscription in self.subscriptions()]

    async def append(
        self, transaction: Transaction, writes: Sequence[StreamWrite], proceed: Append
    ) -> None:
        """Append by `proceed(transaction, writes)`, and do more in that transaction."""
        raise NotImplementedError


class Listener(Component):
    """A function that hears events, marked with `@on`: each has a place in the log of its own."""

    def __init__(self, function: Callable[..., Any], app: Any) -> None:
        self._function = function
        self._app = app
        self._takes_app = takes_application(function, "event")
        self._types = tuple({kind for mark in heard(function) for kind in mark.types})
        self._options = _options(name_of(function), function)
        self.name = self._options.get("name", name_of(function))

    def subscriptions(self) -> Iterable[Subscription]:
        """Return the one of this function."""
        options = {"name": self.name, "start": "now", **self._options}
        yield Subscription(
            handle=self._handle,
            types=stored_names(self._types),
            transactional=False,  # it may send commands, which have transactions of their own
            **options,
        )

    async def _handle(self, record: RecordedEvent, _: Transaction | None) -> None:
        event = record.event
        if isinstance(event, self._types):  # an event of unknown class has but the name
            with self._app.instrumentation.operation("publish", about(event)):
                await self._call(event)

    async def _call(self, event: Event) -> None:
        result = self._function(event, self._app) if self._takes_app else self._function(event)
        if inspect.isawaitable(result):
            await result


_OPTIONS = {
    "name": str,
    "partitions": int,
    "retry": RetryPolicy,
    "start": str,
}


def _options(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mark in heard(function):
        for option, value in mark.options.items():
            if option not in _OPTIONS or not isinstance(value, _OPTIONS[option]):
                kinds = ", ".join(f"{known} ({of.__name__})" for known, of in _OPTIONS.items())
                msg = f"@on of {name} got {option}={value!r}; a function has the options {kinds}"
                raise TypeError(msg)
            found[option] = value
    return found
