"""Applications in processes of their own, to be killed and stopped; each is a child's main."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orchestrix_contract_tests.contracts._shop import (
    HEARING,
    SHORT,
    Receipt,
    Reserve,
    Reserved,
    Shop,
    shop,
)
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ContractSubject, Orchestrix, handles, on

__all__ = [
    "die_after_commit",
    "die_in_event_handler",
    "die_in_handler",
    "send_the_same",
    "serve",
]


def send_the_same(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Send the commands that the parent names, each as soon as it is named; tell the results."""

    async def main(store: Driver) -> None:
        handlers = Shop()
        async with shop(store, handlers, attempts=50) as app:
            parent.send("ready")
            while (said := await asyncio.to_thread(parent.recv)) is not None:
                results = await asyncio.gather(
                    *(app.send(Reserve(id=id, item=item)) for id, item in said)
                )
                parent.send([(result.item, result.left) for result in results])

    _run(subject, directory, main)


def die_after_commit(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Be gone between the commit of a command's events and anything else."""

    async def main(store: Driver) -> None:
        async with shop(store, Shop(), Blocked(parent)) as app:
            await app.send(Reserve(item="pen"))
            os.kill(os.getpid(), signal.SIGKILL)

    _run(subject, directory, main)


def die_in_event_handler(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Be killed while an event is being published."""

    async def main(store: Driver) -> None:
        async with shop(store, Shop(), Blocked(parent), worker=True, lease=SHORT) as app:
            await app.send(Reserve(item="pen"))
            await asyncio.Event().wait()

    _run(subject, directory, main)


def die_in_handler(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Be killed while a command is being handled, when its events are saved already."""

    async def main(store: Driver) -> None:
        handlers = Shop()
        handlers.pause = asyncio.Event()
        async with shop(store, handlers) as app:
            sending = asyncio.create_task(app.send(Reserve(id="the-command", item="pen")))
            await handlers.entered.wait()
            parent.send("in hand")
            await sending

    _run(subject, directory, main)


def serve(subject: ContractSubject, directory: Path, parent: Connection) -> None:
    """Serve until told to end; a command is in hand then, and an event."""

    async def main(store: Driver) -> None:
        async with shop(store, Waiting(parent), Hearing(parent), worker=True) as app:
            parent.send("serving")
            await asyncio.to_thread(parent.recv)
            sending = asyncio.create_task(app.send(Reserve(id="the-command", item="pen")))
            await app.serve()
            parent.send("told")
        parent.send(["sent", (await sending).left])

    _run(subject, directory, main)


class Blocked:
    """Hears an event, and never comes to an end with it."""

    def __init__(self, parent: Connection) -> None:
        self.parent = parent

    @on(Reserved, name=HEARING)
    async def hear(self, event: Reserved) -> None:
        self.parent.send("in hand")
        await asyncio.Event().wait()


class Hearing:
    """Tells the parent of each event."""

    def __init__(self, parent: Connection) -> None:
        self.parent = parent

    @on(Reserved, name=HEARING)
    async def hear(self, event: Reserved) -> None:
        self.parent.send(["heard", event.item])


class Waiting(Shop):
    """Tells the parent that a command is in hand, and waits for its answer."""

    def __init__(self, parent: Connection) -> None:
        super().__init__()
        self.parent = parent

    @handles(Reserve)
    async def reserve(self, command: Reserve, app: Orchestrix) -> Receipt:
        receipt = await super().reserve(command, app)
        self.parent.send("in hand")
        await asyncio.to_thread(self.parent.recv)
        return receipt


def _run(
    subject: ContractSubject, directory: Path, main: Callable[[Driver], Awaitable[Any]]
) -> None:
    async def whole() -> None:
        async with Stores(subject, directory) as stores:
            await main(await stores.open())

    asyncio.run(whole())
