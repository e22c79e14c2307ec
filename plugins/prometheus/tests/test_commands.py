"""`orchestrix metrics`: from a running application, from the store, and the files."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import pytest

from orchestrix.infrastructure.observability.prometheus import _files
from orchestrix.infrastructure.sqlite import SQLiteEventStore
from orchestrix_core import Subscription, Worker
from orchestrix_core.subscriptions import caught_up

from ._children import Deposited
from .conftest import CONFIGURATION, PATIENCE, PROGRAM, environment, get

LAG = 'orchestrix_core_projection_events_behind{projection_name="balances"}'


@pytest.fixture
async def behind(tmp_path):
    """Leave a store whose projection has still three events to catch up with."""

    async def handle(record, transaction):
        pass

    (tmp_path / "orchestrix.toml").write_text(CONFIGURATION.format(store="sqlite"))
    async with SQLiteEventStore(tmp_path / "orchestrix.db") as store:
        await store.save("a", [Deposited(amount=1)])
        worker = Worker(store, [Subscription(name="balances", handle=handle, partitions=1)])
        run = asyncio.create_task(worker.run())
        await caught_up(store, ["balances"], timeout=PATIENCE)
        worker.stop()
        await run
        await store.save("a", [Deposited(amount=n) for n in range(3)])


def test_a_running_application_is_asked(start, folder, orchestrix):
    port = start("application", folder, 2).said
    line = 'storage_operations_total{operation_type="append",status="success"} 2.0'
    by_port = orchestrix("metrics", TEST_PORT=port)
    assert line in by_port.stdout, by_port.stderr
    by_url = orchestrix("metrics", "--url", f"http://127.0.0.1:{port}/metrics", "--json")
    families = {family["name"]: family for family in json.loads(by_url.stdout)["metrics"]}
    assert families["orchestrix_core_aggregates_loaded"]["samples"][0]["value"] == 2
    refused = orchestrix("metrics", "--serve", TEST_PORT=port)
    assert refused.status == 2
    assert "--store" in refused.stderr


def test_nobody_answers(folder, orchestrix):
    done = orchestrix("metrics", TEST_PORT="1")
    assert done.status == 1
    assert "no metrics at http://127.0.0.1:1/metrics" in done.stderr
    assert "--store" in done.stderr
    wrong = orchestrix("metrics", "--url", "file:///etc/passwd")
    assert wrong.status == 2
    assert "http" in wrong.stderr


def test_the_store_tells_what_is_behind(behind, orchestrix):
    done = orchestrix("metrics", "--store")
    assert f"{LAG} 3.0" in done.stdout, done.stderr
    unasked = orchestrix("metrics")
    assert unasked.stdout == done.stdout
    assert "no port is set" in unasked.stderr


def test_the_store_can_be_served(behind, tmp_path):
    command = [sys.executable, "-c", PROGRAM, "metrics", "--store", "--serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            said = server.stdout.readline()
            assert said.startswith("serving http://127.0.0.1:")
            for _ in range(2):
                assert f"{LAG} 3.0" in get(said.split()[1])
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 130


def test_the_files_have_the_configured_names(folder, orchestrix):
    assert orchestrix("metrics", "--rules").stdout == _files.rules()
    text = (folder / "orchestrix.toml").read_text()
    (folder / "orchestrix.toml").write_text(f'{text}namespace = "shop"\n')
    rules = orchestrix("metrics", "--rules").stdout
    assert "shop_core_projection_events_behind" in rules
    assert "orchestrix_core_" not in rules
    dashboard = json.loads(orchestrix("metrics", "--dashboard").stdout)
    (namespace,) = (v for v in dashboard["templating"]["list"] if v["name"] == "namespace")
    assert namespace["current"]["value"] == "shop"


def test_help_has_an_example(orchestrix):
    said = orchestrix("metrics", "--help").stdout
    assert "Example: orchestrix metrics" in said
    assert "PROMETHEUS_MULTIPROC_DIR" in said
