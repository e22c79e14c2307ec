"""Promise 9: bad input is refused by name, and nothing of it is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._store import StoreContract, rejected
from orchestrix_contract_tests.domain import Deposited, Noted, Opened, deposits, unstorable
from orchestrix_contract_tests.driver import Driver
from orchestrix_core import (
    AmbiguousMessageType,
    Command,
    Event,
    MessageRegistry,
    SerializationError,
)
from orchestrix_core.messages import new_id

__all__ = ["BadInputContract"]

_registry = MessageRegistry()


class _Deposit(Command, registry=_registry):
    """A command: asked for, not happened."""


class BadInputContract(StoreContract):
    """A clear error that names the argument, and nothing stored."""

    @pytest.mark.parametrize("stream", ["", None, 7, b"acc", "\ud800"])
    async def test_stream_id_must_be_text(self, store: Driver, stream: Any) -> None:
        """Promise 9: an empty or foreign id is refused on save and on load."""
        await rejected(store, (ValueError, TypeError), deposits(1), stream, names="aggregate_id")
        with pytest.raises((ValueError, TypeError), match="aggregate_id"):
            await store.load(stream)

    @pytest.mark.parametrize(
        "wrong", ["text", {"amount": 1}, None, object(), _Deposit()], ids=lambda w: type(w).__name__
    )
    async def test_every_event_must_be_an_event(self, store: Driver, wrong: Any) -> None:
        """Promise 9: what is no Event is refused, wherever it stands."""
        await rejected(store, (TypeError,), [*deposits(2), wrong], "acc", names="events[2]")

    @pytest.mark.parametrize("events", ["text", b"bytes", None, 7], ids=repr)
    async def test_events_must_be_a_sequence(self, store: Driver, events: Any) -> None:
        """Promise 9: text is not a sequence of events."""
        await rejected(store, (TypeError,), events, "acc", names="events")

    async def test_a_single_event_is_not_a_sequence(self, store: Driver) -> None:
        """Promise 9: forgetting the brackets is told."""
        await rejected(store, (TypeError,), deposits(1)[0], "acc", names="events")

    async def test_unstorable_value_names_its_place(self, store: Driver) -> None:
        """Promise 9: `SerializationError` says in which field the value lies."""
        await rejected(store, (SerializationError,), [unstorable()], "acc", names="notes['inner']")

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), (1,), {1: "x"}, "\ud800"], ids=repr
    )
    async def test_value_that_json_would_change_is_refused(self, store: Driver, value: Any) -> None:
        """Promise 9: better an error now than another value later."""
        event = Noted(notes={"value": value})
        await rejected(store, (SerializationError,), [event], "acc", names="notes")

    async def test_wrongly_typed_field_is_refused(self, store: Driver) -> None:
        """Promise 9: a field holds what it declares, or the event would not read back."""
        events = [
            (Opened(owner=7), "owner"),  # type: ignore[arg-type]  # the mistake under test
            (Deposited(amount=1.5), "amount"),  # type: ignore[arg-type]  # the mistake under test
            (Deposited(amount=Decimal(1), id=""), "id"),
        ]
        for event, field in events:
            await rejected(store, (SerializationError,), [event], "acc", names=field)

    async def test_name_of_two_classes_is_refused(self, store: Driver) -> None:
        """Promise 9: what two classes have the name of could not be read back: it is not stored."""
        name = f"contract.claimed.twice.{new_id()}"

        class First(Event, type=name):
            pass

        await store.save("before", [First()])  # nobody else has its name yet

        class Second(Event, type=name):
            pass

        for event in (First(), Second()):
            events = [*deposits(1), event]
            await rejected(store, (AmbiguousMessageType,), events, "acc", names=name)

    @pytest.mark.parametrize("version", [-1, True, False, "1", 1.0])
    async def test_from_version_must_be_a_whole_number(self, store: Driver, version: Any) -> None:
        """Promise 9: what is no count of events is a `ValueError` that names the argument."""
        await store.save("acc", deposits(2))
        with pytest.raises(ValueError, match="from_version"):
            await store.load("acc", version)

    async def test_store_works_on_after_refusals(self, store: Driver) -> None:
        """Promise 9: a refusal leaves no transaction open and no lock held."""
        for wrong in ([object()], [unstorable()], "text"):
            await rejected(
                store, (TypeError, SerializationError), wrong, "acc", names=_place(wrong)
            )
        events = deposits(2)
        await store.save("acc", events, 0)
        assert await store.load("acc") == events


def _place(wrong: Any) -> str:
    return "notes" if isinstance(wrong, list) and isinstance(wrong[0], Noted) else "events"
