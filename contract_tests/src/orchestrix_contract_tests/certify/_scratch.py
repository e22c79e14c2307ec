"""A configured backend as a subject of the suite: with its own settings, in a place of its own."""

from __future__ import annotations

import asyncio
import inspect
from functools import cache, partial
from pathlib import Path
from typing import Any

from orchestrix_core import Backend, ContractSubject, OrchestrixError, Serializer
from orchestrix_core._backends import make
from orchestrix_core.configuration import Configuration
from orchestrix_core.hookspecs import Faults, Kind
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.stores import PERSISTENT

__all__ = ["NotEmptyError", "configured_subject", "look_first"]


class NotEmptyError(OrchestrixError):
    """What should be a scratch place is one that is in use."""


def configured_subject(kind: Kind, name: str, config: str | None) -> ContractSubject:
    """
    Return how the suite makes the backend that the configuration describes.

    Other processes make it too: they read the configuration again, so that no secret is sent.
    """
    backend = _found(kind, name, config)[1]
    return ContractSubject(
        kind=kind,
        name=name,
        create=partial(_create, kind, name, config),
        capabilities=backend.capabilities,
        discard=partial(_discard, kind, name, config),
        faults=partial(_faults, kind, name, config) if backend.faults else None,
    )


@cache
def _found(kind: Kind, name: str, config: str | None) -> tuple[Configuration, Backend]:
    configuration = Configuration.load(config)
    registry = PluginRegistry.discover(block=configuration.block)
    return configuration, registry.backend(kind, name)


def _settings(kind: Kind, name: str, config: str | None, directory: Path) -> Any:
    configuration, backend = _found(kind, name, config)
    own = configuration.settings(backend)
    if backend.scratch is None:
        msg = f"the plugin of {kind} {name!r} names no scratch place (Backend.scratch)"
        raise NotEmptyError(msg)
    settings = backend.scratch(own, directory)
    if PERSISTENT in backend.capabilities and settings == own:
        msg = (
            f"the scratch place of {kind} {name!r} is the configured place itself: "
            "Backend.scratch must return other settings; nothing was touched"
        )
        raise NotEmptyError(msg)
    return settings


def _create(
    kind: Kind,
    name: str,
    config: str | None,
    directory: Path,
    *,
    serializer: Serializer | None = None,
) -> Any:
    configuration, backend = _found(kind, name, config)
    return make(configuration, backend, _settings(kind, name, config, directory), serializer)


def _discard(kind: Kind, name: str, config: str | None, directory: Path) -> Any:
    backend = _found(kind, name, config)[1]
    if backend.discard is None:
        return None
    return backend.discard(_settings(kind, name, config, directory))


def _faults(kind: Kind, name: str, config: str | None, directory: Path) -> Faults:
    backend = _found(kind, name, config)[1]
    assert backend.faults is not None
    return backend.faults(_settings(kind, name, config, directory))


def look_first(subject: ContractSubject, directory: Path) -> dict[str, str]:
    """
    Open the backend once: a place that holds anything is refused, whatever the plugin says.

    Return what the backend says of itself.
    """
    return asyncio.run(_look(subject, directory))


async def _look(subject: ContractSubject, directory: Path) -> dict[str, str]:
    backend = subject.create(directory)
    try:
        await _ask(backend, "initialize")
        if await _ask(backend, "head") or await _ask(backend, "streams"):
            msg = (
                f"the scratch place of {subject.kind} {subject.name!r} holds events already: "
                "existing data is never touched"
            )
            raise NotEmptyError(msg)
        about = dict(await _ask(backend, "about") or {})
        await _ask(backend, "close")
    except NotImplementedError:
        return {}  # the tests tell what is missing
    if subject.discard is not None:
        await _awaited(subject.discard(directory))
    return about


async def _ask(backend: Any, method: str) -> Any:
    """Call what a backend may lack, and what may be a coroutine function or not."""
    return await _awaited(getattr(backend, method)()) if hasattr(backend, method) else None


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
