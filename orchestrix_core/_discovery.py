"""
From an entry point to a plugin whose hooks have the right shape.

Each plugin gets a pluggy manager of its own. One shared manager would call all implementations of
a hook in one go: the first failure would hide the rest, and nobody could say whose it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any, Final

import attrs
import pluggy
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from orchestrix_core import hookspecs
from orchestrix_core.errors import PluginLoadError

__all__ = ["BY_HAND", "Plugin", "entry_points", "load_plugin", "make_plugin"]

CORE: Final = "orchestrix-core"
BY_HAND: Final = "(registered by hand)"
"""Stands for the distribution of a plugin that no entry point named."""


@attrs.frozen(kw_only=True)
class Plugin:
    """A loaded plugin and where it came from; `hooks` calls this plugin's hooks alone."""

    name: str
    distribution: str
    version: str
    hooks: Any = attrs.field(repr=False, eq=False)

    def fault(self, reason: str) -> PluginLoadError:
        """Return an error that names this plugin."""
        return PluginLoadError(self.name, self.distribution, self.version, reason)


def entry_points() -> list[metadata.EntryPoint]:
    """Return the installed entry points by distribution and name, so that every run agrees."""
    found = metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    return sorted(found, key=lambda point: (distribution_of(point)[0], point.name))


def distribution_of(point: metadata.EntryPoint) -> tuple[str, str]:
    """Return the canonical name and the version of what installed `point`."""
    if point.dist is None:
        return "(unknown)", "(unknown)"
    # A damaged installation has no name or no version; it must not take the others down.
    name, version = point.dist.metadata["Name"], point.dist.metadata["Version"]
    return canonicalize_name(name or "(unknown)"), version or "(unknown)"


def load_plugin(point: metadata.EntryPoint) -> Plugin:
    """Import what `point` names and check its hooks; `PluginLoadError` says what is wrong."""
    distribution, version = distribution_of(point)
    mismatch = _core_mismatch(point)
    if mismatch:
        raise PluginLoadError(point.name, distribution, version, mismatch)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as exc:
        reason = f"cannot be imported from {point.value!r}: {_describe(exc)}"
        raise PluginLoadError(point.name, distribution, version, reason) from exc
    return make_plugin(plugin, point.name, distribution, version)


def make_plugin(plugin: object, name: str, distribution: str, version: str) -> Plugin:
    """Check the hooks of `plugin` against the specifications."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except Exception as exc:
        # pluggy raises PluginValidationError; an exotic plugin object can raise anything.
        reason = f"a hook has the wrong shape: {_first_lines(exc)}"
        raise PluginLoadError(name, distribution, version, reason) from exc
    if not manager.get_hookcallers(plugin):
        reason = "has no hooks: decorate its functions with orchestrix_core.hookimpl"
        raise PluginLoadError(name, distribution, version, reason)
    return Plugin(name=name, distribution=distribution, version=version, hooks=manager.hook)


def _core_mismatch(point: metadata.EntryPoint) -> str | None:
    """Say which core the distribution wants, when that is not the one installed."""
    installed = metadata.version(CORE)
    for wanted in _core_requirements(point.dist.requires if point.dist else None):
        if not wanted.specifier.contains(installed, prereleases=True):
            return f"needs {CORE}{wanted.specifier}, but {CORE} {installed} is installed"
    return None


def _core_requirements(lines: Sequence[str] | None) -> Iterable[Requirement]:
    for line in lines or ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue  # pip's matter, unless it is about the core, and then the import tells
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if canonicalize_name(wanted.name) == CORE and applies:
            yield wanted


def _describe(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def _first_lines(exc: BaseException) -> str:
    """Join pluggy's many-line text into one line."""
    return " ".join(str(exc).split())
