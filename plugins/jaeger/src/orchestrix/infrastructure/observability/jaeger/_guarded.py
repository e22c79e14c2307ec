"""An exporter around another: what that one raises is said once and goes no further."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from orchestrix.infrastructure.observability.jaeger._warnings import Warnings

__all__ = ["GuardedExporter"]


class GuardedExporter(SpanExporter):
    """Exports through `exporter`; a batch that it cannot take is lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._warnings = Warnings(__name__)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export; FAILURE where the exporter raises."""
        try:
            return self._exporter.export(spans)
        except Exception as exc:
            text = "%s failed: the spans of this batch are lost; further failures are not reported"
            self._warnings.once(text, type(self._exporter).__name__, exc_info=exc)
            return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Shut the exporter down."""
        try:
            self._exporter.shutdown()
        except Exception as exc:
            text = "%s failed while it was shut down"
            self._warnings.once(text, type(self._exporter).__name__, exc_info=exc)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Let the exporter send what it may have kept."""
        return self._exporter.force_flush(timeout_millis)
