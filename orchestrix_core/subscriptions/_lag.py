"""How far subscriptions have got."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from orchestrix_core.subscriptions._subscription import Subscription

__all__ = ["Lag", "caught_up", "lags"]


@attrs.frozen(kw_only=True)
class Lag:
    """
    How far one partition of a subscription has got.

    Attributes:
        name: of the subscription.
        partition: counted from 0.
        position: every event up to here was handled or set aside.
        behind: positions from there to the end of the log.
        owner: the worker that holds it; None: nobody.
        blocked: streams that wait for a dead letter.
        dead_letters: events set aside, those that wait behind one among them.
    """

    name: str
    partition: int
    position: int
    behind: int
    owner: str | None
    blocked: int
    dead_letters: int


async def lags(store: Any, subscriptions: Iterable[Subscription | str] | None = None) -> list[Lag]:
    """Return how far each partition has got, by name and partition; None: all that are stored."""
    raise NotImplementedError


async def caught_up(
    store: Any,
    subscriptions: Iterable[Subscription | str],
    *,
    after: int | None = None,
    timeout: float = 10.0,
) -> None:
    """
    Wait until every partition has got to the position `after`; None: to the present end of the log.

    Raises:
        NotCaughtUpError: after `timeout` seconds, with a table of how far each has got.
    """
    raise NotImplementedError
