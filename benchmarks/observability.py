"""
What watching costs a save and a load in memory, where nothing else hides it.

Watched by nothing, a store must be as fast as it is by itself. Spans go in batches to a socket that
nobody reads, from a thread of their own, as in an application whose agent has gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks._events import item
from benchmarks._measure import Case, Comparison, Contestant, Prepare
from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import NO_INSTRUMENTATION, Orchestrix, compose
from orchestrix_core._watching import watched
from orchestrix_core.stores import AsyncEventStore

try:
    from orchestrix.infrastructure.observability.jaeger import JaegerConfig, JaegerInstrumentation
    from orchestrix.infrastructure.observability.prometheus import PrometheusInstrumentation
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

__all__ = ["INSTALLED", "MISSING", "cases"]

MISSING = "observability: orchestrix-jaeger and orchestrix-prometheus are not installed"

Watch = Callable[[int], Any]
"""Makes an instrumentation; it is given the port of the agent."""


def _nothing(port: int) -> Any:
    return NO_INSTRUMENTATION


def _traces(port: int) -> Any:
    return JaegerInstrumentation(JaegerConfig(jaeger_agent_port=port))


def _metrics(port: int) -> Any:
    return PrometheusInstrumentation()


@contextmanager
def _bare(count: int) -> Iterator[Prepare]:
    with asyncio.Runner() as runner:
        yield _prepare(runner, InMemoryAsyncEventStore(), count)


@contextmanager
def _watched(watch: Sequence[Watch], count: int) -> Iterator[Prepare]:
    with asyncio.Runner() as runner, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        parts = [make(agent.getsockname()[1]) for make in watch]
        try:
            store = watched(InMemoryAsyncEventStore(), compose(*parts), "memory")
            yield _prepare(runner, store, count)
        finally:
            for part in parts:
                if part is not NO_INSTRUMENTATION:
                    runner.run(part.close())


@contextmanager
def _of_application(count: int) -> Iterator[Prepare]:
    with asyncio.Runner() as runner:
        app = Orchestrix(store=InMemoryAsyncEventStore(), worker=False)
        runner.run(app.__aenter__())
        yield _prepare(runner, app.store, count)
        runner.run(app.__aexit__(None, None, None))


def _prepare(runner: asyncio.Runner, store: AsyncEventStore, count: int) -> Prepare:
    run = runner.get_loop().run_until_complete
    return lambda part: lambda: run(_save_and_load(store, part, count))


async def _save_and_load(store: AsyncEventStore, part: int, count: int) -> int:
    loaded = 0
    for number in range(count):
        stream = f"stream-{part}-{number}"
        await store.save(stream, [item()], 0)
        loaded += len(await store.load(stream))
    return loaded


def cases() -> list[Case]:
    """Return two cases: exporters go on behind their slice, at the cost of whoever is next."""
    bare = Contestant("memory", _bare)
    unwatched = [
        bare,
        Contestant("watched by nothing", partial(_watched, [_nothing])),
        Contestant("application's store", _of_application),
    ]
    found = [_case("observability-none", unwatched, {"watched by nothing": 0.99})]
    if INSTALLED:
        ways = {"traced": [_traces], "measured": [_metrics], "both": [_traces, _metrics]}
        watching = [Contestant(name, partial(_watched, watch)) for name, watch in ways.items()]
        found.append(_case("observability", [bare, *watching], {}))
    return found


def _case(name: str, contestants: list[Contestant], targets: Mapping[str, float]) -> Case:
    bare, *others = contestants
    return Case(
        name=name,
        count=500,
        slices=20,
        contestants=contestants,
        comparisons=[
            Comparison(other.name, bare.name, targets.get(other.name)) for other in others
        ],
    )
