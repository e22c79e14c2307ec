"""The settings: of the metrics themselves, and of the table in orchestrix.toml."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

import attrs
from prometheus_client import REGISTRY, CollectorRegistry

__all__ = ["BUCKETS", "MetricConfig", "MetricOperationType", "PrometheusSettings"]

BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds in seconds: an append takes from under a millisecond to what a busy server needs."""

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")


class MetricOperationType(StrEnum):
    """The operations of a store, as the label `operation_type` names them."""

    APPEND = "append"
    LOAD = "load"
    LOAD_BY_TRACE = "load_by_trace"
    SAVE_SNAPSHOT = "save_snapshot"
    LOAD_SNAPSHOT = "load_snapshot"
    READ_LOG = "read_log"
    HEAD = "head"
    READ_DOCUMENT = "read_document"
    TRANSACTION = "transaction"


def _check_name(field: str, value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        msg = (
            f"{field} must be part of a metric's name: a letter, then letters, digits and "
            f"underscores; not {value!r}"
        )
        raise ValueError(msg)


def _check_buckets(value: Sequence[float]) -> None:
    numbers = all(type(bound) in {int, float} and math.isfinite(bound) for bound in value)
    if not value or not numbers or value[0] <= 0 or list(value) != sorted(set(value)):
        msg = (
            "buckets must be upper bounds in seconds, above 0 and each above the one before it, "
            f"not {tuple(value)!r}"
        )
        raise ValueError(msg)


def _check_whole(field: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        msg = f"{field} must be a whole number from {low} to {high}, not {value!r}"
        raise ValueError(msg)


@dataclass(frozen=True)
class MetricConfig:
    """
    How the metrics are called, and where they are registered.

    Attributes:
        namespace: the first part of each name, `{namespace}_{subsystem}_events_total`.
        subsystem: the second part.
        registry: where the instruments are registered, used as it is; without one, a registry of
            their own, so that two `PrometheusMetrics` never clash.
        enable_summary_metrics: whether there are the instruments of type summary, which time the
            work in the background: `projection_update_seconds` and `saga_duration_seconds`.
        buckets: upper bounds, in seconds, of the histograms.
        max_label_values: how many types, names or operations an operation is counted under; those
            that come later are counted together as "other".
    """

    namespace: str = "orchestrix"
    subsystem: str = "core"
    registry: CollectorRegistry | None = None
    enable_summary_metrics: bool = True
    buckets: tuple[float, ...] = BUCKETS
    max_label_values: int = 1000

    def __post_init__(self) -> None:
        _check_name("namespace", self.namespace)
        _check_name("subsystem", self.subsystem)
        if self.registry is not None and not isinstance(self.registry, CollectorRegistry):
            msg = f"registry must be a CollectorRegistry or None, not {self.registry!r}"
            raise TypeError(msg)
        object.__setattr__(self, "buckets", tuple(self.buckets))  # a list will do, too
        _check_buckets(self.buckets)
        _check_whole("max_label_values", self.max_label_values, 1, 100_000)

    @property
    def prefix(self) -> str:
        """What each name begins with."""
        return f"{self.namespace}_{self.subsystem}_"


def _port(settings: Any, field: attrs.Attribute[int], value: int) -> None:
    _check_whole(field.name, value, 0, 65535)


def _address(settings: Any, field: attrs.Attribute[str], value: str) -> None:
    if not isinstance(value, str) or not value.strip():
        msg = f"{field.name} must be an address to listen at, not {value!r}"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class PrometheusSettings:
    """
    The table `[orchestrix.metrics.prometheus]`.

    Attributes:
        namespace, subsystem, enable_summary_metrics, buckets, max_label_values: as of
            `MetricConfig`.
        registry: "own", or "default" for the one that prometheus_client exposes by itself, so
            that an endpoint which the application has already shows these metrics too.
        port: where `/metrics` is served while the application runs; 0: it is not.
        address: where that port is opened.
    """

    namespace: str = "orchestrix"
    subsystem: str = "core"
    enable_summary_metrics: bool = True
    buckets: tuple[float, ...] = BUCKETS
    max_label_values: int = 1000
    registry: Literal["own", "default"] = "own"
    port: int = attrs.field(default=0, validator=_port)
    address: str = attrs.field(default="127.0.0.1", validator=_address)

    def __attrs_post_init__(self) -> None:
        self.metric_config()  # refuses what is wrong, by its name

    def metric_config(self) -> MetricConfig:
        """Return the settings of the metrics themselves."""
        return MetricConfig(
            namespace=self.namespace,
            subsystem=self.subsystem,
            registry=REGISTRY if self.registry == "default" else None,
            enable_summary_metrics=self.enable_summary_metrics,
            buckets=self.buckets,
            max_label_values=self.max_label_values,
        )
