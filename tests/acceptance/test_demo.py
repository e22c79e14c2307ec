"""`orchestrix demo` on the real flights: it finishes what was interrupted, and counts are right."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("orchestrix.infrastructure.sqlite")

PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
ROWS = 12_000


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "demo", *arguments],
        cwd=directory,
        env={**os.environ, "ORCHESTRIX_CONFIG": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(directory: Path, *arguments: str) -> Any:
    process = start(directory, "--json", *arguments)
    output, errors = process.communicate(timeout=2400)
    assert process.returncode == 0, errors
    return json.loads(output)


def counts(report: Any) -> dict[str, int]:
    return {name: report["delays"]["events"][name] for name in report["expected"]}


def test_a_short_run_holds_what_the_data_set_holds(tmp_path):
    report = finish(tmp_path, "--limit", "2000")
    assert report["complete"]
    assert counts(report) == report["expected"]
    assert report["expected"]["demo.flight.scheduled"] == report["rows"] == 2000
    assert report["refused"]["version_before"] == report["refused"]["version_after"]
    assert len(report["traced"]["events"]) >= 3
    assert all(each["snapshot_version"] < each["version"] for each in report["rebuilt"])
    assert (tmp_path / "orchestrix-demo.db").stat().st_size == report["file_size"]


def test_a_second_run_goes_on_and_a_third_has_nothing_to_do(tmp_path):
    finish(tmp_path, "--limit", "1500")
    second = finish(tmp_path, "--limit", "3000")
    assert (second["rows_new"], second["rows"], second["complete"]) == (1500, 3000, True)
    third = finish(tmp_path, "--limit", "3000")
    assert (third["rows_new"], third["events_new"], third["follow_events"]) == (0, 0, 0)
    assert counts(third) == counts(second)


def test_killed_at_any_moment_it_goes_on_with_nothing_lost_or_doubled(tmp_path):
    """SIGKILL again and again, each time when the file has grown a little more."""
    file = tmp_path / "orchestrix-demo.db"
    wal = tmp_path / "orchestrix-demo.db-wal"
    moment = random.Random(7)
    for _ in range(4):
        process = start(tmp_path, "--limit", str(ROWS))
        before = size_of(file, wal)
        grown = moment.randrange(1, 2_000_000)
        while not ended(process) and size_of(file, wal) < before + grown:
            continue
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=240)
    report = finish(tmp_path, "--limit", str(ROWS))
    assert report["complete"]
    assert counts(report) == report["expected"]
    assert report["rows"] == report["expected"]["demo.flight.scheduled"] == ROWS


def ended(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(0.002)
    except subprocess.TimeoutExpired:
        return False
    return True


def size_of(*files: Path) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


def test_two_loaders_at_once_store_no_row_twice(tmp_path):
    finish(tmp_path, "--limit", "100")  # the file and its schema are there
    both = [start(tmp_path, "--limit", "4000") for _ in range(2)]
    outcomes = [(process.communicate(timeout=2400), process.returncode) for process in both]
    for (_, errors), status in outcomes:
        assert status == 0 or "is at version" in errors
    report = finish(tmp_path, "--limit", "4000")
    assert report["complete"]
    assert report["rows"] == 4000


def test_it_refuses_a_store_that_cannot_keep_events(tmp_path):
    (tmp_path / "orchestrix.toml").write_text('[orchestrix]\nevent_store = "memory"\n')
    process = subprocess.run(
        [*PROGRAM, "demo", "--limit", "10"], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 2
    assert "lacks persistent" in process.stderr
    assert "Traceback" not in process.stderr
