"""The metrics keep both contracts; there is nothing here but who is meant."""

from __future__ import annotations

from orchestrix.infrastructure.observability.prometheus import plugin
from orchestrix_contract_tests import InstrumentationContract, MetricsContract

(SUBJECT,) = plugin.orchestrix_contract_subjects()


class TestPrometheusMetrics(MetricsContract):
    subject = SUBJECT


class TestPrometheusInstrumentation(InstrumentationContract):
    subject = SUBJECT
