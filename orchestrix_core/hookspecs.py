"""
The hooks that a plugin may implement, all called at start-up and never on a hot path.

A plugin is a module or object named by an entry point of the group `orchestrix.plugins`; its
hooks are functions decorated with `orchestrix_core.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs
import pluggy

if TYPE_CHECKING:
    import typer

    from orchestrix_core.instrumentation import Instrumentation

__all__ = [
    "ENTRY_POINT_GROUP",
    "PROJECT",
    "Backend",
    "ContractSubject",
    "Fault",
    "FaultName",
    "Faults",
    "Kind",
    "hookimpl",
    "orchestrix_backends",
    "orchestrix_commands",
    "orchestrix_contract_subjects",
    "orchestrix_instrumentation",
    "orchestrix_shutdown",
    "orchestrix_startup",
]

PROJECT: Final = "orchestrix"
ENTRY_POINT_GROUP: Final = "orchestrix.plugins"

Kind: TypeAlias = Literal["event_store", "message_bus", "tracing", "metrics"]

FaultName: TypeAlias = Literal[
    "connection_cut", "lost_answer", "server_restart", "slow_commit", "pool_exhaustion"
]
"""
The faults that a backend may offer, each with what it does within the block of `Fault.strike`.

`connection_cut` cuts the connection of the next append in its middle, and `lost_answer` when it is
committed, before the store hears of it; `server_restart` has the server crash and come back in the
middle of the next append. `slow_commit` lets no append be committed before the block ends, and
`pool_exhaustion` takes every connection that the store may have, until the block ends.
"""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


@attrs.frozen(kw_only=True)
class Fault:
    """
    A fault, made ready.

    `strike` is called with an open store and returns an async context manager: the fault is in
    force within the block, and over with it. `create` makes the stores that it can strike, not yet
    initialized and all on the same data; None makes them as in every other test.
    """

    strike: Callable[[Any], AbstractAsyncContextManager[Any]]
    create: Callable[[], Any] | None = None


Faults: TypeAlias = Mapping[FaultName, Callable[[], AbstractAsyncContextManager[Fault]] | str]
"""
For each fault a function that returns an async context manager, which gives it ready and tidies up
behind it; or the reason why it is not offered. What is missing is not offered either.
"""


@attrs.frozen(kw_only=True)
class Backend:
    """
    One choice that a plugin offers.

    `config` is an attrs class or a dataclass whose fields are the backend's settings: the table
    `[orchestrix.<kind>.<name>]` is structured into it, and `create` is called with the result.
    An event store that keeps bytes gives its `create` a second parameter, `serializer=None`: the
    application's `Serializer`, or the command line's, which reads events whose class it has not.
    Give a field the type `orchestrix_core.Secret` and it is masked wherever it is shown. A field
    `create: bool` says whether a missing store is made; commands that only look set it to False.

    `scratch` lets `orchestrix certify` try the backend with an application's own settings beside
    its data. Called with the settings and an empty directory (a `pathlib.Path`), it returns the
    settings of a new, empty place: another file, schema or key prefix, which the directory alone
    decides, so that the same directory gives the same place. Without it the command refuses.
    `discard`, a function or a coroutine function, is called with those settings when all is
    closed, and removes what is not in the directory. `faults`, called with those settings, tells
    which `Faults` `orchestrix certify --faults` can make on that place.
    """

    kind: Kind
    name: str
    config: type[Any]
    create: Callable[[Any], Any]
    capabilities: frozenset[str] = frozenset()
    scratch: Callable[[Any, Any], Any] | None = None
    discard: Callable[[Any], Any] | None = None
    faults: Callable[[Any], Faults] | None = None


@attrs.frozen(kw_only=True)
class ContractSubject:
    """
    How the contract suite makes a fresh, empty backend.

    `create` is called with an empty directory (a `pathlib.Path`) of the test's own and returns a
    new, not yet initialized backend. Where the capability `persistent` is declared, it returns
    another backend on the same data when it is called again with the same directory, takes an
    optional `serializer=`, and can be imported, since other processes call it too. `discard`, a
    function or a coroutine function, is called with the directory when all that was made on it is
    closed, and removes what is not in the directory. `faults`, called with the directory, tells
    which `Faults` can be made on what `create` makes there.
    """

    kind: Kind
    name: str
    create: Callable[[Any], Any]
    capabilities: frozenset[str]
    discard: Callable[[Any], Any] | None = None
    faults: Callable[[Any], Faults] | None = None


@hookspec
def orchestrix_backends() -> Sequence[Backend]:  # type: ignore[empty-body]  # a specification
    """
    Return the backends this plugin offers.

    Fires once, when plugins are discovered. Each row is registered under its kind and name; a
    name that another plugin has taken is reported and left out.
    """


@hookspec
def orchestrix_instrumentation(settings: Mapping[str, Any]) -> Sequence[Instrumentation]:  # type: ignore[empty-body]
    """
    Return instrumentation to wrap around every operation of an application.

    Fires once per application, before any backend is created, with the application's settings.
    What all plugins return is composed in plugin order.
    """


@hookspec
def orchestrix_startup(app: Any) -> None:
    """
    Prepare for an application whose backends are open.

    Fires once, after the backends are initialized and before the first message. An exception
    stops the start and closes what was opened.
    """


@hookspec
def orchestrix_shutdown(app: Any) -> None:
    """
    Finish with an application whose backends are still open.

    Fires once, before the backends are closed, also when the application failed. An exception is
    logged, and the shutdown goes on.
    """


@hookspec
def orchestrix_commands(cli: typer.Typer) -> None:
    """
    Add commands to the `orchestrix` program.

    Fires once, when the program starts, with its `typer.Typer`. A command name that is taken is
    an error of the plugin.
    """


@hookspec
def orchestrix_contract_subjects() -> Sequence[ContractSubject]:  # type: ignore[empty-body]
    """
    Return how to make fresh backends for the contract suite.

    Fires only in a test run, when the suite is asked to test what is installed.
    """
