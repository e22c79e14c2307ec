"""
Each of these workers breaks one promise; the store under it is sound.

A row of `BROKEN` says what is put in the place of what, and exactly which tests of which contract
fail, out of those that are run: the ones that are named for the breach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest

from orchestrix.infrastructure.memory import plugin
from orchestrix_contract_tests.contracts.worker_delivery import WorkerDeliveryContract
from orchestrix_contract_tests.contracts.worker_leases import WorkerLeaseContract
from orchestrix_contract_tests.contracts.worker_letters import WorkerLetterContract
from orchestrix_core.subscriptions import (
    _aside,
    _feed,
    _holdings,
    _lease,
    _patience,
    _runner,
    _work,
)
from orchestrix_core.subscriptions._subscription import partition_of

(SUBJECT,) = (
    subject
    for subject in plugin.orchestrix_contract_subjects()
    if (subject.kind, subject.name) == ("event_store", "memory")
)


@attrs.frozen
class Broken:
    name: str
    place: Any
    replaced: str
    by: Any
    contract: type
    failing: list[str]
    also: str | None = None


async def checkpoint_before_effect(self, records, end):
    """The position is stored, then the effect: what fails in between is never done."""
    async with self._store.transaction() as transaction:
        await self._lease.commit(transaction, end)
    self._lease.committed(end, 0)
    async with self._store.transaction() as transaction:
        for record in records:
            await self._handle_or_park(record, transaction)


async def effect_before_checkpoint(self, records, end):
    """The effect is stored, then the position: what fails in between is done twice."""
    for record in records:
        async with self._store.transaction() as transaction:
            await self._handle_or_park(record, transaction)
    async with self._store.transaction() as transaction:
        await self._lease.commit(transaction, end)
    self._lease.committed(end, 0)


def no_fencing(self, document):
    return document


async def no_doubt(self, transaction, position=None):
    """It does not look whether the position was stored already."""
    if position is not None:
        await self._put(transaction, await self._mine(transaction), position, self._owner)


def unstable_hash(aggregate_id: str, partitions: int) -> int:
    """Each process, or even each task, has its own idea."""
    task = asyncio.current_task()
    assert task is not None
    return (partition_of(aggregate_id, partitions) + task.get_name().count("2")) % partitions


async def last_letter(self, stream):
    prefix = _aside.prefix_of(stream)
    found = await self._store.find_documents(self._collection, prefix=prefix)
    if not found:
        self.blocked.pop(stream, None)
        return None
    if any(letter.body["state"] == "failed" for letter in found):
        return found[0]
    return found[-1]


def unblocked(self, record):
    """A dead letter is put aside, and its stream goes on without it."""


async def forgets_letters(self):
    """The next worker does not know which streams wait."""


async def blames_the_event(self, error, before=None):
    """The store was away, and the event becomes a dead letter."""
    return _patience.Failure(error, 1 if before is None else before.attempts + 1)


async def counts_what_is_read(self, position, head):
    """With a filter of types, the position stays behind."""
    records = await self._store.read_log(position, self._size, self._types)
    last = records[-1].position if records else position
    return _feed.Page(position, last, records)


def renews_never(self, transaction):
    return asyncio.sleep(0, self.position)


async def leaves_what_it_sees(self):
    """A claim whose commit is under way cannot be seen yet."""
    seen = await self._store.find_documents(_lease.CHECKPOINTS)
    for document in seen:
        if document.body.get("owner") == self._owner:
            async with self._store.transaction() as transaction:
                await self._leases[document.key].release(transaction)
    async with self._store.transaction() as transaction:
        await transaction.delete(_holdings.WORKERS, self._owner)


BROKEN: Final = [
    Broken(
        "checkpoint before effect",
        _work.Work,
        "_commit",
        checkpoint_before_effect,
        WorkerDeliveryContract,
        ["test_handler_that_does_not_finish_is_cancelled"],
    ),
    Broken(
        "effect before checkpoint",
        _work.Work,
        "_commit",
        effect_before_checkpoint,
        WorkerDeliveryContract,
        ["test_handler_that_fails_now_and_then_has_its_effect_once"],
    ),
    Broken(
        "no fencing",
        _lease.Lease,
        "_check",
        no_fencing,
        WorkerLeaseContract,
        ["test_frozen_worker_cannot_commit_after_its_lease"],
    ),
    Broken(
        "no doubt",
        _lease.Lease,
        "commit",
        no_doubt,
        WorkerDeliveryContract,
        ["test_commit_whose_answer_is_lost_is_not_done_again"],
        also="look",
    ),
    Broken(
        "unstable hash",
        _runner,
        "partition_of",
        unstable_hash,
        WorkerDeliveryContract,
        ["test_every_event_takes_effect_once_in_order"],
    ),
    Broken(
        "parked out of order",
        _aside.Aside,
        "first",
        last_letter,
        WorkerLetterContract,
        ["test_replay_handles_the_stream_in_order"],
    ),
    Broken(
        "stream goes on without its dead letter",
        _aside.Aside,
        "block",
        unblocked,
        WorkerLetterContract,
        ["test_poison_holds_up_its_own_stream_alone"],
    ),
    Broken(
        "restart forgets which streams wait",
        _aside.Aside,
        "load",
        forgets_letters,
        WorkerLetterContract,
        ["test_next_worker_knows_which_streams_wait"],
    ),
    Broken(
        "store away blames the event",
        _patience.Patience,
        "blame",
        blames_the_event,
        WorkerDeliveryContract,
        ["test_store_that_is_away_is_no_fault_of_an_event"],
    ),
    Broken(
        "position follows only what was wanted",
        _feed.Pages,
        "_read",
        counts_what_is_read,
        WorkerDeliveryContract,
        ["test_only_the_types_wanted_come_and_the_position_moves_on"],
    ),
    Broken(
        "no heart-beat",
        _lease.Lease,
        "renew",
        renews_never,
        WorkerLeaseContract,
        ["test_long_handler_keeps_its_lease"],
    ),
    Broken(
        "claim under way is left behind",
        _holdings.Holdings,
        "_leave",
        leaves_what_it_sees,
        WorkerLeaseContract,
        ["test_claim_that_is_cancelled_in_its_commit_is_given_back"],
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_broken_worker_is_caught(
    broken: Broken, run_contract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken.place, broken.replaced, broken.by)
    if broken.also is not None:
        monkeypatch.setattr(broken.place, broken.also, broken.by)
    tests = [*broken.failing, "test_new_event_is_handled_without_being_asked_for"]
    names = " or ".join(tests)
    outcomes = run_contract(broken.contract, SUBJECT, "-k", names, hopeless=broken.failing)
    assert outcomes["failed"] == set(broken.failing)
