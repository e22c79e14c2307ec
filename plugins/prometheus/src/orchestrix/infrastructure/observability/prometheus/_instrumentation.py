"""Adapts the metrics to what the core asks of whoever watches its operations."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CONTENT_TYPE_LATEST, start_http_server
from prometheus_client.multiprocess import mark_process_dead

from orchestrix.infrastructure.observability.prometheus._config import PrometheusSettings
from orchestrix.infrastructure.observability.prometheus._metrics import PrometheusMetrics
from orchestrix.infrastructure.observability.prometheus._multiprocess import (
    directory,
    is_multiprocess,
)
from orchestrix_core import ConfigurationError
from orchestrix_core.instrumentation import Gauge, Operation

__all__ = ["PrometheusInstrumentation"]

_log = logging.getLogger(__name__)

_LABELS: Final[Mapping[Operation, str]] = {
    "publish": "message_type",
    "handle_command": "message_type",
    "load_aggregate": "aggregate_type",
    "storage": "operation",
    "update_projection": "projection",
    "execute_saga": "saga",
}
"""The one attribute of each operation that is bounded; ids never become labels."""

_GAUGES: Final[Mapping[Gauge, tuple[str, str]]] = {
    "projection_lag": ("record_projection_lag", "projection"),
    "aggregates_in_memory": ("record_aggregates_in_memory", "aggregate_type"),
}

_UNKNOWN: Final = "unknown"


class PrometheusInstrumentation:
    """
    The backend `prometheus` of kind `metrics`: measures each operation of an application.

    Attributes:
        metrics: what it is measured with.
        settings: the table of the configuration file.
    """

    def __init__(self, settings: PrometheusSettings | None = None) -> None:
        self.settings = PrometheusSettings() if settings is None else settings
        self.metrics = PrometheusMetrics(self.settings.metric_config())
        self._serving: tuple[WSGIServer, Thread] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.metrics.config.prefix + '...'!r})"

    def operation(
        self, name: Operation, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Any]:
        """Count and time an operation."""
        return self.metrics.track(name, attributes.get(_LABELS[name], _UNKNOWN))

    def record(self, name: Gauge, value: float, attributes: Mapping[str, str]) -> None:
        """Set a gauge."""
        method, label = _GAUGES[name]
        getattr(self.metrics, method)(attributes.get(label, _UNKNOWN), value)

    def exposition(self) -> tuple[str, bytes]:
        """Return what `/metrics` answers: where others serve it, `orchestrix run` for one."""
        registry = self.metrics.get_prometheus_registry()
        return CONTENT_TYPE_LATEST, self.metrics.generate_exposition(registry)

    async def initialize(self) -> None:
        """Serve `/metrics`, if a port is set."""
        if self.settings.port and self._serving is None:
            self._serving = self._serve()

    async def close(self) -> None:
        """Serve no more; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._serving is not None:
            server, thread = self._serving
            server.shutdown()
            server.server_close()
            thread.join()
        self.metrics.unregister()
        if is_multiprocess():
            mark_process_dead(os.getpid(), str(directory()))  # type: ignore[no-untyped-call]

    def _serve(self) -> tuple[WSGIServer, Thread] | None:
        address, port = self.settings.address, self.settings.port
        registry = self.metrics.get_prometheus_registry()
        try:
            server, thread = start_http_server(port, address, registry)
        except OSError as exc:
            if is_multiprocess() and exc.errno == errno.EADDRINUSE:
                # The first of the processes that share their figures serves those of all.
                _log.info("metrics are served at %s:%d by another process", address, port)
                return None
            reason = f"cannot serve metrics at {address}:{port}: {exc.strerror or exc}"
            raise ConfigurationError(reason, key="metrics.prometheus.port") from exc
        _log.info("metrics are served at http://%s:%d/metrics", address, port)
        return server, thread
