"""Find the configuration file and read its root table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orchestrix_core.configuration._document import Document, nearest
from orchestrix_core.errors import ConfigurationError

__all__ = ["FILE_NAME", "FILE_VARIABLE", "read_document"]

FILE_NAME: Final = "orchestrix.toml"
FILE_VARIABLE: Final = "ORCHESTRIX_CONFIG"
"""The environment variable that names another file."""

_PYPROJECT: Final = "pyproject.toml"


def read_document(path: Path | str | None, environ: Mapping[str, str], directory: Path) -> Document:
    """
    Read the file named by `path` or `ORCHESTRIX_CONFIG`, or else the nearest one.

    The nearest is looked for from `directory` upwards; in each folder `orchestrix.toml`, then a
    `pyproject.toml` that has a table `[tool.orchestrix]`. Without any, the document is empty.
    """
    named = path if path is not None else environ.get(FILE_VARIABLE) or None
    if named is not None:
        return _read(directory / Path(named).expanduser())
    for folder in (directory, *directory.parents):
        if (folder / FILE_NAME).is_file():
            return _read(folder / FILE_NAME)
        if (folder / _PYPROJECT).is_file():
            content = _parse(folder / _PYPROJECT)
            if "orchestrix" in content.get("tool", {}):
                return _document(folder / _PYPROJECT, content)
    return Document()


def _read(file: Path) -> Document:
    return _document(file, _parse(file))


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        reason = "there is no such file; `orchestrix init` writes one"
        raise ConfigurationError(reason, file=str(file)) from exc
    except OSError as exc:
        raise ConfigurationError(f"cannot be read: {exc.strerror}", file=str(file)) from exc
    except ValueError as exc:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigurationError(f"is not valid TOML: {exc}", file=str(file)) from exc


def _document(file: Path, content: Mapping[str, Any]) -> Document:
    in_pyproject = file.name == _PYPROJECT
    root = "tool.orchestrix" if in_pyproject else "orchestrix"
    tables = content.get("tool", {}) if in_pyproject else content
    if not in_pyproject:
        _check_top_level(file, content)
    table = tables.get("orchestrix", {})
    if not isinstance(table, dict):
        raise ConfigurationError("must be a table", file=str(file), key=root)
    return Document(table=table, file=file, root=root)


def _check_top_level(file: Path, content: Mapping[str, Any]) -> None:
    """Refuse settings outside `[orchestrix]`; a file of another name may hold other tables too."""
    if file.name != FILE_NAME and "orchestrix" in content:
        return
    for key in content:
        if key != "orchestrix":
            reason = "unknown key: all settings stand in the table [orchestrix]"
            advice = nearest(key, ["orchestrix"])
            raise ConfigurationError(f"{reason}; {advice}", file=str(file), key=key)
