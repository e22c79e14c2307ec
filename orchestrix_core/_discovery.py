"""
From an entry point to a plugin whose hooks have the right shape.

Each plugin gets a pluggy manager of its own. One shared manager would call all implementations of
a hook in one go: the first failure would hide the rest, and nobody could say whose it was.
"""

from __future__ import annotations

import difflib
from importlib import metadata
from typing import Any, Final

import attrs
import pluggy
from packaging.utils import canonicalize_name

from orchestrix_core import hookspecs
from orchestrix_core._deprecation import deprecations
from orchestrix_core._requirements import CORE, core_mismatch, unmet
from orchestrix_core.errors import PluginLoadError

__all__ = ["BY_HAND", "Plugin", "entry_points", "load_plugin", "make_plugin"]

BY_HAND: Final = "(registered by hand)"
"""Stands for the distribution of a plugin that no entry point named."""


@attrs.frozen(kw_only=True)
class Plugin:
    """
    A loaded plugin and where it came from; `hooks` calls this plugin's hooks alone.

    `deprecations` tells of each hook and argument that it uses and that will go.
    """

    name: str
    distribution: str
    version: str
    deprecations: tuple[str, ...] = ()
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
    mismatch = core_mismatch(distribution, point.dist.requires if point.dist else None)
    if mismatch:
        raise PluginLoadError(point.name, distribution, version, mismatch)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as exc:
        reason = f"cannot be imported from {point.value!r}: {_describe(exc)}{_remedy(point, exc)}"
        raise PluginLoadError(point.name, distribution, version, reason) from exc
    return make_plugin(plugin, point.name, distribution, version)


def make_plugin(plugin: object, name: str, distribution: str, version: str) -> Plugin:
    """Check the hooks of `plugin` against the specifications."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = list(vars(manager.hook))
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except Exception as exc:
        # pluggy raises PluginValidationError; an exotic plugin object can raise anything.
        reason = _misshapen(exc, set(vars(manager.hook)).difference(known), known)
        raise PluginLoadError(name, distribution, version, reason) from exc
    if not manager.get_hookcallers(plugin):
        reason = "has no hooks: decorate its functions with orchestrix_core.hookimpl"
        raise PluginLoadError(name, distribution, version, reason)
    return Plugin(
        name=name,
        distribution=distribution,
        version=version,
        deprecations=tuple(deprecations(manager, plugin)),
        hooks=manager.hook,
    )


def _remedy(point: metadata.EntryPoint, exc: BaseException) -> str:
    """Say what would make the import work, where that can be told."""
    if not isinstance(exc, ImportError) or point.dist is None:
        return ""
    imported = (exc.name or "").partition(".")[0]
    if imported == point.module.partition(".")[0]:
        return ""  # the plugin lacks a module of its own
    missing, (distribution, version) = unmet(point.dist.requires), distribution_of(point)
    if missing:
        return f"; it {missing}"
    if imported == "orchestrix_core":
        core = f"{CORE} {metadata.version(CORE)} is not what it was written for"
        return f"; {core}: look for a newer release, pip install -U {distribution}"
    return f"; {distribution} {version} declares nothing that is missing: see pip check"


def _misshapen(exc: Exception, unknown: set[str], known: list[str]) -> str:
    """Say what is wrong with the hooks of a plugin."""
    if isinstance(exc, Warning):
        return f"warnings are errors here, and {exc}"
    pending = sorted(name for name in unknown if f"unknown hook {name!r}" in str(exc))
    if not pending:
        return f"a hook has the wrong shape: {' '.join(str(exc).split())}"  # pluggy's many lines
    near = difflib.get_close_matches(pending[0], known, n=1)
    guess = f": did you mean {near[0]}()?" if near else ""
    return f"{pending[0]}() is no hook of {CORE} {metadata.version(CORE)}{guess}"


def _describe(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
