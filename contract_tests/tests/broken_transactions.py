"""Stores whose transactions break one promise about their block, or about who comes between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

from broken_documents import Changes, Store, with_changes  # type: ignore[import-not-found]  # beside this module

from orchestrix.infrastructure.memory._transactions import Transactions
from orchestrix_core import (
    OrchestrixError,
    RevisionConflictError,
    StreamWrite,
)


class Hurried(Changes):
    """Between two calls it lets others run, as a store on a server does."""

    async def get(self, *args, **how):
        document = await self.tx.get(*args, **how)
        await asyncio.sleep(0)
        return document

    async def put(self, *args, **how):
        await asyncio.sleep(0)
        return await self.tx.put(*args, **how)

    async def delete(self, *args, **how):
        await asyncio.sleep(0)
        return await self.tx.delete(*args, **how)


class LetsOthersIn(with_changes(Hurried)):  # type: ignore[misc]  # a class made by a function
    """Nobody waits for anybody."""

    @asynccontextmanager
    async def transaction(self):
        self._transactions = Transactions()
        async with super().transaction() as tx:
            yield tx


class LocksWhatIsThere(Store):
    """A key without a document keeps nobody waiting."""

    @asynccontextmanager
    async def transaction(self):
        if self._documents._collections:
            async with super().transaction() as tx:
                yield tx
        else:
            self._transactions = Transactions()
            async with super().transaction() as tx:
                yield Hurried(self, tx)


class ShowsWhatIsNotCommitted(Store):
    """Changes are made at once, and taken back when the block fails."""

    @asynccontextmanager
    async def transaction(self):
        before = {name: dict(rows) for name, rows in self._documents._collections.items()}
        async with super().transaction() as tx:
            try:
                yield Early(self, tx)
            except BaseException:
                self._documents._collections = before
                tx._documents._changes.clear()
                raise


class Early(Changes):
    async def put(self, *args, **how):
        revision = await self.tx.put(*args, **how)
        self.make()
        return revision

    async def delete(self, *args, **how):
        deleted = await self.tx.delete(*args, **how)
        self.make()
        return deleted

    def make(self):
        self.tx._documents.commit()
        self.tx._documents._changes.clear()


class CommitsWhatFailed(Store):
    @asynccontextmanager
    async def transaction(self):
        failure = None
        async with super().transaction() as tx:
            try:
                yield tx
            except Exception as error:
                failure = error
        if failure:
            raise failure


class CommitsDocumentsOfWhatFailed(Store):
    """It undoes the events alone."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            try:
                yield tx
            except Exception:
                tx._documents.commit()
                raise


class CommitsWhatIsCancelled(Store):
    @asynccontextmanager
    async def transaction(self):
        cancelled = False
        async with super().transaction() as tx:
            try:
                yield tx
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError


class SwallowsTheException(Store):
    @asynccontextmanager
    async def transaction(self):
        with suppress(ValueError, OrchestrixError):
            async with super().transaction() as tx:
                yield tx


class IsSpoiltByAConflict(Changes):
    """After a refusal nothing more is done, and nothing said."""

    async def put(self, *args, **how):
        try:
            return await self.tx.put(*args, **how)
        except RevisionConflictError:
            self.tx._documents._changes.clear()
            raise


class KeepsHalfOfARefusedChange(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        try:
            return await self.tx.put(collection, key, body, expect=expect, due=due)
        except RevisionConflictError:
            await self.tx.put(collection, key, body)
            raise


class CommitsPieceByPiece(Store):
    """Who looks between two pieces sees the one and not the other."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            yield tx
            changes = tx._documents._changes
            for collection, rows in list(changes.items()):
                for key, stored in list(rows.items()):
                    self._documents._apply(collection, {key: stored})
                    await asyncio.sleep(0)
            changes.clear()


class CommitsThreeHundredAtATime(Changes):
    async def put(self, *args, **how):
        revision = await self.tx.put(*args, **how)
        if sum(map(len, self.tx._documents._changes.values())) >= 300:
            self.tx._documents.commit()
            self.tx._documents._changes.clear()
        return revision


class JoinsTheOuterOne(Store):
    current: Any = None

    @asynccontextmanager
    async def transaction(self):
        task = asyncio.current_task()
        if self.current and self.current[0] is task:
            yield self.current[1]
            return
        async with super().transaction() as tx:
            self.current = task, tx
            try:
                yield tx
            finally:
                self.current = None


class WaitsForItself(Store):
    """It does not know who is inside."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            self._transactions._holder = None
            yield tx


class TellsTasksByTheirContext(Store):
    """A task that was made in a transaction looks to it like the transaction's own."""

    @asynccontextmanager
    async def transaction(self):
        inside = self.__dict__.setdefault("inside", ContextVar("inside", default=False))
        if inside.get():
            raise RuntimeError("there is a transaction already")
        async with super().transaction() as tx:
            inside.set(True)
            try:
                yield tx
            finally:
                inside.set(False)


class NeverLetsGo(Store):
    """A cancelled transaction leaves its lock behind."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            try:
                yield tx
            except asyncio.CancelledError:
                self._transactions = Transactions()
                await self._transactions._turn.acquire()
                raise


class WorksOnAfterItsEnd(Store):
    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            yield tx
        tx._ended = False


class CommitsAfterAClose(Store):
    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            try:
                yield tx
            except OrchestrixError:
                tx._documents.commit()
                raise


class SavesIntoTheTransaction(Store):
    """A save inside takes part, and is undone with the block, though nobody said so."""

    current: Any = None

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            self.current = tx
            try:
                yield tx
            finally:
                self.current = None

    async def save(self, aggregate_id, events, expected_version=None):
        if self.current:
            await self.current.append([StreamWrite(aggregate_id, events, expected_version)])
        else:
            await super().save(aggregate_id, events, expected_version)
