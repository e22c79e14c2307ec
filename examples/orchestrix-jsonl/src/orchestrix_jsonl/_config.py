"""The settings of the store."""

from __future__ import annotations

from pathlib import Path

import attrs

__all__ = ["JsonlConfig"]


@attrs.frozen(kw_only=True)
class JsonlConfig:
    """
    The table `[orchestrix.event_store.jsonl]`.

    Attributes:
        path: the file that holds the events; its directory must exist.
        create: whether to make a missing file; without, opening one is a `StorageError`.
        poll_interval: seconds between two looks of a subscription for what is new.
    """

    path: Path = attrs.field(default=Path("events.jsonl"), converter=Path)
    create: bool = True
    poll_interval: float = attrs.field(default=0.05, validator=attrs.validators.gt(0))
