"""
Which plugins are installed, and the backends they offer.

Read once, at start-up. One bad plugin is reported in `PluginRegistry.errors` and never keeps
another from loading. After that the registry is a plain table: no hot path touches pluggy.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, get_args

import attrs

from orchestrix_core._discovery import BY_HAND, Plugin, entry_points, load_plugin, make_plugin
from orchestrix_core._providers import not_found, provider_of
from orchestrix_core.errors import PluginLoadError
from orchestrix_core.hookspecs import Backend, ContractSubject, Kind
from orchestrix_core.instrumentation import Instrumentation

if TYPE_CHECKING:
    import typer

__all__ = ["KINDS", "InstalledBackend", "InstalledSubject", "Plugin", "PluginRegistry"]

_log = logging.getLogger(__name__)

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""Every kind of backend, in the order in which they are shown and opened."""


@attrs.frozen
class InstalledBackend:
    """A backend and the plugin that offers it."""

    backend: Backend
    plugin: Plugin

    @property
    def key(self) -> tuple[Kind, str]:
        """What no two backends share: kind and name."""
        return self.backend.kind, self.backend.name

    def precedence(self) -> tuple[bool, str, str]:
        """Sort before those that claim the same name with less right to it."""
        plugin = self.plugin
        owner = plugin.distribution == provider_of(self.backend.name)
        return not owner, plugin.distribution, plugin.name


@attrs.frozen
class InstalledSubject:
    """How to make a fresh backend for the contract suite, and the plugin that says so."""

    subject: ContractSubject
    plugin: Plugin


class PluginRegistry:
    """
    The plugins that loaded, their backends, and an error for each thing that did not.

    Two plugins may claim one kind and name. The distribution `orchestrix-<name>` owns the name:
    `memory` is `orchestrix-memory`'s, wherever it sorts. Otherwise the first by distribution name
    and entry point name keeps it. The other's claim is an error; its other backends stay.
    """

    def __init__(self) -> None:
        self._plugins: list[Plugin] = []
        self._backends: dict[tuple[Kind, str], InstalledBackend] = {}
        self._errors: list[PluginLoadError] = []

    @classmethod
    def discover(cls, block: Iterable[str] = ()) -> Self:
        """
        Load every installed plugin, one by one.

        `block` names plugins by entry point or distribution; those are not even imported.
        """
        registry, blocked, claims = cls(), frozenset(block), []
        for point in entry_points():
            names = {point.name} | ({point.dist.name} if point.dist else set())
            if blocked.isdisjoint(names):
                try:
                    plugin = load_plugin(point)
                except PluginLoadError as error:
                    registry._errors.append(error)
                    continue
                registry._plugins.append(plugin)
                claims += registry._rows(plugin)
        for claim in sorted(claims, key=InstalledBackend.precedence):
            registry._claim(claim)
        return registry

    def register(self, plugin: object, *, name: str) -> None:
        """Add a plugin object by hand, as tests do; `PluginLoadError` when anything is wrong."""
        made = make_plugin(plugin, name, BY_HAND, "")
        scratch = type(self)()
        scratch._backends = dict(self._backends)
        for claim in scratch._rows(made):
            scratch._claim(claim)
        if scratch._errors:
            raise scratch._errors[0]
        self._plugins.append(made)
        self._backends = scratch._backends

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """What loaded, in load order."""
        return tuple(self._plugins)

    @property
    def errors(self) -> tuple[PluginLoadError, ...]:
        """What did not load, each with its distribution, version and cause."""
        return tuple(self._errors)

    @property
    def backends(self) -> tuple[InstalledBackend, ...]:
        """Every usable backend, by kind and name."""
        rows = self._backends.values()
        return tuple(sorted(rows, key=lambda row: (KINDS.index(row.key[0]), row.key[1])))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of the installed backends of `kind`."""
        return tuple(row.backend.name for row in self.backends if row.backend.kind == kind)

    def backend(self, kind: Kind, name: str) -> Backend:
        """Return the backend; `BackendNotFoundError` says what is there and how to get it."""
        return self.installed(kind, name).backend

    def installed(self, kind: Kind, name: str) -> InstalledBackend:
        """Return the backend together with the plugin that offers it."""
        found = self._backends.get((kind, name))
        if found is None:
            raise not_found(kind, name, self.names(kind), self._errors)
        return found

    def instrumentation(self, settings: Mapping[str, Any]) -> tuple[Instrumentation, ...]:
        """Return what the plugins want to wrap around an application's operations."""
        return tuple(
            part
            for plugin in self._plugins
            for part in _collect(
                plugin, "orchestrix_instrumentation", Instrumentation, settings=settings
            )
        )

    def contract_subjects(self) -> tuple[ContractSubject, ...]:
        """Return how to make a fresh instance of each backend that offers itself for tests."""
        return tuple(
            subject
            for plugin in self._plugins
            for subject in _collect(plugin, "orchestrix_contract_subjects", ContractSubject)
        )

    def installed_subjects(self) -> tuple[InstalledSubject, ...]:
        """Return the same with the plugin of each; who fails is reported in `errors`."""
        rows: list[InstalledSubject] = []
        for plugin in self._plugins:
            try:
                found = _collect(plugin, "orchestrix_contract_subjects", ContractSubject)
            except PluginLoadError as error:
                self._errors.append(error)
                continue
            rows += [InstalledSubject(subject, plugin) for subject in found]
        return tuple(rows)

    def add_commands(self, cli: typer.Typer) -> None:
        """Let each plugin add commands to `cli`; who fails is reported in `errors`."""
        for plugin in self._plugins:
            try:
                _merge_commands(plugin, cli)
            except PluginLoadError as error:
                self._errors.append(error)

    def startup(self, app: Any) -> None:
        """Tell the plugins, in load order, that `app` is open."""
        for plugin in self._plugins:
            plugin.hooks.orchestrix_startup(app=app)

    def shutdown(self, app: Any) -> None:
        """Tell the plugins, last first, that `app` ends; a failure is only logged."""
        for plugin in reversed(self._plugins):
            try:
                plugin.hooks.orchestrix_shutdown(app=app)
            except Exception:
                _log.exception("plugin %r failed at shutdown", plugin.name)

    def _rows(self, plugin: Plugin) -> list[InstalledBackend]:
        """Return the plugin's claims; whatever is not a `Backend` becomes an error."""
        try:
            rows = _call(plugin, "orchestrix_backends")
        except PluginLoadError as error:
            self._errors.append(error)
            return []
        for row in rows:
            if not _is_backend(row):
                reason = f"orchestrix_backends() returned {row!r}: each row must be a Backend"
                kinds = f"whose kind is one of {', '.join(KINDS)}"
                self._errors.append(plugin.fault(f"{reason} {kinds}"))
        return [InstalledBackend(row, plugin) for row in rows if _is_backend(row)]

    def _claim(self, claim: InstalledBackend) -> None:
        holder = self._backends.setdefault(claim.key, claim)
        if holder is not claim:
            self._errors.append(claim.plugin.fault(_taken(claim, holder.plugin)))


def _taken(claim: InstalledBackend, holder: Plugin) -> str:
    kind, name = claim.key
    by = f"{holder.distribution} {holder.version}".strip()
    reason = f"the {kind} name {name!r} is taken by {by}; that backend is left out"
    if holder.distribution in (claim.plugin.distribution, BY_HAND):
        return reason
    return f"{reason}: to have it, block = [{holder.distribution!r}] in the configuration"


def _is_backend(row: object) -> bool:
    return isinstance(row, Backend) and row.kind in KINDS


def _call(plugin: Plugin, hook: str, **arguments: Any) -> list[Any]:
    """Call one hook of one plugin; whatever goes wrong is the plugin's, by name."""
    try:
        answers = getattr(plugin.hooks, hook)(**arguments)
    except (Exception, SystemExit) as exc:
        raise plugin.fault(f"{hook}() failed: {type(exc).__name__}: {exc}") from exc
    for answer in answers:
        if not isinstance(answer, Sequence) or isinstance(answer, str):
            raise plugin.fault(f"{hook}() returned {answer!r}: it must return a list")
    return [row for answer in answers for row in answer]


def _collect(plugin: Plugin, hook: str, kind: type[Any], **arguments: Any) -> list[Any]:
    rows = _call(plugin, hook, **arguments)
    for row in rows:
        if not isinstance(row, kind):
            raise plugin.fault(f"{hook}() returned {row!r}: each must be a {kind.__name__}")
    return rows


def _merge_commands(plugin: Plugin, cli: typer.Typer) -> None:
    """Let the plugin fill a program of its own, then take over what it added."""
    import typer  # only the program needs it

    own = typer.Typer()
    try:
        plugin.hooks.orchestrix_commands(cli=own)
    except (Exception, SystemExit) as exc:
        reason = f"orchestrix_commands() failed: {type(exc).__name__}: {exc}"
        raise plugin.fault(reason) from exc
    taken = _command_names(cli) & _command_names(own)
    if taken:
        raise plugin.fault(f"the command name {', '.join(sorted(taken))} is taken")
    cli.registered_commands += own.registered_commands
    cli.registered_groups += own.registered_groups


def _command_names(cli: typer.Typer) -> set[str]:
    commands = {
        command.name or command.callback.__name__.replace("_", "-")
        for command in cli.registered_commands
        if command.callback
    }
    return commands | {group.name for group in cli.registered_groups if group.name}
