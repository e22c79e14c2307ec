"""A real Prometheus scrapes a running application, and answers with the right numbers."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from orchestrix.infrastructure.observability.prometheus import _files

from ._children import TRACE
from ._server import PROGRAM, prometheus
from .conftest import api, until

ACCOUNTS = 7

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="prometheus is not installed (Debian: apt-get install prometheus)"
)


def test_a_server_scrapes_an_application(start, folder):
    port = start("application", folder, ACCOUNTS).said
    with prometheus(folder, f"127.0.0.1:{port}", _files.rules()) as address:

        def query(expression):
            result = api(address, f"query?query={quote(expression)}")["result"]
            return [(row["metric"], float(row["value"][1])) for row in result]

        appends = 'orchestrix_core_storage_operations_total{operation_type="append"}'
        ((labels, count),) = until(lambda: query(appends))
        assert count == ACCOUNTS
        assert labels["status"] == "success"
        assert labels["job"] == "shop"
        assert "error_type" not in labels
        loads = 'sum(orchestrix_core_aggregates_loaded_total{aggregate_type="Account"})'
        # A scrape that takes too long, on a busy machine, hides the figures up to the next one.
        assert until(lambda: query(loads)) == [({}, ACCOUNTS)]
        count = 'orchestrix_core_storage_operation_seconds_count{operation_type="append"}'
        assert until(lambda: query(f"{count} == on (job) {appends}"))[0][1] == ACCOUNTS
        assert query('{__name__=~"orchestrix_core_.*_created"}') == []

        assert until(lambda: query("up == 1"))
        now = "start=0&end=9999999999"
        found = until(lambda: api(address, f"query_exemplars?query={quote(appends)}&{now}"))
        (series,) = found
        assert series["seriesLabels"]["operation_type"] == "append"
        assert {one["labels"]["trace_id"] for one in series["exemplars"]} == {TRACE}

        def evaluated():
            (group,) = api(address, "rules")["groups"]
            healths = [rule["health"] for rule in group["rules"]]
            return healths if "unknown" not in healths else None

        assert until(evaluated) == ["ok"] * 3
