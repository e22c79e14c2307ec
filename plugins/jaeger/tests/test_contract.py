"""The tracer keeps both contracts; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix.infrastructure.observability.jaeger import plugin
from orchestrix_contract_tests import InstrumentationContract, TracingContract

(SUBJECT,) = plugin.orchestrix_contract_subjects()


class TestJaegerInstrumentation(InstrumentationContract):
    subject = SUBJECT


class TestJaegerTracing(TracingContract):
    subject = SUBJECT
