"""Documents: what `find` finds, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

import pytest

from orchestrix_contract_tests.contracts._documents import NOON, keys, minutes, put
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.driver import Driver

__all__ = ["DocumentSearchContract"]

SORTED: Final = [
    *(" b", "%", "*", "A", "B", "Z", "[a]", "\\", "_", "a", "a%b", "a*b", "aB", "a[b", "a\\b"),
    *("a_b", "ab", "b", "e\u0301", "z", "é", "ж\ud7ff", "\ud7ff", "\uffee", "\U0001f600"),
    *("\U0010ffff", "\U0010ffffa", "\U0010ffff\U0010ffff"),
]  # fmt: skip
"""Keys in the order of their code points, which is neither that of UTF-16 nor of any language."""

PREFIXES: Final = [
    *("a", "A", "a%", "a_", "a*", "a[", "a\\", "%", "_", "*", "[", "[a]", "\\", "e", "é", "ж"),
    *("ж\ud7ff", "\ud7ff", "\U0010ffff", "\U0010ffff\U0010ffff", "zz", " "),
]


class _Autumn(tzinfo):
    """A zone in the night when the clocks are put back: one hour comes twice."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1 if moment is not None and moment.fold else 2)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, moment: datetime | None) -> str:
        return "autumn"


class DocumentSearchContract(StoreContract, needs=("documents",)):
    """By prefix, from above a key, by what is due, and never more than the limit."""

    async def test_documents_come_in_the_order_of_code_points(self, store: Driver) -> None:
        """Documents: keys sort by code point, whatever language the server speaks."""
        await _fill(store, SORTED)
        assert sorted(SORTED) == SORTED
        assert keys(await store.find_documents("c")) == SORTED
        async with store.transaction() as tx:
            assert keys(await tx.find("c")) == SORTED

    async def test_prefix_is_taken_literally(self, store: Driver) -> None:
        """Documents: a key starts with the prefix, letter by letter; no character is a wildcard."""
        await _fill(store, SORTED)
        async with store.transaction() as tx:
            for prefix in PREFIXES:
                expected = [key for key in SORTED if key.startswith(prefix)]
                assert keys(await store.find_documents("c", prefix=prefix)) == expected, prefix
                assert keys(await tx.find("c", prefix=prefix)) == expected, prefix

    async def test_after_is_not_included(self, store: Driver) -> None:
        """Documents: they come from above `after`, which need not be there itself."""
        await _fill(store, SORTED)
        for after in ["", *SORTED, "a0", "\U0010ffffb"]:
            expected = [key for key in SORTED if key > after]
            assert keys(await store.find_documents("c", after=after)) == expected, after

    async def test_pages_make_up_the_whole(self, store: Driver) -> None:
        """Documents: `limit` and `after` page through a prefix without gap or overlap."""
        names = [f"p{n:03}" for n in range(25)]
        await _fill(store, ["o", *names, "q"])
        found: list[str] = []
        while page := keys(
            await store.find_documents("c", prefix="p", after=found[-1] if found else "", limit=7)
        ):
            assert len(page) == min(7, 25 - len(found))
            found += page
        assert found == names

    async def test_limit_is_a_thousand_unless_told(self, store: Driver) -> None:
        """Documents: up to `limit` come, the first ones."""
        names = [f"{n:04}" for n in range(1001)]
        await _fill(store, names)
        assert keys(await store.find_documents("c")) == names[:1000]
        async with store.transaction() as tx:
            assert keys(await tx.find("c")) == names[:1000]
        assert keys(await store.find_documents("c", limit=1)) == names[:1]
        assert keys(await store.find_documents("c", limit=5000)) == names

    async def test_collections_do_not_mix(self, store: Driver) -> None:
        """Documents: what is found is of the collection that was asked for."""
        async with store.transaction() as tx:
            for name in ("c", "C", "cc", "c/k", "c%", "other"):
                await tx.put(name, "k", {"of": name}, due=NOON)
            assert await tx.delete("other", "k") is True
        for how in ({}, {"due": NOON}, {"prefix": "k"}):
            (found,) = await store.find_documents("c", **how)
            assert (found.collection, found.body) == ("c", {"of": "c"})
            assert await store.find_documents("other", **how) == []

    async def test_due_is_a_limit_that_counts(self, store: Driver) -> None:
        """Documents: what is due at that very moment comes, a microsecond later does not."""
        await put(store, "k", due=NOON)
        await put(store, "never")
        instant = timedelta(microseconds=1)
        assert await store.find_documents("c", due=NOON - instant) == []
        assert keys(await store.find_documents("c", due=NOON)) == ["k"]
        assert keys(await store.find_documents("c", due=NOON + instant)) == ["k"]
        async with store.transaction() as tx:
            assert await tx.find("c", due=NOON - instant) == []
            assert keys(await tx.find("c", due=NOON)) == ["k"]

    async def test_due_documents_come_as_they_are_due(self, store: Driver) -> None:
        """Documents: in the order in which they are due, then of their keys."""
        due = {"a": 3, "d": 1, "c": 2, "b": 2, "B": 2, "é": 2, "z": -1, "e": 9}
        async with store.transaction() as tx:
            for key, when in due.items():
                await tx.put("c", key, {}, due=minutes(when))
            await tx.put("c", "never", {})
            assert keys(await tx.find("c", due=minutes(3))) == ["z", "d", "B", "b", "c", "é", "a"]
        found = await store.find_documents("c", due=minutes(3))
        assert keys(found) == ["z", "d", "B", "b", "c", "é", "a"]
        assert keys(await store.find_documents("c", due=minutes(3), limit=3)) == ["z", "d", "B"]

    async def test_due_order_is_that_of_instants(self, store: Driver) -> None:
        """Documents: a due time is compared as an instant, whatever zone it was given in."""
        east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))
        await put(store, "third", due=minutes(2).astimezone(east))
        await put(store, "first", due=minutes(0).astimezone(west))
        await put(store, "second", due=minutes(1))
        found = await store.find_documents("c", due=minutes(1).astimezone(west))
        assert keys(found) == ["first", "second"]
        found = await store.find_documents("c", due=minutes(2).astimezone(UTC))
        assert keys(found) == ["first", "second", "third"]

    async def test_hour_that_comes_twice_is_two_hours(self, store: Driver) -> None:
        """Documents: when the clocks are put back, the same time of day is due twice."""
        once = datetime(2024, 10, 27, 2, 30, tzinfo=_Autumn())
        again = once.replace(fold=1)
        await put(store, "again", due=again)
        await put(store, "once", due=once)
        assert keys(await store.find_documents("c", due=once)) == ["once"]
        assert keys(await store.find_documents("c", due=again)) == ["once", "again"]

    async def test_due_goes_with_prefix_and_after(self, store: Driver) -> None:
        """Documents: what is due is looked for among the keys that were asked for."""
        for n, key in enumerate(["b1", "a3", "a2", "a1"]):
            await put(store, key, due=minutes(n))
        await put(store, "a9")
        found = await store.find_documents("c", due=minutes(9), prefix="a", after="a1")
        assert keys(found) == ["a3", "a2"]
        found = await store.find_documents("c", due=minutes(9), after="a1", limit=2)
        assert keys(found) == ["b1", "a3"]

    @pytest.mark.parametrize("count", [0, 1, 5])
    async def test_search_in_a_transaction_sees_its_changes(
        self, store: Driver, count: int
    ) -> None:
        """Documents: what is new, moved and gone counts, also for the order and the limit."""
        await _fill(store, ["a", "c", "e", "g"])
        async with store.transaction() as tx:
            await tx.delete("c", "c")
            await tx.put("c", "b", {}, due=minutes(2))
            await tx.put("c", "e", {"new": True}, due=minutes(1))
            assert keys(await tx.find("c", limit=count + 1)) == ["a", "b", "e", "g"][: count + 1]
            assert keys(await tx.find("c", due=minutes(2))) == ["e", "b"]
            await tx.put("c", "e", {})
            assert keys(await tx.find("c", due=minutes(2))) == ["b"]
            assert keys(await store.find_documents("c")) == ["a", "c", "e", "g"]
        assert keys(await store.find_documents("c")) == ["a", "b", "e", "g"]


async def _fill(store: Driver, names: list[str]) -> None:
    async with store.transaction() as tx:
        for name in reversed(names):
            await tx.put("c", name, {"key": name})
