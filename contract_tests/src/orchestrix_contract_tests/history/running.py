"""Lets workers loose on a store, and records what they do in one file for each round."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from time import monotonic

from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_contract_tests.history._crew import Crew, Processes, Tasks, Told
from orchestrix_contract_tests.history._lines import read_history, streams_in
from orchestrix_contract_tests.history._reading import row_of
from orchestrix_contract_tests.history.operations import History, Row
from orchestrix_contract_tests.history.plan import Plan, Round
from orchestrix_contract_tests.history.recorder import Recorder
from orchestrix_core import ContractSubject
from orchestrix_core.stores import GLOBAL_LOG, MULTI_PROCESS

__all__ = ["Run", "record", "started"]

_PAGE = 1000


async def record(subject: ContractSubject, directory: Path, plan: Plan, file: Path) -> History:
    """
    Do all of `plan` in one round on a fresh store, and return what happened.

    `directory` is what the subject makes stores on; the history is kept in `file`.
    """
    async with started(subject, directory, plan) as run:
        await run.round("r", file, appends=plan.appends)
    return read_history(file)


@asynccontextmanager
async def started(subject: ContractSubject, directory: Path, plan: Plan) -> AsyncIterator[Run]:
    """Start the workers of a plan; they go home with the block, and the store is discarded."""
    stores = Stores(subject, directory)
    try:
        async with stores:
            store = await stores.open()
            crew = await _crew(store, subject, directory, plan)
            try:
                yield Run(subject, plan, store, crew)
            finally:
                await crew.close()
    finally:
        await stores.discard()


async def _crew(store: Driver, subject: ContractSubject, directory: Path, plan: Plan) -> Crew:
    if MULTI_PROCESS in subject.capabilities:
        return await Processes.start(store, subject, directory, plan.workers)
    return Tasks(store, subject)


class Run:
    """Workers that have a store open, and do one round after another."""

    def __init__(self, subject: ContractSubject, plan: Plan, store: Driver, crew: Crew) -> None:
        self._subject = subject
        self._plan = plan
        self._store = store
        self._crew = crew
        self._has_log = GLOBAL_LOG in subject.capabilities

    async def round(
        self,
        name: str,
        file: Path,
        *,
        appends: int,
        until: float = inf,
        told: Told = lambda _: None,
    ) -> None:
        """
        Do a round of so many appends, or until a moment of `time.monotonic`, and record it.

        Each round has streams and ids of its own, and so can be judged by itself.
        """
        base = await self._store.head() if self._has_log else 0
        shares = [
            Round(
                name=name,
                plan=self._plan,
                worker=number,
                share=max(appends // self._plan.workers, 1),
                until=until,
                base=base,
                file=file.with_name(f"{file.name}.{number}"),
            )
            for number in range(self._plan.workers)
        ]
        await self._crew.round(shares, told)
        with Recorder(file) as recorder:
            recorder.about(store=self._subject.name, seed=self._plan.seed, round=name)
        _move([share.file for share in shares], file)
        await self._note_end(file, base)

    async def _note_end(self, file: Path, base: int) -> None:
        """Note what is stored now that all has ended, in the log and in each stream."""
        streams = streams_in(file)
        with Recorder(file) as recorder:
            if self._has_log:
                async for page in self.log(base):
                    recorder.stored(page)
            for stream in streams:
                began = monotonic()
                ids = [event.id for event in await self._store.load(stream)]
                if self._has_log:
                    recorder.load("end", stream, 0, ids, began=began)
                else:
                    recorder.stored([Row(None, stream, n, one) for n, one in enumerate(ids, 1)])

    async def log(self, after: int = 0) -> AsyncIterator[list[Row]]:
        """Yield the log in pages, as far as its positions rise."""
        while page := [row_of(record) for record in await self._store.read_log(after, _PAGE)]:
            yield page
            before, after = after, page[-1].position or 0
            if after <= before:
                return


def _move(parts: list[Path], whole: Path) -> None:
    """Put what each worker noted behind one another."""
    with whole.open("ab") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)
            part.unlink()
