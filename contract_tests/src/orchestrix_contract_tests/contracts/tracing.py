"""Section 8: a span around every operation, in one trace with those by hand and over messages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

import pytest

from orchestrix_contract_tests.contracts._traced import (
    PRODUCER,
    PRODUCER_SPAN,
    PRODUCER_TRACE,
    Finished,
    FinishedSpan,
    was_made_in,
)
from orchestrix_contract_tests.contracts.spans_by_hand import SpansByHandContract
from orchestrix_contract_tests.domain import Opened
from orchestrix_core.instrumentation import Operation

__all__ = ["FinishedSpan", "TracingContract"]

KINDS: Final[Mapping[Operation, str]] = {
    "publish": "producer",
    "handle_command": "consumer",
    "load_aggregate": "internal",
    "storage": "client",
    "update_projection": "consumer",
    "execute_saga": "consumer",
}
KNOWN: Final[Mapping[Operation, Mapping[str, str]]] = {
    "publish": {"message_type": "contract.opened", "message_id": "m-1"},
    "handle_command": {"message_type": "contract.open", "message_id": "m-2"},
    "load_aggregate": {"aggregate_type": "Account", "aggregate_id": "a-1"},
    "storage": {"operation": "append", "backend": "contractdb", "aggregate_id": "a-1"},
    "update_projection": {"projection": "balances", "message_id": "m-3"},
    "execute_saga": {"saga": "Transfer", "saga_id": "s-1", "message_id": "m-4"},
}

MALFORMED: Final = (
    "",
    "nonsense",
    f"00-{'0' * 32}-{PRODUCER_SPAN}-01",
    f"00-{PRODUCER_TRACE}-{'0' * 16}-01",
    f"00-{PRODUCER_TRACE}-short-01",
)

each_operation = pytest.mark.parametrize("name", get_args(Operation))


class TracingContract(SpansByHandContract):
    """
    What a tracing backend makes is an instrumentation whose `tracer` has the spans by hand.

    The suite has to see what is finished: the backend that `create` makes has a method
    `finished_spans`, or the subclass gives a fixture `finished`, a function of no arguments that
    returns a `FinishedSpan` for each, in the order in which they ended.
    """

    @each_operation
    def test_an_operation_is_a_span(self, traced: Any, finished: Finished, name: Operation) -> None:
        """Section 8: one span, of its kind, that tells all attributes of the operation."""
        with traced.operation(name, MappingProxyType(dict(KNOWN[name]))):
            assert finished() == []
        (span,) = finished()
        assert span.kind == KINDS[name]
        assert set(KNOWN[name].values()) <= set(span.attributes.values())
        assert not span.failed

    @each_operation
    def test_a_span_is_named_without_ids(
        self, traced: Any, finished: Finished, name: Operation
    ) -> None:
        """Section 8: there are few names, however many messages and aggregates there are."""
        ids = ("message_id", "aggregate_id", "saga_id")
        for number in range(2):
            known = {k: f"{v}{number}" if k in ids else v for k, v in KNOWN[name].items()}
            with traced.operation(name, known):
                pass
        first, second = finished()
        assert first.name == second.name

    def test_the_semantic_conventions_are_kept(self, traced: Any, finished: Finished) -> None:
        """Section 8: OpenTelemetry's names for messaging and databases."""
        with traced.operation("publish", KNOWN["publish"]):
            pass
        with traced.operation("storage", KNOWN["storage"]):
            pass
        published, stored = (span.attributes for span in finished())
        assert published["messaging.system"]
        assert published["messaging.operation.type"] == "send"
        assert published["messaging.message.id"] == "m-1"
        assert stored["db.system.name"] == "contractdb"
        assert stored["db.operation.name"] == "append"

    @each_operation
    def test_a_failed_operation_is_told(
        self, traced: Any, finished: Finished, name: Operation
    ) -> None:
        """Section 8: the exception passes, and the span says that it failed."""
        failure = LookupError("not there")
        with pytest.raises(LookupError) as caught, traced.operation(name, KNOWN[name]):
            raise failure
        assert caught.value is failure
        (span,) = finished()
        assert (list(span.exceptions), span.failed) == (["LookupError"], True)

    def test_operations_nest_in_spans_by_hand(
        self, traced: Any, tracer: Any, finished: Finished
    ) -> None:
        """Section 8: what is automatic and what is by hand are one trace."""
        with (
            tracer.span("request"),
            traced.operation("handle_command", KNOWN["handle_command"]),
            tracer.span("decide"),
            traced.operation("storage", KNOWN["storage"]),
        ):
            event = Opened(owner="deep")
        storage, decide, handle, request = finished()
        assert [storage.parent_id, decide.parent_id, handle.parent_id, request.parent_id] == [
            decide.span_id,
            handle.span_id,
            request.span_id,
            None,
        ]
        was_made_in(event, storage)

    @each_operation
    def test_a_stored_message_brings_its_trace(
        self, traced: Any, finished: Finished, name: Operation
    ) -> None:
        """Section 8: handled later, it goes on from the span that made it, and links to that."""
        with traced.operation(name, {**KNOWN[name], "traceparent": PRODUCER}):
            event = Opened(owner="later")
        (span,) = finished()
        assert (span.trace_id, span.parent_id) == (PRODUCER_TRACE, PRODUCER_SPAN)
        assert list(span.links) == [(PRODUCER_TRACE, PRODUCER_SPAN)]
        was_made_in(event, span)

    @each_operation
    def test_inside_a_span_a_message_is_linked_only(
        self, traced: Any, tracer: Any, finished: Finished, name: Operation
    ) -> None:
        """Section 8: the active span stays the parent, and the producing one is linked."""
        with tracer.span("local"), traced.operation(name, {**KNOWN[name], "traceparent": PRODUCER}):
            pass
        handled, local = finished()
        assert (handled.trace_id, handled.parent_id) == (local.trace_id, local.span_id)
        assert list(handled.links) == [(PRODUCER_TRACE, PRODUCER_SPAN)]

    def test_a_transaction_adopts_no_message_of_another_trace(
        self, traced: Any, finished: Finished
    ) -> None:
        """Section 8: messages of many traces in one transaction; each keeps to its own."""
        known = {**KNOWN["update_projection"], "traceparent": PRODUCER}
        with traced.operation("storage", {"operation": "transaction", "backend": "contractdb"}):
            with traced.operation("update_projection", known):
                event = Opened(owner="later")
            with traced.operation("update_projection", KNOWN["update_projection"]):
                pass
        brought, plain, transaction = finished()
        assert (brought.trace_id, brought.parent_id) == (PRODUCER_TRACE, PRODUCER_SPAN)
        assert (PRODUCER_TRACE, PRODUCER_SPAN) in brought.links
        assert (plain.trace_id, plain.parent_id) == (transaction.trace_id, transaction.span_id)
        assert transaction.trace_id != PRODUCER_TRACE
        was_made_in(event, brought)

    @pytest.mark.parametrize("traceparent", MALFORMED)
    def test_a_malformed_traceparent_is_none(
        self, traced: Any, finished: Finished, traceparent: str
    ) -> None:
        """Section 8: what a message brings is no reason to fail; a new trace begins."""
        with traced.operation("publish", {**KNOWN["publish"], "traceparent": traceparent}):
            pass
        (span,) = finished()
        assert (span.parent_id, list(span.links)) == (None, [])
        assert span.trace_id != PRODUCER_TRACE
