"""`orchestrix run` on PostgreSQL: one of two workers is killed, the other goes on with its part."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix_core import Event, MessageRegistry
from orchestrix_core.subscriptions import lags

from ._conditions import PATIENCE

PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
MODULE = """
from orchestrix_core import Event, Projection, on

class Counted(Event, type="program.counted"):
    stream: str

class Counts(Projection, partitions=4):
    @on(Counted)
    async def counted(self, event, view):
        known = await view.get(event.stream) or {"count": 0}
        await view.put(event.stream, {"count": known["count"] + 1})
"""
STREAMS = [f"S-{number}" for number in range(12)]


class Counted(Event, type="program.counted", registry=MessageRegistry()):
    stream: str


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.05)


async def test_the_part_of_a_killed_worker_is_taken_over(empty_dsn, tmp_path):
    (tmp_path / "counts.py").write_text(MODULE)
    (tmp_path / "orchestrix.toml").write_text(
        '[orchestrix]\nmodules = ["counts"]\nlease = 1.0\n[orchestrix.event_store.postgres]\n'
        f'connection_string = "{empty_dsn}"\npool_min_size = 1\n'
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRIX")}

    def start(stack):
        process = stack.enter_context(
            subprocess.Popen(
                [*PROGRAM, "run", "--json"], cwd=tmp_path, env=environment, text=True,
                stdout=subprocess.PIPE,
            )
        )  # fmt: skip
        stack.callback(process.kill)
        return process, json.loads(process.stdout.readline())["worker"]

    async with PostgreSQLEventStore(connection_string=empty_dsn) as store:

        async def owners():
            return [lag.owner for lag in await lags(store, ["Counts@1"])]

        async def counts():
            found = await store.find_documents("Counts@1")
            return {document.key: document.body["count"] for document in found}

        async def save():
            for stream in STREAMS:
                await store.save(stream, [Counted(stream=stream)])

        with ExitStack() as stack:
            first, name = start(stack)
            second, other = start(stack)

            async def is_shared():
                held = await owners()
                return held.count(name) == held.count(other) == 2

            await until(is_shared)
            await save()
            first.kill()
            await save()

            async def is_done():
                return await counts() == dict.fromkeys(STREAMS, 2)

            await until(is_done)
            assert set(await owners()) == {other}
            second.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.wait, PATIENCE) == 0
            assert set(await owners()) == {None}
