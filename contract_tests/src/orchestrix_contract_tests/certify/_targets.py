"""What is to be certified: what the plugins offer, and what the configuration has chosen."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Final

import attrs

from orchestrix_core.cli._session import Session
from orchestrix_core.errors import BackendNotFoundError
from orchestrix_core.hookspecs import Kind
from orchestrix_core.plugins import KINDS, InstalledBackend, Plugin

__all__ = ["Target", "targets", "versions_with"]

_PARTS: Final = ("orchestrix-core", "orchestrix-contract-tests", "pytest", "hypothesis")


@attrs.frozen
class Target:
    """A backend, whose plugin it is, and whether the configuration's settings make it."""

    kind: Kind
    name: str
    plugin: Plugin
    configured: bool
    refused: str | None = None


def targets(session: Session, kind: Kind | None, name: str | None) -> list[Target]:
    """
    Return what is to be certified, by kind and name.

    The settings of the configuration stand over what a plugin offers under the same name.
    """
    found = {(one.kind, one.name): one for one in (*_offered(session), *_configured(session, name))}
    wanted = [
        one for one in found.values() if kind in (None, one.kind) and name in (None, one.name)
    ]
    if name is not None and not wanted:
        raise _unknown(session, kind, name)
    return sorted(wanted, key=lambda one: (KINDS.index(one.kind), one.name))


def _offered(session: Session) -> Iterator[Target]:
    for row in session.registry.installed_subjects():
        yield Target(row.subject.kind, row.subject.name, row.plugin, configured=False)


def _configured(session: Session, name: str | None) -> Iterator[Target]:
    """Yield what the configuration chooses, and what is named and offers no subject of its own."""
    chosen = set(session.configuration.chosen.items())
    offered = {(one.kind, one.name) for one in _offered(session)}
    for row in session.registry.backends:
        named = row.backend.name == name and row.key not in offered
        if row.key in chosen or named:
            target = _target(row, offered=row.key in offered)
            if target is not None:
                if target.refused is None:
                    session.configuration.settings(row.backend)  # what is wrong is told at once
                yield target


def _target(row: InstalledBackend, *, offered: bool) -> Target | None:
    """Return the backend with its settings; None where only what the plugin offers will do."""
    kind, name = row.key
    if row.backend.scratch is not None:
        return Target(kind, name, row.plugin, configured=True)
    if offered:
        return None
    reason = (
        f"the plugin {row.plugin.name!r} neither offers a contract subject nor names a scratch "
        "place (Backend.scratch), and existing data is never touched"
    )
    return Target(kind, name, row.plugin, configured=True, refused=reason)


def _unknown(session: Session, kind: Kind | None, name: str) -> BackendNotFoundError:
    kinds = KINDS if kind is None else (kind,)
    names = {one.name for one in _offered(session) if one.kind in kinds}
    names |= {row.backend.name for row in session.registry.backends if row.backend.kind in kinds}
    hint = "see what is installed: orchestrix plugins"
    return BackendNotFoundError(kind or "event_store", name, tuple(sorted(names)), hint)


def versions_with(plugin: Plugin) -> dict[str, str]:
    """Return the versions of all parts that are known before the backend is opened."""
    parts = {name: metadata.version(name) for name in _PARTS}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        plugin.distribution: plugin.version,
        **parts,
        "Python": python,
        "platform": platform.platform(),
    }
