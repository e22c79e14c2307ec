"""The settings of the application runtime, which stand in the root table."""

from __future__ import annotations

import math
from typing import Any

import attrs

__all__ = ["RuntimeSettings"]


def _more_than_nothing(_: Any, attribute: Any, value: float) -> None:
    if not 0 < value < math.inf:
        msg = f"{attribute.name} must be more than 0, not {value!r}"
        raise ValueError(msg)


def _not_negative(_: Any, attribute: Any, value: float) -> None:
    if not 0 <= value < math.inf:
        msg = f"{attribute.name} must be 0 or more, not {value!r}"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class RuntimeSettings:
    """
    How an application runs.

    Attributes:
        worker: whether subscriptions and timers run in this process; others may run them.
        lease: seconds after which other processes take over from one of which nothing is heard.
        grace: seconds that what is in hand has to finish in when the application stops.
        commands_kept: days for which a command that comes again gets its first result.
    """

    worker: bool = True
    lease: float = attrs.field(default=10.0, validator=_more_than_nothing)
    grace: float = attrs.field(default=10.0, validator=_not_negative)
    commands_kept: float = attrs.field(default=7.0, validator=_more_than_nothing)
