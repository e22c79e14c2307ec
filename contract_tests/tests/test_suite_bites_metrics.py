"""Broken metrics, each caught by the test named for it; the sound ones keep the contract."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from threading import Lock
from time import perf_counter
from typing import Any, Final

import pytest

from orchestrix_contract_tests.contracts._measured import GAUGES, PREFIX, TRACKERS
from orchestrix_contract_tests.contracts.metrics import MetricsContract
from orchestrix_core import ContractSubject


def escaped(value):
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Sound:
    """Metrics of the smallest kind: a dictionary of what each line of the exposition says."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
        self.lock = Lock()
        for tracks in TRACKERS:
            setattr(self, tracks.method, lambda value, t=tracks: self.track(t, value))
            setattr(self, tracks.async_method, lambda value, t=tracks: self.track_async(t, value))

    @contextmanager
    def track(self, tracks, value):
        began, error = perf_counter(), None
        try:
            yield
        except BaseException as failure:
            error = failure
            raise
        finally:
            self.note(tracks, value, perf_counter() - began, error)

    @asynccontextmanager
    async def track_async(self, tracks, value):
        with self.track(tracks, value):
            yield

    def note(self, tracks, value, seconds, error):
        labels = {tracks.label: value, "status": "error" if error else "success"}
        self.add(f"{tracks.timer}_sum", seconds, **labels)
        self.add(f"{tracks.timer}_count", 1, **labels)
        if tracks.counter.endswith("_total"):
            more = {"error_type": type(error).__name__} if error else {}
            self.add(tracks.counter, 1, **labels, **more)

    def add(self, name, amount, **labels):
        with self.lock:
            self.series[name, tuple(sorted(labels.items()))] += amount

    def record_projection_lag(self, name, value):
        self.set("projection_lag", name, value)

    def set(self, gauge, value, number):
        _, name, label = GAUGES[gauge]
        self.series[name, ((label, value),)] = max(0, number)

    def get_prometheus_registry(self):
        return self.series

    def generate_exposition(self, registry):
        lines = []
        for tracks in TRACKERS:
            lines.append(f"# TYPE {PREFIX}{tracks.timer} summary")
            if tracks.counter.endswith("_total"):
                lines.append(f"# TYPE {PREFIX}{tracks.counter} counter")
        lines += [f"# TYPE {PREFIX}{name} gauge" for _, name, _ in GAUGES.values()]
        for (name, labels), value in registry.items():
            shown = ",".join(f'{key}="{escaped(text)}"' for key, text in labels)
            lines.append(f"{PREFIX}{name}{{{shown}}} {value!r}")
        return "\n".join(lines).encode()


class Backend:
    """What an application measures with."""

    def __init__(self, metrics) -> None:
        self.metrics = metrics

    def operation(self, name, attributes):
        (tracks,) = (tracks for tracks in TRACKERS if tracks.operation == name)
        return self.metrics.track(tracks, attributes.get(tracks.attribute, "unknown"))

    def record(self, name, value, attributes):
        self.metrics.set(name, attributes[GAUGES[name][0]], value)


class CountsOnlySuccess(Sound):
    def note(self, tracks, value, seconds, error):
        if error is None:
            super().note(tracks, value, seconds, error)


class Swallows(Sound):
    @contextmanager
    def track(self, tracks, value):
        began = perf_counter()
        try:
            yield
        except BaseException as error:
            self.note(tracks, value, perf_counter() - began, error)
        else:
            self.note(tracks, value, perf_counter() - began, None)


class CountsAtTheBeginning(Sound):
    @contextmanager
    def track(self, tracks, value):
        self.note(tracks, value, 0.0, None)
        yield


class TellsMilliseconds(Sound):
    def note(self, tracks, value, seconds, error):
        super().note(tracks, value, seconds * 1000, error)


class HasOneClock(Sound):
    began = 0.0

    @contextmanager
    def track(self, tracks, value):
        self.began, error = perf_counter(), None
        try:
            yield
        except BaseException as failure:
            error = failure
            raise
        finally:
            self.note(tracks, value, perf_counter() - self.began, error)


class ForgetsTheAsyncTrackers(Sound):
    @asynccontextmanager
    async def track_async(self, tracks, value):
        yield


class TellsNoErrorType(Sound):
    def add(self, name, amount, **labels):
        labels.pop("error_type", None)
        super().add(name, amount, **labels)


class HasOneMoreName(Sound):
    def generate_exposition(self, registry):
        created = f"# TYPE {PREFIX}events_created gauge\n{PREFIX}events_created 1.7e9\n"
        return created.encode() + super().generate_exposition(registry)


class IsShared(Sound):
    everything: Final[dict[Any, float]] = defaultdict(float)

    def __init__(self) -> None:
        super().__init__()
        self.series = self.everything


class GaugesAddUp(Sound):
    def set(self, gauge, value, number):
        _, name, label = GAUGES[gauge]
        self.add(name, number, **{label: value})


class EscapesNothing(Sound):
    def generate_exposition(self, registry):
        return super().generate_exposition(registry).replace(b"\\\\", b"\\").replace(b'\\"', b'"')


class LabelsById(Backend):
    def operation(self, name, attributes):
        (tracks,) = (tracks for tracks in TRACKERS if tracks.operation == name)
        value = attributes.get("aggregate_id") or attributes.get(tracks.attribute, "unknown")
        return self.metrics.track(tracks, value)


class CountsByBackend(Backend):
    def operation(self, name, attributes):
        (tracks,) = (tracks for tracks in TRACKERS if tracks.operation == name)
        return self.metrics.track(tracks, attributes.get("backend") or "A")


BROKEN: Final = [
    (CountsOnlySuccess, Backend, "test_failure_is_counted_and_goes_on"),
    (Swallows, Backend, "test_failure_is_counted_and_goes_on"),
    (CountsAtTheBeginning, Backend, "test_failure_is_counted_and_goes_on"),
    (TellsMilliseconds, Backend, "test_time_is_that_of_the_operation"),
    (HasOneClock, Backend, "test_overlapping_tasks_are_timed_apart"),
    (ForgetsTheAsyncTrackers, Backend, "test_async_trackers"),
    (TellsNoErrorType, Backend, "test_a_conflict_is_told_from_a_failure"),
    (HasOneMoreName, Backend, "test_names_are_exact"),
    (IsShared, Backend, "test_instances_are_separate"),
    (GaugesAddUp, Backend, "test_gauges_show_the_last_value"),
    (EscapesNothing, Backend, "test_odd_types_are_exposed_as_they_are"),
    (Sound, LabelsById, "test_labels_are_bounded"),
    (Sound, CountsByBackend, "test_operations_are_measured"),
]


def subject_of(metrics: type, backend: type) -> ContractSubject:
    return ContractSubject(
        kind="metrics",
        name=metrics.__name__,
        create=lambda _: backend(metrics()),
        capabilities=frozenset(),
    )


@pytest.mark.parametrize(("metrics", "backend", "test"), BROKEN)
def test_broken_metrics_are_caught(
    metrics: type, backend: type, test: str, run_contract: Callable[..., Any]
) -> None:
    assert test in run_contract(MetricsContract, subject_of(metrics, backend))["failed"]


def test_sound_metrics_pass(run_contract: Callable[..., Any]) -> None:
    outcomes = run_contract(MetricsContract, subject_of(Sound, Backend))
    assert outcomes["failed"] == set()
    assert len(outcomes["passed"]) > 12
