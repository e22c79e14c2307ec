"""What to say when a backend is asked for that is not installed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from orchestrix_core.errors import BackendNotFoundError, PluginLoadError
from orchestrix_core.hookspecs import Kind

__all__ = ["DEFAULT_BUS", "FIRST_BACKEND", "FIRST_STEP", "KNOWN", "not_found", "provider_of"]

KNOWN: Final[Mapping[Kind, tuple[str, ...]]] = {
    "event_store": ("memory", "postgres", "sqlite"),
    "message_bus": ("memory",),
    "metrics": ("prometheus",),
    "tracing": ("jaeger",),
}
"""
The backends that this project publishes, by kind; each is in the distribution `orchestrix-<name>`.

A table, not a rule for every name: to advise `pip install orchestrix-<whatever was misspelt>`
would send people to whoever has registered that name. It is only ever printed.
"""

DEFAULT_BUS: Final = "memory"
"""The message bus of an application that chooses none, and the store of one under test."""

FIRST_BACKEND: Final = "sqlite"
"""The event store to begin with: embedded, durable, without a server."""
FIRST_STEP: Final = "pip install orchestrix-sqlite"
"""How to get it."""


def provider_of(name: str) -> str:
    """Return the distribution to which the backend name belongs, `orchestrix-<name>`."""
    return f"orchestrix-{name}"


def not_found(
    kind: Kind, name: str, installed: Iterable[str], errors: Iterable[PluginLoadError]
) -> BackendNotFoundError:
    """Return the error for a missing backend: what is there, what was meant, how to get it."""
    have = tuple(sorted(installed))
    return BackendNotFoundError(kind, name, have, _hint(kind, name, have, tuple(errors)))


def _hint(
    kind: Kind, name: str, installed: tuple[str, ...], errors: tuple[PluginLoadError, ...]
) -> str:
    for error in errors:
        if name == error.name or error.distribution == provider_of(name):
            return f"its plugin is installed, but failed to load: {error}"
    if name in KNOWN[kind]:
        return f"install it: pip install {provider_of(name)}"
    near = difflib.get_close_matches(name, {*installed, *KNOWN[kind]}, n=1)
    if not near:
        return "see what is installed: orchestrix plugins"
    if near[0] in installed:
        return f"did you mean {near[0]!r}?"
    return f"did you mean {near[0]!r}? install it: pip install {provider_of(near[0])}"
