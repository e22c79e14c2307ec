"""Documents: bad input is refused by name, and nothing of it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._documents import NOON, put, state
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import SerializationError

__all__ = ["DocumentBadInputContract"]

Call = Callable[[Any, Any], Awaitable[Any]]
"""A use of a transaction, or of the store, with one bad value."""

WRONG_NAMES: Final = ["", None, 7, b"acc", "\ud800"]
BEFORE_TIME: Final = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))
"""In UTC, where instants are compared, this is in the year 0, which there is not."""
IN_TRANSACTION: Final[dict[str, tuple[str, Call]]] = {
    "get-collection": ("collection", lambda tx, bad: tx.get(bad, "k")),
    "get-key": ("key", lambda tx, bad: tx.get("c", bad)),
    "find-collection": ("collection", lambda tx, bad: tx.find(bad)),
    "put-collection": ("collection", lambda tx, bad: tx.put(bad, "k", {})),
    "put-key": ("key", lambda tx, bad: tx.put("c", bad, {})),
    "delete-collection": ("collection", lambda tx, bad: tx.delete(bad, "k")),
    "delete-key": ("key", lambda tx, bad: tx.delete("c", bad)),
}
OUTSIDE: Final[dict[str, tuple[str, Call]]] = {
    "get-collection": ("collection", lambda store, bad: store.get_document(bad, "k")),
    "get-key": ("key", lambda store, bad: store.get_document("c", bad)),
    "find-collection": ("collection", lambda store, bad: store.find_documents(bad)),
}


class DocumentBadInputContract(StoreContract, needs=("documents",)):
    """A clear error that names the argument; the transaction goes on without the change."""

    @pytest.mark.parametrize("bad", WRONG_NAMES, ids=repr)
    @pytest.mark.parametrize("use", IN_TRANSACTION)
    async def test_names_in_a_transaction_must_be_text(
        self, store: Driver, use: str, bad: Any
    ) -> None:
        """Documents: an empty or foreign name is refused, and the transaction goes on."""
        argument, call = IN_TRANSACTION[use]
        async with store.transaction() as tx:
            with pytest.raises((TypeError, ValueError), match=argument):
                await call(tx, bad)
            await tx.put("c", "k", {"n": 1})
        documents, _ = await state(store)
        assert [document.body for document in documents] == [{"n": 1}]

    @pytest.mark.parametrize("bad", WRONG_NAMES, ids=repr)
    @pytest.mark.parametrize("use", OUTSIDE)
    async def test_names_must_be_text(self, store: Driver, use: str, bad: Any) -> None:
        """Documents: an empty or foreign name is refused by every way to read."""
        argument, call = OUTSIDE[use]
        with pytest.raises((TypeError, ValueError), match=argument):
            await call(store, bad)

    @pytest.mark.parametrize("body", ["text", None, 7, [1], [("a", 1)]], ids=repr)
    async def test_body_must_be_an_object(self, store: Driver, body: Any) -> None:
        """Documents: what is no mapping is refused by the name of the argument."""
        with pytest.raises((SerializationError, TypeError), match="body"):
            async with store.transaction() as tx:
                await tx.put("c", "k", body)
        assert await store.get_document("c", "k") is None

    @pytest.mark.parametrize(
        "value",
        [object(), float("nan"), float("-inf"), (1,), {1: "x"}, Decimal(1), NOON, b"x", "\ud800"],
        ids=lambda value: type(value).__name__,
    )
    async def test_body_that_json_would_change_is_refused(self, store: Driver, value: Any) -> None:
        """Documents: `SerializationError` says where in the body the value lies."""
        await put(store, "k", {"old": True})
        before = await state(store)
        async with store.transaction() as tx:
            with pytest.raises(SerializationError, match="body"):
                await tx.put("c", "k", {"inner": [value]})
            with pytest.raises(SerializationError, match="body"):
                await tx.put("c", "new", {"inner": [value]})
        assert await state(store) == before

    async def test_unstorable_value_in_a_body_names_its_place(self, store: Driver) -> None:
        """Documents: the path leads to the value."""
        with pytest.raises(SerializationError) as caught:
            await put(store, "k", {"a": {"b": [1, object()]}})
        assert "['a']['b'][1]" in caught.value.path

    @pytest.mark.parametrize("bad", [-1, True, False, "1", 1.0])
    async def test_expect_must_be_a_whole_number(self, store: Driver, bad: Any) -> None:
        """Documents: what is no revision is a `ValueError` that names the argument."""
        await put(store, "k")
        before = await state(store)
        async with store.transaction() as tx:
            with pytest.raises(ValueError, match="expect"):
                await tx.put("c", "k", {}, expect=bad)
            with pytest.raises(ValueError, match="expect"):
                await tx.delete("c", "k", expect=bad)
        assert await state(store) == before

    @pytest.mark.parametrize(
        "bad",
        [datetime(2024, 2, 29), "2024-02-29T12:00:00Z", 0, 1.5, NOON.date(), BEFORE_TIME],
        ids=repr,
    )
    async def test_due_must_be_an_aware_datetime(self, store: Driver, bad: Any) -> None:
        """Documents: a naive time is no instant; the error names the argument."""
        await put(store, "k", due=NOON)
        before = await state(store)
        async with store.transaction() as tx:
            with pytest.raises((TypeError, ValueError), match="due"):
                await tx.put("c", "k", {}, due=bad)
            with pytest.raises((TypeError, ValueError), match="due"):
                await tx.find("c", due=bad)
        with pytest.raises((TypeError, ValueError), match="due"):
            await store.find_documents("c", due=bad)
        assert await state(store) == before

    @pytest.mark.parametrize(
        ("argument", "bad"),
        [
            *(("limit", bad) for bad in (0, -1, True, None, "1", 1.0)),
            *(("prefix", bad) for bad in (None, 7, b"x", "\ud800")),
            *(("after", bad) for bad in (None, 7, b"x", "\ud800")),
        ],
        ids=repr,
    )
    async def test_search_takes_sensible_arguments(
        self, store: Driver, argument: str, bad: Any
    ) -> None:
        """Documents: a bad `limit`, `prefix` or `after` is refused by its name."""
        with pytest.raises((TypeError, ValueError), match=argument):
            await store.find_documents("c", **{argument: bad})
        async with store.transaction() as tx:
            with pytest.raises((TypeError, ValueError), match=argument):
                await tx.find("c", **{argument: bad})
            await tx.put("c", "k", {})
        assert await store.get_document("c", "k") is not None

    @pytest.mark.parametrize("writes", ["text", None, [("a", [])], [None], 7], ids=repr)
    async def test_append_takes_stream_writes(self, store: Driver, writes: Any) -> None:
        """Documents: `append` refuses by name what `save_all` refuses; the rest commits."""
        async with store.transaction() as tx:
            await tx.put("c", "k", {})
            with pytest.raises(TypeError, match="writes"):
                await tx.append(writes)
        assert await store.get_document("c", "k") is not None
