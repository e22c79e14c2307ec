"""Where `orchestrix metrics` gets figures from: it is a process of its own and has none."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from orchestrix_core import OrchestrixError
from orchestrix_core.cli._read import open_store
from orchestrix_core.cli._session import Session
from orchestrix_core.projections import events_behind

__all__ = ["Fetched", "FromStore", "families", "registry_with"]

_PATIENCE: Final = 10.0


class FromStore(Collector):
    """How far each subscription has got, read from the store whenever it is asked."""

    def __init__(self, session: Session, prefix: str) -> None:
        self._session = session
        self._name = f"{prefix}projection_events_behind"

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(self._name, "Events to catch up.", labels=["projection_name"])
        for name, behind in asyncio.run(self._behind()).items():
            gauge.add_metric([name], behind)
        return [gauge]

    async def _behind(self) -> dict[str, int]:
        async with open_store(self._session) as store:
            return await events_behind(store)


class Fetched:
    """What a running application answers."""

    def __init__(self, url: str) -> None:
        self._url = url

    def text(self) -> str:
        """Return it as it is; OrchestrixError when there is nobody, or somebody else."""
        try:
            with urllib.request.urlopen(self._url, timeout=_PATIENCE) as answer:  # noqa: S310  # the scheme is checked
                text: str = answer.read().decode()
        except (OSError, ValueError) as exc:
            cause = exc.reason if isinstance(exc, urllib.error.URLError) else exc
            msg = (
                f"no metrics at {self._url} ({cause}): is the application running, and its port "
                "set? `orchestrix metrics --store` tells what the store knows"
            )
            raise OrchestrixError(msg) from exc
        return text


def registry_with(collector: Collector) -> CollectorRegistry:
    """Return a registry of one collector, which is not asked before it is needed."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def families(text: str) -> list[dict[str, Any]]:
    """Return an exposition as JSON values."""
    return [
        {
            "name": family.name,
            "type": family.type,
            "help": family.documentation,
            "samples": [
                {"name": sample.name, "labels": sample.labels, "value": sample.value}
                for sample in family.samples
            ],
        }
        for family in text_string_to_metric_families(text)
    ]
