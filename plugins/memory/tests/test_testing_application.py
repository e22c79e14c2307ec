"""The application of `orchestrix_core.testing`: everything runs, in memory, and is closed."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_contract_tests.domain import Opened
from orchestrix_core import Command, Orchestrix, Projection, StoreClosedError, handles, on
from orchestrix_core.testing import application


class Open(Command):
    owner: str


@handles(Open)
async def open_account(command: Open, app: Orchestrix) -> str:
    await app.store.save("A", [Opened(owner=command.owner)], 0)
    return command.owner


class Owners(Projection):
    @on(Opened)
    def opened(self, event, view):
        return view.put(event.owner, {})


async def test_what_is_registered_runs():
    async with application(open_account, Owners) as app:
        assert await app.send(Open(owner="Ada")) == "Ada"
        await app.caught_up(timeout=60.0)
        assert await app.view(Owners).get("Ada") is not None
    with pytest.raises(StoreClosedError):
        await app.store.load("A")


async def test_two_share_nothing():
    async with application(open_account) as one, application(open_account) as other:
        await one.send(Open(owner="Ada"))
        await other.send(Open(owner="Bob"))


async def test_another_store_may_take_the_place():
    store = InMemoryAsyncEventStore()
    async with application(open_account, store=store) as app:
        await app.send(Open(owner="Ada"))
        assert len(await store.load("A")) == 1
