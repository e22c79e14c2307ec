"""The settings of a SQLite store, checked once for both stores and the configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs

from orchestrix_core.serialization import UnknownPolicy

__all__ = ["SQLiteConfig", "Synchronous"]

Synchronous: TypeAlias = Literal["full", "normal"]


def _names_a_file(config: SQLiteConfig, field: attrs.Attribute[Path], path: Path) -> None:
    if path.name in ("", ":memory:") or "\0" in str(path):
        msg = (
            f"path must name a file, not {str(path)!r}: "
            "for a store without a file use the backend 'memory'"
        )
        raise ValueError(msg)


def _one_of(*choices: str) -> Any:
    def check(config: SQLiteConfig, field: attrs.Attribute[str], value: str) -> None:
        if value not in choices:
            msg = f"{field.name} must be {' or '.join(map(repr, choices))}, not {value!r}"
            raise ValueError(msg)

    return check


def _seconds(config: SQLiteConfig, field: attrs.Attribute[float], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        msg = f"{field.name} must be a number of seconds above 0 and up to a day, not {value!r}"
        raise ValueError(msg)


def _count(config: SQLiteConfig, field: attrs.Attribute[int], value: int) -> None:
    if type(value) is not int or not 1 <= value <= 64:
        msg = f"{field.name} must be a whole number from 1 to 64, not {value!r}"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class SQLiteConfig:
    """
    The table `[orchestrix.event_store.sqlite]`.

    Attributes:
        path: the database file; made if it is missing, its directory must exist.
        synchronous: "full" syncs each commit to the disk; "normal" is faster, and a power failure
            may take the last commits (a killed process takes none), but never damages the file.
        busy_timeout: seconds to wait for another process's write before `StorageError`.
        readers: connections for reading, and how many reads run at a time.
        poll_interval: seconds between two looks for what other processes have committed, while a
            subscription waits; what this process commits is seen at once.
        create: whether to make a missing file; without, opening one is a `StorageError`.
        unknown: a stored name without a class is an error, or gives a `RawEvent`.
    """

    path: Path = attrs.field(default=Path("orchestrix.db"), converter=Path, validator=_names_a_file)
    synchronous: Synchronous = attrs.field(default="full", validator=_one_of("full", "normal"))
    busy_timeout: float = attrs.field(default=30.0, validator=_seconds)
    readers: int = attrs.field(default=2, validator=_count)
    poll_interval: float = attrs.field(default=0.025, validator=_seconds)
    create: bool = True
    unknown: UnknownPolicy = attrs.field(default="error", validator=_one_of("error", "raw"))
