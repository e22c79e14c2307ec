"""
Metrics of an application for Prometheus: what happens how often, how long it takes, what fails.

`metrics.use = "prometheus"` in orchestrix.toml measures every operation. By hand:
`PrometheusMetrics(MetricConfig(namespace="shop"))` and `with metrics.track_command_handle(...)`.
"""

from orchestrix.infrastructure.observability.prometheus._config import (
    MetricConfig,
    MetricOperationType,
    PrometheusSettings,
)
from orchestrix.infrastructure.observability.prometheus._instrumentation import (
    PrometheusInstrumentation,
)
from orchestrix.infrastructure.observability.prometheus._metrics import PrometheusMetrics

__all__ = [
    "MetricConfig",
    "MetricOperationType",
    "PrometheusInstrumentation",
    "PrometheusMetrics",
    "PrometheusSettings",
]
