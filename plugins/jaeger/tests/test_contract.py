"""The tracer keeps both contracts: here is only who is meant, and how its spans are seen."""

from __future__ import annotations

import pytest

from orchestrix.infrastructure.observability.jaeger import plugin
from orchestrix_contract_tests import InstrumentationContract, TracingContract
from orchestrix_contract_tests.contracts.tracing import FinishedSpan

(SUBJECT,) = plugin.orchestrix_contract_subjects()


class TestJaegerInstrumentation(InstrumentationContract):
    subject = SUBJECT


class TestJaegerTracing(TracingContract):
    subject = SUBJECT

    @pytest.fixture
    def finished(self, traced):
        def finished():
            assert traced.tracer.flush()
            return [seen(span) for span in traced.tracer.exporter.get_finished_spans()]

        return finished


def seen(span):
    context, parent = span.get_span_context(), span.parent
    return FinishedSpan(
        name=span.name,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{parent.span_id:016x}" if parent is not None else None,
        kind=span.kind.name.lower(),
        attributes=span.attributes,
        links=[(f"{to.context.trace_id:032x}", f"{to.context.span_id:016x}") for to in span.links],
        events=[event.name for event in span.events],
        exceptions=[
            event.attributes["exception.type"].rpartition(".")[2]
            for event in span.events
            if event.name == "exception"
        ],
        failed=span.status.status_code.name == "ERROR",
    )
