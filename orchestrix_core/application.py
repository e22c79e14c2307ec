"""The application runtime: the configured backends, opened together and closed together."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestrix_core._backends import create, event_store, message_bus, observers, opened, require
from orchestrix_core._providers import DEFAULT_BUS
from orchestrix_core._watching import about, watched
from orchestrix_core.aggregates import AggregateRoot, Repository
from orchestrix_core.buses import AsyncMessageBus
from orchestrix_core.configuration import Configuration
from orchestrix_core.errors import OrchestrixError
from orchestrix_core.instrumentation import NO_INSTRUMENTATION, Instrumentation, compose
from orchestrix_core.messages import Message
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.registry import default_registry
from orchestrix_core.serialization import Serializer
from orchestrix_core.stores import AsyncEventStore

__all__ = ["Orchestrix"]

A = TypeVar("A", bound=AggregateRoot)


class Orchestrix:
    """
    An application: an event store, a message bus, and what watches them.

    ```python
    async with Orchestrix.from_config("orchestrix.toml") as app:
        await app.store.save("ORD-1", [OrderPlaced(order_id="ORD-1")])
    ```

    Attributes:
        store: the event store, open inside `async with`.
        bus: the message bus; `BackendNotFoundError` where none is chosen or installed.
        instrumentation: wraps each operation of the application; all that is installed at once.
    """

    def __init__(
        self,
        *,
        store: AsyncEventStore,
        bus: AsyncMessageBus | None = None,
        instrumentation: Instrumentation = NO_INSTRUMENTATION,
        registry: PluginRegistry | None = None,
        observers: Collection[Any] = (),
        backend: str | None = None,
    ) -> None:
        """
        Put an application together by hand; `from_config` is the usual way.

        `registry` names the plugins to tell of start and end. `observers` are further backends
        (tracing, metrics) to open first and close last. `backend` is what they call the store.
        """
        self.store = watched(store, instrumentation, backend or type(store).__name__)
        self._bus = bus
        self.instrumentation = instrumentation
        self._registry = registry or PluginRegistry()
        self._backends = (*observers, store, *([] if bus is None else [bus]))
        self._running: AsyncExitStack | None = None

    @classmethod
    def from_config(
        cls,
        path: Path | str | None = None,
        *,
        registry: PluginRegistry | None = None,
        requires: Collection[str] = (),
        serializer: Serializer | None = None,
    ) -> Self:
        """
        Make an application from its configuration; nothing is opened yet.

        Args:
            path: the file; without it, the nearest one is found (see `Configuration.load`).
            registry: the plugins; without it, all that are installed.
            requires: capabilities that the event store must have, beside those of the file.
            serializer: writes and reads the events of a store that keeps bytes.

        Raises:
            ConfigurationError: a setting is wrong; it names the file and the key.
            BackendNotFoundError: a chosen backend is not installed; it says how to get it.
            MissingCapabilityError: the chosen event store lacks what is required.
            UpcastingError: the upcasters of the application's messages have a gap.
        """
        configuration = Configuration.load(path)
        plugins = registry or PluginRegistry.discover(block=configuration.block)
        configuration.check_names(plugins)
        configuration.import_modules()
        default_registry.check()
        return cls._assemble(configuration, plugins, requires, serializer)

    @classmethod
    def _assemble(
        cls,
        configuration: Configuration,
        plugins: PluginRegistry,
        requires: Collection[str],
        serializer: Serializer | None,
    ) -> Self:
        hooked = plugins.instrumentation(configuration.document.table)
        watching = [create(configuration, row.backend) for row in observers(configuration, plugins)]
        store = event_store(configuration, plugins).backend
        require(store, {*configuration.requires, *requires})
        bus = message_bus(configuration, plugins)
        if bus is not None:
            require(bus.backend, ())
        return cls(
            store=create(configuration, store, serializer),
            bus=None if bus is None else create(configuration, bus.backend),
            instrumentation=compose(
                *hooked, *(part for part in watching if isinstance(part, Instrumentation))
            ),
            registry=plugins,
            observers=watching,
            backend=store.name,
        )

    async def __aenter__(self) -> Self:
        """Open the backends, then tell the plugins; what fails closes what was opened."""
        if self._running is not None:
            msg = "the application is running already: make another one"
            raise OrchestrixError(msg)
        async with AsyncExitStack() as stack:
            for backend in self._backends:
                await stack.enter_async_context(opened(backend))
            self._registry.startup(self)
            stack.callback(self._registry.shutdown, self)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell the plugins, then close the backends, last first."""
        stack, self._running = self._running, None
        if stack is not None:
            await stack.aclose()

    @property
    def bus(self) -> AsyncMessageBus:
        """The message bus; an application that only stores and loads needs none."""
        if self._bus is None:
            self._registry.installed("message_bus", DEFAULT_BUS)  # says how to get one
            msg = "this application was made without a message bus: Orchestrix(bus=...)"
            raise OrchestrixError(msg)
        return self._bus

    async def publish(self, message: Message) -> None:
        """Give `message` to every handler that subscribed to its type on the bus."""
        with self.instrumentation.operation("publish", about(message)):
            await self.bus.publish(message)

    def repository(self, aggregate: type[A], *, snapshot_every: int | None = None) -> Repository[A]:
        """Return what loads and saves aggregates of this class in the application's store."""
        return Repository(
            self.store,
            aggregate,
            snapshot_every=snapshot_every,
            instrumentation=self.instrumentation,
        )
