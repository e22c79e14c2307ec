"""Section 4: what a serializer promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrix_contract_tests import domain
from orchestrix_contract_tests.contracts._generated import GeneratedContract
from orchestrix_core import (
    AmbiguousMessageType,
    Event,
    MessageRegistry,
    SerializationError,
    Serializer,
    UnknownMessageType,
    UpcastingError,
    default_registry,
    handling,
    stored_as,
    upcaster,
    use_trace,
)

__all__ = ["SerializerContract"]

texts = st.text(max_size=20)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | texts
    | st.floats(width=64, allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# `fold` tells which of two equal wall clock times is meant; with a fixed offset there are no two.
moments = (st.datetimes(timezones=zones) | st.datetimes()).map(lambda at: at.replace(fold=0))
decimals = st.decimals(allow_nan=False, allow_infinity=False)
lines = st.builds(
    domain.Line,
    sku=texts,
    quantity=st.integers(0, 99),
    price=decimals,
    discount=st.none() | decimals,
)
orders = st.builds(
    domain.example_order,
    order_id=st.uuids(),
    total=decimals,
    lines=st.lists(lines, max_size=3).map(tuple),
    address=st.builds(domain.Address, texts, texts, st.none() | st.integers(0, 9)),
    payment=st.builds(domain.Card, texts) | st.builds(domain.Cash, decimals),
    channel=st.sampled_from(domain.Channel),
    ordered=moments,
    due=st.dates(),
    slot=st.times().map(lambda at: at.replace(fold=0)),
    patience=st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
    tags=st.lists(texts, max_size=3),
    labels=st.frozensets(texts, max_size=3),
    weights=st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    pair=st.tuples(st.integers(-(2**63), 2**63 - 1), texts),
    signature=st.binary(max_size=20),
    gift=st.booleans(),
    comment=st.none() | texts,
)
notes = st.dictionaries(texts, json_values, max_size=4).map(lambda value: domain.Noted(notes=value))


class SerializerContract(GeneratedContract):
    """`subject` makes a serializer for a `MessageRegistry`, as the class `JSONSerializer` does."""

    @pytest.fixture
    def serializer(self, subject: Callable[[MessageRegistry], Serializer]) -> Serializer:
        """Return a serializer for the default registry."""
        return subject(default_registry)

    def test_document_is_bytes(self, serializer: Serializer) -> None:
        """Section 4: `encode` gives bytes."""
        assert type(serializer.encode(domain.example_order())) is bytes

    @pytest.mark.parametrize(
        "event",
        [
            domain.example_order(),
            domain.example_order(payment=domain.Card(""), lines=(), comment=None),
            domain.Measured(value=-0.0, source="x", subject="y", trace_id="f" * 32),
            domain.PaidByCard(order="o", number="n"),
            domain.Noted(notes={"": [{}, [], None, True, 1, 1.0, "\0"]}),
        ],
        ids=lambda event: type(event).__name__,
    )
    def test_example_reads_back_exactly(self, serializer: Serializer, event: Event) -> None:
        """Section 4: `decode(encode(e)) == e`, and the types are the same to the last digit."""
        assert_exact(serializer, event)

    def test_generated_events_read_back_exactly(
        self, serializer: Serializer, generated: settings
    ) -> None:
        """Section 4: the same for whatever an application may put into its events."""

        @generated
        @given(orders | notes)
        def check(event: Event) -> None:
            assert_exact(serializer, event)

        check()

    def test_document_is_stable(self, serializer: Serializer) -> None:
        """Section 4: writing back what was read gives the same bytes; a set alone has no order."""
        document = serializer.encode(attrs.evolve(domain.example_order(), labels=frozenset("x")))
        again = serializer.decode("contract.order.placed", 1, document)
        assert serializer.encode(again) == document

    def test_decoding_inherits_nothing(self, serializer: Serializer) -> None:
        """Section 3: a stored fact is restored; what is being handled does not colour it."""
        event = domain.Opened(owner="Ada")
        document = serializer.encode(event)
        with handling(domain.Opened(owner="other")), use_trace("a" * 32):
            decoded = serializer.decode(*stored_as(event), document)
        assert (decoded.correlation_id, decoded.causation_id, decoded.trace_id) == (None,) * 3

    def test_unstorable_value_names_its_path(self, serializer: Serializer) -> None:
        """Section 4: `SerializationError.path` leads to the value."""
        with pytest.raises(SerializationError) as caught:
            serializer.encode(domain.unstorable())
        assert "notes['inner'][0]" in caught.value.path

    @pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"\xff", b"{}"], ids=repr)
    def test_damaged_document_is_an_error(self, serializer: Serializer, document: bytes) -> None:
        """Section 4: a document that does not fit is told, never half read."""
        with pytest.raises(SerializationError):
            serializer.decode("contract.account.opened", 1, document)

    def test_truncated_document_is_an_error(self, serializer: Serializer) -> None:
        """Section 4: the same for a document that was cut off."""
        document = serializer.encode(domain.example_order())
        for end in range(0, len(document), 97):
            with pytest.raises(SerializationError):
                serializer.decode("contract.order.placed", 1, document[:end])

    def test_unknown_name(self, subject: Callable[[MessageRegistry], Serializer]) -> None:
        """Section 3: a stored name without a class is an `UnknownMessageType`."""
        with pytest.raises(UnknownMessageType) as caught:
            subject(MessageRegistry()).decode("contract.unheard.of", 1, b"{}")
        assert caught.value.type == "contract.unheard.of"

    def test_ambiguous_name(self, subject: Callable[[MessageRegistry], Serializer]) -> None:
        """Section 3: two classes with one stored name: using it names both."""
        registry = MessageRegistry()

        class First(Event, type="contract.same", registry=registry):
            pass

        class Second(Event, type="contract.same", registry=registry):
            pass

        with pytest.raises(AmbiguousMessageType, match=r"First.*Second"):
            subject(registry).decode("contract.same", 1, b"{}")

    def test_upcasters_are_applied(self, subject: Callable[[MessageRegistry], Serializer]) -> None:
        """Section 3: an old document is brought through every version to the current one."""
        old, new = MessageRegistry(), MessageRegistry()

        class V1(Event, type="contract.renamed", registry=old):
            a: int

        class V3(Event, type="contract.renamed", version=3, registry=new):
            c: int

        upcaster("contract.renamed", from_version=1, registry=new)(
            lambda data: {"b": data["a"] + 1}
        )
        upcaster("contract.renamed", from_version=2, registry=new)(
            lambda data: {"c": data["b"] * 2}
        )
        event = V1(a=20, subject="s")
        decoded = subject(new).decode("contract.renamed", 1, subject(old).encode(event))
        assert isinstance(decoded, V3)
        assert (decoded.c, decoded.id, decoded.subject) == (42, event.id, "s")

    def test_newer_version_is_an_error(self, serializer: Serializer) -> None:
        """Section 3: what a newer program stored is not guessed at."""
        document = serializer.encode(domain.Opened(owner="Ada"))
        with pytest.raises(UpcastingError, match=r"contract\.account\.opened"):
            serializer.decode("contract.account.opened", 2, document)


def assert_exact(serializer: Serializer, event: Event) -> None:
    """Assert that the event reads back, as the same class and to the last digit."""
    decoded = serializer.decode(*stored_as(event), serializer.encode(event))
    assert decoded == event
    assert type(decoded) is type(event)
    assert domain.exact(decoded) == domain.exact(event)
