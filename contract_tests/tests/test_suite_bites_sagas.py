"""
Each of these sagas breaks one promise; the store under it is sound.

A row of `BROKEN` says what is put in the place of what, and exactly which tests of which contract
fail, out of those that are run: the ones that are named for the breach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import attrs
import pytest

from orchestrix.infrastructure.memory import plugin
from orchestrix_contract_tests.contracts.saga_compensation import SagaCompensationContract
from orchestrix_contract_tests.contracts.saga_reactions import SagaReactionContract
from orchestrix_contract_tests.contracts.saga_timeouts import SagaTimeoutContract
from orchestrix_core._unit import Unit
from orchestrix_core.sagas._instance import Instance
from orchestrix_core.sagas._reaction import Reaction, Sending
from orchestrix_core.sagas._reactor import Reactor
from orchestrix_core.sagas._stored import derived_id
from orchestrix_core.sagas._work import SagaWork

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


command, store = Reactor.command, SagaWork._store


def new_id_each_time(self, outgoing):
    """What is sent again is another command."""
    return attrs.evolve(command(self, outgoing), id=str(uuid4()))


async def send_first(self, instance, reacted):
    """The commands are out before the reaction is stored, or is not."""
    for outgoing in reacted.commands:
        await self._around.send(self._reactor.command(outgoing))
    await store(self, instance, reacted)


async def store_over_others(self, instance, reacted):
    """It does not look whether the instance has changed."""
    with Unit(self._around.ground) as unit:
        unit.save(f"saga-Trip-{instance.key}", [reacted], None)
    await unit.commit()
    instance.version = len(await self._around.store.load(f"saga-Trip-{instance.key}")) - 1
    instance.apply(reacted)


async def sets_no_timers(self, key, scheduled):
    """What is to come later is in the memory of the process at best."""


async def store_with_timers(self, instance, reacted):
    """What is to come later may come before the commands that are sent."""
    await store(self, instance, reacted)
    await self._set_timers(instance.key, reacted.scheduled)


def waits_for_the_first_command(self, reacted):
    """What is to come later waits until a command is sent, however often that fails."""
    count = self._sent.get(reacted.id, 0)
    return count if count != self._noted.get(reacted.id, 0) else None


def forward(self, *, end):
    """What was done first is taken back first."""
    while self._undoable:
        sent = self._undoable.pop(0)
        undo = attrs.evolve(sent.undo, id=derived_id(sent.command.id, "undo"))
        self.sends.append(Sending(undo, undoes=sent.command.id))
    self.status = "compensated"


async def notes_nothing(self, instance, reacted):
    """That commands were sent is known only while their results are kept."""


def by_stream(self, record):
    """The events of an instance are in the order of their streams alone."""
    return record.aggregate_id


def hears_every_time_out(self, instance, hearer, event):
    return instance.status == "running" or (instance.status is None and hearer.starts)


def hears_for_ever(self, instance, hearer, event):
    return instance.status is not None or hearer.starts


def cancels_nothing(self, reaction, instance):
    """Time-outs outlive their instance."""


def forgets_the_failure(self, command_id):
    """What came of a failure is stored, but not what it means for the other commands."""


def takes_all_back(self):
    """It does not look at what was sent."""
    sent = [one for reacted in self._reactions.values() for one in reacted.commands]
    undone = {one.undoes for one in sent}
    return [one for one in sent if one.undo is not None and one.id not in undone]


def tells_nothing(self, event):
    pass


BROKEN: Final = [
    Broken(
        "a new id for each sending",
        Reactor,
        "command",
        new_id_each_time,
        SagaCompensationContract,
        [
            "test_commands_go_on_after_a_restart",
            "test_command_that_fails_now_and_then_is_done_once",
        ],
    ),
    Broken(
        "sent before it is stored",
        SagaWork,
        "_store",
        send_first,
        SagaReactionContract,
        ["test_two_at_once_on_one_instance"],
    ),
    Broken(
        "no expected version",
        SagaWork,
        "_store",
        store_over_others,
        SagaReactionContract,
        ["test_two_at_once_on_one_instance"],
    ),
    Broken(
        "compensation forward",
        Reaction,
        "compensate",
        forward,
        SagaCompensationContract,
        ["test_compensation_is_in_reverse_order", "test_compensation_goes_on_after_a_restart"],
    ),
    Broken(
        "only the results of commands know that they were sent",
        SagaWork,
        "_note",
        notes_nothing,
        SagaReactionContract,
        ["test_events_that_come_again_change_nothing"],
    ),
    Broken(
        "parted by the streams of the events",
        SagaWork,
        "group",
        by_stream,
        SagaReactionContract,
        ["test_two_workers_keep_the_order_of_each_instance"],
    ),
    Broken(
        "dead letters hold up streams",
        SagaWork,
        "group",
        by_stream,
        SagaCompensationContract,
        ["test_command_that_fails_for_good_is_a_dead_letter"],
    ),
    Broken(
        "time-outs come although they are cancelled",
        SagaWork,
        "_accepts",
        hears_every_time_out,
        SagaTimeoutContract,
        ["test_time_out_on_its_way_is_ignored_once_it_is_cancelled"],
    ),
    Broken(
        "instances hear for ever",
        SagaWork,
        "_accepts",
        hears_for_ever,
        SagaReactionContract,
        ["test_instance_that_has_ended_hears_nothing"],
    ),
    Broken(
        "time-outs in memory",
        SagaWork,
        "_set_timers",
        sets_no_timers,
        SagaTimeoutContract,
        [
            "test_time_out_comes_after_a_restart",
            "test_time_out_that_was_cancelled_does_not_come",
        ],
    ),
    Broken(
        "time-outs before the commands",
        SagaWork,
        "_store",
        store_with_timers,
        SagaTimeoutContract,
        ["test_nothing_comes_before_what_was_sent"],
    ),
    Broken(
        "time-outs behind commands that fail",
        Instance,
        "unnoted",
        waits_for_the_first_command,
        SagaTimeoutContract,
        ["test_command_that_fails_holds_nothing_up"],
    ),
    Broken(
        "time-outs of instances that have ended",
        Reactor,
        "_end_timeouts",
        cancels_nothing,
        SagaTimeoutContract,
        ["test_instance_that_has_ended_has_no_time_out"],
    ),
    Broken(
        "what failed is taken back",
        Instance,
        "undoable",
        takes_all_back,
        SagaCompensationContract,
        [
            "test_commands_behind_one_that_failed_are_not_sent",
            "test_saga_decides_what_follows_a_failure",
            "test_dead_letter_that_is_dropped_leaves_its_commands_undone",
        ],
    ),
    Broken(
        "what failed is sent again",
        Instance,
        "_fail",
        forgets_the_failure,
        SagaCompensationContract,
        ["test_saga_decides_what_follows_a_failure"],
    ),
    Broken(
        "dropped without a word",
        SagaWork,
        "_drop",
        tells_nothing,
        SagaReactionContract,
        ["test_event_for_no_instance_is_dropped"],
    ),
]

SOUND: Final[dict[type, str]] = {
    SagaReactionContract: "test_saga_sends_its_commands_in_order",
    SagaCompensationContract: "test_command_that_fails_now_and_then_is_done_once",
    SagaTimeoutContract: "test_time_out_that_was_cancelled_does_not_come",
}
"""A test of each contract that has nothing to do with the breaches."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_broken_saga_is_caught(
    broken: Broken, run_contract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken.place, broken.replaced, broken.by)
    tests = [*broken.failing, SOUND[broken.contract]]
    names = " or ".join(tests)
    outcomes = run_contract(broken.contract, SUBJECT, "-k", names, hopeless=broken.failing)
    assert outcomes["failed"] == set(broken.failing)
