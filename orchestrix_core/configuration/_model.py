"""What an application has chosen: backends with their settings, modules, required capabilities."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

import attrs

from orchestrix_core._providers import KNOWN
from orchestrix_core.configuration._document import Document, KeyPath, nearest
from orchestrix_core.configuration._environment import apply_overrides, interpolate
from orchestrix_core.configuration._files import read_document
from orchestrix_core.configuration._runtime import RuntimeSettings
from orchestrix_core.configuration._structuring import config_fields, split, structure
from orchestrix_core.hookspecs import Backend, Kind
from orchestrix_core.plugins import KINDS, PluginRegistry
from orchestrix_core.secrets import MASK, mask
from orchestrix_core.stores import CAPABILITIES

__all__ = ["Configuration", "Entry"]

_LISTS: Final = ("modules", "requires", "block")
_RUNTIME: Final = tuple(config_fields(RuntimeSettings))
_KEYS: Final = (*KINDS, *_LISTS, *_RUNTIME)


@attrs.frozen
class Entry:
    """One setting as it may be shown: secrets are masked."""

    key: str
    value: str
    source: str


@attrs.frozen(kw_only=True)
class Configuration:
    """
    The application's choices, checked as far as that is possible without its plugins.

    Attributes:
        document: the settings as written.
        chosen: the name of the chosen backend, by kind.
        modules: the application's modules; to import them defines its message classes, and what
            they define is registered with the application.
        requires: the capabilities that the event store must have.
        block: the plugins that must not be loaded.
        runtime: how the application runs.
    """

    document: Document
    chosen: Mapping[Kind, str]
    modules: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    runtime: RuntimeSettings = attrs.field(factory=RuntimeSettings)

    @classmethod
    def load(
        cls,
        path: Path | str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Self:
        """
        Find, read and check the configuration.

        Without `path` and `ORCHESTRIX_CONFIG`, the nearest file from `directory` (the working
        directory) upwards is read; without any file, the configuration is empty.

        Raises:
            ConfigurationError: names the file, the key path and what was expected.
        """
        environ = os.environ if environ is None else environ
        found = read_document(path, environ, directory or Path.cwd())
        written = _long_form(interpolate(found, environ, KINDS))
        return cls.from_document(apply_overrides(written, environ, KINDS))

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Check the keys of the root table and the choice of each kind."""
        for key in document.table:
            if key not in _KEYS:
                raise document.fault((key,), f"unknown key; {nearest(key, _KEYS)}")
        requires = _strings(document, "requires")
        for name in requires:
            if name not in CAPABILITIES:
                reason = f"{name!r} is no capability; {nearest(name, CAPABILITIES)}"
                raise document.fault(("requires",), reason)
        choices = {kind: _choice(document, kind) for kind in KINDS}
        return cls(
            document=document,
            chosen={kind: name for kind, name in choices.items() if name is not None},
            modules=_strings(document, "modules"),
            requires=requires,
            block=_strings(document, "block"),
            runtime=_runtime(document),
        )

    def check_names(self, registry: PluginRegistry) -> None:
        """Refuse settings for a backend that nobody offers: its name is most likely misspelt."""
        for kind in KINDS:
            valid = {*registry.names(kind), *KNOWN[kind], *filter(None, [self.chosen.get(kind)])}
            for name in self.document.table.get(kind, {}):
                if name != "use" and name not in valid:
                    reason = f"no {kind} backend has this name; {nearest(name, valid)}"
                    raise self.document.fault((kind, name), reason)

    def settings(self, backend: Backend) -> Any:
        """Return the settings of `backend` as an instance of its typed config class."""
        path: KeyPath = (backend.kind, backend.name)
        for setting, error in self.document.unset.items():
            if setting[:2] == path:
                raise error
        return structure(self.document, path, backend.config)

    def import_modules(self) -> list[ModuleType]:
        """Import the application's modules, which defines its message classes, and return them."""
        return [self._imported(name) for name in self.modules]

    def _imported(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as exc:
            reason = f"the module {name!r} cannot be imported: {type(exc).__name__}: {exc}"
            raise self.document.fault(("modules",), reason) from exc

    def entries(self, registry: PluginRegistry) -> list[Entry]:
        """Return every setting in force, with its source; secrets are masked."""
        rows = [self._entry((key,), ", ".join(getattr(self, key))) for key in _LISTS]
        rows += [self._entry((key,), str(getattr(self.runtime, key))) for key in _RUNTIME]
        for kind, name in self.chosen.items():
            use: KeyPath = (kind, "use")
            source = self.document.source(use)
            rows.append(Entry(self._key(use), name, source))
            rows += self._settings_entries(registry.backend(kind, name))
        return rows

    def _settings_entries(self, backend: Backend) -> list[Entry]:
        settings, base = self.settings(backend), (backend.kind, backend.name)
        return [
            self._entry((*base, name), _shown(getattr(settings, name), field))
            for name, field in config_fields(backend.config).items()
        ]

    def _entry(self, path: KeyPath, value: str) -> Entry:
        source = self.document.source(path) if self._is_set(path) else "default"
        return Entry(self._key(path), value, source)

    def _key(self, path: KeyPath) -> str:
        return ".".join((self.document.root, *path))

    def _is_set(self, path: KeyPath) -> bool:
        table: Any = self.document.table
        for key in path:
            if key not in table:
                return False
            table = table[key]
        return True


def _shown(value: Any, field: Any) -> str:
    """Show a value so that no secret is seen: a field kept out of the repr stays out of here."""
    return mask(str(value)) if field.repr else MASK


def _long_form(document: Document) -> Document:
    """Turn `event_store = "sqlite"` into `event_store.use = "sqlite"`."""
    table, sources = dict(document.table), dict(document.sources)
    for kind in KINDS:
        value = table.get(kind, {})
        if isinstance(value, str):
            table[kind] = {"use": value}
            sources[(kind, "use")] = document.source((kind,))
        elif not isinstance(value, dict):
            reason = "expected the name of a backend, or a table with its settings"
            raise document.fault((kind,), reason)
    return attrs.evolve(document, table=table, sources=sources)


def _choice(document: Document, kind: Kind) -> str | None:
    """Return the chosen backend of `kind`: what `use` says, or else the only one with settings."""
    table = document.table.get(kind, {})
    for key, value in table.items():
        if key == "use" and not isinstance(value, str):
            raise document.fault((kind, key), "expected the name of a backend, a string")
        if key != "use" and not isinstance(value, dict):
            raise document.fault((kind, key), _misplaced(document, kind, key))
    configured = [name for name in table if name != "use"]
    if "use" in table:
        return str(table["use"])
    if len(configured) > 1:
        reason = f"several backends have settings ({', '.join(configured)}), none is chosen"
        raise document.fault((kind,), f'{reason}: add {kind}.use = "{configured[0]}"')
    return configured[0] if configured else None


def _misplaced(document: Document, kind: Kind, key: str) -> str:
    known = nearest(key, ["use"])
    table = f"[{document.root}.{kind}.<name>]"
    return f"unknown key; {known}; the settings of a backend stand in a table of their own, {table}"


def _runtime(document: Document) -> RuntimeSettings:
    table = {key: value for key, value in document.table.items() if key in _RUNTIME}
    settings: RuntimeSettings = structure(attrs.evolve(document, table=table), (), RuntimeSettings)
    return settings


def _strings(document: Document, key: str) -> tuple[str, ...]:
    items = split(document.table.get(key, []))
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise document.fault((key,), "expected an array of strings")
    return tuple(str(item) for item in items)
