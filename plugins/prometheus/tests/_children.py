"""
Processes for the tests: applications that are scraped, and workers that share their figures.

`python _children.py FUNCTION ARGUMENTS...` prints a line when it is ready, does what each line of
its standard input says, answers with a line, and ends with its input.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

from orchestrix.infrastructure.observability.prometheus import MetricConfig, PrometheusMetrics
from orchestrix_core import AggregateRoot, ConfigurationError, Event, Orchestrix, when
from orchestrix_core.context import use_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Deposited(Event, type="test.deposited"):
    amount: int


class Account(AggregateRoot):
    balance = 0

    @when(Deposited)
    def deposited(self, event: Deposited) -> None:
        self.balance += event.amount


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def say(word: object) -> None:
    print(word, flush=True)


async def application(folder: str, accounts: str, at: str = "") -> None:
    """Run an application that is measured by its configuration alone; say where."""
    while True:
        os.environ["TEST_PORT"] = port = at or str(free_port())
        app = Orchestrix.from_config(Path(folder) / "orchestrix.toml")
        try:
            await app.__aenter__()
        except ConfigurationError:  # somebody else took the port meanwhile
            continue
        break
    repository = app.repository(Account)
    with use_trace(TRACE):
        for number in range(int(accounts)):
            account = await repository.load(f"a{number}")
            account.record(Deposited(amount=number))
            await repository.save(account)
    say(port)
    await asyncio.to_thread(sys.stdin.read)
    await app.__aexit__(None, None, None)


async def worker(start: str) -> None:
    """Count commands and set gauges, as told: `commands 3`, `memory 5`, `lag 7`, `again`."""
    metrics = PrometheusMetrics(MetricConfig(namespace="shared"))
    say("ready")
    for line in sys.stdin:
        what, number = line.split()
        if what == "commands":
            for _ in range(int(number)):
                with metrics.track_command_handle("Deposit"):
                    pass
        elif what == "projection":
            with metrics.track_projection_update("orders"):
                pass
        elif what == "memory":
            metrics.record_aggregates_in_memory("Account", int(number))
        elif what == "lag":
            metrics.record_projection_lag("orders", int(number))
        elif what == "again":
            metrics = PrometheusMetrics(MetricConfig(namespace="shared"))
        say("done")


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
