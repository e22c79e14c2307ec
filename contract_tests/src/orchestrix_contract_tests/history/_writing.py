"""A worker's tasks that append, repeat and load, on streams that others append to as well."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from time import monotonic
from typing import Final

from orchestrix_contract_tests.domain import Deposited
from orchestrix_contract_tests.driver import Driver
from orchestrix_contract_tests.history.operations import Outcome
from orchestrix_contract_tests.history.plan import HistoryRunError, Round
from orchestrix_contract_tests.history.recorder import Recorder
from orchestrix_core import ConcurrencyError, DuplicateEventError, Event

__all__ = ["Writer"]

_REFUSALS: Final = (ConcurrencyError, DuplicateEventError)
_TRIES: Final = 100
"""Refusals of one append until it is left alone, and calls without an answer until all is."""
_PAUSE: Final = 0.05
"""Seconds before a call without an answer is repeated."""
_YOUNG: Final = 8
"""Appends of a writer for which a new stream is made, so that many race to be the first in it."""


class Writer:
    """One of the concurrent tasks of a worker; all of them know the same versions."""

    def __init__(
        self,
        store: Driver,
        recorder: Recorder,
        round: Round,
        task: int,
        versions: Counter[str],
        acknowledged: Callable[[int], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._round = round
        self._task = task
        self._name = f"{round.name}.w{round.worker}.{task}"
        self._random = Random(f"{round.plan.seed} {self._name}")
        self._versions = versions
        self._acknowledged = acknowledged

    async def run(self, tasks: int) -> None:
        """Do this task's share."""
        for number in range(self._task, self._round.share, tasks):
            await self._append(number)
            if monotonic() > self._round.until:
                return  # after one append at least, so that there is something to judge
            if self._random.random() < 0.3:
                await self._load(self._stream(number))
            await asyncio.sleep(0)  # a store that never waits would let nobody else begin

    def _stream(self, number: int) -> str:
        if self._random.random() < 0.2:
            return f"{self._round.name}-new-{number // _YOUNG}"
        return f"{self._round.name}-{self._random.randrange(self._round.plan.streams)}"

    def _events(self, number: int) -> list[Event]:
        count = self._random.choice((1, 1, 2, 3)) if self._random.random() < 0.98 else 30
        return [Deposited(id=f"{self._name}-{number}-{n}", amount=Decimal(n)) for n in range(count)]

    async def _append(self, number: int) -> None:
        """Append somewhere, at whatever version proves right."""
        stream, events = self._stream(number), self._events(number)
        for _ in range(_TRIES):
            expected = None if self._random.random() < 0.1 else self._versions[stream]
            if await self._settle(stream, events, expected):
                self._acknowledged(len(events))
                return
            if self._random.random() < 0.2:
                await self._load(stream)

    async def _settle(self, stream: str, events: Sequence[Event], expected: int | None) -> bool:
        """Repeat the very same call until its outcome is known; return whether it is stored."""
        hasty = expected is not None and self._random.random() < 0.03
        for _ in range(_TRIES):
            outcome, error = await self._try(stream, events, expected, hasty=hasty)
            if outcome == "acknowledged":
                await self._repeat(stream, events, expected)
                return True
            if outcome == "refused":
                # Only where it was stored by a call without an answer: any version was right.
                return expected is None and isinstance(error, DuplicateEventError)
            if not hasty:
                await asyncio.sleep(_PAUSE)
            hasty = False
        msg = f"{self._name}: save gave no answer {_TRIES} times: {type(error).__name__}: {error}"
        raise HistoryRunError(msg) from error

    async def _repeat(self, stream: str, events: Sequence[Event], expected: int | None) -> None:
        """Take note of the new version, or ask once more for what is stored already."""
        if expected is None:
            return
        self._versions[stream] = max(self._versions[stream], expected + len(events))
        if self._random.random() < 0.05:
            await self._try(stream, events, expected)

    async def _try(
        self, stream: str, events: Sequence[Event], expected: int | None, *, hasty: bool = False
    ) -> tuple[Outcome, BaseException | None]:
        """Call once; whoever is hasty does not wait for the answer."""
        self._recorder.append(self._name, stream, expected, [event.id for event in events])
        call = asyncio.ensure_future(self._store.save(stream, events, expected))
        call.add_done_callback(_look_at)
        if hasty:
            for _ in range(self._random.randrange(6)):
                await asyncio.sleep(0)
            call.cancel()
        try:
            await asyncio.wait({call})
        finally:
            call.cancel()  # it has ended, unless the whole run is given up
        error = asyncio.CancelledError() if call.cancelled() else call.exception()
        outcome = _outcome(error)
        self._recorder.ended(self._name, outcome, error)
        if isinstance(error, ConcurrencyError):
            self._versions[stream] = error.actual_version
        return outcome, error

    async def _load(self, stream: str) -> None:
        """Load the end of a stream as far as it is known here, and what has come since."""
        after = max(self._versions[stream] - self._random.randrange(10), 0)
        began = monotonic()
        ids = [event.id for event in await self._store.load(stream, after)]
        self._recorder.load(self._name, stream, after, ids, began=began)
        self._versions[stream] = max(self._versions[stream], after + len(ids))


def _look_at(call: asyncio.Future[None]) -> None:
    """Take note of an error that nobody waits for any more."""
    if not call.cancelled():
        call.exception()


def _outcome(error: BaseException | None) -> Outcome:
    """A call that hangs, or of which nothing is there yet, ends the run."""
    if error is None:
        return "acknowledged"
    if isinstance(error, AssertionError | NotImplementedError):
        raise error
    return "refused" if isinstance(error, _REFUSALS) else "unknown"
