"""Promise 6: snapshots."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

import pytest

from orchestrix_contract_tests.contracts._base import requires
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import deposits
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import SerializationError, Snapshot

__all__ = ["SnapshotContract"]


def _snapshot(version: int = 1, stream: str = "acc", **state: Any) -> Snapshot:
    return Snapshot(aggregate_id=stream, version=version, state=state or {"at": version})


class SnapshotContract(StoreContract):
    """The latest state per aggregate, never going back, exactly as it was."""

    async def test_no_snapshot_is_none(self, store: Driver) -> None:
        """Promise 6: an aggregate without a snapshot has None, also when it has events."""
        await store.save("acc", deposits(1))
        assert await store.load_snapshot("acc") is None

    async def test_snapshot_reads_back_exactly(self, store: Driver) -> None:
        """Promise 6: every field, `schema_version` and the time zone included."""
        snapshot = Snapshot(
            aggregate_id="acc",
            version=7,
            state={"balance": "10.50"},
            schema_version=3,
            timestamp=datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=UTC),
        )
        await store.save_snapshot(snapshot)
        assert await store.load_snapshot("acc") == snapshot

    async def test_timestamp_of_another_zone_is_the_same_instant(self, store: Driver) -> None:
        """Promise 6: a time stamp that is not in UTC keeps its instant."""
        moment = datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=-7)))
        await store.save_snapshot(
            Snapshot(aggregate_id="acc", version=1, state={}, timestamp=moment)
        )
        loaded = await store.load_snapshot("acc")
        assert loaded is not None
        assert loaded.timestamp == moment
        assert loaded.timestamp.tzinfo is not None

    async def test_state_reads_back_exactly(self, store: Driver) -> None:
        """Promise 6: JSON values keep their types, the order of keys, and every digit."""
        state: dict[str, Any] = {
            "z": [1, 1.0, True, False, None, "", -0.0],
            "a": {"nested": {"deep": [[], {}, [{"k": []}]]}, "": "empty key", "ä\n😀": "\u2028"},
            "numbers": [2**53 + 1, -(2**63), 1e-300, 0.1 + 0.2, 1.7976931348623157e308],
        }
        await store.save_snapshot(_snapshot(**state))
        loaded = await store.load_snapshot("acc")
        assert loaded is not None
        assert repr(loaded.state) == repr(state)
        assert type(loaded.state) is dict

    async def test_large_state(self, store: Driver) -> None:
        """Promise 6: a megabyte of state is no problem."""
        snapshot = _snapshot(lines=["ä" * 100] * 10_000)
        await store.save_snapshot(snapshot)
        assert await store.load_snapshot("acc") == snapshot

    async def test_newer_replaces_older(self, store: Driver) -> None:
        """Promise 6: the snapshot of the highest version is the one that is kept."""
        for version in (1, 2, 10):
            await store.save_snapshot(_snapshot(version))
            assert await store.load_snapshot("acc") is not None
        loaded = await store.load_snapshot("acc")
        assert loaded is not None
        assert (loaded.version, loaded.state) == (10, {"at": 10})

    async def test_older_never_replaces_newer(self, store: Driver) -> None:
        """Promise 6: a late, older snapshot is dropped without an error."""
        newer = _snapshot(10)
        await store.save_snapshot(newer)
        for version in (9, 2, 0):
            await store.save_snapshot(_snapshot(version))
        assert await store.load_snapshot("acc") == newer

    async def test_same_version_replaces(self, store: Driver) -> None:
        """Promise 6: a new schema of the same version replaces the old one."""
        await store.save_snapshot(_snapshot(3, schema="old"))
        again = Snapshot(aggregate_id="acc", version=3, state={"schema": "new"}, schema_version=2)
        await store.save_snapshot(again)
        assert await store.load_snapshot("acc") == again

    async def test_racing_snapshots_keep_the_newest(self, store: Driver, stores: Stores) -> None:
        """Promise 6: whoever comes last, the highest version stays."""
        versions = [3, 8, 1, 6, 2, 7, 5, 4]
        rivals = await stores.rivals(store, len(versions))
        await asyncio.gather(
            *(r.save_snapshot(_snapshot(v)) for r, v in zip(rivals, versions, strict=True))
        )
        loaded = await store.load_snapshot("acc")
        assert loaded is not None
        assert loaded.version == 8

    async def test_snapshots_are_per_aggregate(self, store: Driver) -> None:
        """Promise 6: aggregates do not share them."""
        snapshots = {name: _snapshot(n, name) for n, name in enumerate(["a", "A", "b", "ä"])}
        for snapshot in snapshots.values():
            await store.save_snapshot(snapshot)
        assert {name: await store.load_snapshot(name) for name in snapshots} == snapshots

    async def test_snapshot_touches_no_event(self, store: Driver) -> None:
        """Promise 6: it neither counts as an event nor hides one."""
        events = deposits(3)
        await store.save("acc", events)
        await store.save_snapshot(_snapshot(2))
        assert await store.load("acc") == events
        await store.save("acc", deposits(1), 3)

    @pytest.mark.parametrize("number", [0, 1, 2, 99])
    async def test_schema_version_is_given_back(self, store: Driver, number: int) -> None:
        """Promise 6: whatever the number, the store gives it back and lets the reader decide."""
        snapshot = Snapshot(aggregate_id="acc", version=1, state={}, schema_version=number)
        await store.save_snapshot(snapshot)
        loaded = await store.load_snapshot("acc")
        assert loaded is not None
        assert loaded.schema_version == number

    async def test_given_state_may_be_changed_afterwards(self, store: Driver) -> None:
        """Promise 7: the store keeps the state as it was at the call."""
        state: dict[str, Any] = {"list": [1], "dict": {"k": "v"}}
        await store.save_snapshot(Snapshot(aggregate_id="acc", version=1, state=state))
        state["list"].append(2)
        state["dict"].clear()
        loaded = await store.load_snapshot("acc")
        assert loaded is not None
        assert loaded.state == {"list": [1], "dict": {"k": "v"}}

    async def test_returned_state_may_be_changed(self, store: Driver) -> None:
        """Promise 7: a loaded state is the caller's own."""
        await store.save_snapshot(_snapshot(list=[1]))
        for _ in range(2):
            loaded = await store.load_snapshot("acc")
            assert loaded is not None
            assert loaded.state == {"list": [1]}
            cast("dict[str, Any]", loaded.state)["list"].append(2)

    @pytest.mark.parametrize(
        "value",
        [object(), (1,), {1}, Decimal(1), b"x", float("nan"), {1: "x"}, datetime(2024, 1, 1)],
        ids=lambda value: type(value).__name__,
    )
    async def test_state_that_is_no_json_is_refused(self, store: Driver, value: Any) -> None:
        """Promises 6 and 9: `SerializationError` names the place; the former snapshot stays."""
        former = _snapshot(1)
        await store.save_snapshot(former)
        with pytest.raises(SerializationError) as caught:
            await store.save_snapshot(_snapshot(2, inner=[value]))
        assert "snapshot.state" in str(caught.value)
        assert await store.load_snapshot("acc") == former

    async def test_huge_number_is_kept_or_refused(self, store: Driver) -> None:
        """Promise 6: an int beyond 64 bits reads back exactly or is refused, never rounded."""
        snapshot = _snapshot(number=2**80 + 1)
        try:
            await store.save_snapshot(snapshot)
        except SerializationError:
            assert await store.load_snapshot("acc") is None
        else:
            assert await store.load_snapshot("acc") == snapshot

    @pytest.mark.parametrize("wrong", [None, "text", {"aggregate_id": "acc"}], ids=repr)
    async def test_snapshot_must_be_a_snapshot(self, store: Driver, wrong: Any) -> None:
        """Promise 9: the error names the argument."""
        with pytest.raises(TypeError, match="snapshot"):
            await store.save_snapshot(wrong)

    @pytest.mark.parametrize("version", [-1, True, "1"])
    async def test_version_must_be_a_whole_number(self, store: Driver, version: Any) -> None:
        """Promise 9: what is no count of events is a `ValueError` that names the field."""
        with pytest.raises(ValueError, match="version"):
            await store.save_snapshot(_snapshot(version, at=1))
        assert await store.load_snapshot("acc") is None

    @pytest.mark.parametrize("stream", ["", None, 7])
    async def test_aggregate_id_must_be_text(self, store: Driver, stream: Any) -> None:
        """Promise 9: an empty or foreign id is refused on save and on load."""
        with pytest.raises((ValueError, TypeError), match="aggregate_id"):
            await store.save_snapshot(_snapshot(1, stream))
        with pytest.raises((ValueError, TypeError), match="aggregate_id"):
            await store.load_snapshot(stream)

    @requires("async")
    async def test_plain_names_work_or_refuse(self, store: Driver) -> None:
        """Reference: `save_snapshot` of an async store does the same, or is not implemented."""
        save, load = store.store.save_snapshot, store.store.load_snapshot
        if not inspect.iscoroutinefunction(save):
            for method, argument in ((save, _snapshot()), (load, "acc")):
                with pytest.raises(NotImplementedError, match="_async"):
                    method(argument)
            return
        snapshot = _snapshot()
        await save(snapshot)
        assert await load("acc") == snapshot == await store.load_snapshot("acc")
