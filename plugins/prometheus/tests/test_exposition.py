"""What whoever serves the figures asks for, `orchestrix run` for one."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from orchestrix.infrastructure.observability.prometheus._instrumentation import (
    PrometheusInstrumentation,
)
from orchestrix_core.instrumentation import Exposition


async def test_the_figures_can_be_fetched() -> None:
    backend = PrometheusInstrumentation()
    assert isinstance(backend, Exposition)
    with backend.operation("publish", {"message_type": "Fetched"}):
        pass
    media_type, content = backend.exposition()
    assert media_type.startswith("text/plain; version=")
    samples = {
        (sample.name, tuple(sample.labels.values()))
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }
    assert any("Fetched" in labels for _, labels in samples)
    await backend.close()
