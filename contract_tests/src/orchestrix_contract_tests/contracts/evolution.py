"""What was stored by yesterday's classes is read by today's, on every read path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import (
    ContractSubject,
    Event,
    JSONSerializer,
    MessageRegistry,
    RawEvent,
    UnknownMessageType,
    UpcastingError,
    stored_as,
    upcaster,
)

__all__ = ["EvolutionContract"]

TRACE = "e" * 32
_yesterday, _today, _broken = MessageRegistry(), MessageRegistry(), MessageRegistry()


class _MovedV1(Event, type="contract.person.moved", registry=_yesterday):
    street_and_city: str


class _Moved(Event, type="contract.person.moved", version=3, registry=_today):
    street: str
    city: str
    country: str


class _MovedWithAGap(Event, type="contract.person.moved", version=3, registry=_broken):
    street: str


class _Left(Event, type="contract.person.left", registry=_yesterday):
    reason: dict[str, Any]


class _Came(Event, type="contract.person.came", registry=_yesterday):
    pass


class _CameStill(Event, type="contract.person.came", registry=_today):
    pass


@upcaster("contract.person.moved", from_version=1, registry=_today)
def _split(data: dict[str, Any]) -> dict[str, Any]:
    street, city = data["street_and_city"].split(", ")
    return {"street": street, "city": city}


@upcaster("contract.person.moved", from_version=2, registry=_today)
def _add_country(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "country": "DE"}


async def _load(store: Driver) -> list[Event]:
    return await store.load("ada")


async def _trace(store: Driver) -> list[Event]:
    return await store.load_by_trace(TRACE)


async def _log(store: Driver) -> list[Event]:
    return [r.event for r in await store.read_log() if r.aggregate_id == "ada"]


async def _subscription(store: Driver) -> list[Event]:
    follower = store.subscribe()
    records = await follower.take(2)
    await follower.close()
    return [record.event for record in records if record.aggregate_id == "ada"]


Read = Callable[[Driver], Awaitable[list[Event]]]
EVERY_PATH: Final = [
    pytest.param(_load, id="load"),
    pytest.param(_trace, id="trace"),
    pytest.param(_log, id="log", marks=requires("global_log")),
    pytest.param(_subscription, id="subscription", marks=requires("global_log", "async")),
]


class EvolutionContract(StoreContract, needs=("persistent",)):
    """
    Upcasting and unknown names: the same on load, trace, log and subscription.

    The subject's `create` takes `serializer=` here, so that two programs with different classes
    can open the same data.
    """

    async def _opened(
        self, stores: Stores, registry: MessageRegistry, unknown: Any = "error"
    ) -> Driver:
        return await stores.open(serializer=JSONSerializer(registry, unknown=unknown))

    async def _written(self, stores: Stores, event: Event) -> None:
        """Let yesterday's program store `event`, at version 1 and not at position 1."""
        store = await self._opened(stores, _yesterday)
        await store.save("other", [_Came()])
        await store.save("ada", [event])
        await store.close()

    @pytest.mark.parametrize("read", EVERY_PATH)
    async def test_old_events_are_upcast(self, stores: Stores, read: Read) -> None:
        """Section 3: the chain of upcasters runs on every read path; metadata stays."""
        old = _MovedV1(street_and_city="Markt 1, Jena", trace_id=TRACE, subject="s")
        await self._written(stores, old)
        (event,) = await read(await self._opened(stores, _today))
        assert type(event) is _Moved
        assert (event.street, event.city, event.country) == ("Markt 1", "Jena", "DE")
        assert (event.id, event.timestamp, event.subject) == (old.id, old.timestamp, "s")

    @pytest.mark.parametrize("read", EVERY_PATH)
    async def test_gap_in_the_upcasters_is_an_error(self, stores: Stores, read: Read) -> None:
        """Section 3: a version without a way to the current one is told, not guessed."""
        await self._written(stores, _MovedV1(street_and_city="Markt 1, Jena", trace_id=TRACE))
        store = await self._opened(stores, _broken, unknown="raw")
        with pytest.raises(UpcastingError, match=r"contract\.person\.moved"):
            await read(store)

    @pytest.mark.parametrize("read", EVERY_PATH)
    async def test_unknown_type_is_reported_with_its_place(
        self, stores: Stores, read: Read
    ) -> None:
        """Section 3: `UnknownMessageType` names the type, the stream and the log position."""
        await self._written(stores, _Left(reason={}, trace_id=TRACE))
        store = await self._opened(stores, _today)
        with pytest.raises(UnknownMessageType) as caught:
            await read(store)
        error = caught.value
        assert (error.type, error.stream) == ("contract.person.left", "ada")
        assert error.position == 2, "position is that of the log, not the version in the stream"

    @pytest.mark.parametrize("read", EVERY_PATH)
    async def test_unknown_type_can_be_read_raw(self, stores: Stores, read: Read) -> None:
        """Section 3: with `unknown="raw"` a `RawEvent` keeps what was stored."""
        old = _Left(reason={"k": [1]}, trace_id=TRACE, correlation_id="c")
        await self._written(stores, old)
        (raw,) = await read(await self._opened(stores, _today, "raw"))
        assert type(raw) is RawEvent
        assert stored_as(raw) == ("contract.person.left", 1)
        assert (raw.id, raw.trace_id, raw.correlation_id) == (old.id, TRACE, "c")

    async def test_raw_event_is_written_back_unchanged(
        self, stores: Stores, subject: ContractSubject, tmp_path: Path
    ) -> None:
        """Section 3: a `RawEvent` copied to another store is the same event to who knows it."""
        old = _Left(reason={"k": [1, "ä"]}, trace_id=TRACE)
        await self._written(stores, old)
        (raw,) = await _load(await self._opened(stores, _today, "raw"))
        directory = tmp_path / "copy"
        directory.mkdir()
        async with Stores(subject, directory) as copies:
            copy = await self._opened(copies, _today, "raw")
            await copy.save("ada", [raw])
            await copy.close()
            assert await _load(await self._opened(copies, _yesterday)) == [old]

    @requires("global_log")
    async def test_unknown_types_do_not_hinder_who_filters(self, stores: Stores) -> None:
        """Promise 4: a reader of some types is not stopped by others that it does not know."""
        await self._written(stores, _Left(reason={}))
        store = await self._opened(stores, _today)
        (record,) = await store.read_log(types=["contract.person.came"])
        assert type(record.event) is _CameStill

    async def test_registered_types_of_ones_own(self, stores: Stores) -> None:
        """Section 4: hooks that the application registered on its serializer are used."""
        serializer = JSONSerializer(_holders)
        serializer.register_hooks(_Money, unstructure=_Money.text, structure=_Money.parse)
        event = _Paid(money=_Money(5, "EUR"))
        store = await stores.open(serializer=serializer)
        await store.save("acc", [event])
        await store.close()
        again = await stores.open(serializer=serializer)
        (loaded,) = await again.load("acc")
        assert cast("_Paid", loaded).money == event.money


_holders = MessageRegistry()


class _Money:
    """A class that neither attrs, dataclasses nor msgspec know."""

    def __init__(self, cents: int, currency: str) -> None:
        self.cents, self.currency = cents, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Money) and self.text() == other.text()

    def __hash__(self) -> int:
        return hash(self.text())

    def text(self) -> str:
        return f"{self.cents} {self.currency}"

    @classmethod
    def parse(cls, text: str) -> _Money:
        cents, currency = text.split()
        return cls(int(cents), currency)


class _Paid(Event, type="contract.paid", registry=_holders):
    money: _Money
