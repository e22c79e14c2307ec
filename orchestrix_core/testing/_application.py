"""A whole application for a test, which leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from orchestrix_core._providers import DEFAULT_BUS
from orchestrix_core.application import Orchestrix
from orchestrix_core.hookspecs import Backend, Kind
from orchestrix_core.plugins import PluginRegistry

__all__ = ["application"]


@asynccontextmanager
async def application(*things: Any, **options: Any) -> AsyncIterator[Orchestrix]:
    """
    Run an application that keeps everything in memory, its worker included, and close it.

    ```python
    @pytest_asyncio.fixture
    async def app():
        async with application(orders, shipping) as app:
            yield app
    ```

    Args:
        things: what to register: modules, marked functions, projections, sagas.
        options: for `Orchestrix`; `store=` puts another store in the place of memory.

    Raises:
        BackendNotFoundError: what keeps things in memory is not installed; it says how to get it.
    """
    plugins = PluginRegistry.discover()
    if "store" not in options:
        row = _in_memory(plugins, "event_store")
        options |= {"store": row.create(row.config()), "backend": row.name}
    if "bus" not in options:
        bus = _in_memory(plugins, "message_bus")
        options["bus"] = bus.create(bus.config())
    app = Orchestrix(**options)
    app.register(*things)
    async with app:
        yield app


def _in_memory(plugins: PluginRegistry, kind: Kind) -> Backend:
    return plugins.installed(kind, DEFAULT_BUS).backend
