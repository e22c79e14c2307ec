"""What makes an application go: its parts, put together, started and stopped in order."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from datetime import datetime, timedelta
from functools import partial
from types import ModuleType
from typing import Any, Final, TypeVar

from orchestrix_core._collecting import StoreGround, collecting
from orchestrix_core._embedded import Embedded, every
from orchestrix_core._hearing import BUS, bus_subscription
from orchestrix_core._in_flight import InFlight
from orchestrix_core._parts import Parts
from orchestrix_core._patient import all_caught_up
from orchestrix_core.buses import AsyncMessageBus
from orchestrix_core.commands import Sending, purge
from orchestrix_core.commands._execution import Execution
from orchestrix_core.configuration import RuntimeSettings
from orchestrix_core.documents import AsyncDocumentStore
from orchestrix_core.errors import MissingCapabilityError, OrchestrixError
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.messages import Command
from orchestrix_core.serialization import Serializer
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG, AsyncEventLog
from orchestrix_core.subscriptions import Subscription
from orchestrix_core.subscriptions._checkpoints import prepare
from orchestrix_core.timers import Timers

__all__ = ["Engine"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

_CLEAN: Final = 60.0  # seconds between two looks for commands that may be forgotten


class Engine:
    """
    The inside of an application.

    Attributes:
        raw: the store itself, on which what runs beside the application does its book-keeping.
        store: the store as handlers see it.
        sending: the way of commands to their handlers.
        timers: commands that are to be sent later.
        parts: what is registered.
        ground: below the units of work.
        serializer: writes and reads commands, and whatever holds some.
    """

    def __init__(
        self,
        app: Any,
        *,
        store: Any,
        watched: Any,
        bus: AsyncMessageBus | None,
        bus_is_shared: bool,
        backend: str,
        capabilities: frozenset[str] | None,
        instrumentation: Instrumentation,
        serializer: Serializer,
        settings: RuntimeSettings,
        attempts: int,
    ) -> None:
        self.raw = store
        self._backend = backend
        self._capabilities = _seen(store) if capabilities is None else capabilities
        self._settings = settings
        self._watch = instrumentation
        ground = StoreGround(watched)
        self.ground = ground
        self.serializer = serializer
        self.store = collecting(ground) if DOCUMENTS in self._capabilities else watched
        kept = timedelta(days=settings.commands_kept)
        execution = Execution(ground, store, serializer, kept, attempts)
        self.sending = Sending(app, execution, serializer, instrumentation)
        self.timers = Timers(ground, store, serializer, self.sending.routes, self.send)
        self.parts = Parts(app, self.sending)
        self._bus = None if bus is None else bus_subscription(bus, instrumentation)
        shared = bus is not None and bus_is_shared
        self._bus_wanted = shared and self._has(DOCUMENTS, GLOBAL_LOG)
        self._in_flight = InFlight()
        self._embedded: Embedded | None = None
        self._open = False

    def _has(self, *names: str) -> bool:
        return self._capabilities.issuperset(names)

    def require(self, needed_by: str | None = None, *names: str) -> None:
        """Refuse a store that lacks one of the capabilities."""
        missing = tuple(sorted(set(names) - self._capabilities))
        if missing:
            raise MissingCapabilityError(self._backend, missing, needed_by)

    def register(self, thing: Any) -> None:
        """Add what a thing, or all that a module defines, is to the application."""
        if self._open:
            msg = f"{thing!r} comes too late: register it before the application starts"
            raise OrchestrixError(msg)
        if isinstance(thing, ModuleType):
            self.parts.add_module(thing)
        else:
            self.parts.add(thing)

    def check(self) -> None:
        """Refuse a store that lacks what the registered things need; nothing is open yet."""
        for name, needs in self.parts.needs():
            self.require(name, *needs)

    async def start(self) -> None:
        """Prepare what is registered, and let run what is to run; the store is open."""
        parts = self.parts.complete(self.raw, self._watch)
        for part in parts:
            await part.start()
        self.ground.around = [part.append for part in parts if part.inline]
        subscriptions = [each for part in parts for each in part.subscriptions()]
        if self._bus is not None and self._has(DOCUMENTS, GLOBAL_LOG):
            # From here on nothing that is stored is missed, even if the process dies at once.
            await prepare(self.raw, self._bus)
        for subscription in subscriptions:
            await prepare(self.raw, subscription)
        self._open = True
        if self._settings.worker and self._has(DOCUMENTS, GLOBAL_LOG):
            self._start_worker(subscriptions)

    def _start_worker(self, subscriptions: list[Subscription]) -> None:
        settings = self._settings
        self._embedded = Embedded(self.raw, self._watch, settings.lease, settings.grace)
        for subscription in subscriptions:
            self._embedded.follow(subscription)
        if self._bus_wanted and self._bus is not None:
            self._embedded.follow(self._bus)
        stopping = self._embedded.stopping
        for part in self.parts.complete(self.raw, self._watch):
            if part.works:
                self._embedded.start_worker()
                self._embedded.start(part.work(self._embedded.worker, stopping), part.name)
        if len(self.sending.routes):
            self._embedded.start(self.timers.run(stopping), "orchestrix-timers")
            clean = every(_CLEAN, stopping, partial(purge, self.raw))
            self._embedded.start(clean, "orchestrix-inbox")

    async def stop(self) -> None:
        """Let what is in hand finish within the time of grace: what runs beside, then commands."""
        if self._embedded is not None:
            await self._embedded.stop()
        await self._in_flight.finish(self._settings.grace)
        self._open = False

    def want_bus(self) -> None:
        """Somebody subscribed to events on the bus: publish there what is stored."""
        if self._bus_wanted:
            return
        if not self._has(DOCUMENTS, GLOBAL_LOG):
            text = "store %s cannot tell what was saved: the bus hears only what is published"
            _log.warning(text, self._backend)
            return
        self._bus_wanted = True
        if self._embedded is not None and self._bus is not None:
            self._embedded.follow(self._bus)

    async def send(self, command: Command) -> Any:
        """Let the handler of a command answer it."""
        if not self._open:
            msg = "the application is not running: send inside of `async with app:`"
            raise OrchestrixError(msg)
        return await self._in_flight.run(self.sending.send(command))

    async def schedule(self, command: Command, at: datetime | None, after: timedelta | None) -> str:
        """Send a command later."""
        self.require("schedule", DOCUMENTS)
        return await self.timers.schedule(command, at, after)

    async def cancel(self, timer_id: str) -> bool:
        """Drop a command that was to be sent later."""
        self.require("cancel", DOCUMENTS)
        return await self.timers.cancel(timer_id)

    async def caught_up(self, after: int | None, timeout: float) -> None:  # noqa: ASYNC109
        """Wait until what is registered has handled the log; see `Orchestrix.caught_up`."""
        self.require("caught_up", DOCUMENTS, GLOBAL_LOG)
        await self.unless_it_fails(all_caught_up(self.raw, self._following, after, timeout))

    async def _following(self) -> set[str]:
        parts = self.parts.complete(self.raw, self._watch)
        names = {name for part in parts for name in await part.following()}
        return names | {BUS} if self._bus_wanted else names

    async def unless_it_fails(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` gives, or raise what fails beside it."""
        return await (work if self._embedded is None else self._embedded.unless_it_fails(work))

    def raise_failure(self) -> None:
        """Raise what has failed beside the application, if anything has."""
        if self._embedded is not None:
            self._embedded.raise_failure()


def _seen(store: Any) -> frozenset[str]:
    """Return the capabilities that can be told from a store's methods."""
    kinds = {GLOBAL_LOG: AsyncEventLog, DOCUMENTS: AsyncDocumentStore}
    return frozenset(name for name, kind in kinds.items() if isinstance(store, kind))
