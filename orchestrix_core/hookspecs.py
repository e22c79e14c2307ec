"""
The hooks that a plugin may implement, all called at start-up and never on a hot path.

A plugin is a module or object named by an entry point of the group `orchestrix.plugins`; its
hooks are functions decorated with `orchestrix_core.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


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
    closed, and removes what is not in the directory.
    """

    kind: Kind
    name: str
    config: type[Any]
    create: Callable[[Any], Any]
    capabilities: frozenset[str] = frozenset()
    scratch: Callable[[Any, Any], Any] | None = None
    discard: Callable[[Any], Any] | None = None


@attrs.frozen(kw_only=True)
class ContractSubject:
    """
    How the contract suite makes a fresh, empty backend.

    `create` is called with an empty directory (a `pathlib.Path`) of the test's own and returns a
    new, not yet initialized backend. Where the capability `persistent` is declared, it returns
    another backend on the same data when it is called again with the same directory, takes an
    optional `serializer=`, and can be imported, since other processes call it too. `discard`, a
    function or a coroutine function, is called with the directory when all that was made on it is
    closed, and removes what is not in the directory.
    """

    kind: Kind
    name: str
    create: Callable[[Any], Any]
    capabilities: frozenset[str]
    discard: Callable[[Any], Any] | None = None


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
