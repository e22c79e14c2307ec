"""One worker: a store, the tasks that write to it, and those that read the log meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from multiprocessing.connection import Connection
from pathlib import Path

from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_contract_tests.history._reading import Pager, Subscriber
from orchestrix_contract_tests.history._writing import Writer
from orchestrix_contract_tests.history.plan import Round, described
from orchestrix_contract_tests.history.recorder import Recorder
from orchestrix_core import ContractSubject
from orchestrix_core.stores import ASYNC, GLOBAL_LOG

__all__ = ["do_round", "work"]


async def do_round(
    store: Driver,
    capabilities: Collection[str],
    round: Round,
    tell: Callable[[int], None],
    written: Callable[[], Awaitable[int]],
) -> None:
    """
    Do a worker's share of a round.

    `tell` is called with the number of events of each append that is acknowledged; `written` when
    all of them are, and returns the end of the log when nobody writes any more.
    """
    versions: Counter[str] = Counter()
    with Recorder(round.file) as recorder:
        readers = list(_readers(store, capabilities, recorder, round))
        tasks = min(round.plan.tasks, round.share)
        writers = [Writer(store, recorder, round, n, versions, tell) for n in range(tasks)]
        async with asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(reader.run())
            writing = [group.create_task(writer.run(tasks)) for writer in writers]
            await asyncio.gather(*writing)
            head = await written()
            for reader in readers:
                reader.finish(head)


def _readers(
    store: Driver, capabilities: Collection[str], recorder: Recorder, round: Round
) -> list[Pager | Subscriber]:
    """Not every worker reads: each event would be noted as often as there are workers."""
    if GLOBAL_LOG not in capabilities:
        return []
    found: list[Pager | Subscriber] = []
    if round.worker < round.plan.readers:
        found.append(Pager(store, recorder, round, "pages"))
    if ASYNC in capabilities and round.worker == round.plan.readers % round.plan.workers:
        found.append(Subscriber(store, recorder, round, "subscribes"))
    return found


def work(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Be a process: do the rounds that the parent sends, until it sends None or is gone."""
    try:
        asyncio.run(_serve(subject, directory, parent))
    except EOFError:
        return
    except BaseException as error:
        parent.send(("failed", described(error)))
        raise SystemExit(1) from error


async def _serve(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    async with Stores(subject, directory) as stores:
        store = await stores.open()
        parent.send(("open", None))
        while (order := await asyncio.to_thread(parent.recv)) is not None:
            await _serve_round(subject, store, order, parent)


async def _serve_round(
    subject: ContractSubject, store: Driver, order: Round, parent: Connection
) -> None:
    async def written() -> int:
        parent.send(("written", None))
        head: int = await asyncio.to_thread(parent.recv)
        return head

    def tell(events: int) -> None:
        parent.send(("stored", events))

    await do_round(store, subject.capabilities, order, tell, written)
    parent.send(("done", None))
