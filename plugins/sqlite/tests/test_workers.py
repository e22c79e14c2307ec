"""Workers on the async store, and two processes of which one knows fewer events."""

from __future__ import annotations

from orchestrix_contract_tests import WorkerContract
from orchestrix_contract_tests.contracts._workers import (
    all_done,
    counting,
    notes,
    running,
    until,
    versions,
)
from orchestrix_contract_tests.domain import Noted, Opened
from orchestrix_core import JSONSerializer, MessageRegistry, Worker

from ._subjects import QUICK


class TestWorkers(WorkerContract):
    subject = QUICK

    async def test_events_that_nobody_asked_for_need_no_class(self, store, stores):
        narrow = await stores.open(serializer=JSONSerializer(knowing_notes_alone()))
        subscription = counting(types=["contract.account.noted"])
        async with running(Worker(narrow.store, [subscription])):
            for n in range(1, 4):
                await store.save("a", [Opened(owner="x"), *notes(1), Opened(owner="y")])
                await until(lambda n=n: has(store, 3 * n - 1))
            await all_done(store, subscription)
        assert await versions(store) == {"a": [2, 5, 8]}


def knowing_notes_alone():
    registry = MessageRegistry()
    registry.register(Noted)
    return registry


async def has(store, version):
    return version in (await versions(store)).get("a", [])
