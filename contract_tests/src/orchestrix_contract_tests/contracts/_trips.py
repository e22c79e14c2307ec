"""A small application for the contracts about sagas: trips, of which each part is booked."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, Final

import attrs

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Command, Event, Orchestrix, RetryPolicy, Saga, handles, on
from orchestrix_core.sagas import Instance, Reacted, SagaComponent, subscription_name
from orchestrix_core.subscriptions._checkpoints import CHECKPOINTS

__all__ = [
    "HOUR",
    "Asked",
    "Billed",
    "Book",
    "Desk",
    "Free",
    "Late",
    "Left",
    "Lost",
    "NoRoomError",
    "Progress",
    "Refusing",
    "Remind",
    "Seated",
    "Spread",
    "Trip",
    "ask",
    "component",
    "forget_position",
    "instance",
    "ledger",
    "reactions",
    "seat",
    "settled",
]

HOUR: Final = timedelta(hours=1)
QUICK: Final = RetryPolicy(attempts=3, first=0.001, longest=0.002)


class Asked(Event, type="contract.trip.asked"):
    trip: str


class Seated(Event, type="contract.trip.seated"):
    """One more shall have a seat."""

    trip: str


class Left(Event, type="contract.trip.left"):
    trip: str


class Lost(Event, type="contract.trip.lost"):
    trip: str


class Late(Event, type="contract.trip.late"):
    trip: str


class Booked(Event, type="contract.trip.booked"):
    what: str


class Freed(Event, type="contract.trip.freed"):
    what: str


class Billed(Event, type="contract.trip.billed"):
    what: str


class Book(Command, type="contract.trip.book"):
    trip: str
    what: str


class Free(Command, type="contract.trip.free"):
    trip: str
    what: str


class Bill(Command, type="contract.trip.bill"):
    trip: str


class Remind(Command, type="contract.trip.remind"):
    trip: str


@attrs.frozen
class Progress:
    seats: int = 0


class Trip(Saga, key="trip", start="beginning"):
    """What is booked depends on the state: reactions that overlap would show."""

    state: Progress = Progress()
    retry = QUICK

    @on(Asked, starts=True)
    def asked(self, event: Asked) -> None:
        self._book("flight")
        self._book("hotel")
        self.schedule(Late(trip=event.trip), after=HOUR)
        self.schedule(Remind(trip=event.trip), after=2 * HOUR)

    @on(Seated)
    async def seated(self, event: Seated) -> None:
        if event.subject == "poison":
            raise ValueError(event.subject)
        self.state = Progress(self.state.seats + 1)
        await asyncio.sleep(0)
        self._book(f"seat {self.state.seats}")

    @on(Left)
    def left(self, event: Left) -> None:
        self.send(Bill(trip=self.key))
        self.complete()

    @on(Lost)
    def lost(self, event: Lost) -> None:
        self.compensate()

    @on(Late, timeout=True)
    def late(self, event: Late) -> None:
        self.compensate()

    def _book(self, what: str) -> None:
        self.send(Book(trip=self.key, what=what), undo=Free(trip=self.key, what=what))


class Spread(Trip, name="Trip", partitions=4):
    """The same, in parts."""


class Refusing(Trip, name="Trip"):
    """The same; a command that fails is the end of the trip."""

    def on_failure(self, command: Command, error: Exception) -> None:
        assert isinstance(error, NoRoomError)
        self.compensate()


class NoRoomError(Exception):
    pass


class Desk:
    """
    The handlers, which note what they do, and who asked for it.

    Attributes:
        full: what cannot be booked, nor freed.
        stuck: what takes for ever; `at_it` is set then.
        runs: how often each command's handler ran.
    """

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.stuck: str | None = None
        self.at_it = asyncio.Event()
        self.runs: Counter[str] = Counter()

    @handles(Book)
    async def book(self, command: Book, app: Orchestrix) -> None:
        await self._do(app, command, command.trip, Booked(what=command.what))

    @handles(Free)
    async def free(self, command: Free, app: Orchestrix) -> None:
        await self._do(app, command, command.trip, Freed(what=command.what))

    @handles(Bill)
    async def bill(self, command: Bill, app: Orchestrix) -> None:
        await self._do(app, command, command.trip, Billed(what="all"))

    @handles(Remind)
    async def remind(self, command: Remind, app: Orchestrix) -> None:
        await self._do(app, command, command.trip, Billed(what="reminder"))

    async def _do(self, app: Orchestrix, command: Command, trip: str, event: Any) -> None:
        self.runs[command.id] += 1
        await app.store.save(f"ledger-{trip}", [event])
        if event.what == self.stuck:
            self.at_it.set()
            await asyncio.Event().wait()
        if event.what in self.full:
            raise NoRoomError(event.what)


async def ask(store: Driver, *trips: str) -> None:
    """Let trips begin."""
    for trip in trips:
        await store.save(f"trip-{trip}", [Asked(trip=trip)])


async def seat(store: Driver, trip: str, number: int, event: Event | None = None) -> None:
    """Let a trip have one more seat, by an event of one of several streams."""
    await store.save(f"seats-{number % 5}-{trip}", [event or Seated(trip=trip)])


async def ledger(store: Driver, trip: str) -> list[str]:
    """Return what was done for a trip: `+flight` when it was booked, `-flight` when freed."""
    signs = {Booked: "+", Freed: "-", Billed: "="}
    done: list[Any] = await store.load(f"ledger-{trip}")
    return [signs[type(event)] + event.what for event in done]


async def instance(store: Driver, trip: str) -> Instance:
    """Return the instance of a trip."""
    return Instance(trip, await store.load(f"saga-Trip-{trip}"))


async def reactions(store: Driver, trip: str) -> list[Reacted]:
    """Return all that an instance has reacted to."""
    events: list[Event] = await store.load(f"saga-Trip-{trip}")
    return [event for event in events if isinstance(event, Reacted)]


async def settled(app: Orchestrix) -> None:
    """Wait until the saga has heard everything."""
    await app.caught_up(timeout=driver.PATIENCE)


async def forget_position(store: Driver) -> None:
    """Lose the checkpoints: everything comes again."""
    name = subscription_name(Trip)
    async with store.transaction() as transaction:
        for found in await transaction.find(CHECKPOINTS, prefix=f"{name}/"):
            body = {**found.body, "position": 0, "owner": None}
            await transaction.put(CHECKPOINTS, found.key, body)


def component(app: Orchestrix) -> SagaComponent:
    """Return what runs the saga in an application."""
    (found,) = (part for part in app._engine.parts._components if isinstance(part, SagaComponent))
    return found
