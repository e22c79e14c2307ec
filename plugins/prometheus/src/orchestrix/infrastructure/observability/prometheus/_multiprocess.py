"""Several processes that share one directory of figures, as the workers of a web server do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

__all__ = ["VARIABLE", "directory", "is_multiprocess", "registry_of_all"]

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the directory; the library reads it when it is first imported."""

_LIVE: Final = re.compile(r"gauge_live\w+_(\d+)\.db")


def is_multiprocess() -> bool:
    """Tell whether this process keeps its figures in files."""
    return bool(getattr(values.ValueClass, "_multiprocess", False))


def directory() -> Path:
    """Return the shared directory; ValueError when it is none."""
    named = os.environ.get(VARIABLE, "")
    if not named or not Path(named).is_dir():
        msg = f"{VARIABLE} must name a directory that exists, not {named!r}"
        raise ValueError(msg)
    return Path(named)


def registry_of_all(path: Path) -> CollectorRegistry:
    """Return a registry that adds up the files of all processes, each time it is asked."""
    registry = CollectorRegistry()
    registry.register(_Files(path))
    return registry


class _Files(Collector):
    """The files of all processes, but for what only the living count in and a dead one has left."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in self._path.glob("*.db") if not _is_left_behind(path)]
        merge: Any = MultiProcessCollector.merge  # it has no annotations
        for metric in merge(files, accumulate=True):
            metric.samples = [
                sample._replace(labels={k: v for k, v in sample.labels.items() if v})
                for sample in metric.samples
            ]
            yield metric


def _is_left_behind(path: Path) -> bool:
    """
    Tell a gauge of a process that ended without a word, by SIGKILL say.

    The file is left alone: the process may live where its number cannot be seen.
    """
    found = _LIVE.fullmatch(path.name)
    if found is None or os.name != "posix":  # elsewhere, signal 0 is not harmless
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
