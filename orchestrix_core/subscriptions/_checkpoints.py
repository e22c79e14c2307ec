"""The documents of a subscription: how many partitions it has, and where each stands."""

from __future__ import annotations

from typing import Any

__all__ = ["forget"]


async def forget(store: Any, name: str) -> None:
    """Remove every trace of a subscription that nobody runs any more, its dead letters too."""
    raise NotImplementedError
