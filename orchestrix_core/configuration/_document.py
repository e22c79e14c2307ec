"""The settings as written, with the place where each one was written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias

import attrs

from orchestrix_core.errors import ConfigurationError

__all__ = ["Document", "KeyPath", "Text", "nearest"]

KeyPath: TypeAlias = tuple[str, ...]
"""The keys from the root table down to a value, `("event_store", "sqlite", "path")`."""


class Text(str):
    """
    Text from the environment, which has no other type: it is converted to the declared one.

    `variable` is the override it came from; None when it stood in a file as `${NAME}`.
    """

    __slots__ = ("variable",)
    variable: str | None

    def __new__(cls, value: str, variable: str | None = None) -> Self:
        """Wrap `value`."""
        text = super().__new__(cls, value)
        text.variable = variable
        return text


@attrs.frozen(kw_only=True)
class Document:
    """
    The root table and where it came from.

    Attributes:
        table: the keys and values of the root table, overrides and `${NAME}` already applied.
        file: the file that was read; None when there is none.
        root: what the root table is called in that file, `orchestrix` or `tool.orchestrix`.
        sources: where a value was written, when that is not simply `file`.
        unset: settings of backends that name a variable which is not set: an error for a backend
            that is used, and no matter for one that is not.
    """

    table: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    file: Path | None = None
    root: str = "orchestrix"
    sources: Mapping[KeyPath, str] = attrs.field(factory=dict)
    unset: Mapping[KeyPath, ConfigurationError] = attrs.field(factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """The folder against which relative paths of the file are meant."""
        return Path.cwd() if self.file is None else self.file.parent

    def source(self, path: KeyPath) -> str:
        """Say where the value at `path` was written."""
        return self.sources.get(path, str(self.file) if self.file else "no configuration file")

    def fault(self, path: KeyPath, reason: str) -> ConfigurationError:
        """Return an error about the value at `path`."""
        return ConfigurationError(reason, file=self.source(path), key=".".join((self.root, *path)))


def nearest(key: str, valid: Iterable[str]) -> str:
    """Return advice for a key that is not valid: the nearest one that is, and all of them."""
    known = sorted(valid)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}? " if near else ""
    return f"{advice}valid keys: {', '.join(known)}" if known else "it has no keys"
