"""Promise 2: optimistic locking."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import Deposited, deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ConcurrencyError, Event

__all__ = ["LockingContract"]

RACERS = 8


class LockingContract(StoreContract):
    """A wrong expectation is refused, and of several equal ones exactly one wins."""

    async def test_right_expectation_is_accepted(self, store: Driver) -> None:
        """Promise 2: n means that exactly n events are there."""
        events = deposits(3)
        await store.save("acc", events[:1], 0)
        await store.save("acc", events[1:2], 1)
        await store.save("acc", events[2:], 2)
        assert await store.load("acc") == events

    @pytest.mark.parametrize("expected", [0, 1, 3, 10**6])
    async def test_wrong_expectation_is_refused(self, store: Driver, expected: int) -> None:
        """Promise 2: the error says what was expected and what is there; nothing changes."""
        events = deposits(2)
        await store.save("acc", events)
        with pytest.raises(ConcurrencyError) as caught:
            await store.save("acc", deposits(2), expected)
        error = caught.value
        facts = (error.aggregate_id, error.expected_version, error.actual_version)
        assert facts == ("acc", expected, 2)
        assert await store.load("acc") == events

    async def test_zero_means_new(self, store: Driver) -> None:
        """Promise 2: 0 is "the stream must be new", not "whatever"."""
        await store.save("acc", deposits(1), 0)
        with pytest.raises(ConcurrencyError):
            await store.save("acc", deposits(1), 0)
        assert len(await store.load("acc")) == 1

    async def test_expectation_on_an_unknown_stream(self, store: Driver) -> None:
        """Promise 2: a stream that is not there is at version 0."""
        with pytest.raises(ConcurrencyError) as caught:
            await store.save("acc", deposits(1), 1)
        assert caught.value.actual_version == 0

    async def test_none_accepts_any_version(self, store: Driver) -> None:
        """Promise 2: None never conflicts."""
        events = deposits(3)
        for event in events:
            await store.save("acc", [event], None)
        assert await store.load("acc") == events

    async def test_versions_are_counted_per_stream(self, store: Driver) -> None:
        """Promise 2: other streams do not count."""
        await store.save("other", deposits(5))
        await store.save("acc", deposits(1), 0)
        await store.save("acc", deposits(1), 1)
        assert len(await store.load("acc")) == 2

    async def test_empty_save_writes_nothing(self, store: Driver) -> None:
        """Promise 2: an empty save with a right expectation, or none, does nothing."""
        await store.save("acc", [])
        await store.save("acc", [], 0)
        events = deposits(1)
        await store.save("acc", events, 0)
        await store.save("acc", [], 1)
        assert await store.load("acc") == events

    async def test_empty_save_still_checks(self, store: Driver) -> None:
        """Promise 2: an empty save with a wrong expectation is a conflict."""
        with pytest.raises(ConcurrencyError):
            await store.save("acc", [], 1)
        await store.save("acc", deposits(2))
        with pytest.raises(ConcurrencyError) as caught:
            await store.save("acc", [], 0)
        assert caught.value.actual_version == 2

    @pytest.mark.parametrize("expected", [-1, True, False, "1", 1.0])
    async def test_expectation_must_be_a_whole_number(self, store: Driver, expected: Any) -> None:
        """Promise 2: what is no count of events is a `ValueError` that names the argument."""
        with pytest.raises(ValueError, match="expected_version"):
            await store.save("acc", deposits(1), expected)
        assert await store.load("acc") == []

    async def test_one_of_many_racers_wins(self, store: Driver, stores: Stores) -> None:
        """Promise 2: of N racers with one expectation exactly one wins, the others conflict."""
        rivals = await stores.rivals(store, RACERS)
        history: list[Event] = []
        for version in range(3):
            batches = [_batch(n) for n in range(RACERS)]
            outcomes = await _race(rivals, batches, version)
            winners = [b for b, o in zip(batches, outcomes, strict=True) if o is None]
            assert len(winners) == 1, f"{len(winners)} racers won at version {version}"
            assert sum(isinstance(o, ConcurrencyError) for o in outcomes) == RACERS - 1, outcomes
            history += winners[0]
            assert await store.load("acc") == history

    async def test_none_never_conflicts_among_racers(self, store: Driver, stores: Stores) -> None:
        """Promise 2: with None all N racers are stored, and each batch stays in one piece."""
        rivals = await stores.rivals(store, RACERS)
        batches = [[*_batch(n), *_batch(n)] for n in range(RACERS)]
        outcomes = await _race(rivals, batches, None)
        assert outcomes == [None] * RACERS
        loaded = await store.load("acc")
        pieces = [loaded[n : n + 2] for n in range(0, len(loaded), 2)]
        assert sorted(pieces, key=_first_id) == sorted(batches, key=_first_id)


def _batch(racer: int) -> list[Event]:
    return [Deposited(amount=Decimal(racer))]


def _first_id(batch: Sequence[Event]) -> str:
    return batch[0].id


async def _race(
    rivals: Sequence[Driver], batches: Sequence[Sequence[Event]], expected: int | None
) -> list[BaseException | None]:
    return await asyncio.gather(
        *(rival.save("acc", batch, expected) for rival, batch in zip(rivals, batches, strict=True)),
        return_exceptions=True,
    )
