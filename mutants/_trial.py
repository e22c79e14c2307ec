"""
One run of the tests, in a process forked from one that has imported all but the backend.

The package under test is copied, with the mutant in it, to a folder that is first on the path of
this process and of those that the tests start.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pytest

from mutants._settings import ROOT, Settings
from mutants._sites import Mutant

__all__ = ["OPTIONS", "Trial", "warm_up"]

OPTIONS: Final = (
    "-q",
    "--assert=plain",  # the contracts are imported before pytest could rewrite them
    "--contract-examples=5",
    "--hypothesis-seed=0",
    "-pno:cacheprovider",
    f"--rootdir={ROOT}",
    f"-c{ROOT / 'pyproject.toml'}",
)
_fork = get_context("fork")


def warm_up(settings: Settings) -> None:
    """Import what every trial needs, so that none of them has to."""
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for name in ("hypothesis.stateful", "orchestrix_core", "orchestrix_contract_tests.contracts"):
        importlib.import_module(name)
    if settings.package in sys.modules:
        msg = f"{settings.package} is imported already: no mutant of it would be"
        raise RuntimeError(msg)
    gc.freeze()


class Trial:
    """
    A run that is under way; `report` says what happens in it.

    Args:
        tests: ids of the tests to run, in this order.
        plugins: more plugins of pytest's, given the pipe on which the run reports.
    """

    def __init__(
        self, settings: Settings, mutant: Mutant | None, tests: Sequence[str], *plugins: Any
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mutant-"))
        _copy(settings, mutant, self.folder)
        self.report, pipe = _fork.Pipe(duplex=False)
        arguments = (self.folder, settings, tests, pipe, plugins)
        self._process = _fork.Process(target=_run, args=arguments)
        self._process.start()
        pipe.close()

    def end(self) -> None:
        """Kill what is left of it, the processes that its tests started as well."""
        assert self._process.pid is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self.report.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _copy(settings: Settings, mutant: Mutant | None, folder: Path) -> None:
    package = folder / "site" / Path(*settings.package.split("."))
    shutil.copytree(settings.source, package, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is not None:
        (package / mutant.path.name).write_text(mutant.source(), encoding="utf-8")


def _run(
    folder: Path, settings: Settings, tests: Sequence[str], pipe: Connection, plugins: Sequence[Any]
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()  # so that it can be killed with all that it starts
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.path.insert(0, str(folder / "site"))
    os.environ["PYTHONPATH"] = str(folder / "site")
    os.chdir(ROOT)
    reporter = _Reporter(pipe, tests)
    status = pytest.main(
        [*OPTIONS, f"--basetemp={folder / 'tmp'}", *reporter.files(settings)],
        plugins=[reporter, *plugins],
    )
    pipe.send(("done", int(status)))
    sys.stdout.flush()
    os._exit(0)  # threads that a mutant left behind shall not keep it alive


class _Reporter:
    """Runs the chosen tests in their order, and says how each went."""

    def __init__(self, pipe: Connection, tests: Sequence[str]) -> None:
        self._pipe = pipe
        self._rank: Mapping[str, int] = {test: rank for rank, test in enumerate(tests)}

    def files(self, settings: Settings) -> list[str]:
        """Return what to collect: all files, or the classes that the chosen tests are in."""
        chosen = {"::".join(test.split("::")[:2]) for test in self._rank}
        return sorted(chosen) or settings.files()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._rank:
            items[:] = [item for item in items if item.nodeid in self._rank]
            items.sort(key=lambda item: self._rank[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._pipe.send(("start", nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._pipe.send(("failed", report.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._pipe.send(("failed", report.nodeid))
