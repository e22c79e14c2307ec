"""The plugin of pytest's that watches what each test runs; it lives in the process of a trial."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from coverage import Coverage

__all__ = ["Observer"]

_STARTS_A_PROCESS: Final = {"subprocess.Popen", "os.fork", "os.posix_spawn"}


class Observer:
    """Writes what it saw to a file at the end; tests that are skipped are not in it."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._rows: dict[str, dict[str, Any]] = {}
        self._processes: set[str] = set()
        self._skipped: set[str] = set()
        self._now = ""

    def pytest_sessionstart(self) -> None:
        os.environ["COVERAGE_CORE"] = "ctrace"  # the one that can tell tests apart
        site = os.environ["PYTHONPATH"]
        self._coverage = Coverage(data_file=None, config_file=False, include=[f"{site}/*"])
        self._coverage.start()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: tuple[Any, ...]) -> None:
        if event in _STARTS_A_PROCESS:
            self._processes.add(self._now)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._now = item.nodeid
        self._coverage.switch_context(item.nodeid)
        before = time.monotonic()
        yield
        self._coverage.switch_context("")
        function = getattr(item, "function", None)
        self._rows[item.nodeid] = {
            "seconds": round(time.monotonic() - before, 4),
            "contract": getattr(function, "__module__", "").startswith("orchestrix_contract"),
            "generated": "generated" in getattr(item, "fixturenames", ()),
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self._skipped.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        lines = self._lines()
        rows = {
            test: {**row, "processes": test in self._processes, "lines": sorted(lines[test])}
            for test, row in self._rows.items()
            if test not in self._skipped
        }
        content = {"tests": rows, "outside": sorted(lines[""])}
        self._kept.write_text(json.dumps(content), encoding="utf-8")

    def _lines(self) -> defaultdict[str, set[str]]:
        lines: defaultdict[str, set[str]] = defaultdict(set)
        data = self._coverage.get_data()
        for file in data.measured_files():
            for line, tests in data.contexts_by_lineno(file).items():
                for test in tests:
                    lines[test].add(f"{Path(file).name}:{line}")
        return lines
