"""An application that is measured by its configuration alone."""

from __future__ import annotations

import asyncio
import socket
import urllib.error

import pytest
from prometheus_client import REGISTRY

from orchestrix.infrastructure.observability.prometheus import (
    PrometheusInstrumentation,
    PrometheusSettings,
)
from orchestrix_core import ConcurrencyError, ConfigurationError, Orchestrix

from ._children import Account, Deposited, free_port
from .conftest import CONFIGURATION, get


async def opened(folder, monkeypatch):
    """Return an application that is open, and where it serves its metrics."""
    while True:
        port = free_port()
        monkeypatch.setenv("TEST_PORT", str(port))
        app = Orchestrix.from_config(folder / "orchestrix.toml")
        try:
            return await app.__aenter__(), f"http://127.0.0.1:{port}/metrics"
        except ConfigurationError:
            continue


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_saves_and_loads_are_counted(tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orchestrix.toml").write_text(CONFIGURATION.format(store=store))
    app, url = await opened(tmp_path, monkeypatch)
    accounts = app.repository(Account)
    for number in range(3):
        account = await accounts.load(f"a{number}")
        account.record(Deposited(amount=1))
        await accounts.save(account)
    await app.publish(Deposited(amount=1))
    with pytest.raises(ConcurrencyError):
        await app.store.save("a0", [Deposited(amount=2)], expected_version=0)
    page = await asyncio.to_thread(get, url)
    for line in (
        'storage_operations_total{operation_type="append",status="success"} 3.0',
        'storage_operations_total{error_type="ConcurrencyError",operation_type="append",'
        'status="error"} 1.0',
        'storage_operations_total{operation_type="load",status="success"} 3.0',
        'storage_operation_seconds_count{operation_type="append",status="success"} 3.0',
        'aggregates_loaded_total{aggregate_type="Account",status="success"} 3.0',
        'events_total{event_type="test.deposited",status="success"} 1.0',
    ):
        assert f"\norchestrix_core_{line}\n" in page
    await app.__aexit__(None, None, None)
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(get, url)


async def test_openmetrics_is_served_to_those_who_ask(folder, monkeypatch):
    app, url = await opened(folder, monkeypatch)
    await app.store.save("a", [Deposited(amount=1)])
    page = await asyncio.to_thread(get, url, Accept="application/openmetrics-text; version=1.0.0")
    assert page.endswith("# EOF\n")
    assert "# TYPE orchestrix_core_storage_operations counter" in page
    await app.__aexit__(None, None, None)


def test_ids_do_not_grow_the_series():
    """A hundred thousand aggregates, and no more series than one has."""
    watch = PrometheusInstrumentation()
    counts = []
    for number in range(100_000):
        attributes = {"operation": "append", "aggregate_id": f"a{number}", "backend": "memory"}
        with watch.operation("storage", attributes):
            pass
        if number in {0, 99_999}:
            families = watch.metrics.get_prometheus_registry().collect()
            counts.append(sum(len(family.samples) for family in families))
    assert counts[0] == counts[1]


async def test_a_port_that_is_taken_ends_the_start(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        watch = PrometheusInstrumentation(PrometheusSettings(port=port))
        with pytest.raises(ConfigurationError, match=rf"cannot serve metrics at 127.*:{port}"):
            await watch.initialize()
        await watch.close()


async def test_without_a_port_nothing_is_served_and_close_may_be_called_twice():
    watch = PrometheusInstrumentation()
    await watch.initialize()
    assert watch._serving is None
    await watch.close()
    await watch.close()


async def test_the_default_registry_is_given_back():
    for _ in range(2):
        watch = PrometheusInstrumentation(PrometheusSettings(registry="default"))
        assert watch.metrics.get_prometheus_registry() is REGISTRY
        assert "orchestrix_core_events_total" in REGISTRY._names_to_collectors
        await watch.close()
        assert "orchestrix_core_events_total" not in REGISTRY._names_to_collectors


def test_a_setting_that_is_wrong_is_named_with_its_file(folder):
    text = (folder / "orchestrix.toml").read_text()
    (folder / "orchestrix.toml").write_text(f'{text}namespace = "my-app"\n')
    with pytest.raises(ConfigurationError, match=r"orchestrix\.toml.*namespace.*'my-app'"):
        Orchestrix.from_config(folder / "orchestrix.toml")
