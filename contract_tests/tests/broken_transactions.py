"""Stores whose transactions break one promise, and one that runs SQL, sound and broken."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import attrs
from broken_documents import Changes, Store, with_changes  # type: ignore[import-not-found]  # beside this module
from msgspec.structs import replace

from orchestrix.infrastructure.memory._transactions import Transactions
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    OrchestrixError,
    RevisionConflictError,
    StorageError,
    StreamWrite,
)
from orchestrix_core.messages import new_id


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


class AppendsAtOnce(Changes):
    """It appends beside the transaction."""

    async def append(self, writes):
        self.store._ledger.append_all(writes)
        self.store._wake()


class AppendsAtTheEnd(Store):
    """What is wrong with an append shows only when the block has ended."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            late = Late(self, tx)
            yield late
            for writes in late.writes:
                await tx.append(writes)


class Late(Changes):
    def __init__(self, store: Any, tx: Any) -> None:
        super().__init__(store, tx)
        self.writes: list[Any] = []

    async def append(self, writes):
        self.writes.append(writes)


class AppendsAfterTheCommit(Store):
    """First the documents, then, in another transaction, the events."""

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            late = Late(self, tx)
            yield late
        for writes in late.writes:
            await asyncio.sleep(0)
            await self.save_all(writes)


class AppendsStreamByStream(Changes):
    async def append(self, writes):
        for write in writes:
            await self.tx.append([write])


class LosesTheExpectation(Changes):
    async def append(self, writes):
        await self.tx.append([attrs.evolve(write, expected_version=None) for write in writes])


class TakesARetryForADuplicate(Changes):
    async def append(self, writes):
        for write in writes if isinstance(writes, list) else []:
            for event in getattr(write, "events", []):
                if getattr(event, "id", None) in self.store._ledger._ids:
                    raise DuplicateEventError(event.id, write.aggregate_id)
        await self.tx.append(writes)


class NamesEventsAnew(Changes):
    async def append(self, writes):
        await self.tx.append([
            attrs.evolve(write, events=[attrs.evolve(event, id=new_id()) for event in write.events])
            for write in writes
        ])  # fmt: skip


class DropsAConflict(Changes):
    """A refused append is forgotten, and the transaction goes on."""

    async def append(self, writes):
        with suppress(ConcurrencyError):
            await self.tx.append(writes)


class WakesNobody(Store):
    def _wake(self):
        if self._closed:
            super()._wake()

    async def save(self, *args, **how):
        await super().save(*args, **how)
        super()._wake()

    save_all = save


class WakesTooEarly(Changes):
    """Who follows the log hears of events that do not count yet."""

    async def append(self, writes):
        before = self.store._ledger.head
        await self.tx.append(writes)
        self.store._ledger.append_all(writes)
        self.store._wake()
        assert self.store._ledger.head >= before
        self.tx._appended = None
        self.tx._log.set()
        await asyncio.sleep(0)


class NumbersBeforeItCommits(Store):
    """Events get their positions at the append, though others commit before them."""

    def __init__(self) -> None:
        super().__init__()
        self.early: list[tuple[int, set[str]]] = []

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            numbered = Numbered(self, tx)
            yield numbered
        self.early += numbered.early

    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(0, 10**6)
        for place, ids in self.early:
            moved = [record for record in records if record.event.id in ids]
            others = [record for record in records if record.event.id not in ids]
            records = [*others[:place], *moved, *others[place:]]
        return [replace(r, position=n) for n, r in enumerate(records, start=1) if n > after]


class Numbered(Changes):
    def __init__(self, store: Any, tx: Any) -> None:
        super().__init__(store, tx)
        self.early: list[tuple[int, set[str]]] = []

    async def append(self, writes):
        await self.tx.append(writes)
        self.tx._log.set()  # a save goes on
        ids = {event.id for write in writes for event in write.events}
        self.early.append((self.store._ledger.head, ids))


class IsRefusedForGood(Changes):
    """After a refused append every other one is refused."""

    refused: Any = None

    async def append(self, writes):
        if self.refused:
            raise self.refused
        try:
            await self.tx.append(writes)
        except OrchestrixError as error:
            self.refused = error
            raise


class RowsStore(Store):
    """Sound: beside the documents there is a database in memory, which commits with them."""

    rows: Any

    def __init__(self) -> None:
        super().__init__()
        self.rows = sqlite3.connect(":memory:", isolation_level=None)
        self.rows.row_factory = sqlite3.Row

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as tx:
            self.rows.execute("BEGIN")
            try:
                yield self.statements(tx)
                tx.commit()  # raises where the whole would not commit
                tx._documents._changes.clear()
                tx._appended = None
                self.rows.execute("COMMIT")
            except BaseException:
                self.undo()
                raise

    def undo(self) -> None:
        if self.rows.in_transaction:
            self.rows.execute("ROLLBACK")

    def statements(self, tx: Any) -> Changes:
        return Statements(self, tx)

    async def close(self):
        await super().close()
        self.rows.close()


class Statements(Changes):
    def run(self, statement, arguments):
        if self.tx._ended:
            raise RuntimeError("the transaction has ended")
        try:
            return self.store.rows.execute(statement, self.bound(statement, arguments))
        except sqlite3.Error as error:
            raise StorageError(str(error)) from error

    def bound(self, statement, arguments):
        return {str(n): value for n, value in enumerate(arguments, start=1)}

    async def execute(self, statement, *arguments):
        return max(0, self.run(statement, arguments).rowcount)

    async def fetch(self, statement, *arguments):
        return self.run(statement, arguments).fetchall()


def with_statements(statements: type[Statements]) -> type[RowsStore]:
    """Return a store that runs SQL in such a way."""

    class Changed(RowsStore):
        def statements(self, tx):
            return statements(self, tx)

    Changed.__name__ = statements.__name__
    return Changed


class KeepsTheRows(RowsStore):
    """What failed is undone but for the rows."""

    def undo(self):
        self.rows.execute("COMMIT")


class TakesParametersInTurn(Statements):
    def run(self, statement, arguments):
        return super().run(re.sub(r"\$\d+", "?", statement), arguments)

    def bound(self, statement, arguments):
        return arguments


class CountsOne(Statements):
    async def execute(self, statement, *arguments):
        return min(1, await super().execute(statement, *arguments))


class GivesTuples(Statements):
    async def fetch(self, statement, *arguments):
        return [tuple(row) for row in await super().fetch(statement, *arguments)]


class PassesTheDriversErrors(Statements):
    def run(self, statement, arguments):
        return self.store.rows.execute(statement, self.bound(statement, arguments))


class IsSpoiltByAnError(Statements):
    """As in PostgreSQL without a savepoint: what failed takes the rest with it."""

    def run(self, statement, arguments):
        try:
            return super().run(statement, arguments)
        except StorageError:
            self.store.rows.execute("ROLLBACK")
            self.store.rows.execute("BEGIN")
            raise


class RunsScripts(Statements):
    async def execute(self, statement, *arguments):
        changed = 0
        for part in re.split(r";\s+", statement):
            changed += await super().execute(part, *arguments)
        return changed
