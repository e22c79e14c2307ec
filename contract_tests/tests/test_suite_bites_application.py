"""
Each of these applications breaks one promise; the store under it is sound.

A row of `BROKEN` says what is put in the place of what, and exactly which tests of which contract
fail, out of those that are run: the ones that are named for the breach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest

from orchestrix.infrastructure.memory import plugin
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts.application_commands import ApplicationCommandContract
from orchestrix_contract_tests.contracts.application_events import ApplicationEventContract
from orchestrix_contract_tests.contracts.application_timers import ApplicationTimerContract
from orchestrix_core import Subscription, _engine, _in_flight, _unit, components, timers
from orchestrix_core.aggregates import _repository
from orchestrix_core.commands import _execution, _results

(SUBJECT,) = (
    subject
    for subject in plugin.orchestrix_contract_subjects()
    if (subject.kind, subject.name) == ("event_store", "memory")
)

COMMANDS, EVENTS, TIMERS = (
    ApplicationCommandContract,
    ApplicationEventContract,
    ApplicationTimerContract,
)
SOUND: dict[type[StoreContract], str] = {
    COMMANDS: "test_command_is_handled_and_its_result_returned",
    EVENTS: "test_what_fails_beside_the_application_is_raised",
    TIMERS: "test_when_must_be_clear",
}
"""A test that each of them passes all the same."""


@attrs.frozen
class Broken:
    name: str
    place: Any
    replaced: str
    by: Any
    contract: type[StoreContract]
    failing: list[str]


async def _decided(self, handler, command, app):
    with _unit.Unit(self._ground) as unit:
        result = await handler(command, app)
        value = handler.results.encode(result, self._converter)
    return unit, result, {"type": command.type, "result": value}


async def result_first(self, handler, command, app):
    """The result is stored, then the events: what fails in between is never done."""
    unit, result, body = await _decided(self, handler, command, app)
    async with self._store.transaction() as transaction:
        await _execution._note(command.id, body, self._kept, transaction)
    await unit.commit()
    return result


async def result_last(self, handler, command, app):
    """The events are stored, then the result: what fails in between is done again."""
    unit, result, body = await _decided(self, handler, command, app)
    await unit.commit()
    async with self._ground.backend.transaction() as transaction:
        await _execution._note(command.id, body, self._kept, transaction)
    return result


async def result_whatever_is_there(command_id, body, kept, transaction):
    await transaction.put(_execution.COMMANDS, command_id, body, due=_execution.now() + kept)


async def looks_never(self, handler, command):
    return _execution._NOT_DONE


async def looks_only_before(self, handler, command, app):
    result = await self._known(handler, command)
    return (
        await self._work_once(handler, command, app) if result is _execution._NOT_DONE else result
    )


@asynccontextmanager
async def no_turn(self, command_id):
    yield


class LonelyUnit(_unit.Unit):
    """Stores by itself, also within another one."""

    def __init__(self, ground):
        super().__init__(ground)
        self._below = None


async def fires_without_claim(self, timer, time, body):
    await asyncio.sleep(0)
    return timer.revision


async def removes_never(self, key, revision):
    pass


async def puts_at_once(self, change):
    await self._ground.store([change], [])


async def prepares_nothing(store, subscription):
    pass


async def waits_for_nothing(self, grace):
    pass


BROKEN = [
    Broken(
        "result before the events",
        _execution.Execution,
        "_work_once",
        result_first,
        COMMANDS,
        ["test_conflict_runs_the_handler_again", "test_two_streams_are_stored_together"],
    ),
    Broken(
        "result behind the events",
        _execution.Execution,
        "_work_once",
        result_last,
        COMMANDS,
        ["test_commit_that_fails_leaves_nothing"],
    ),
    Broken(
        "result over another one",
        _execution,
        "_note",
        result_whatever_is_there,
        COMMANDS,
        ["test_two_at_once_in_two_applications"],
    ),
    Broken(
        "nobody looks for a result",
        _execution.Execution,
        "_known",
        looks_never,
        COMMANDS,
        [
            "test_repeated_command_gets_the_first_result",
            "test_repeated_command_after_a_restart",
            "test_commit_in_doubt_is_looked_up",
            "test_id_of_another_command_is_refused",
        ],
    ),
    Broken(
        "nobody looks again after a failure",
        _execution.Execution,
        "_attempt",
        looks_only_before,
        COMMANDS,
        [
            "test_handler_that_fails_because_another_was_faster",
            "test_commit_in_doubt_is_looked_up",
        ],
    ),
    Broken(
        "result without its type",
        _results.ResultCodec,
        "decode",
        lambda self, value, converter: value,
        COMMANDS,
        ["test_repeated_command_after_a_restart"],
    ),
    Broken(
        "same command twice at once",
        _execution.Execution,
        "_turn",
        no_turn,
        COMMANDS,
        ["test_two_at_once_in_one_process"],
    ),
    Broken(
        "conflict is final",
        _execution,
        "_was_slower",
        lambda error: False,
        COMMANDS,
        ["test_conflict_runs_the_handler_again"],
    ),
    Broken(
        "saved at once",
        _unit,
        "active",
        lambda ground=None: None,
        COMMANDS,
        [
            "test_handler_that_raises_leaves_nothing",
            "test_two_streams_are_stored_together",
            "test_loads_see_what_was_saved",
        ],
    ),
    Broken(
        "command within a command by itself",
        _execution,
        "Unit",
        LonelyUnit,
        COMMANDS,
        ["test_command_within_a_command"],
    ),
    Broken(
        "cache of what is not stored",
        _repository,
        "holds",
        lambda stream: False,
        COMMANDS,
        ["test_cache_holds_nothing_that_is_not_stored"],
    ),
    Broken(
        "timers are not claimed",
        timers.Timers,
        "_claim",
        fires_without_claim,
        TIMERS,
        ["test_two_workers_fire_once", "test_timer_of_a_process_that_died_fires_again"],
    ),
    Broken(
        "timers stay",
        timers.Timers,
        "_remove",
        removes_never,
        TIMERS,
        [
            "test_timer_fires_when_it_is_due",
            "test_timer_sent_by_a_process_that_died_is_handled_once",
        ],
    ),
    Broken(
        "timers beside the unit",
        timers.Timers,
        "_change",
        puts_at_once,
        TIMERS,
        ["test_timers_of_a_handler_go_with_what_it_does"],
    ),
    Broken(
        "place in the log from the first event on",
        _engine,
        "prepare",
        prepares_nothing,
        EVENTS,
        ["test_what_was_saved_before_a_crash_is_heard"],
    ),
    Broken(
        "history is news",
        components,
        "Subscription",
        lambda **how: partial(Subscription, **how)(start="beginning"),
        EVENTS,
        ["test_what_was_before_the_first_start_is_not_heard"],
    ),
    Broken(
        "end without a wait",
        _in_flight.InFlight,
        "finish",
        waits_for_nothing,
        EVENTS,
        ["test_in_hand_at_the_end_is_finished", "test_in_hand_for_too_long_is_cut_off"],
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_broken_application_is_caught(
    broken: Broken, run_contract: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken.place, broken.replaced, broken.by)
    tests = [*broken.failing, SOUND[broken.contract]]
    names = " or ".join(tests)
    outcomes = run_contract(broken.contract, SUBJECT, "-k", names, hopeless=broken.failing)
    assert outcomes["failed"] == set(broken.failing)
