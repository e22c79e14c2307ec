"""Projections: a view is what its handlers make of the log, each event once, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrix_contract_tests.contracts._projections import (
    Rows,
    Seen,
    Spread,
    expected_versions,
    keeping,
    rows_of,
    settled,
    versions_of,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import QUICK, fill, until
from orchestrix_contract_tests.domain import Noted, Opened, Paid, PaidByCard
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Projection, ProjectionReader, RecordedEvent, View, on
from orchestrix_core.context import current_message
from orchestrix_core.projections import health
from orchestrix_core.subscriptions import DeadLetters

__all__ = ["ProjectionViewContract"]

STREAMS = "abcdefg"


class ProjectionViewContract(StoreContract, needs=("documents", "global_log", "async")):
    """Async projections on a store, run by a worker."""

    async def test_view_is_a_fold_of_the_log(self, store: Driver) -> None:
        """Projections: what was before the start, and what comes after it, in one view."""
        await fill(store, STREAMS)
        async with keeping(store, Seen, Spread) as kept:
            await settled(store, kept)
            await fill(store, STREAMS)
            await store.save("a", [Opened(owner="x")])
            await settled(store, kept)
        expected = await expected_versions(store)
        for projection in (Seen, Spread):
            view = await ProjectionReader(store.store, projection).find()
            assert versions_of(view) == expected

    async def test_reader_finds_by_key_and_prefix(self, store: Driver) -> None:
        """Projections: one document, or those whose keys begin alike, in their order."""
        reader = ProjectionReader(store.store, Seen)
        assert (await reader.get("a1"), await reader.find()) == (None, {})  # it never ran
        await fill(store, ["a1", "a3", "a2", "b"], rounds=1, size=1)
        async with keeping(store, Seen) as kept:
            await settled(store, kept)
        assert await reader.get("a1") == {"versions": [1]}
        assert await reader.get("c") is None
        assert list(await reader.find(prefix="a", after="a1", limit=1)) == ["a2"]

    async def test_handler_that_fails_behind_its_effect_has_it_once(self, store: Driver) -> None:
        """Projections: effect and position are of one transaction."""

        class Flaky(Seen):
            retry = QUICK
            failed: set[int]

            async def noted(self, event: Noted, view: View, record: RecordedEvent) -> None:
                await super().noted(event, view, record)
                if record.version % 3 == 0 and record.position not in self.failed:
                    self.failed.add(record.position)
                    msg = "behind the effect"
                    raise RuntimeError(msg)

        flaky = Flaky()
        flaky.failed = set()
        await fill(store, "ab")
        async with keeping(store, flaky) as kept:
            await settled(store, kept)
        view = await ProjectionReader(store.store, Flaky).find()
        assert versions_of(view) == await expected_versions(store)
        assert len(flaky.failed) == 4  # which undid whole batches, other streams' effects too

    async def test_poison_event_becomes_a_dead_letter_and_the_view_goes_on(
        self, store: Driver
    ) -> None:
        """Projections: one stream stands still, which health and its letters tell."""

        class Picky(Projection):
            retry = QUICK

            @on(Opened)
            async def opened(self, event: Opened, view: View) -> None:
                if event.owner == "poison":
                    msg = "cannot"
                    raise ValueError(msg)
                await view.put(event.owner, {})

        picky = Picky()
        async with keeping(store, picky) as kept:
            await store.save("a", [Opened(owner="one"), Opened(owner="poison")])
            await store.save("b", [Opened(owner="two")])
            await store.save("a", [Opened(owner="three")])
            await settled(store, kept)
            assert list(await ProjectionReader(store.store, Picky).find()) == ["one", "two"]
            (found,) = await health(store.store, [picky])
            assert (found.blocked, found.dead_letters, found.behind) == (1, 2, 0)
            letters = await DeadLetters(store.store, (await kept.subscriptions())[0]).list()
            assert [letter.version for letter in letters] == [2, 3]

    async def test_base_class_hears_its_subclasses(self, store: Driver) -> None:
        """Projections: by stored names, so that the others are not even read."""
        heard: list[str] = []

        class Payments(Projection):
            @on(Paid)
            def paid(self, event: Paid, view: View) -> None:
                heard.append(event.order)

        await store.save("a", [Paid(order="1"), Noted(notes={}), PaidByCard(order="2")])
        async with keeping(store, Payments) as kept:
            await settled(store, kept)
        assert heard == ["1", "2"]

    async def test_update_is_watched_in_the_context_of_its_event(self, store: Driver) -> None:
        """Projections: trace context goes on from the event; the lag is reported down to 0."""
        watch = _Watch()
        events = [Noted(notes={}, trace_id="0" * 31 + "1"), Noted(notes={})]
        await store.save("a", [*events, Opened(owner="x")])
        async with keeping(store, Seen, instrumentation=watch) as kept:
            await settled(store, kept)
            await until(watch.has_no_lag)
        updates = [about for name, about in watch.seen if name == "update_projection"]
        assert [about["message_id"] for about in updates] == [event.id for event in events]
        assert {about["projection"] for about in updates} == {"Seen"}
        assert watch.during == events

    async def test_health_tells_how_far_a_view_is(self, store: Driver) -> None:
        """Projections: behind before it runs, running and not behind when it has caught up."""
        projections = [Seen(), Spread()]
        await fill(store, "a")
        before = await health(store.store, projections)
        assert [(h.name, h.generation, h.behind, h.running) for h in before] == [
            ("Seen", None, 6, False),
            ("Spread", None, 6, False),
        ]
        async with keeping(store, *projections) as kept:
            await settled(store, kept)
            after = await health(store.store, projections)
        assert [(h.generation, h.behind, h.running) for h in after] == [(1, 0, True)] * 2
        assert not any(h.outdated or h.inline or h.building for h in after)


class ProjectionTableContract(StoreContract, needs=("documents", "global_log", "async", "sql")):
    """Projections with tables."""

    async def test_table_is_a_fold_of_the_log(self, store: Driver) -> None:
        """Projections: SQL in the transaction of the position."""
        await fill(store, STREAMS)
        assert await rows_of(store) == {}
        async with keeping(store, Rows) as kept:
            await settled(store, kept)
            await fill(store, STREAMS)
            await settled(store, kept)
        assert await rows_of(store) == await expected_versions(store)


class _Watch:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Mapping[str, str]]] = []
        self.during: list[Any] = []
        self.lag: float | None = None

    @contextmanager
    def operation(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        self.seen.append((name, attributes))
        if name == "update_projection":
            self.during.append(current_message.get())
        yield

    def record(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        if (name, attributes) == ("projection_lag", {"projection": "Seen"}):
            self.lag = value

    async def has_no_lag(self) -> bool:
        await asyncio.sleep(0)
        return self.lag == 0
