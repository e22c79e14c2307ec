"""The workers of a run: processes where a store allows it, else tasks of this one."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, Protocol, Self

import attrs

from orchestrix_contract_tests._processes import process_context
from orchestrix_contract_tests.driver import Driver
from orchestrix_contract_tests.history._worker import do_round, work
from orchestrix_contract_tests.history.plan import HistoryRunError, Round, described
from orchestrix_core import ContractSubject
from orchestrix_core.stores import GLOBAL_LOG

__all__ = ["Crew", "Processes", "Tasks", "Told"]

Told = Callable[[int], None]
"""Called with the number of events of each append that was acknowledged."""

_SILENCE: Final = 180.0
"""Seconds without a word from any process until they count as hanging; a call has fewer."""
_LEAVING: Final = 10.0
"""Seconds that a process has to end in, once it is told to or has failed."""


class Crew(Protocol):
    """Who does the rounds."""

    async def round(self, shares: Sequence[Round], told: Told) -> None:
        """Do a round, in which each worker has a share."""

    async def close(self) -> None:
        """Go home."""


class Tasks:
    """All workers are tasks on one store: it is for one process, or lives in its memory."""

    def __init__(self, store: Driver, subject: ContractSubject) -> None:
        self._store = store
        self._subject = subject

    async def round(self, shares: Sequence[Round], told: Told) -> None:
        """Do a round: whoever is done first waits for the others."""
        everybody = asyncio.Barrier(len(shares))

        async def written() -> int:
            await everybody.wait()
            has_log = GLOBAL_LOG in self._subject.capabilities
            return await self._store.head() if has_log else 0

        capabilities = self._subject.capabilities
        try:
            async with asyncio.TaskGroup() as group:
                for share in shares:
                    group.create_task(do_round(self._store, capabilities, share, told, written))
        except ExceptionGroup as exc:
            missing = exc.subgroup(NotImplementedError)
            if missing is not None:
                raise NotImplementedError(*_first(missing).args) from exc
            raise HistoryRunError(described(exc)) from exc

    async def close(self) -> None:
        """Do nothing: the tasks have ended."""


class Processes:
    """Each worker is a process of its own, and stays alive from round to round."""

    def __init__(self, store: Driver, subject: ContractSubject, children: list[_Child]) -> None:
        self._store = store
        self._subject = subject
        self._children = children

    @classmethod
    async def start(
        cls, store: Driver, subject: ContractSubject, directory: Path, count: int
    ) -> Self:
        """Start them; all have opened the store when this returns."""
        _check_importable(subject)
        crew = cls(store, subject, [_Child.start(subject, directory, n) for n in range(count)])
        try:
            await crew._gather("open")
        except BaseException:
            await crew.close()
            raise
        return crew

    async def round(self, shares: Sequence[Round], told: Told) -> None:
        """Do a round: those who are done wait for the others, and then read to the end."""
        for child, share in zip(self._children, shares, strict=True):
            child.pipe.send(share)
        await self._gather("written", told)
        head = await self._store.head() if GLOBAL_LOG in self._subject.capabilities else 0
        for child in self._children:
            child.pipe.send(head)
        await self._gather("done")

    async def _gather(self, word: str, told: Told = lambda _: None) -> None:
        """Listen until each of them has said this."""
        awaited = {child.pipe: child for child in self._children}
        while awaited:
            ready = await asyncio.to_thread(wait, list(awaited), _SILENCE)
            if not ready:
                names = ", ".join(str(child.number) for child in awaited.values())
                msg = f"workers {names} said nothing for {_SILENCE:.0f} s"
                raise HistoryRunError(msg)
            for pipe in ready:
                child = awaited[pipe]  # type: ignore[index]  # only what was given is returned
                said, number = child.hear()
                if said == "stored":
                    told(number)
                elif said == word:
                    del awaited[child.pipe]

    async def close(self) -> None:
        """Send them home; who does not go is ended."""
        for child in self._children:
            child.dismiss()
        for child in self._children:
            await asyncio.to_thread(child.end)


@attrs.frozen
class _Child:
    """A process, and the pipe to it."""

    number: int
    process: BaseProcess
    pipe: Connection

    @classmethod
    def start(cls, subject: ContractSubject, directory: Path, number: int) -> Self:
        """Start it."""
        context = process_context()
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(subject, directory, theirs), daemon=True)
        process.start()
        theirs.close()
        return cls(number, process, ours)

    def hear(self) -> tuple[str, Any]:
        """Return what it says, unless that it failed; it has something to say, or is dead."""
        try:
            said: tuple[str, Any] = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(_LEAVING)
            msg = f"worker {self.number} ended with status {self.process.exitcode}"
            raise HistoryRunError(msg) from None
        if said[0] == "failed":
            msg = f"worker {self.number}: {said[1]}"
            raise HistoryRunError(msg)
        return said

    def dismiss(self) -> None:
        """Tell it to end by itself."""
        with suppress(OSError):  # it has ended
            self.pipe.send(None)

    def end(self) -> None:
        """Wait for its end, and end it when it does not."""
        self.process.join(_LEAVING)
        self.pipe.close()
        self.process.kill()
        self.process.join()
        self.process.close()


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _check_importable(subject: ContractSubject) -> None:
    try:
        pickle.dumps(subject)
    except (pickle.PicklingError, AttributeError, TypeError) as exc:
        msg = (
            f"the subject cannot be given to another process ({exc}): let its `create` be a "
            "function at the top of a module"
        )
        raise HistoryRunError(msg) from exc
