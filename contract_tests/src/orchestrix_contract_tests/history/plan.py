"""How much is done, by how many, and with what chance."""

from __future__ import annotations

from pathlib import Path

import attrs

from orchestrix_core import OrchestrixError

__all__ = ["HistoryRunError", "Plan", "Round", "described"]


class HistoryRunError(OrchestrixError):
    """A run came to no end that could be judged; the reason is told."""


def described(error: BaseException) -> str:
    """Return the causes of an error, without the groups that they came in."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(described(inner) for inner in error.exceptions))
    return f"{type(error).__name__}: {error}"


@attrs.frozen(kw_only=True)
class Plan:
    """
    What workers do to a store.

    Attributes:
        seed: what makes their choices; their timing is the machine's.
        workers: how many processes, each with a store of its own. A store that does not declare
            `multi_process` is used by as many tasks of one process.
        tasks: how many concurrent writers each of them has.
        readers: how many of them follow the log as well, page by page; one more subscribes.
        streams: how many streams all of them append to.
        appends: how many appends they make, all together.
    """

    seed: int = 0
    workers: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    tasks: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    readers: int = attrs.field(default=2, validator=attrs.validators.ge(0))
    streams: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    appends: int = attrs.field(default=400, validator=attrs.validators.ge(1))


@attrs.frozen(kw_only=True)
class Round:
    """
    What one worker does until it is told that all have done their part.

    Attributes:
        name: what streams and ids begin with, so that no round meets another.
        worker: the number of the worker.
        share: how many appends are its own.
        until: the moment of `time.monotonic` at which it stops before that.
        base: the position of the log at which the round began.
        file: where it notes what it does.
    """

    name: str
    plan: Plan
    worker: int
    share: int
    until: float
    base: int
    file: Path
