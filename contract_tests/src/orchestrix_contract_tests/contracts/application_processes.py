"""Applications in several processes: raced, killed and stopped, and still all happens once."""

from __future__ import annotations

import asyncio
import os
import signal

from orchestrix_contract_tests import _application_child, driver
from orchestrix_contract_tests.contracts._processes import children, receive
from orchestrix_contract_tests.contracts._shop import (
    HEARING,
    Receipt,
    Reserve,
    Reserved,
    Shop,
    shop,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import owners, until
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import on
from orchestrix_core.commands import COMMANDS

__all__ = ["ApplicationProcessContract"]


class Hearing:
    """Hears what its namesake in the other process did not get to hear."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @on(Reserved, name=HEARING)
    async def hear(self, event: Reserved) -> None:
        self.heard.append(event.item)


class ApplicationProcessContract(
    StoreContract, needs=("documents", "global_log", "async", "multi_process", "persistent")
):
    """Real processes, real signals."""

    async def test_same_commands_in_two_processes(self, store: Driver, stores: Stores) -> None:
        """Commands: two processes handle the same ones; each takes effect once, for both."""
        items = [f"item-{n % 5}" for n in range(15)]
        commands = [(f"command-{n}", item) for n, item in enumerate(items)]
        with children(_application_child.send_the_same, stores, 2) as both:
            for _, pipe in both:
                assert await receive(pipe) == "ready"
            for _, pipe in both:
                pipe.send(commands)
            first, second = [await receive(pipe) for _, pipe in both]
            for _, pipe in both:
                pipe.send(None)
        assert first == second
        assert [len(await store.load(f"item-{n}")) for n in range(5)] == [3] * 5
        for n in range(5):
            left = [left for item, left in first if item == f"item-{n}"]
            assert sorted(left) == [7, 8, 9]

    async def test_killed_between_commit_and_publication(
        self, store: Driver, stores: Stores
    ) -> None:
        """Events: of a process killed right after its commit, they are heard after a restart."""
        with children(_application_child.die_after_commit, stores, 1) as [(child, _)]:
            await bounded(asyncio.to_thread(child.join), "the child")
            assert child.exitcode == -signal.SIGKILL
        assert len(await store.load("pen")) == 1
        await _is_heard(store)

    async def test_killed_in_the_middle_of_a_publication(
        self, store: Driver, stores: Stores
    ) -> None:
        """Events: of a process killed while it publishes, they are heard after a restart."""
        with children(_application_child.die_in_event_handler, stores, 1) as [(child, pipe)]:
            assert await receive(pipe) == "in hand"
            child.kill()
            await bounded(asyncio.to_thread(child.join), "the child")
        await _is_heard(store)

    async def test_killed_in_the_middle_of_a_command(self, store: Driver, stores: Stores) -> None:
        """Commands: of one whose process is killed nothing is left; sent again it is handled."""
        with children(_application_child.die_in_handler, stores, 1) as [(child, pipe)]:
            assert await receive(pipe) == "in hand"
            child.kill()
            await bounded(asyncio.to_thread(child.join), "the child")
        assert await store.head() == 0
        assert await store.find_documents(COMMANDS) == []
        async with shop(store) as app:
            command = Reserve(id="the-command", item="pen")
            assert await app.send(command) == Receipt("pen", 9)

    async def test_terminated_it_ends_in_good_order(self, store: Driver, stores: Stores) -> None:
        """Events: on SIGTERM what is in hand finishes, positions are saved, leases given back."""
        with children(_application_child.serve, stores, 1) as [(child, pipe)]:
            assert await receive(pipe) == "serving"
            await store.save("ink", [Reserved(item="ink", amount=1)])
            assert await receive(pipe) == ["heard", "ink"]
            pipe.send("go")
            assert await receive(pipe) == "in hand"
            assert child.pid is not None
            os.kill(child.pid, signal.SIGTERM)
            assert await receive(pipe) == "told"
            await until(lambda: _is_given_back(store))  # what comes now, it does not hear any more
            pipe.send("finish")
            assert await receive(pipe) == ["sent", 9]
            await bounded(asyncio.to_thread(child.join), "the child")
            assert child.exitcode == 0
        assert await _is_given_back(store)
        assert [found.key for found in await store.find_documents(COMMANDS)] == ["the-command"]
        hearing = Hearing()
        async with shop(store, hearing, worker=True) as app:
            await app.caught_up(timeout=driver.PATIENCE)
        assert hearing.heard == ["pen"]  # "ink" was, and its position is saved


async def _is_given_back(store: Driver) -> bool:
    return await owners(store, HEARING) == [None]


async def _is_heard(store: Driver) -> None:
    hearing = Hearing()
    async with shop(store, Shop(), hearing, worker=True) as app:
        await app.caught_up(timeout=driver.PATIENCE)
        await app.send(Reserve(item="ink"))
        await app.caught_up(timeout=driver.PATIENCE)
    assert hearing.heard == ["pen", "ink"]
