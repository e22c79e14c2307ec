"""What the tests of faults share: a store under which a fault stands ready, and what it may say."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_contract_tests.pytest_plugin import NOT_OFFERED_PROPERTY
from orchestrix_core import (
    ConcurrencyError,
    ContractSubject,
    DuplicateEventError,
    Event,
    Fault,
    OrchestrixError,
    StorageError,
)
from orchestrix_core.hookspecs import FaultName
from orchestrix_core.stores import PERSISTENT

__all__ = ["FaultContract", "Staged", "Staging", "cancelled_at", "ids_of", "outcome_of"]


@attrs.frozen
class Staged:
    """
    An open store, and a fault that it can meet.

    Attributes:
        store: the store.
        stores: makes others on the same data.
        fault: what strikes.
    """

    store: Driver
    stores: Stores
    fault: Fault

    @asynccontextmanager
    async def struck(self) -> AsyncIterator[None]:
        """The fault is in force within the block; it comes and goes in time."""
        strike = self.fault.strike(self.store.store)
        await bounded(strike.__aenter__(), "the beginning of a fault")
        try:
            yield
        except BaseException as error:
            leave = strike.__aexit__(type(error), error, error.__traceback__)
            await bounded(leave, "the end of a fault")
            raise
        await bounded(strike.__aexit__(None, None, None), "the end of a fault")

    async def readers(self) -> list[Driver]:
        """Return the store, and another on the same data where that is kept."""
        more = PERSISTENT in self.stores.subject.capabilities
        return [self.store, *([await self.stores.open()] if more else [])]


Staging: TypeAlias = Callable[[FaultName], AbstractAsyncContextManager[Staged]]


class FaultContract(StoreContract):
    """Gives each test a function that makes a fault ready, or skips the test."""

    @pytest.fixture
    def staged(
        self, request: pytest.FixtureRequest, subject: ContractSubject, directory: Path
    ) -> Staging:
        """Return a function that opens a store under a fault; one not offered skips the test."""

        @asynccontextmanager
        async def staged(name: FaultName) -> AsyncIterator[Staged]:
            offered = (subject.faults(directory) if subject.faults else {}).get(
                name, "the plugin offers no such fault"
            )
            if isinstance(offered, str):
                request.node.user_properties.append((NOT_OFFERED_PROPERTY, offered))
                pytest.skip(f"not offered: {offered}")
            async with offered() as fault:
                async with Stores(_made_by(fault, subject), directory) as stores:
                    yield Staged(await stores.open(), stores, fault)
                await stores.discard()

        return staged


def _made_by(fault: Fault, subject: ContractSubject) -> ContractSubject:
    create = fault.create
    if create is None:
        return subject
    return attrs.evolve(subject, create=lambda _: create())


async def outcome_of(save: Coroutine[Any, Any, None]) -> bool:
    """
    Wait for a save that meets a fault; return whether it was acknowledged.

    An error must be `StorageError`, with its cause and a text of its own. One that speaks of a
    conflict or a duplicate would blame the caller.
    """
    try:
        await save
    except (ConcurrencyError, DuplicateEventError) as error:
        msg = f"a save that met a fault blames its caller: {error}"
        raise AssertionError(msg) from error
    except OrchestrixError as error:
        assert isinstance(error, StorageError), f"not a StorageError: {error!r}"
        cause = error.__cause__
        assert cause is not None, f"the cause is not chained (raise ... from exc): {error}"
        assert str(error) not in ("", str(cause)), "the error must say what failed and what to do"
        return False
    return True


def ids_of(events: Sequence[Event]) -> list[str]:
    """Return what tells events apart."""
    return [event.id for event in events]


async def cancelled_at(work: Coroutine[Any, Any, Any], number: int) -> bool:
    """Cancel a coroutine when it awaits for the n-th time; False when it was done before that."""
    task = asyncio.create_task(_awaited(_steps(work, number)))
    try:
        await bounded(task, "what was cancelled")
    except asyncio.CancelledError:
        return True
    return False


async def _awaited(steps: Any) -> None:
    await steps


@types.coroutine
def _steps(work: Coroutine[Any, Any, Any], number: int) -> Generator[Any, Any, None]:
    """Run a coroutine by hand, and cancel its task the moment it suspends for the n-th time."""
    task = asyncio.current_task()
    assert task is not None
    resume, value, count = work.send, None, 0
    while True:
        try:
            future = resume(value)
        except StopIteration:
            return
        count += 1
        if count == number:
            task.cancel()
        try:
            resume, value = work.send, (yield future)
        except BaseException as error:
            resume, value = work.throw, error
