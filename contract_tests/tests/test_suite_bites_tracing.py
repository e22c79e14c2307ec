"""A small tracer that is sound, and broken ones: each is caught by the test named for its fault."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final
from uuid import uuid4

import attrs
import pytest

from orchestrix_contract_tests.contracts.tracing import KINDS, FinishedSpan, TracingContract
from orchestrix_core import ContractSubject
from orchestrix_core.context import trace_of, use_trace


@attrs.define(eq=False)
class Open:
    """A span that has not ended."""

    name: str
    kind: str
    attributes: dict[str, Any]
    parent: Any
    links: list[tuple[str, str]]
    trace_id: str
    span_id: str = attrs.field(factory=lambda: uuid4().hex[16:])
    events: list[str] = attrs.field(factory=list)
    error: str | None = None


class Sound:
    """Keeps finished spans in a list, and the active one in a context variable."""

    def __init__(self) -> None:
        self.current: Any = ContextVar("current", default=None)
        self.done: list[FinishedSpan] = []
        self.tracer = self

    def operation(self, name, known):
        known = dict(known)
        traceparent = known.pop("traceparent", None)
        told = known | {
            "messaging.system": "plain",
            "messaging.operation.type": "send",
            "messaging.message.id": known.get("message_id"),
            "db.system.name": known.get("backend"),
            "db.operation.name": known.get("operation"),
        }
        return self.around(self.name_of(name, known), told, self.kind_of(name), traceparent)

    def name_of(self, name, known):
        return name

    def kind_of(self, name):
        return KINDS[name]

    @contextmanager
    def around(self, name, attributes, kind="internal", traceparent=None):
        producer = self.read(traceparent)
        parent = self.parent(self.active(), producer)
        span = Open(
            name,
            kind,
            dict(attributes or {}),
            parent[1] if parent else None,
            self.links(producer),
            parent[0] if parent else uuid4().hex,
        )
        with self.activated(span), self.carried(span):
            try:
                yield span
            except BaseException as error:
                self.failed(span, error)
                raise
            finally:
                self.end(span)

    def read(self, traceparent):
        if traceparent is None or trace_of(traceparent) is None:
            return None
        return tuple(traceparent.split("-")[1:3])

    def parent(self, active, producer):
        if active is None or (self.is_elsewhere(active, producer) and self.is_transaction(active)):
            return producer
        return active.trace_id, active.span_id

    def is_elsewhere(self, active, producer):
        return producer is not None and producer[0] != active.trace_id

    def is_transaction(self, active):
        return active.attributes.get("operation") == "transaction"

    def links(self, producer):
        return [producer] if producer else []

    def active(self):
        return self.current.get()

    @contextmanager
    def activated(self, span):
        token = self.current.set(span)
        try:
            yield
        finally:
            self.current.reset(token)

    def carried(self, span):
        return use_trace(span.trace_id, f"00-{span.trace_id}-{span.span_id}-01")

    def failed(self, span, error):
        span.error = type(error).__name__

    def end(self, span):
        self.done.append(
            FinishedSpan(
                name=span.name,
                trace_id=span.trace_id,
                span_id=span.span_id,
                parent_id=span.parent,
                kind=span.kind,
                attributes=span.attributes,
                links=span.links,
                events=span.events,
                exceptions=[span.error] if span.error else [],
                failed=span.error is not None,
            )
        )

    def finished_spans(self):
        return list(self.done)

    def span(self, name, attributes=None):
        return self.around(name, attributes)

    def span_event(self, event_type, event_id, aggregate_id):
        return self.around(event_type, {"event": event_id, "aggregate": aggregate_id})

    def span_command(self, command_type, aggregate_id):
        return self.around(command_type, {"aggregate": aggregate_id})

    def span_saga(self, saga_type, saga_id):
        return self.around(saga_type, {"saga": saga_id})

    def __getattr__(self, name):
        if not name.startswith("async_"):
            raise AttributeError(name)
        return lambda *given: self.twin(getattr(self, name.removeprefix("async_"))(*given))

    @asynccontextmanager
    async def twin(self, span):
        with span as started:
            yield started

    def get_trace_id(self):
        return self.active().trace_id if self.active() else None

    def set_attribute(self, key, value):
        if self.active():
            self.active().attributes[key] = value

    def add_event(self, name, attributes=None):
        if self.active():
            self.active().events.append(name)


class ForgetsExceptions(Sound):
    def failed(self, span, error):
        pass


class ForgetsExceptionsInAsyncWith(Sound):
    @asynccontextmanager
    async def twin(self, span):
        started = span.__enter__()
        try:
            yield started
        finally:
            span.__exit__(None, None, None)


class SwallowsExceptions(Sound):
    @contextmanager
    def operation(self, name, known):
        try:
            with super().operation(name, known):
                yield
        except Exception:  # noqa: S110  # that is what is wrong with it
            pass


class BlamesEverySpanAround(Sound):
    blamed = ""

    def failed(self, span, error):
        super().failed(span, error)
        self.blamed = type(error).__name__

    def end(self, span):
        span.error = span.error or self.blamed
        super().end(span)


class ForgetsToLeaveAfterAFailure(Sound):
    @contextmanager
    def activated(self, span):
        token = self.current.set(span)
        yield
        self.current.reset(token)


class BeginsATraceEachTime(Sound):
    def parent(self, active, producer):
        return producer


class MakesEveryoneAChildOfTheRoot(Sound):
    def parent(self, active, producer):
        return (active.trace_id, active.parent or active.span_id) if active else producer


class SharesOneStackAmongTasks(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[Open] = []

    def active(self):
        return self.stack[-1] if self.stack else None

    @contextmanager
    def activated(self, span):
        self.stack.append(span)
        try:
            yield
        finally:
            self.stack.remove(span)


class SharesOneStackAmongThreads(SharesOneStackAmongTasks):
    """The same fault, seen by the test for threads."""


class KeepsTheActiveSpanByThread(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def active(self):
        return getattr(self.local, "span", None)

    @contextmanager
    def activated(self, span):
        before, self.local.span = self.active(), span
        try:
            yield
        finally:
            self.local.span = before


class WritesTheTraceIdInCapitals(Sound):
    def get_trace_id(self):
        found = super().get_trace_id()
        return found and found.upper()


class TellsTheTraceOfTheLastSpan(Sound):
    def get_trace_id(self):
        return super().get_trace_id() or (self.done[-1].trace_id if self.done else None)


class NeedsAnActiveSpan(Sound):
    def set_attribute(self, key, value):
        self.active().attributes[key] = value


class TellsTheOutermostSpan(Sound):
    first: Any = None

    @contextmanager
    def activated(self, span):
        self.first = self.first or span
        with super().activated(span):
            yield

    def set_attribute(self, key, value):
        (self.first or Open("", "", {}, None, [], "")).attributes[key] = value


class GivesMessagesNoTrace(Sound):
    def carried(self, span):
        return nullcontext()


class GivesMessagesNoSpan(Sound):
    def carried(self, span):
        return use_trace(span.trace_id)


class GivesMessagesTheParent(Sound):
    def carried(self, span):
        of = span.parent or span.span_id
        return use_trace(span.trace_id, f"00-{span.trace_id}-{of}-01")


class IgnoresWhatMessagesBring(Sound):
    def read(self, traceparent):
        return None


class JoinsWithoutALink(Sound):
    def links(self, producer):
        return []


class LeavesTheActiveSpanForTheRemoteOne(Sound):
    def parent(self, active, producer):
        return producer or super().parent(active, None)


class KeepsWhatATransactionHandles(Sound):
    def is_transaction(self, active):
        return False


class BelievesAnyTraceparent(Sound):
    def read(self, traceparent):
        return None if traceparent is None else tuple(traceparent.split("-")[1:3])


class NamesSpansWithIds(Sound):
    def name_of(self, name, known):
        return f"{name} {known.get('aggregate_id', known.get('message_id'))}"


class CallsEverySpanInternal(Sound):
    def kind_of(self, name):
        return "internal"


class HasConventionsOfItsOwn(Sound):
    def around(self, name, attributes, kind="internal", traceparent=None):
        told = {key.replace("db.", "database."): value for key, value in (attributes or {}).items()}
        return super().around(name, told, kind, traceparent)


class SpansOnlyByHand(Sound):
    def operation(self, name, known):
        return nullcontext()


class LosesIds(Sound):
    def span_event(self, event_type, event_id, aggregate_id):
        return self.around(event_type, {"event": event_id})


BROKEN: Final = [
    (ForgetsExceptions, "test_an_exception_is_recorded_and_raised_again"),
    (ForgetsExceptionsInAsyncWith, "test_an_exception_is_recorded_in_async_with"),
    (SwallowsExceptions, "test_a_failed_operation_is_told"),
    (BlamesEverySpanAround, "test_a_failure_inside_that_was_handled_fails_no_span_around"),
    (ForgetsToLeaveAfterAFailure, "test_nothing_is_active_after_a_failure"),
    (BeginsATraceEachTime, "test_spans_nest"),
    (MakesEveryoneAChildOfTheRoot, "test_spans_nest"),
    (SharesOneStackAmongTasks, "test_tasks_do_not_disturb_each_other"),
    (SharesOneStackAmongThreads, "test_threads_do_not_disturb_each_other"),
    (KeepsTheActiveSpanByThread, "test_a_thread_goes_on_from_where_it_was_asked"),
    (WritesTheTraceIdInCapitals, "test_the_trace_id_is_that_of_w3c"),
    (TellsTheTraceOfTheLastSpan, "test_the_trace_id_is_that_of_w3c"),
    (NeedsAnActiveSpan, "test_outside_of_every_span_nothing_is_told"),
    (TellsTheOutermostSpan, "test_attributes_are_kept"),
    (GivesMessagesNoTrace, "test_a_message_made_inside_carries_the_trace"),
    (GivesMessagesNoSpan, "test_a_message_made_inside_carries_the_trace"),
    (GivesMessagesTheParent, "test_operations_nest_in_spans_by_hand"),
    (IgnoresWhatMessagesBring, "test_a_stored_message_brings_its_trace"),
    (JoinsWithoutALink, "test_a_stored_message_brings_its_trace"),
    (LeavesTheActiveSpanForTheRemoteOne, "test_inside_a_span_a_message_is_linked_only"),
    (KeepsWhatATransactionHandles, "test_a_transaction_adopts_no_message_of_another_trace"),
    (BelievesAnyTraceparent, "test_a_malformed_traceparent_is_none"),
    (NamesSpansWithIds, "test_a_span_is_named_without_ids"),
    (CallsEverySpanInternal, "test_an_operation_is_a_span"),
    (HasConventionsOfItsOwn, "test_the_semantic_conventions_are_kept"),
    (SpansOnlyByHand, "test_an_operation_is_a_span"),
    (LosesIds, "test_a_span_by_hand"),
]


def subject(backend: type) -> ContractSubject:
    return ContractSubject(
        kind="tracing",
        name=backend.__name__,
        create=lambda _: backend(),
        capabilities=frozenset(),
    )


def test_the_sound_tracer_passes(run_contract: Callable[..., Any]) -> None:
    outcomes = run_contract(TracingContract, subject(Sound))
    assert outcomes["failed"] == set()
    assert {test for _, test in BROKEN} <= outcomes["passed"]


@pytest.mark.parametrize(
    ("tracer", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_broken_tracer_is_caught(tracer: type, test: str, run_contract: Callable[..., Any]) -> None:
    assert run_contract(TracingContract, subject(tracer), "-k", test)["failed"] >= {test}
