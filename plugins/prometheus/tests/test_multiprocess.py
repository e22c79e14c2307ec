"""Real processes that share a directory of figures."""

from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import get


@pytest.fixture
def shared(tmp_path):
    directory = tmp_path / "shared"
    directory.mkdir()
    return {"PROMETHEUS_MULTIPROC_DIR": str(directory)}


@pytest.fixture
def read(orchestrix, shared):
    """Return a function that gives the figures by name, as the program shows them."""

    def read():
        done = orchestrix("metrics", **shared)
        assert done.status == 0, done.stderr
        found = {}
        for family in text_string_to_metric_families(done.stdout):
            for sample in family.samples:
                name = sample.name.removeprefix("shared_core_")
                found[name, *sorted(sample.labels.values())] = sample.value
        return found

    return read


def test_processes_are_added_up_and_the_dead_are_not_forgotten(start, read, shared):
    first, second = start("worker", "", **shared), start("worker", "", **shared)
    first.tell("commands 3", "projection 1", "memory 5", "lag 100")
    second.tell("commands 4", "projection 1", "memory 2", "lag 7")
    seen = read()
    assert seen["commands_total", "Deposit", "success"] == 7
    assert seen["commands_latency_seconds_count", "Deposit", "success"] == 7
    assert seen["commands_latency_seconds_bucket", "+Inf", "Deposit", "success"] == 7
    assert seen["projection_update_seconds_count", "orders", "success"] == 2
    assert seen["projection_update_seconds_sum", "orders", "success"] > 0
    assert seen["aggregates_in_memory", "Account"] == 7
    assert seen["projection_events_behind", "orders"] == 7, "who spoke last knows best"

    second.kill()
    seen = read()
    assert seen["commands_total", "Deposit", "success"] == 7, "a counter never goes down"
    assert seen["aggregates_in_memory", "Account"] == 5, "its memory is gone with it"
    assert seen["projection_events_behind", "orders"] == 7
    first.tell("lag 90")
    assert read()["projection_events_behind", "orders"] == 90


def test_two_metrics_of_one_process_share_their_figures(start, read, shared):
    child = start("worker", "", **shared)
    child.tell("commands 2", "again 0", "commands 3")
    assert read()["commands_total", "Deposit", "success"] == 5
    assert child.end() == 0
    assert read()["commands_total", "Deposit", "success"] == 5


def test_applications_share_a_port_and_leave_no_live_figures(start, read, folder, shared):
    first = start("application", folder, 3, **shared)
    second = start("application", folder, 2, first.said, **shared)
    seen = read()
    assert 'operation_type="append",status="success"} 5.0' in get(f"http://127.0.0.1:{first.said}")
    name = "orchestrix_core_storage_operations_total"
    assert seen[name, "append", "success"] == 5
    assert second.end() == 0
    assert first.end() == 0
    assert read()[name, "append", "success"] == 5


def test_json(start, orchestrix, shared):
    start("worker", "", **shared).tell("commands 2")
    done = orchestrix("metrics", "--json", **shared)
    families = {family["name"]: family for family in json.loads(done.stdout)["metrics"]}
    counter = families["shared_core_commands"]
    assert counter["type"] == "counter"
    assert [sample["value"] for sample in counter["samples"]] == [2]


def test_a_directory_that_is_missing_is_named(orchestrix, tmp_path):
    done = orchestrix("metrics", PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "none"))
    assert done.status == 2
    assert "PROMETHEUS_MULTIPROC_DIR must name a directory that exists" in done.stderr
