"""How far behind what follows the log is, as an alert needs it: no false alarm, none left out."""

from __future__ import annotations

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore, InMemoryAsyncMessageBus
from orchestrix_contract_tests.domain import Opened
from orchestrix_core import Orchestrix, Projection, on
from orchestrix_core.projections import events_behind, rebuild


class Store(InMemoryAsyncEventStore):
    """Outlives the application that works on it, as a store that is durable does."""

    async def close(self):
        pass


class Owners(Projection):
    @on(Opened)
    async def opened(self, event, view):
        await view.put(event.id, {"owner": event.owner})


class Now(Projection, inline=True):
    @on(Opened)
    async def opened(self, event, view):
        await view.put(event.id, {"owner": event.owner})


async def save(store, count):
    for _ in range(count):
        await store.save("A", [Opened(owner="Ada")])


async def work(store):
    app = Orchestrix(store=store, bus=InMemoryAsyncMessageBus(), bus_is_shared=False)
    app.register(Owners, Now)
    async with app:
        await save(app.store, 2)
        await app.caught_up(timeout=60.0)


async def test_a_projection_counts_by_its_live_generation():
    store = Store()
    await work(store)
    assert await events_behind(store) == {"Owners": 0}
    await save(store, 3)
    assert await events_behind(store) == {"Owners": 3}


async def test_generations_that_are_read_no_more_do_not_count():
    store = Store()
    await work(store)
    for projection in (Owners(), Now()):
        await rebuild(store, projection, grace=3600.0)
    await save(store, 1)
    assert await events_behind(store) == {"Owners": 1}
