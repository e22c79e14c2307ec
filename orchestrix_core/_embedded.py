"""What runs beside an application: the worker of its subscriptions, timers, and the like."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from orchestrix_core._unit import outside
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.subscriptions import Subscription, Worker

__all__ = ["Embedded", "every"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

_SPARE: Final = 1.0  # seconds beyond the grace, in which the worker cancels and gives back itself


class Embedded:
    """
    Runs a worker, and tasks beside it, until it is stopped.

    Attributes:
        worker: of the subscriptions; it starts with the first one.
        stopping: set when everything is to come to its end.
    """

    def __init__(self, store: Any, watch: Instrumentation, lease: float, grace: float) -> None:
        self.worker = Worker(store, instrumentation=watch, lease=lease, grace=grace)
        self.stopping = asyncio.Event()
        self._grace = grace
        self._tasks: list[asyncio.Task[None]] = []
        self._works = False

    def follow(self, subscription: Subscription) -> None:
        """Run one more subscription."""
        self.worker.add(subscription)
        self.start_worker()

    def start_worker(self) -> None:
        """Let the worker run, if it does not yet."""
        if not self._works:
            self._works = True
            self.start(self.worker.run(), "orchestrix-worker")

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task; one that fails is told in the log, and to whoever asks."""
        task = asyncio.create_task(work, name=name, context=outside())
        task.add_done_callback(_tell)
        self._tasks.append(task)

    async def unless_it_fails(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` gives; raise what one of the tasks fails with meanwhile."""
        waited = asyncio.ensure_future(work)
        pending: set[asyncio.Future[Any]] = {waited, *self._tasks}
        try:
            while not waited.done():
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                self.raise_failure()
            return waited.result()
        finally:
            waited.cancel()
            await asyncio.gather(waited, return_exceptions=True)

    def raise_failure(self) -> None:
        """Raise what a task failed with, if one has."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def stop(self) -> None:
        """Let what is in hand finish for the time of grace, and cancel what has not by then."""
        self.stopping.set()
        self.worker.stop()
        if not self._tasks:
            return
        try:
            await asyncio.wait(self._tasks, timeout=self._grace + _SPARE)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s has failed, and runs no more", task.get_name(), exc_info=error)


async def every(
    seconds: float, stopping: asyncio.Event, work: Callable[[], Awaitable[object]]
) -> None:
    """Do something now and then, until asked to stop; what fails is done the next time."""
    while not stopping.is_set():
        try:
            await work()
        except Exception:
            _log.warning("%s failed; it is tried again later", work, exc_info=True)
        try:
            async with asyncio.timeout(seconds):
                await stopping.wait()
        except TimeoutError:
            continue
