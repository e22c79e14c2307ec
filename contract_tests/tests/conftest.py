"""Runs a contract on a subject in a pytest of its own, and tells what happened to each test."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrix_contract_tests import driver
from orchestrix_core import ContractSubject
from orchestrix_core.stores import ASYNC, DOCUMENTS, GLOBAL_LOG, MULTI_STREAM, SQL, SYNC

Outcomes = dict[str, set[str]]

INI = "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
MODULE = """
import pytest
from {module} import {name}

class TestSubject({name}):
    @pytest.fixture
    def subject(self, pytestconfig):
        return pytestconfig.subject
"""


class Observer:
    """
    A plugin of the inner run: brings the subject in, and the outcomes out.

    Tests that are to fail do not wait for long; the others have all the time that they may need.
    """

    def __init__(self, subject: Any, hopeless: Collection[str], patience: float) -> None:
        self.subject = subject
        self.hopeless = hopeless
        self.patience = patience
        self.outcomes: Outcomes = defaultdict(set)

    def pytest_configure(self, config: Any) -> None:
        config.subject = self.subject

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if item.name.partition("[")[0] in self.hopeless:
                patch.setattr(driver, "PATIENCE", self.patience)
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            test = report.nodeid.rpartition("::")[2].partition("[")[0]
            self.outcomes[report.outcome].add(test)


@pytest.fixture
def run_contract(tmp_path: Path) -> Callable[..., Outcomes]:
    """Return a function that gives the names of the tests that passed, failed and were skipped."""

    def run(
        contract: type,
        subject: Any,
        *options: str,
        hopeless: Collection[str] = (),
        patience: float = 1.5,
    ) -> Outcomes:
        module = tmp_path / f"test_{uuid4().hex}.py"  # a module never imported before
        module.write_text(MODULE.format(module=contract.__module__, name=contract.__name__))
        (tmp_path / "pytest.ini").write_text(INI)
        observer = Observer(subject, hopeless, patience)
        how = [
            "-q",
            "--tb=line",  # a quarter of the time went into tracebacks
            "--import-mode=importlib",
            "-p",
            "no:cacheprovider",
            "-W",
            "error",
        ]
        where = ["-c", str(tmp_path / "pytest.ini"), "--rootdir", str(tmp_path)]
        where += [f"--basetemp={tmp_path / 'inner'}", str(module)]
        # In a context of its own, or a bus that leaks its context would leak it into what follows.
        # The inner run collects garbage at its end, again and again: what was there is none. At
        # other times a task that is collected logs its failure wherever the run just is.
        gc.freeze()
        gc.disable()
        try:
            copy_context().run(pytest.main, [*how, *options, *where], [observer])
            gc.collect()
        finally:
            gc.enable()
            gc.unfreeze()
        assert observer.outcomes, "the inner run ran nothing"
        return observer.outcomes

    return run


@pytest.fixture
def catch(run_contract: Callable[..., Outcomes]) -> Callable[..., None]:
    """
    Return a function that asserts that exactly these tests of a contract fail.

    `alone`: no others are run, which is quicker.
    """

    def catch(
        broken: type,
        contract: type,
        failing: list[str],
        *,
        hangs: bool = False,
        alone: bool = False,
    ) -> None:
        options = ["-k", " or ".join(failing)] if alone else []
        how: dict[str, Any] = {}
        if hangs:  # one test is enough to wait for, and for good is for good
            options = ["-k", failing[0]]
            how = {"hopeless": failing, "patience": 0.5}
        assert hasattr(contract, failing[0])
        outcomes = run_contract(contract, subject_of(broken), *options, **how)
        assert outcomes["failed"] == set(failing)

    return catch


@pytest.fixture(name="subject_of")
def _subject_of() -> Callable[[type], ContractSubject]:
    return subject_of


def subject_of(backend: type) -> ContractSubject:
    """Return a subject that makes the backend; its methods say what it is."""
    if not hasattr(backend, "load_by_trace"):
        return ContractSubject(
            kind="message_bus",
            name=backend.__name__,
            create=lambda _: backend(),
            capabilities=frozenset(),
        )
    is_async = hasattr(backend, "subscribe")
    more = {DOCUMENTS} if hasattr(backend, "transaction") else set()
    more |= {SQL} if hasattr(backend, "statements") else set()
    return ContractSubject(
        kind="event_store",
        name=backend.__name__,
        create=lambda _: backend(),
        capabilities=frozenset({ASYNC if is_async else SYNC, GLOBAL_LOG, MULTI_STREAM} | more),
    )
