"""What the environment adds to the file: `${NAME}` inside values, `ORCHESTRIX__...` over them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from orchestrix_core.configuration._document import Document, KeyPath, Text
from orchestrix_core.errors import ConfigurationError

__all__ = ["apply_overrides", "interpolate"]

PREFIX: Final = "ORCHESTRIX__"
_PLACEHOLDER: Final = re.compile(r"\$\$|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_]\w*)(?::-(?P<default>.*))?", re.ASCII | re.DOTALL)


def interpolate(
    document: Document, environ: Mapping[str, str], backends: Sequence[str]
) -> Document:
    """
    Replace `${NAME}` and `${NAME:-default}` in every string of the file; `$$` stands for `$`.

    As in a shell, the default also stands in for a variable that is set but empty. A variable that
    is not set is an error, below the keys `backends` only if that backend is used.
    """
    work = _Interpolation(document, environ, backends)
    table = work.value(document.table, ())
    sources = {**document.sources, **work.sources}
    return attrs.evolve(document, table=table, sources=sources, unset=work.unset)


class _Interpolation:
    def __init__(
        self, document: Document, environ: Mapping[str, str], backends: Sequence[str]
    ) -> None:
        self.document = document
        self.environ = environ
        self.backends = backends
        self.sources: dict[KeyPath, str] = {}
        self.unset: dict[KeyPath, ConfigurationError] = {}

    def value(self, value: Any, path: KeyPath) -> Any:
        """Return a copy of `value`, whatever it is, with its strings replaced."""
        if isinstance(value, dict):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, path) for item in value]
        return self.text(value, path) if isinstance(value, str) else value

    def text(self, value: str, path: KeyPath) -> str:
        used: list[str] = []
        result = _PLACEHOLDER.sub(lambda found: self.replacement(found, path, used), value)
        if not used:
            return result
        self.sources[path] = f"{self.document.source(path)} with {', '.join(used)}"
        return Text(result)

    def replacement(self, found: re.Match[str], path: KeyPath, used: list[str]) -> str:
        if found[0] == "$$":
            return "$"
        inside = _INSIDE.fullmatch(found["inside"]) if found["end"] else None
        if inside is None:
            reason = "expected ${NAME} or ${NAME:-default}; write $$ for a dollar sign"
            raise self.document.fault(path, reason)
        name, default = inside["name"], inside["default"]
        used.append(f"${name}")
        given = self.environ.get(name)
        if given is None and default is None:
            self.missing(name, path)
        return given or default or ""

    def missing(self, name: str, path: KeyPath) -> None:
        reason = f"the environment variable {name} is not set, and there is no default"
        error = self.document.fault(path, f"{reason}: set it, or write ${{{name}:-default}}")
        if len(path) < 3 or path[0] not in self.backends:
            raise error
        self.unset.setdefault(path, error)


def apply_overrides(
    document: Document, environ: Mapping[str, str], strings: Sequence[str]
) -> Document:
    """
    Put `ORCHESTRIX__A__B=value` over the key `a.b`, whatever the case of the variable's name.

    A key of `strings` is a table whose short form is a string: the override sets its `use`.
    """
    table, sources, unset = _copy(document.table), dict(document.sources), dict(document.unset)
    for variable in sorted(environ):
        if variable.upper().startswith(PREFIX):
            path = _path(variable)
            if len(path) == 1 and path[0] in strings:
                path = (path[0], "use")
            path = _set(table, path, variable, environ[variable])
            sources[path] = f"environment variable {variable}"
            unset.pop(path, None)
    return attrs.evolve(document, table=table, sources=sources, unset=unset)


def _path(variable: str) -> KeyPath:
    path = tuple(variable[len(PREFIX) :].lower().split("__"))
    if not all(path):
        reason = f"expected {PREFIX}KEY or {PREFIX}TABLE__KEY"
        raise ConfigurationError(reason, file=f"environment variable {variable}")
    return path


def _set(table: dict[str, Any], path: KeyPath, variable: str, value: str) -> KeyPath:
    """Set one value, making tables on the way, and return the path with the file's spelling."""
    spelt: KeyPath = ()
    for segment in path[:-1]:
        key = _spelling(table, segment)
        spelt = (*spelt, key)
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            reason = f"{'.'.join(spelt)} is a value, not a table: it has no key {path[-1]!r}"
            raise ConfigurationError(reason, file=f"environment variable {variable}")
    last = _spelling(table, path[-1])
    table[last] = Text(value, variable)
    return (*spelt, last)


def _spelling(table: Mapping[str, Any], segment: str) -> str:
    """Return the key that a lower-case segment means; a shell's variables know no `-`."""
    same = (key for key in table if key.lower().replace("-", "_") == segment)
    return next(same, segment)


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value
