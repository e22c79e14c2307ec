"""Sagas: what goes wrong is tried again, set aside, or taken back in reverse order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from orchestrix_contract_tests.contracts._shop import shop
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._trips import (
    Desk,
    Left,
    Lost,
    Progress,
    Refusing,
    Seated,
    Trip,
    ask,
    forget_position,
    instance,
    ledger,
    reactions,
    seat,
    settled,
)
from orchestrix_contract_tests.contracts._workers import until
from orchestrix_contract_tests.driver import Driver, bounded
from orchestrix_core import Command, DeadLetters, Orchestrix
from orchestrix_core.commands import purge
from orchestrix_core.messages import now
from orchestrix_core.sagas import subscription_name

__all__ = ["SagaCompensationContract"]

LETTERS = subscription_name(Trip)


class SagaCompensationContract(StoreContract, needs=("documents", "global_log", "async")):
    """Failures and compensation."""

    async def test_compensation_is_in_reverse_order(self, store: Driver) -> None:
        """Sagas: what was sent is taken back, the last first, over several reactions."""
        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a")
            await seat(store, "a", 1)
            await seat(store, "a", 2)
            await seat(store, "a", 3, Lost(trip="a"))
            await settled(app)
        done = ["+flight", "+hotel", "+seat 1", "+seat 2"]
        undone = ["-seat 2", "-seat 1", "-hotel", "-flight"]
        assert await ledger(store, "a") == done + undone
        assert (await instance(store, "a")).status == "compensated"

    async def test_compensation_goes_on_after_a_restart(self, store: Driver) -> None:
        """Sagas: stopped within a command that compensates, the next process does the rest."""
        desk = Desk()
        async with shop(store, Trip, desk, worker=True) as app:
            await ask(store, "a")
            await seat(store, "a", 1)
            await settled(app)
        desk.stuck = "hotel"
        async with shop(store, Trip, desk, worker=True, grace=0.01):
            await seat(store, "a", 2, Lost(trip="a"))
            await bounded(desk.at_it.wait(), "the compensation")
        assert await ledger(store, "a") == ["+flight", "+hotel", "+seat 1", "-seat 1"]
        async with shop(store, Trip, Desk(), worker=True) as app:
            await settled(app)
        assert (await ledger(store, "a"))[3:] == ["-seat 1", "-hotel", "-flight"]

    async def test_commands_go_on_after_a_restart(self, store: Driver) -> None:
        """Sagas: stopped within a command, with the reaction stored, it is sent again, alone."""
        desk = Desk()
        desk.stuck = "hotel"
        async with shop(store, Trip, desk, worker=True, grace=0.01):
            await ask(store, "a")
            await bounded(desk.at_it.wait(), "the second command")
        assert await ledger(store, "a") == ["+flight"]
        desk = Desk()
        async with shop(store, Trip, desk, worker=True) as app:
            await settled(app)
        assert await ledger(store, "a") == ["+flight", "+hotel"]
        assert len(await reactions(store, "a")) == len(desk.runs) == 1

    async def test_command_that_fails_now_and_then_is_done_once(self, store: Driver) -> None:
        """Sagas: a command that fails is sent again, those in front of it are not."""

        class Moody(Desk):
            async def _do(self, app: Orchestrix, command: Command, trip: str, event: Any) -> None:
                self.full = {event.what} if not self.runs[command.id] else set()
                await super()._do(app, command, trip, event)

        desk = Moody()
        async with shop(store, Trip, desk, worker=True) as app:
            await ask(store, "a")
            await seat(store, "a", 1)
            await settled(app)
        assert await ledger(store, "a") == ["+flight", "+hotel", "+seat 1"]
        assert set(desk.runs.values()) == {2}

    async def test_command_that_fails_for_good_is_a_dead_letter(self, store: Driver) -> None:
        """Sagas: its instance waits, with the events of all streams; others go on; replayed."""
        desk = Desk()
        desk.full = {"hotel"}
        async with _dead(store, desk, "a") as app:
            await seat(store, "a", 1)
            await seat(store, "a", 2, Left(trip="a"))
            desk.full = set()
            await ask(store, "b")
            await settled(app)
            assert await ledger(store, "b") == ["+flight", "+hotel"]
            assert await ledger(store, "a") == ["+flight"]
            letters = DeadLetters(store.store, LETTERS)
            found = await letters.list()
            assert [(one.aggregate_id, one.state) for one in found] == [
                ("saga-Trip-a", "failed"),
                ("saga-Trip-a", "parked"),
                ("saga-Trip-a", "parked"),
            ]
            assert "NoRoomError: hotel" in str(found[0].error)
            await purge(store.store, now() + timedelta(days=30))
            assert await letters.replay("saga-Trip-a") == 1
            await _no_letters(letters)
        assert await ledger(store, "a") == ["+flight", "+hotel", "+seat 1", "=all"]

    async def test_dead_letter_that_is_dropped_leaves_its_commands_undone(
        self, store: Driver
    ) -> None:
        """Sagas: they are not sent, and so not taken back."""
        desk = Desk()
        desk.full = {"hotel"}
        async with _dead(store, desk, "a") as app:
            desk.full = set()
            await seat(store, "a", 1)
            await seat(store, "a", 2, Lost(trip="a"))
            await settled(app)
            letters = DeadLetters(store.store, LETTERS)
            (first, *_) = await letters.list()
            assert await letters.drop("saga-Trip-a", first.position)
            await _no_letters(letters)
        assert await ledger(store, "a") == ["+flight", "+seat 1", "-seat 1", "-flight"]

    async def test_saga_decides_what_follows_a_failure(self, store: Driver) -> None:
        """Sagas: `on_failure` compensates what was done; the command that failed was not."""
        desk = Desk()
        desk.full = {"seat 2"}
        async with shop(store, Refusing, desk, worker=True) as app:
            await ask(store, "a")
            await seat(store, "a", 1)
            await seat(store, "a", 2)
            await seat(store, "a", 3)
            await settled(app)
            assert await DeadLetters(store.store, LETTERS).list() == []
        await forget_position(store)
        async with shop(store, Refusing, Desk(), worker=True) as app:
            await settled(app)
        done, undone = ["+flight", "+hotel", "+seat 1"], ["-seat 1", "-hotel", "-flight"]
        assert await ledger(store, "a") == done + undone
        last = (await reactions(store, "a"))[-1]
        assert (last.status, last.cause_type) == ("compensated", Seated.__message_type__)
        assert last.failed is not None
        assert desk.runs[last.failed] == 3

    async def test_commands_behind_one_that_failed_are_not_sent(self, store: Driver) -> None:
        """Sagas: neither are they, nor are they taken back."""
        desk = Desk()
        desk.full = {"flight"}
        async with shop(store, Refusing, desk, worker=True) as app:
            await ask(store, "a")
            await settled(app)
        assert await ledger(store, "a") == []
        assert (await instance(store, "a")).status == "compensated"

    async def test_compensation_that_fails_is_a_dead_letter(self, store: Driver) -> None:
        """Sagas: whatever `on_failure` says; replayed, it goes on in its order."""
        desk = Desk()
        async with shop(store, Refusing, desk, worker=True) as app:
            await ask(store, "a")
            await settled(app)
            desk.full = {"hotel"}
            await seat(store, "a", 1, Lost(trip="a"))
            await settled(app)
            letters = DeadLetters(store.store, LETTERS)
            assert len(await letters.list()) == 1
            desk.full = set()
            await letters.replay()
            await _no_letters(letters)
        assert await ledger(store, "a") == ["+flight", "+hotel", "-hotel", "-flight"]

    async def test_handler_that_fails_leaves_nothing(self, store: Driver) -> None:
        """Sagas: an event that cannot be heard is a dead letter, and nothing of it is stored."""
        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a")
            await seat(store, "a", 1, Seated(trip="a", subject="poison"))
            await seat(store, "a", 2)
            await settled(app)
            (failed, parked) = await DeadLetters(store.store, LETTERS).list()
        assert "ValueError: poison" in str(failed.error)
        assert (failed.attempts, parked.state) == (3, "parked")
        assert (await instance(store, "a")).state == {"seats": 0}
        assert await ledger(store, "a") == ["+flight", "+hotel"]

    async def test_state_of_another_version_waits_until_there_is_a_way(self, store: Driver) -> None:
        """Sagas: no guess is made; with `upgrade`, the replay goes on."""

        class Newer(Trip, name="Trip", version=2):
            pass

        class Upgrading(Trip, name="Trip", version=2):
            @classmethod
            def upgrade(cls, state: dict[str, int], version: int) -> dict[str, int]:
                return {"seats": state["seats"] + 10 * version}

        async with shop(store, Trip, Desk(), worker=True) as app:
            await ask(store, "a")
            await settled(app)
        letters = DeadLetters(store.store, LETTERS)
        async with shop(store, Newer, Desk(), worker=True) as app:
            await seat(store, "a", 1)
            await settled(app)
            (failed,) = await letters.list()
            assert "was stored at version 1, its class is at 2: Trip.upgrade" in str(failed.error)
        async with shop(store, Upgrading, Desk(), worker=True) as app:
            await letters.replay()
            await _no_letters(letters)
        assert await ledger(store, "a") == ["+flight", "+hotel", "+seat 11"]
        assert (await instance(store, "a")).state == {"seats": Progress(11).seats}


@asynccontextmanager
async def _dead(store: Driver, desk: Desk, trip: str) -> AsyncIterator[Orchestrix]:
    """Run the application with a trip that has a dead letter."""
    async with shop(store, Trip, desk, worker=True) as app:
        await ask(store, trip)
        await settled(app)
        (letter,) = await DeadLetters(store.store, LETTERS).list()
        assert letter.attempts == 3
        yield app


async def _no_letters(letters: DeadLetters) -> None:
    async def none_is_left() -> bool:
        return not await letters.list()

    await until(none_is_left)
