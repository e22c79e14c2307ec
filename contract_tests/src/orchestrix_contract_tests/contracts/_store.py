"""The fixtures of every contract about stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ContractSubject, Event

__all__ = ["StoreContract", "rejected"]


class StoreContract(Contract):
    """Gives each test an empty directory, the subject's stores on it, and one open store."""

    @pytest.fixture(autouse=True)
    def quick_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Let workers look often, however long their leases are.

        A lease that is short for the sake of quick looks runs out when the machine stands still.
        """
        monkeypatch.setattr("orchestrix_core.subscriptions._worker._LONGEST_LOOK", 0.1)

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Return an empty directory of the test's own."""
        directory = tmp_path / "store"
        directory.mkdir()
        return directory

    @pytest_asyncio.fixture(loop_scope="function")
    async def stores(self, subject: ContractSubject, directory: Path) -> AsyncIterator[Stores]:
        """Make stores on the directory; those made are closed after the test."""
        async with Stores(subject, directory) as stores:
            yield stores
        await stores.discard()

    @pytest_asyncio.fixture(loop_scope="function")
    async def store(self, stores: Stores) -> Driver:
        """Return an open, empty store."""
        return await stores.open()


async def rejected(
    store: Driver, kinds: tuple[type[Exception], ...], events: Any, stream: Any, *, names: str
) -> None:
    """Assert that appending `events` raises one of `kinds`, names the argument, stores nothing."""
    with pytest.raises(kinds) as caught:
        await store.save(stream, events)
    assert names in str(caught.value), f"the error does not name {names}: {caught.value}"
    if stream == "acc":  # an id that is itself refused cannot be looked up
        stored: list[Event] = await store.load(stream)
        assert stored == [], "a refused append left something behind"
