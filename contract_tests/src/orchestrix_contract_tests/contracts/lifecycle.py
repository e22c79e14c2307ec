"""Promise 8: opening and closing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import (
    AsyncDocumentStore,
    AsyncEventLog,
    AsyncEventStore,
    ContractSubject,
    EventLog,
    EventStore,
    Snapshot,
    StoreClosedError,
    StreamWrite,
)
from orchestrix_core.stores import ASYNC, CAPABILITIES, DOCUMENTS, GLOBAL_LOG, PERSISTENT, SYNC

__all__ = ["LifecycleContract"]

Use = Callable[[Driver], Awaitable[Any]]


def _snapshot() -> Snapshot:
    return Snapshot(aggregate_id="acc", version=1, state={})


USES: Final[dict[str, Use]] = {
    "ping": lambda store: store.ping(),
    "save": lambda store: store.save("acc", deposits(1)),
    "save-nothing": lambda store: store.save("acc", []),
    "load": lambda store: store.load("acc"),
    "load_by_trace": lambda store: store.load_by_trace("a" * 32),
    "save_snapshot": lambda store: store.save_snapshot(_snapshot()),
    "load_snapshot": lambda store: store.load_snapshot("acc"),
}
"""Every way to use a store."""


async def _follow(store: Driver) -> Any:
    return await store.subscribe().next()


async def _change(store: Driver) -> None:
    async with store.transaction() as transaction:
        await transaction.put("c", "k", {})


MORE_USES: Final[dict[str, tuple[Use, tuple[str, ...]]]] = {
    "save_all": (lambda store: store.save_all([StreamWrite("a", [])]), ("multi_stream",)),
    "read_log": (lambda store: store.read_log(), ("global_log",)),
    "head": (lambda store: store.head(), ("global_log",)),
    "subscribe": (_follow, ("global_log", "async")),
    "get_document": (lambda store: store.get_document("c", "k"), ("documents",)),
    "find_documents": (lambda store: store.find_documents("c"), ("documents",)),
    "transaction": (_change, ("documents",)),
}
"""Every way to use a store that can do more, and the capabilities it takes."""

EVERY_USE: Final = [pytest.param(use, id=name) for name, use in USES.items()] + [
    pytest.param(use, id=name, marks=requires(*needs)) for name, (use, needs) in MORE_USES.items()
]


NOT_OF_THE_STORE: Final = ("contract-", "asyncio_")
"""How threads are called that the suite starts, and those that the event loop keeps."""


async def _all_ended_but(before: set[threading.Thread]) -> None:
    """Wait until no thread is left that a store started after this set was taken."""
    new = [thread for thread in threading.enumerate() if thread not in before]
    own = [thread for thread in new if not thread.name.startswith(NOT_OF_THE_STORE)]

    async def ended() -> None:
        while any(thread.is_alive() for thread in own):  # noqa: ASYNC110 - threads tell no loop
            await asyncio.sleep(0.01)

    await bounded(ended(), f"the end of {own}")


class LifecycleContract(StoreContract):
    """Open, closed, and nothing that hangs in between."""

    async def test_capabilities_are_known(self, subject: ContractSubject) -> None:
        """Section 5: a misspelt capability would switch its tests off in silence."""
        assert subject.capabilities <= CAPABILITIES
        assert len(subject.capabilities & {SYNC, ASYNC}) == 1, "a store is either sync or async"

    async def test_store_has_the_declared_methods(
        self, store: Driver, subject: ContractSubject
    ) -> None:
        """Section 5: the store implements the protocols of what it declares."""
        is_async = ASYNC in subject.capabilities
        protocols: list[Any] = [AsyncEventStore if is_async else EventStore]
        if GLOBAL_LOG in subject.capabilities:
            protocols.append(AsyncEventLog if is_async else EventLog)
        if DOCUMENTS in subject.capabilities:
            protocols.append(AsyncDocumentStore)
        assert all(isinstance(store.store, protocol) for protocol in protocols)
        coroutines = {
            name: inspect.iscoroutinefunction(getattr(store.store, name))
            for name in ("initialize", "close", "ping", "save", "load", "load_by_trace")
        }
        assert set(coroutines.values()) == {is_async}, coroutines

    async def test_ping_answers(self, store: Driver) -> None:
        """Promise 8: an open store answers True."""
        assert await store.ping() is True

    async def test_initialize_again_does_nothing(self, store: Driver) -> None:
        """Promise 8: a second `initialize` loses nothing and keeps the store open."""
        events = deposits(2)
        await store.save("acc", events)
        await store.initialize()
        assert await store.load("acc") == events

    async def test_close_again_does_nothing(self, store: Driver) -> None:
        """Promise 8: `close` may be called as often as one likes."""
        await store.save("acc", deposits(1))
        for _ in range(3):
            await store.close()

    async def test_close_ends_the_threads(self, stores: Stores, subject: ContractSubject) -> None:
        """Promise 8: nothing of a closed store runs on, and holds up the end of the program."""
        before = {*threading.enumerate()}
        store = await stores.open()
        await store.initialize()
        await store.save("acc", deposits(1))
        for _ in range(2 if subject.capabilities >= {ASYNC, GLOBAL_LOG} else 0):
            follower = store.subscribe()
            await follower.next()
            await follower.close()
        await store.close()
        await _all_ended_but(before)

    @requires("async")
    async def test_cancelled_initialize_leaves_no_thread(self, stores: Stores) -> None:
        """Promise 8: wherever a cancellation strikes, nothing is left, and it may be repeated."""
        for steps in range(6):
            before = {*threading.enumerate()}
            store = await stores.make()
            opening = asyncio.ensure_future(store.initialize())
            for _ in range(steps):
                await asyncio.sleep(0)  # one turn of the loop
            if opening.cancel():
                await asyncio.wait({opening})
                await _all_ended_but(before)
            await store.initialize()
            await store.save(f"acc-{steps}", deposits(1), 0)
            await store.close()

    async def test_close_before_initialize_does_nothing(self, stores: Stores) -> None:
        """Promise 8: cleaning up after a failed start is no error."""
        await (await stores.make()).close()

    @pytest.mark.parametrize("use", EVERY_USE)
    async def test_use_after_close_is_refused(self, store: Driver, use: Use) -> None:
        """Promise 8: every method of a closed store raises `StoreClosedError`, none hangs."""
        await store.save("acc", deposits(1))
        await store.close()
        with pytest.raises(StoreClosedError):
            await use(store)

    @pytest.mark.parametrize("use", EVERY_USE)
    async def test_use_before_initialize(
        self, stores: Stores, subject: ContractSubject, use: Use
    ) -> None:
        """Promise 8: a persistent store refuses; one with nothing to open may work at once."""
        store = await stores.make()
        if PERSISTENT in subject.capabilities:
            with pytest.raises(StoreClosedError):
                await use(store)
        elif use is not _follow:  # on an empty log it would wait, rightly
            try:
                await use(store)
            except StoreClosedError:
                await store.initialize()
                await use(store)

    async def test_store_is_a_context_manager(self, stores: Stores) -> None:
        """Promise 8: the block has an open store; after it the store is closed."""
        store = await stores.make()
        events = deposits(1)
        async with store:
            await store.save("acc", events)
            assert await store.load("acc") == events
        with pytest.raises(StoreClosedError):
            await store.load("acc")

    async def test_context_manager_passes_exceptions_on(self, stores: Stores) -> None:
        """Promise 8: the block's exception goes on, and the store is closed."""
        store = await stores.make()
        failure = LookupError("of the block")
        with pytest.raises(LookupError) as caught:
            async with store:
                raise failure
        assert caught.value is failure
        with pytest.raises(StoreClosedError):
            await store.ping()

    async def test_stores_of_one_kind_share_nothing(
        self, store: Driver, subject: ContractSubject, tmp_path: Any
    ) -> None:
        """Promise 7: another store in another place is empty."""
        await store.save("acc", deposits(1))
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        async with Stores(subject, elsewhere) as others:
            assert await (await others.open()).load("acc") == []
        await others.discard()

    @requires("async")
    async def test_close_ends_what_is_under_way(self, store: Driver) -> None:
        """Promise 8: saves that race a `close` are stored or refused; none hangs."""
        saves = [store.save(f"acc-{n}", deposits(2), 0) for n in range(20)]
        *outcomes, closed = await asyncio.gather(*saves, store.close(), return_exceptions=True)
        assert closed is None
        assert all(o is None or isinstance(o, StoreClosedError) for o in outcomes), outcomes
