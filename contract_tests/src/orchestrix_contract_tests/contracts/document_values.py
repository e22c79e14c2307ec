"""Documents, one by one: revisions, expectations, and bodies that read back exactly."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._documents import NOON, minutes, put, state, whole
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import Document, RevisionConflictError, SerializationError

__all__ = ["DocumentValuesContract"]

BODIES: Final[dict[str, dict[str, Any]]] = {
    "empty": {},
    "nested": {"a": {"b": [{"c": [[], {}, [None, True, False]]}], "d": {}}, "": {"": ""}},
    "unicode": {"Straße 😀": 'quote " backslash \\ line\u2028end \u0001', "e\u0301": "é"},
    "big": {"more": 2**200, "less": -(2**64), "most": 2**63, "least": -(2**63) - 1},
    "numbers": {"int": 1, "float": 1.0, "minus": -0.0, "exp": 1e22, "tiny": 5e-324, "sum": 0.3},
    "long": {"text": "x" * 200_000, "list": list(range(10_000))},
    "lookalikes": {"date": "2024-02-29T12:00:00Z", "number": "1e5", "null": "null", "$1": "$1"},
}  # fmt: skip
KEYS: Final = ["Ähre 😀", "x" * 1000, "a'b\"c;--", "50%_*?", " padded ", "a\nb", "../\\down", "$1"]


class DocumentValuesContract(StoreContract, needs=("documents",)):
    """A document is read as it was written, and written only where it is as expected."""

    async def test_document_that_is_not_there(self, store: Driver) -> None:
        """Documents: an unknown key is None, in and outside of a transaction."""
        assert await store.get_document("c", "k") is None
        async with store.transaction() as tx:
            assert await tx.get("c", "k") is None
            assert await tx.find("c") == []
        assert await store.find_documents("c") == []

    async def test_document_reads_back_whole(self, store: Driver) -> None:
        """Documents: `put` returns the revision; every way to read gives the same document."""
        assert await put(store, "k", {"n": 1}, due=NOON) == 1
        expected = Document(collection="c", key="k", body={"n": 1}, revision=1, due=NOON)
        assert await store.get_document("c", "k") == expected
        assert await store.find_documents("c") == [expected]
        async with store.transaction() as tx:
            assert await tx.get("c", "k") == expected
            assert await tx.find("c") == [expected]

    async def test_revision_counts_the_writes(self, store: Driver) -> None:
        """Documents: revisions count from 1 and by one, also where the body stays the same."""
        assert [await put(store, "k", {"n": n // 2}) for n in range(5)] == [1, 2, 3, 4, 5]
        document = await store.get_document("c", "k")
        assert document
        assert (document.revision, document.body) == (5, {"n": 2})

    async def test_revisions_are_counted_for_each_document(self, store: Driver) -> None:
        """Documents: neither another key nor the same key elsewhere counts."""
        await put(store, "k")
        await put(store, "k")
        assert await put(store, "other") == 1
        async with store.transaction() as tx:
            assert await tx.put("elsewhere", "k", {}) == 1

    async def test_put_writes_the_document_whole(self, store: Driver) -> None:
        """Documents: what the last `put` does not name, the due time with it, is gone."""
        await put(store, "k", {"a": 1, "b": 2}, due=NOON)
        await put(store, "k", {"c": 3})
        expected = Document(collection="c", key="k", body={"c": 3}, revision=2)
        assert await store.get_document("c", "k") == expected

    async def test_deleted_document_is_made_anew(self, store: Driver) -> None:
        """Documents: `delete` says whether it was there; the next `put` counts from 1."""
        await put(store, "k")
        await put(store, "k")
        async with store.transaction() as tx:
            assert await tx.delete("c", "k") is True
            assert await tx.delete("c", "k") is False
        assert await store.get_document("c", "k") is None
        assert await store.find_documents("c") == []
        assert await put(store, "k", expect=0) == 1

    @pytest.mark.parametrize("there", [0, 3])
    async def test_right_revision_is_accepted(self, store: Driver, there: int) -> None:
        """Documents: `expect` is the revision that is there, 0 for none; None: whatever."""
        for _ in range(there):
            await put(store, "k")
        assert await put(store, "k", {"n": 1}, expect=there) == there + 1
        assert await put(store, "k", {"n": 2}, expect=None) == there + 2

    @pytest.mark.parametrize(("there", "expected"), [(0, 1), (2, 0), (2, 1), (2, 3), (2, 10**6)])
    async def test_wrong_revision_is_refused(
        self, store: Driver, there: int, expected: int
    ) -> None:
        """Documents: the error says what was expected and what is there; nothing changes."""
        for n in range(there):
            await put(store, "k", {"n": n}, due=NOON)
        before = await state(store)
        with pytest.raises(RevisionConflictError) as caught:
            await put(store, "k", {"n": "new"}, expect=expected)
        error = caught.value
        facts = (error.collection, error.key, error.expected, error.actual)
        assert facts == ("c", "k", expected, there)
        assert await state(store) == before

    @pytest.mark.parametrize(("there", "expected"), [(0, 1), (2, 0), (2, 1), (2, 3)])
    async def test_delete_checks_the_revision(
        self, store: Driver, there: int, expected: int
    ) -> None:
        """Documents: `expect` holds for `delete` as for `put`."""
        for _ in range(there):
            await put(store, "k")
        before = await state(store)
        with pytest.raises(RevisionConflictError) as caught:
            async with store.transaction() as tx:
                await tx.delete("c", "k", expect=expected)
        error = caught.value
        facts = (error.collection, error.key, error.expected, error.actual)
        assert facts == ("c", "k", expected, there)
        assert await state(store) == before

    async def test_delete_with_the_right_revision(self, store: Driver) -> None:
        """Documents: 0 for none, n for the nth; each says whether there was one."""
        await put(store, "k")
        await put(store, "k")
        async with store.transaction() as tx:
            assert await tx.delete("c", "none", expect=0) is False
            assert await tx.delete("c", "k", expect=2) is True
        assert await store.get_document("c", "k") is None

    async def test_expectation_in_a_transaction_is_about_its_own_changes(
        self, store: Driver
    ) -> None:
        """Documents: a transaction sees its own changes, also when it expects a revision."""
        await put(store, "k")
        async with store.transaction() as tx:
            assert await tx.put("c", "k", {}, expect=1) == 2
            assert await tx.put("c", "k", {}, expect=2) == 3
            assert await tx.delete("c", "k", expect=3) is True
            assert await tx.put("c", "k", {"n": 1}, expect=0) == 1
        document = await store.get_document("c", "k")
        assert document
        assert (document.revision, document.body) == (1, {"n": 1})

    @pytest.mark.parametrize("name", BODIES)
    async def test_body_reads_back_exactly(self, store: Driver, name: str) -> None:
        """Documents: a body is any JSON object; 1 is not 1.0, and no digit is lost."""
        body = BODIES[name]
        async with store.transaction() as tx:
            await tx.put("c", "k", copy.deepcopy(body))
            own = await tx.get("c", "k")
        read = [own, await store.get_document("c", "k"), *await store.find_documents("c")]
        assert [json.dumps(d and d.body, sort_keys=True) for d in read] == [
            json.dumps(body, sort_keys=True)
        ] * 3

    @pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
    async def test_names_are_taken_as_they_are(self, store: Driver, key: str) -> None:
        """Documents: any text that is not empty names a document, or a collection."""
        async with store.transaction() as tx:
            await tx.put(key, key, {"n": 1})
        expected = Document(collection=key, key=key, body={"n": 1}, revision=1)
        assert await store.get_document(key, key) == expected
        assert await store.find_documents(key, prefix=key) == [expected]

    async def test_similar_names_are_different_documents(self, store: Driver) -> None:
        """Documents: case, spaces, accents and their composition tell keys apart."""
        names = ["acc", "ACC", "acc ", " acc", "acç", "ac\u0327c", "acc%", "ac_", "acc.acc"]
        for collection in names:
            async with store.transaction() as tx:
                for key in names:
                    await tx.put(collection, key, {"is": [collection, key]}, expect=0)
        for collection in names:
            found = await whole(store, collection)
            assert found == {key: {"is": [collection, key]} for key in names}

    async def test_nul_in_a_document_is_kept_or_refused_by_name(self, store: Driver) -> None:
        """Documents: a NUL character reads back, or is refused by the name of its argument."""
        for key, body, argument in (("a\0b", {}, "key"), ("k", {"x": "a\0b"}, "body")):
            try:
                await put(store, key, body)
            except (SerializationError, ValueError) as error:
                assert argument in str(error)
                assert await store.find_documents("c") == []
            else:
                document = await store.get_document("c", key)
                assert document
                assert document.body == body

    async def test_given_body_may_be_changed_afterwards(self, store: Driver) -> None:
        """Documents: a body is stored as it was at the `put`."""
        body: dict[str, Any] = {"list": [1], "dict": {"k": "v"}}
        async with store.transaction() as tx:
            await tx.put("c", "k", body)
            _scribble(body)
            own = await tx.get("c", "k")
        assert own
        assert own.body == {"list": [1], "dict": {"k": "v"}}
        assert await whole(store) == {"k": {"list": [1], "dict": {"k": "v"}}}

    async def test_returned_body_may_be_changed(self, store: Driver) -> None:
        """Documents: a body that was read is the reader's own, on every way."""
        body: dict[str, Any] = {"list": [1], "dict": {"k": "v"}}
        await put(store, "k", copy.deepcopy(body))
        for _ in range(2):
            async with store.transaction() as tx:
                read = [await tx.get("c", "k"), *await tx.find("c")]
                read += [await store.get_document("c", "k"), *await store.find_documents("c")]
                for document in read:
                    assert document
                    assert document.body == body
                    _scribble(document.body)
                own = await tx.get("c", "k")
            assert own
            assert own.body == body
        assert await whole(store) == {"k": body}

    @pytest.mark.parametrize(
        "due",
        [
            NOON,
            NOON.astimezone(timezone(timedelta(hours=5.5))),
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        ],
        ids=["utc", "zone", "first", "before-1970", "last"],
    )
    async def test_due_reads_back(self, store: Driver, due: datetime) -> None:
        """Documents: when a document is due is an instant, aware, and keeps its microseconds."""
        await put(store, "k", due=due)
        (document,) = await store.find_documents("c", due=due)
        assert document.due == due
        assert document.due.utcoffset() is not None
        assert await store.get_document("c", "k") == document

    async def test_due_changes_with_each_put(self, store: Driver) -> None:
        """Documents: the due time of the last `put` counts."""
        await put(store, "k", due=minutes(5))
        await put(store, "k", due=minutes(1))
        assert len(await store.find_documents("c", due=minutes(1))) == 1
        await put(store, "k", due=minutes(9))
        assert await store.find_documents("c", due=minutes(5)) == []


def _scribble(body: dict[str, Any]) -> None:
    body["list"].append("scribble")
    body["dict"].clear()
    body["new"] = True
