"""Workers in processes of their own: killed, stopped and woken, and still nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

from orchestrix_contract_tests import _worker_child
from orchestrix_contract_tests.contracts._processes import children, receive
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import (
    all_done,
    counting,
    fill,
    mistakes,
    notes,
    owners,
    running,
    until,
    versions,
)
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core.subscriptions import Worker

__all__ = ["WorkerProcessContract", "assert_fenced"]

STREAMS = [f"stream-{n}" for n in range(20)]


class WorkerProcessContract(
    StoreContract, needs=("documents", "global_log", "async", "multi_process", "persistent")
):
    """Real processes, real signals."""

    async def test_effect_without_commit_is_lost_with_its_process(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: killed between effect and commit; another does it, so it is done once."""
        await fill(store, ["a"], rounds=1)
        with children(_worker_child.stuck_before_commit, stores, 1) as [(child, pipe)]:
            await store.save(_worker_child.TRAP, notes(1))
            assert await receive(pipe) == "in hand"
            child.kill()
            await asyncio.to_thread(child.join)
        assert "trap" not in await versions(store)
        async with running(Worker(store.store, [counting()], lease=_worker_child.LEASE)):
            await all_done(store, "counting")
        assert await mistakes(store) == []

    async def test_stopped_process_cannot_commit_after_its_lease(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: paused beyond its lease, it wakes up, and what it wants to commit is refused."""
        await assert_fenced(store, stores, _worker_child.stop_before_transaction)

    async def test_processes_share_and_take_over_from_a_dead_one(
        self, store: Driver, stores: Stores
    ) -> None:
        """Workers: one of four processes is killed under load; all is done once, in order."""
        with children(_worker_child.work, stores, 4) as workers:
            names = [await receive(pipe) for _, pipe in workers]
            await until(lambda: _shared(store, names, 2))
            load = asyncio.create_task(fill(store, STREAMS, rounds=10))
            await until(lambda: _some(store))
            workers[0][0].kill()
            await until(lambda: _taken_over(store, names[0]))
            await load
            await fill(store, STREAMS, rounds=1)
            await all_done(store, "counting")
            assert await mistakes(store) == []

            await store.save("live", notes(1))
            assert await _first([pipe for _, pipe in workers[1:]]) == 1

            for child, pipe in workers[1:]:
                pipe.send("stop")
                await asyncio.to_thread(child.join)
                assert child.exitcode == 0
            assert await owners(store, "counting") == [None] * _worker_child.PARTITIONS


async def assert_fenced(store: Driver, stores: Stores, child_main: Callable[..., None]) -> None:
    """Assert that a child that stops itself, and is overtaken meanwhile, has no effect any more."""
    with children(child_main, stores, 1) as [(child, pipe)]:
        await until(lambda: _some_owner(store))
        (stopped,) = await owners(store, "counting")
        await store.save(_worker_child.TRAP, notes(2))
        assert await receive(pipe) == "stopped"
        assert child.pid is not None
        await until(lambda: _is_stopped(child.pid))
        other = Worker(store.store, [counting()], lease=_worker_child.LEASE)
        async with running(other):
            await all_done(store, "counting")
            assert await owners(store, "counting") == [other.owner] != [stopped]
            assert await mistakes(store) == []
            os.kill(child.pid, signal.SIGCONT)
            assert await receive(pipe) == "LeaseLost"
            await fill(store, ["a"])
            await all_done(store, "counting")
            assert await mistakes(store) == []
        child.kill()


async def _is_stopped(pid: Any) -> bool:
    """Whether the kernel has stopped a process; where it does not tell, it takes no time."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: ASYNC230, PTH123 - it is no disk
            return file.read().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return True


async def _first(pipes: list[Any]) -> Any:
    """Return what the first of some children says."""

    async def said() -> Any:
        return next((pipe for pipe in pipes if pipe.poll()), None)

    return (await until(said)).recv()


async def _shared(store: Driver, names: list[str], each: int) -> bool:
    return Counter(await owners(store, "counting")) == dict.fromkeys(names, each)


async def _taken_over(store: Driver, dead: str) -> bool:
    held = await owners(store, "counting")
    return dead not in held and None not in held


async def _some(store: Driver) -> bool:
    return len(await versions(store)) > 5


async def _some_owner(store: Driver) -> bool:
    held = await owners(store, "counting")
    return bool(held) and None not in held
