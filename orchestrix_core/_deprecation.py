"""
How a hook, or an argument of one, goes: it is marked, works on, and is named where it is used.

`@hookspec(warn_on_impl=deprecated(...))` marks a hook, and `warn_on_impl_args={"name": ...}` an
argument. pluggy warns at the plugin's own function, which its author's tests turn into an error;
`orchestrix plugins` tells everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pluggy

__all__ = ["deprecated", "deprecations"]


def deprecated(what: str, *, since: str, removal: str, instead: str) -> DeprecationWarning:
    """Return the warning: `what` it is, since which core, gone with which, what to do instead."""
    text = f"{what} is deprecated since orchestrix-core {since} and goes with {removal}: {instead}"
    return DeprecationWarning(text)


def deprecations(manager: pluggy.PluginManager, plugin: object) -> Iterator[str]:
    """Yield what `plugin` uses that is deprecated."""
    for caller in manager.get_hookcallers(plugin) or ():
        if caller.spec is None:
            continue
        if caller.spec.warn_on_impl:
            yield str(caller.spec.warn_on_impl)
        arguments: dict[str, Any] = dict(caller.spec.warn_on_impl_args or {})
        for implementation in caller.get_hookimpls():
            used = (*implementation.argnames, *implementation.kwargnames)
            yield from (str(arguments[name]) for name in used if name in arguments)
