"""What ends an append in its middle: a lost connection, a lost answer, a server that restarts."""

from __future__ import annotations

import asyncio
from typing import Final

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._faults import (
    FaultContract,
    Staged,
    Staging,
    ids_of,
    outcome_of,
)
from orchestrix_contract_tests.domain import deposits
from orchestrix_core import StreamWrite
from orchestrix_core.hookspecs import FaultName

__all__ = ["ConnectionContract"]

_ROUNDS: Final = 2
"""A store that is well only after its first fault has not recovered."""


class ConnectionContract(FaultContract):
    """The append is whole or absent, and the store goes on by itself."""

    async def test_cut_save_is_whole_or_absent(self, staged: Staging) -> None:
        """Connection cut: in mid-save; it is whole or absent, and the very same save stores it."""
        await _saves(staged, "connection_cut")

    async def test_cut_save_without_an_expectation_is_not_doubled(self, staged: Staging) -> None:
        """Connection cut: a save that cannot be repeated is not repeated by the store either."""
        await _blind_save(staged, "connection_cut")

    async def test_cut_hits_each_of_many_saves_as_a_whole(self, staged: Staging) -> None:
        """Connection cut: of saves that run at a time, each is whole or absent, and well after."""
        await _many_saves(staged, "connection_cut")

    @requires("documents", "multi_stream")
    async def test_cut_transaction_is_whole_or_absent(self, staged: Staging) -> None:
        """Connection cut: of a transaction, documents and events are there, or neither."""
        await _transaction(staged, "connection_cut")

    async def test_lost_answer_is_no_second_copy(self, staged: Staging) -> None:
        """Lost answer: the save is committed, unheard; the very same save stores nothing more."""
        await _saves(staged, "lost_answer")

    async def test_lost_answer_without_an_expectation_is_no_second_copy(
        self, staged: Staging
    ) -> None:
        """Lost answer: without an expectation the store says that it does not know."""
        await _blind_save(staged, "lost_answer")

    async def test_save_that_a_restart_hits_is_whole_or_absent(self, staged: Staging) -> None:
        """Server restart: in mid-save; it is whole or absent, and the very same save stores it."""
        await _saves(staged, "server_restart")

    async def test_restart_hits_each_of_many_saves_as_a_whole(self, staged: Staging) -> None:
        """Server restart: of saves that run at a time, each is whole or absent, and well after."""
        await _many_saves(staged, "server_restart")


async def _saves(staged: Staging, fault: FaultName) -> None:
    async with staged(fault) as stage:
        store, events = stage.store, deposits(2)
        await store.save("acc", events, 0)
        for _ in range(_ROUNDS):
            more = deposits(3)
            async with stage.struck():
                acknowledged = await outcome_of(store.save("acc", more, len(events)))
            found = await store.load("acc")  # the store has come back by itself
            assert found[: len(events)] == events, "what was acknowledged is lost"
            whole = [*events, *more] if acknowledged else found
            assert found == whole
            assert found[len(events) :] in ([], more), "a half"
            for _ in range(2):
                await store.save("acc", more, len(events))
            events += more
            await _agree(stage, "acc", ids_of(events))


async def _blind_save(staged: Staging, fault: FaultName) -> None:
    async with staged(fault) as stage:
        events, more = deposits(3), deposits(3)
        await stage.store.save("acc", events)
        async with stage.struck():
            acknowledged = await outcome_of(stage.store.save("acc", more))
        found = await stage.store.load("acc")
        assert found in ([*events, *more], *([] if acknowledged else [events])), (
            "doubled, or a half"
        )
        await _agree(stage, "acc", ids_of(found))


async def _many_saves(staged: Staging, fault: FaultName) -> None:
    async with staged(fault) as stage:
        store = stage.store
        batches = {f"acc-{number}": deposits(2) for number in range(8)}
        async with stage.struck():
            outcomes = await asyncio.gather(
                *(outcome_of(store.save(name, events, 0)) for name, events in batches.items())
            )
        for (name, events), acknowledged in zip(batches.items(), outcomes, strict=True):
            found = await store.load(name)
            assert found in (events, *([] if acknowledged else [[]])), "a half, or lost"
        await asyncio.gather(*(store.save(name, events, 0) for name, events in batches.items()))
        for name, events in batches.items():
            await _agree(stage, name, ids_of(events))


async def _transaction(staged: Staging, fault: FaultName) -> None:
    async with staged(fault) as stage:
        store, events = stage.store, deposits(2)

        async def change() -> None:
            async with store.transaction() as tx:
                await tx.put("c", "k", {})
                await tx.append([StreamWrite("acc", events, 0)])

        async with stage.struck():
            acknowledged = await outcome_of(change())
        kept = await store.get_document("c", "k") is not None
        found = await store.load("acc")
        assert (found, kept) in ((events, True), ([], False)), "a half"
        assert kept or not acknowledged
        await store.save("acc", events, 0)
        await _agree(stage, "acc", ids_of(events))


async def _agree(stage: Staged, stream: str, ids: list[str]) -> None:
    """Both the store and another one on its data have just these events."""
    for reader in await stage.readers():
        assert ids_of(await reader.load(stream)) == ids, "not there, or more than once"
