"""What the tests are about: read from the first words of their docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["TITLES", "claim_of", "guarantees_of", "in_order", "title_of"]

TITLES: Final = {
    "Promise 1": "atomic append",
    "Promise 2": "optimistic locking",
    "Promise 3": "safe retry",
    "Promise 4": "order: within a stream, and of the log as it commits",
    "Promise 5": "trace lookup",
    "Promise 6": "snapshots",
    "Promise 7": "isolation: what a caller changes changes nothing stored",
    "Promise 8": "life cycle",
    "Promise 9": "bad input is refused by name",
    "Promises 1 to 6": "all of these in any order, made up at random, against a model",
    "`persistent`": "what was acknowledged outlives the process",
    "`multi_process`": "several processes share one store",
    "History": "what workers see that use one store at once",
    "Soak": "workers that use one store at once, for a long time",
    "Documents": "documents beside events, changed together with them",
    "Workers": "subscriptions: order, effect and position together, leases",
    "Dead letters": "an event that fails holds up its own stream alone",
    "Projections": "read models that follow the log, and are rebuilt",
    "Commands": "a command is executed once, in one transaction",
    "Events": "whoever wants to hear an event does, in time",
    "Timers": "what is due later is done then, once, whichever process is alive",
    "Sagas": "events in, commands out, once, with time-outs and compensation",
    "Cancellation": "a call that is cancelled at any await is whole or absent",
    "Clock going back": "order is that of versions and positions",
    "Connection cut": "in mid-save: whole or absent, and the store goes on by itself",
    "Lost answer": "what was committed unheard is not stored twice",
    "Server restart": "in mid-save: whole or absent, and the store goes on by itself",
    "Slow commit": "nothing is acknowledged before it is kept",
    "Pool exhaustion": "a call is refused in time, and the pool is whole afterwards",
    "Section 3": "messages: metadata, inherited context, schema versions",
    "Section 4": "exact serialization",
    "Section 5": "how stores are used",
    "Section 6": "message bus: order, failures, handlers",
    "Section 8": "what watches an operation never changes it, and tells of it",
    "Reference": "names and signatures of the reference",
    "`StreamCatalog`": "the streams of a store are listed",
}
"""What each guarantee is about; the keys stand in the order of reports."""

_SEVERAL: Final = 3
"""A test of more promises than this says not which is broken: it is a guarantee of its own."""
_ORDER: Final = {key: number for number, key in enumerate(TITLES)}
_NUMBERED: Final = re.compile(r"Promises? (?P<numbers>\d+(?:(?:, | and | to )\d+)*)")


def _split(test: Any) -> tuple[str, str]:
    """Return what stands before and after the first colon of a test's docstring."""
    words = " ".join(inspect.cleandoc(test.__doc__ or "").split("\n\n")[0].split())
    head, colon, rest = words.partition(": ")
    return (head, rest) if colon else ("Other", words or str(test.__name__))


def claim_of(test: Any) -> str:
    """Return the sentence that a test proves."""
    return _split(test)[1]


def guarantees_of(test: Any) -> tuple[str, ...]:
    """Return what a test is about: `Promises 1 and 3` are two guarantees."""
    head = _split(test)[0]
    found = _NUMBERED.fullmatch(head)
    if found is None:
        return (head.partition(",")[0],)
    numbers = _numbers(found["numbers"])
    if len(numbers) > _SEVERAL:
        return (head,)
    return tuple(f"Promise {number}" for number in numbers)


def _numbers(text: str) -> list[int]:
    first, to, last = text.partition(" to ")
    if to:
        return list(range(int(first), int(last) + 1))
    return [int(number) for number in re.findall(r"\d+", text)]


def in_order(guarantees: Iterable[str]) -> list[str]:
    """Sort as in the specification; those that have no place there come last, by name."""
    return sorted(set(guarantees), key=lambda key: (_ORDER.get(key, len(_ORDER)), key))


def title_of(guarantee: str) -> str:
    """Return what a guarantee is about, in a few words; nothing where its name says it all."""
    return TITLES.get(guarantee, "")
