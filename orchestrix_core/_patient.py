"""Waiting until all is handled, whatever is put in whose place meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from orchestrix_core.errors import NotCaughtUpError
from orchestrix_core.subscriptions import caught_up

__all__ = ["all_caught_up"]

_SLICE: Final = 0.5  # seconds after which to ask again for whom to wait


async def all_caught_up(
    store: Any,
    following: Callable[[], Awaitable[set[str]]],
    after: int | None,
    timeout: float,  # noqa: ASYNC109 - the error tells how far each has got
) -> None:
    """
    Wait until all of `following` has got to the position `after`.

    None: until all have got to the end of the log, and it has not grown by what they did.
    """
    now = asyncio.get_running_loop().time
    end = now() + timeout
    while True:
        position = await store.head() if after is None else after
        names = await following()
        try:
            left = min(_SLICE, max(0.0, end - now()))
            await caught_up(store, names, after=position, timeout=left)
        except NotCaughtUpError as error:
            if now() < end:
                continue
            raise NotCaughtUpError(error.position, timeout, error.table) from None
        if after is not None or await store.head() == position:
            return
