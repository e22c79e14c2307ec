"""The application runtime: commands in, events out, and what runs beside them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from orchestrix_core._backends import create, event_store, message_bus, observers, opened, require
from orchestrix_core._engine import Engine
from orchestrix_core._hearing import Hearing
from orchestrix_core._providers import DEFAULT_BUS
from orchestrix_core._signals import signalled
from orchestrix_core._watching import about, watched
from orchestrix_core.aggregates import AggregateRoot, Decided, Decider, Repository, SnapshotPolicy
from orchestrix_core.buses import AsyncMessageBus
from orchestrix_core.commands import Middleware
from orchestrix_core.configuration import Configuration, RuntimeSettings
from orchestrix_core.errors import OrchestrixError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation, compose
from orchestrix_core.messages import Command, Event, Message
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.projections import Projection, ProjectionReader
from orchestrix_core.registry import default_registry
from orchestrix_core.serialization import JSONSerializer, Serializer
from orchestrix_core.stores import GLOBAL_LOG, AsyncEventLog, AsyncEventStore

__all__ = ["Orchestrix"]

A = TypeVar("A", bound=AggregateRoot)
C = TypeVar("C")
E = TypeVar("E", bound=Event)
M = TypeVar("M", bound=Middleware)
S = TypeVar("S")


class Orchestrix:
    """
    An application: commands and their handlers, an event store, and what hears of its events.

    ```python
    app = Orchestrix.from_config("orchestrix.toml")
    app.register(place_order, send_receipt)
    async with app:
        number = await app.send(PlaceOrder(order_id="ORD-1"))
    ```

    Attributes:
        store: the event store, open inside `async with`. In the handler of a command it keeps back
            what is saved, and shows it to loads, until the handler returns.
        bus: the message bus; `BackendNotFoundError` where none is chosen or installed.
        instrumentation: wraps each operation of the application; all that is installed at once.
    """

    store: AsyncEventStore

    def __init__(
        self,
        *,
        store: AsyncEventStore,
        bus: AsyncMessageBus | None = None,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
        registry: PluginRegistry | None = None,
        observers: Collection[Any] = (),
        backend: str | None = None,
        capabilities: Collection[str] | None = None,
        serializer: Serializer | None = None,
        worker: bool = True,
        lease: float = 10.0,
        grace: float = 10.0,
        commands_kept: timedelta = timedelta(days=7),
        attempts: int = 10,
        bus_is_shared: bool = True,
    ) -> None:
        """
        Put an application together by hand; `from_config` is the usual way.

        Args:
            store: keeps the events.
            bus: carries messages inside of the process.
            instrumentation: is told of each operation.
            registry: the plugins to tell of start and end.
            observers: further backends (tracing, metrics) to open first and close last.
            backend: what the instrumentation, and errors, call the store.
            capabilities: what the store can do; None: what can be seen of it.
            serializer: checks and keeps commands, and keeps results.
            worker: whether subscriptions and timers run in this process; others may run them.
            lease: seconds after which other processes take over from one that is not heard of.
            grace: seconds that what is in hand has to finish in at the end.
            commands_kept: for how long a command that comes again gets its first result.
            attempts: how often a command's handler runs in all while others are faster.
            bus_is_shared: whether others than this application may subscribe on the bus.
        """
        name = backend or type(store).__name__
        self.instrumentation = instrumentation
        self._registry = registry or PluginRegistry()
        self._backends = (*observers, store, *([] if bus is None else [bus]))
        self._running: AsyncExitStack | None = None
        self._engine = Engine(
            self,
            store=store,
            watched=watched(store, instrumentation, name),
            bus=bus,
            bus_is_shared=bus_is_shared,
            backend=name,
            capabilities=None if capabilities is None else frozenset(capabilities),
            instrumentation=instrumentation,
            serializer=serializer or JSONSerializer(),
            settings=RuntimeSettings(
                worker=worker,
                lease=lease,
                grace=grace,
                commands_kept=commands_kept / timedelta(days=1),
            ),
            attempts=attempts,
        )
        self.store = self._engine.store
        self._bus = None if bus is None else Hearing(bus, self._engine.want_bus)

    @classmethod
    def from_config(
        cls,
        path: Path | str | None = None,
        *,
        registry: PluginRegistry | None = None,
        requires: Collection[str] = (),
        serializer: Serializer | None = None,
        worker: bool | None = None,
    ) -> Self:
        """
        Make an application from its configuration; nothing is opened yet.

        What the modules of the configuration define, marked functions and projections and the
        like, is registered.

        Args:
            path: the file; without it, the nearest one is found (see `Configuration.load`).
            registry: the plugins; without it, all that are installed.
            requires: capabilities that the event store must have, beside those of the file.
            serializer: writes and reads the events of a store that keeps bytes.
            worker: whether subscriptions and timers run in this process; None: as configured.

        Raises:
            ConfigurationError: a setting is wrong; it names the file and the key.
            BackendNotFoundError: a chosen backend is not installed; it says how to get it.
            MissingCapabilityError: the chosen event store lacks what is required.
            DuplicateHandlerError: two handlers of one command are registered.
            UpcastingError: the upcasters of the application's messages have a gap.
        """
        configuration = Configuration.load(path)
        plugins = registry or PluginRegistry.discover(block=configuration.block)
        configuration.check_names(plugins)
        modules = configuration.import_modules()
        default_registry.check()
        app = cls._assemble(configuration, plugins, requires, serializer, worker)
        app.register(*modules)
        return app

    @classmethod
    def _assemble(
        cls,
        configuration: Configuration,
        plugins: PluginRegistry,
        requires: Collection[str],
        serializer: Serializer | None,
        worker: bool | None,
    ) -> Self:
        hooked = plugins.instrumentation(configuration.document.table)
        watching = [create(configuration, row.backend) for row in observers(configuration, plugins)]
        store = event_store(configuration, plugins).backend
        require(store, requires)
        where = configuration.document.source(("requires",))
        require(store, configuration.requires, f"`requires` of {where}")
        bus = message_bus(configuration, plugins)
        if bus is not None:
            require(bus.backend, ())
        runtime = configuration.runtime
        return cls(
            store=create(configuration, store, serializer),
            bus=None if bus is None else create(configuration, bus.backend),
            instrumentation=compose(
                *hooked, *(part for part in watching if isinstance(part, Instrumentation))
            ),
            registry=plugins,
            observers=watching,
            backend=store.name,
            capabilities=store.capabilities,
            serializer=serializer,
            worker=runtime.worker if worker is None else worker,
            lease=runtime.lease,
            grace=runtime.grace,
            commands_kept=timedelta(days=runtime.commands_kept),
            bus_is_shared=False,
        )

    def register(self, *things: Any) -> None:
        """
        Add handlers, and whatever else an application is made of, before it starts.

        A thing is a function marked with `@handles` or `@on`, an object with methods so marked, a
        class that can join (`Projection`), or an instance of one, or a module, of which all that
        is defined there counts, private names left out. What is registered twice is there once.

        Raises:
            DuplicateHandlerError: a command has another handler already.
            TypeError: a thing is none of these.
        """
        for thing in things:
            self._engine.register(thing)

    def middleware(self, function: M) -> M:
        """
        Call `await function(command, call_next)` around the handling of each command.

        What it returns is the result of `send`; it goes on by `await call_next(command)`. The
        first one added is the outermost. Usable as a decorator.
        """
        self._engine.sending.wrap(function)
        return function

    async def __aenter__(self) -> Self:
        """Open the backends, tell the plugins, start what runs; what fails closes what is open."""
        if self._running is not None:
            msg = "the application is running already: make another one"
            raise OrchestrixError(msg)
        self._engine.check()
        async with AsyncExitStack() as stack:
            for backend in self._backends:
                await stack.enter_async_context(opened(backend))
            self._registry.startup(self)
            stack.callback(self._registry.shutdown, self)
            stack.push_async_callback(self._engine.stop)
            await self._engine.start()
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let what is in hand finish, tell the plugins, then close the backends, last first."""
        stack, self._running = self._running, None
        if stack is not None:
            await stack.aclose()
        if error is None:
            self._engine.raise_failure()

    async def serve(self) -> None:
        """
        Wait until the process is told to end (SIGTERM, SIGINT), or what runs beside it fails.

        For a process that does nothing else: `async with app: await app.serve()`.
        """
        await self._engine.unless_it_fails(signalled())

    @property
    def log(self) -> AsyncEventLog:
        """The events of all streams, in commit order; `MissingCapabilityError` if there is none."""
        self._engine.require("log", GLOBAL_LOG)
        return cast("AsyncEventLog", self.store)

    @property
    def bus(self) -> AsyncMessageBus:
        """The message bus; an application that only stores and loads needs none."""
        if self._bus is None:
            self._registry.installed("message_bus", DEFAULT_BUS)  # says how to get one
            msg = "this application was made without a message bus: Orchestrix(bus=...)"
            raise OrchestrixError(msg)
        return self._bus

    async def send(self, command: Command) -> Any:
        """
        Let the one handler of a command answer it, and return its result.

        What the handler saves is stored all or nothing. A command whose id was handled before
        gets the first result, and nothing happens. In the handler of another command it becomes
        part of what that one does.

        Raises:
            NoHandlerError: no handler is registered; it names the nearest ones.
            InvalidCommandError: a value is not what the command's class declares.
            ConcurrencyError: others were faster in each attempt.
        """
        return await self._engine.send(command)

    async def publish(self, message: Message) -> None:
        """
        Give `message` to every handler that subscribed to its type on the bus, now.

        What is saved is published by itself.
        """
        with self.instrumentation.operation("publish", about(message)):
            await self.bus.publish(message)

    async def schedule(
        self, command: Command, *, at: datetime | None = None, after: timedelta | None = None
    ) -> str:
        """
        Send a command at a moment, or after a while, whatever happens to this process meanwhile.

        In the handler of a command, the timer is stored with what the handler saves. Some process
        with a handler of the command, and a worker, sends it. Returns the id by which it can be
        cancelled, that of the command; scheduled again, it gets the new time.
        """
        return await self._engine.schedule(command, at, after)

    async def cancel(self, timer_id: str) -> bool:
        """Drop a scheduled command; return whether it was there still."""
        return await self._engine.cancel(timer_id)

    async def caught_up(
        self,
        *,
        after: int | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - the error tells how far each has got
    ) -> None:
        """
        Wait until all that is registered has handled the log up to the position `after`.

        None: until all is handled, with what handlers append meanwhile.

        Raises:
            NotCaughtUpError: after `timeout` seconds, with a table of how far each has got.
        """
        await self._engine.caught_up(after, timeout)

    def view(self, projection: Projection | type[Projection]) -> ProjectionReader:
        """Return what reads the view of a projection."""
        return ProjectionReader(self._engine.raw, projection)

    @overload
    def repository(
        self,
        aggregate: Decider[C, E, S],
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[Decided[C, E, S]] | None = None,
        cache: int | None = None,
        attempts: int = 10,
    ) -> Repository[Decided[C, E, S]]: ...
    @overload
    def repository(
        self,
        aggregate: type[A],
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[A] | None = None,
        cache: int | None = None,
        attempts: int = 10,
    ) -> Repository[A]: ...
    def repository(
        self,
        aggregate: Any,
        *,
        snapshot_every: int | None = None,
        snapshot_when: SnapshotPolicy[Any] | None = None,
        cache: int | None = None,
        attempts: int = 10,
    ) -> Repository[Any]:
        """
        Return what loads and saves aggregates of this class, or a decider, in the store.

        The arguments are those of `Repository`. With `cache`, keep what is returned: the cache is
        in it.
        """
        return Repository(
            self.store,
            aggregate,
            snapshot_every=snapshot_every,
            snapshot_when=snapshot_when,
            cache=cache,
            attempts=attempts,
            instrumentation=self.instrumentation,
        )
