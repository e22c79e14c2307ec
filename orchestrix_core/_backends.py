"""Make the chosen backends from their settings, open and close them, and ask how they are."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import attrs

from orchestrix_core._providers import DEFAULT_BUS
from orchestrix_core.configuration import Configuration
from orchestrix_core.configuration._document import nearest
from orchestrix_core.configuration._structuring import config_fields
from orchestrix_core.errors import (
    BackendNotFoundError,
    ConfigurationError,
    MissingCapabilityError,
)
from orchestrix_core.hookspecs import Backend, Kind
from orchestrix_core.plugins import InstalledBackend, PluginRegistry
from orchestrix_core.secrets import mask
from orchestrix_core.serialization import Serializer
from orchestrix_core.stores import ASYNC, CAPABILITIES

__all__ = [
    "chosen",
    "create",
    "event_store",
    "make",
    "message_bus",
    "observers",
    "opened",
    "ping",
    "require",
]


def chosen(
    configuration: Configuration, registry: PluginRegistry, kind: Kind
) -> InstalledBackend | None:
    """Return the backend that the configuration chooses; None when it chooses none."""
    name = configuration.chosen.get(kind)
    if name is None:
        return None
    try:
        return registry.installed(kind, name)
    except BackendNotFoundError as exc:
        raise _placed(configuration, exc, kind, name) from exc


def _placed(
    configuration: Configuration, error: BackendNotFoundError, kind: Kind, name: str
) -> BackendNotFoundError:
    """Return the error with the place where the name is written."""
    document = configuration.document
    by_name = "use" in document.table[kind]  # otherwise its settings alone choose it
    key = ".".join((document.root, kind) if by_name else (document.root, kind, name))
    where = f"{document.source((kind, 'use') if by_name else (kind, name))}: {key}"
    return BackendNotFoundError(kind, name, error.installed, error.hint, where)


def event_store(configuration: Configuration, registry: PluginRegistry) -> InstalledBackend:
    """Return the chosen event store; there is no default, for events are kept for good."""
    row = chosen(configuration, registry, "event_store")
    if row is None:
        names = ", ".join(registry.names("event_store")) or "none"
        reason = f'no event store is chosen: add event_store = "<name>" (installed: {names})'
        raise configuration.document.fault(("event_store",), f"{reason}, or run `orchestrix init`")
    return row


def message_bus(configuration: Configuration, registry: PluginRegistry) -> InstalledBackend | None:
    """Return the chosen message bus, or else the default one; None when that is not installed."""
    row = chosen(configuration, registry, "message_bus")
    if row is None and DEFAULT_BUS in registry.names("message_bus"):
        return registry.installed("message_bus", DEFAULT_BUS)
    return row


def observers(configuration: Configuration, registry: PluginRegistry) -> list[InstalledBackend]:
    """Return the chosen backends that watch the others: tracing, then metrics."""
    kinds: tuple[Kind, ...] = ("tracing", "metrics")
    rows = (chosen(configuration, registry, kind) for kind in kinds)
    return [row for row in rows if row is not None]


def require(backend: Backend, wanted: Collection[str], needed_by: str | None = None) -> None:
    """Refuse, at start-up, a backend that lacks what the application needs."""
    for name in wanted:
        if name not in CAPABILITIES:
            reason = f"{name!r} is no capability; {nearest(name, CAPABILITIES)}"
            raise ConfigurationError(reason, key="requires")
    missing = tuple(sorted({ASYNC, *wanted} - backend.capabilities))
    if missing:
        raise MissingCapabilityError(backend.name, missing, needed_by)


def create(
    configuration: Configuration,
    backend: Backend,
    serializer: Serializer | None = None,
    *,
    existing: bool = False,
) -> Any:
    """Return a new, unopened backend made from its settings; `existing`: it makes no new store."""
    settings = configuration.settings(backend)
    if existing and "create" in config_fields(backend.config):
        evolve = attrs.evolve if attrs.has(backend.config) else dataclasses.replace
        settings = evolve(settings, create=False)
    return make(configuration, backend, settings, serializer)


def make(
    configuration: Configuration,
    backend: Backend,
    settings: Any,
    serializer: Serializer | None = None,
) -> Any:
    """Return a new, unopened backend made from `settings`."""
    more = {}
    if serializer is not None and "serializer" in inspect.signature(backend.create).parameters:
        more["serializer"] = serializer
    try:
        return backend.create(settings, **more)
    except ValueError as exc:
        path = (backend.kind, backend.name)
        raise configuration.document.fault(path, mask(str(exc))) from exc


@asynccontextmanager
async def opened(backend: Any) -> AsyncIterator[Any]:
    """Open a backend that can be opened; close it in the end, also when opening it failed."""
    try:
        await _call(backend, "initialize")
        yield backend
    finally:
        await _call(backend, "close")


async def ping(backend: Any) -> bool:
    """Ask the backend whether it answers; one that cannot be asked is healthy."""
    answer = await _call(backend, "ping")
    return answer is None or bool(answer)


async def _call(backend: Any, name: str) -> Any:
    """Call a method that a backend may lack, and that may be a coroutine function or not."""
    method = getattr(backend, name, None)
    result = None if method is None else method()
    return await result if inspect.isawaitable(result) else result
