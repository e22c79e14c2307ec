"""Stores that break one promise about a document, and what they are made of."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

import attrs

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import RevisionConflictError

Store = InMemoryAsyncEventStore


class Changes:
    """A transaction that passes everything on; a broken one changes something."""

    def __init__(self, store: Any, tx: Any) -> None:
        self.store = store
        self.tx = tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)


def with_changes(changes: type[Changes]) -> type[Store]:
    """Return a store whose transactions are such ones."""

    class Changed(Store):
        @asynccontextmanager
        async def transaction(self):
            async with super().transaction() as tx:
                yield changes(self, tx)

    Changed.__name__ = changes.__name__
    return Changed


def with_finds(change: Any) -> type[Store]:
    """Return a store that finds, in and outside of transactions, what `change` makes of it."""

    class Finding(Changes):
        async def find(self, collection, **how):
            return await change(self.tx.find, collection, **how)

    class Changed(with_changes(Finding)):  # type: ignore[misc]  # a class made by a function
        async def find_documents(self, collection, **how):
            return await change(super().find_documents, collection, **how)

    Changed.__name__ = change.__name__
    return Changed


def with_bodies(change: Any) -> type[Store]:
    """Return a store that keeps what `change` makes of a body."""

    class Putting(Changes):
        async def put(self, collection, key, body, **how):
            return await self.tx.put(collection, key, change(body), **how)

    made = with_changes(Putting)
    made.__name__ = change.__name__
    return made


class ChecksNoRevision(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        return await self.tx.put(collection, key, body, due=due)


class DeletesWhateverIsThere(Changes):
    async def delete(self, collection, key, *, expect=None):
        return await self.tx.delete(collection, key)


class TakesZeroForAnything(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        return await self.tx.put(collection, key, body, expect=expect or None, due=due)


class SwapsTheFacts(Changes):
    async def put(self, collection, key, body, **how):
        try:
            return await self.tx.put(collection, key, body, **how)
        except RevisionConflictError as e:
            raise RevisionConflictError(e.collection, e.key, e.actual, e.expected) from e


class SaysNothingOfADelete(Changes):
    async def delete(self, collection, key, **how):
        await self.tx.delete(collection, key, **how)
        return True


class CountsOnAfterADelete(Changes):
    """It keeps an empty grave instead of deleting."""

    async def put(self, collection, key, body, **how):
        grave = await self.tx.get("graves", f"{collection}/{key}")
        if grave and not await self.tx.get(collection, key) and not how.get("expect"):
            for _ in range(grave.body["revision"]):
                await self.tx.put(collection, key, body)
            return await self.tx.put(collection, key, body)
        return await self.tx.put(collection, key, body, **how)

    async def delete(self, collection, key, **how):
        document = await self.tx.get(collection, key)
        deleted = await self.tx.delete(collection, key, **how)
        if document:
            await self.tx.put("graves", f"{collection}/{key}", {"revision": document.revision})
        return deleted


class CountsOnlyWhatChanged(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        there = await self.tx.get(collection, key)
        if there and expect is None and (there.body, there.due) == (body, due):
            return there.revision
        return await self.tx.put(collection, key, body, expect=expect, due=due)


class KeepsTheOldDueTime(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        there = await self.tx.get(collection, key) if due is None else None
        due = there.due if there else due
        return await self.tx.put(collection, key, body, expect=expect, due=due)


class MergesBodies(Changes):
    async def put(self, collection, key, body, **how):
        there = await self.tx.get(collection, key)
        body = there.body | body if there and isinstance(body, dict) else body
        return await self.tx.put(collection, key, body, **how)


class RoundsTheDueTime(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        due = due.replace(microsecond=0) if hasattr(due, "microsecond") else due
        return await self.tx.put(collection, key, body, expect=expect, due=due)


class ForgetsTheZone(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        if getattr(due, "tzinfo", None) is not None:
            due = due.replace(tzinfo=UTC)
        return await self.tx.put(collection, key, body, expect=expect, due=due)


class IgnoresTheCase(Changes):
    async def put(self, collection, key, body, **how):
        key = key.lower() if isinstance(key, str) else key
        return await self.tx.put(collection, key, body, **how)


class SharesBodies(Store):
    def __init__(self) -> None:
        super().__init__()
        self.read: dict[Any, Any] = {}

    async def get_document(self, collection, key):
        document = await super().get_document(collection, key)
        if document is None:
            return None
        return self.read.setdefault((collection, key, document.revision), document)


class KeepsTheGivenBody(Changes):
    """It writes bodies at the end of the block."""

    late: dict[Any, Any]

    def __init__(self, store: Any, tx: Any) -> None:
        super().__init__(store, tx)
        self.late = {}

    async def put(self, collection, key, body, **how):
        self.late[collection, key] = body
        return await self.tx.put(collection, key, body, **how)

    async def get(self, collection, key):
        document = await self.tx.get(collection, key)
        body = self.late.get((collection, key))
        return attrs.evolve(document, body=body) if document and body is not None else document


def numbers_as_a_script_has_them(body):
    """Every number is a float, and a whole one is written without its point."""
    if isinstance(body, dict):
        return {key: numbers_as_a_script_has_them(value) for key, value in body.items()}
    if isinstance(body, list):
        return [numbers_as_a_script_has_them(value) for value in body]
    if isinstance(body, int | float) and not isinstance(body, bool) and abs(body) < 2**1000:
        return int(float(body)) if float(body).is_integer() else float(body)
    return body


def what_json_makes_of_it(body):
    """The standard encoder takes tuples, NaN and keys that are numbers."""
    if not isinstance(body, dict):
        return body
    try:
        text = json.dumps(body)
    except TypeError:
        return body
    decoded = json.loads(text.replace("NaN", "null").replace("-Infinity", "null"))
    assert isinstance(decoded, dict)
    return decoded


def drops_what_is_empty(body):
    if isinstance(body, dict):
        return {key: drops_what_is_empty(value) for key, value in body.items() if value != {}}
    return body


def like(pattern: str, key: str) -> bool:
    """Say whether SQL's LIKE, which has two wildcards, would match."""
    expression = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)
    return re.match(expression, key, re.DOTALL) is not None


class FindsLessInATransaction(Changes):
    """There, another number of documents comes where nobody says how many."""

    async def find(self, collection, **how):
        return await self.tx.find(collection, **{"limit": 500, **how})


async def prefix_is_a_pattern(find, collection, *, prefix="", limit=1000, **how):
    found = await find(collection, limit=10**6, **how)
    if not isinstance(prefix, str) or type(limit) is not int:
        return await find(collection, prefix=prefix, limit=limit, **how)
    await find(collection, prefix=prefix, limit=limit)
    return [d for d in found if like(prefix, d.key)][:limit]


async def prefix_ends_at_the_last_character_of_ucs2(find, collection, *, prefix="", **how):
    found = await find(collection, prefix=prefix, **how)
    return [d for d in found if d.key < prefix + "\uffff"] if prefix else found


async def sorts_as_utf_16(find, collection, *, due=None, limit=1000, after="", **how):
    found = await find(collection, due=due, limit=limit, after=after, **how)
    return found if due else sorted(found, key=lambda d: d.key.encode("utf-16-be"))


async def sorts_as_people_do(find, collection, *, due=None, **how):
    found = await find(collection, due=due, **how)
    return found if due else sorted(found, key=lambda d: d.key.casefold())


async def after_includes(find, collection, *, after="", **how):
    lower = after[:-1] + chr(ord(after[-1]) - 1) + "\U0010ffff" * 3 if after else after
    found = await find(collection, after=lower if after != "\ud800" else after, **how)
    return [d for d in found if d.key >= after]


async def due_comes_later(find, collection, *, due=None, **how):
    found = await find(collection, due=due, **how)
    return found if due is None else [d for d in found if d.due < due]


async def due_in_the_order_of_keys(find, collection, *, due=None, **how):
    found = await find(collection, due=due, **how)
    return sorted(found, key=lambda d: d.key)


async def due_forgets_the_key(find, collection, *, due=None, prefix="", after="", **how):
    if due is None:
        return await find(collection, prefix=prefix, after=after, **how)
    await find(collection, prefix=prefix, after=after, due=due)
    return await find(collection, due=due, **how)


async def due_never_counts_as_due(find, collection, *, due=None, limit=1000, **how):
    found = await find(collection, due=due, limit=limit, **how)
    if due is None:
        return found
    never = [d for d in await find(collection, **how) if d.due is None]
    return (found + never)[:limit]


async def limit_is_a_hundred_at_most(find, collection, *, limit=1000, **how):
    return await find(collection, limit=min(limit, 100) if type(limit) is int else limit, **how)


async def limit_of_none_is_none(find, collection, *, limit=1000, **how):
    return [] if limit == 0 else await find(collection, limit=limit, **how)


class SearchesWhatIsCommitted(Changes):
    async def find(self, collection, **how):
        return await self.store.find_documents(collection, **how)


class SearchesBeforeItMerges(Changes):
    """It takes the limit from what is committed, and then its own changes into account."""

    async def find(self, collection, *, limit=1000, **how):
        committed = await self.store.find_documents(collection, limit=limit, **how)
        found = [await self.tx.get(collection, document.key) for document in committed]
        await self.tx.find(collection, limit=limit, **how)
        own = [d for d in await self.tx.find(collection, **how) if d.key not in {
            document.key for document in committed}]  # fmt: skip
        together = [document for document in found if document] + own[: max(0, limit - len(found))]
        return sorted(together, key=lambda d: (d.due, d.key) if how.get("due") else d.key)


class BlamesNoArgument(Changes):
    async def put(self, *args, **how):
        try:
            return await self.tx.put(*args, **how)
        except (TypeError, ValueError) as error:
            raise type(error)("bad input") from error


class TakesAnyNumberForARevision(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        expect = expect if expect is None else int(expect)
        return await self.tx.put(collection, key, body, expect=expect, due=due)


class TakesANaiveTimeForUTC(Changes):
    async def put(self, collection, key, body, *, expect=None, due=None):
        if hasattr(due, "hour") and due.tzinfo is None:
            due = due.replace(tzinfo=UTC)
        return await self.tx.put(collection, key, body, expect=expect, due=due)


class CollectionsMix(Store):
    """It keeps what the collections have in one table, by its key alone."""

    async def find_documents(self, collection, **how):
        found = await super().find_documents(collection, **how)
        for other in list(self._documents._collections):
            if other.lower() == collection.lower() and other != collection:
                found += await super().find_documents(other, **how)
        return found
