"""A plugin of the inner pytest run: it tells the outer process of each test as it happens."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TextIO

import pytest

from orchestrix_contract_tests.certify._guarantees import claim_of, guarantees_of

__all__ = ["MEASURED_PROPERTY", "Observer", "test_id"]

MEASURED_PROPERTY: Final = "orchestrix_measured"
"""The user property with what a test has measured: numbers by their names."""

_NOISE: Final = re.compile(r"^You can reproduce this example|reproduce_failure|^Explanation")
"""Notes on how to go on in a test of one's own: `orchestrix certify` has its own ways."""
_HEAD: Final = re.compile(r"^(?:Falsifying example|Failing test case):\s*(?:<state machine>\s*)?")
_LOOKS: Final = re.compile(r"^state\.\w+_agree\(\)\n", re.MULTILINE)
"""What the state machine looks at after each step is no part of the history."""
_LONGEST: Final = 2000
"""Characters of a reason; a test that compares a megabyte says more than anybody reads."""


def test_id(item: Any) -> str:
    """Return `Contract::test[parameters]`; the contract is the one that has the promise."""
    name = item.originalname
    owner = next(base for base in item.cls.__mro__ if name in vars(base))
    return f"{owner.__name__}::{item.name}"


class Observer:
    """Writes one JSON document in each line."""

    def __init__(self, pipe: TextIO, tests: Sequence[str]) -> None:
        self._pipe = pipe
        self._wanted = tests
        self._items: dict[str, Any] = {}
        self._phases: defaultdict[str, list[pytest.TestReport]] = defaultdict(list)
        self._raised: dict[str, BaseException] = {}

    def tell(self, event: str, **facts: Any) -> None:
        """Write a line."""
        self._pipe.write(json.dumps({"event": event, **facts}) + "\n")
        self._pipe.flush()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep only what is asked for."""
        if self._wanted:
            items[:] = [item for item in items if self._is_wanted(test_id(item))]

    def _is_wanted(self, test: str) -> bool:
        # A bracket in an id is no set of characters, so an id is compared before it is a pattern.
        return any(
            test == wanted
            or test.startswith((f"{wanted}[", f"{wanted}::"))
            or fnmatchcase(test, wanted)
            for wanted in self._wanted
        )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell how many tests there will be."""
        self._items = {item.nodeid: item for item in session.items}
        self.tell("collected", count=len(self._items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell which one begins, should it never end."""
        self.tell("started", test=test_id(self._items[nodeid]), **self._about(nodeid))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[None]:
        """Keep the exception: its notes hold the example that Hypothesis found."""
        if call.excinfo is not None and item.nodeid not in self._raised:
            self._raised[item.nodeid] = call.excinfo.value
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put the phases of a test together, and tell when the last is over."""
        phases = self._phases[report.nodeid]
        phases.append(report)
        if report.when == "teardown":
            self.tell("finished", outcome=self._outcome(report.nodeid, phases))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what keeps the tests from being found."""
        if report.failed:
            self.tell("refused", reason=_cut(str(report.longrepr)))

    def _about(self, nodeid: str) -> dict[str, Any]:
        function = self._items[nodeid].function
        return {"claim": claim_of(function), "guarantees": guarantees_of(function)}

    def _outcome(self, nodeid: str, phases: list[pytest.TestReport]) -> dict[str, Any]:
        # Not before pytest runs: it is this module that has the assertions of the suite explained.
        from orchestrix_contract_tests.pytest_plugin import (
            MISSING_PROPERTY,
            NOT_OFFERED_PROPERTY,
        )

        failed = next((phase for phase in phases if phase.failed), None)
        skipped = next((phase for phase in phases if phase.skipped), None)
        properties = dict(phases[-1].user_properties)
        facts = {
            "test": test_id(self._items[nodeid]),
            **self._about(nodeid),
            "outcome": "failed" if failed else "skipped" if skipped else "passed",
            "seconds": sum(phase.duration for phase in phases),
            "missing": properties.get(MISSING_PROPERTY),
            "not_offered": properties.get(NOT_OFFERED_PROPERTY),
            "measured": properties.get(MEASURED_PROPERTY),
        }
        if failed:
            facts |= self._failure(nodeid, failed)
        elif skipped:
            facts["reason"] = _cut(str(skipped.longrepr[2]))  # type: ignore[index]  # where, line, why
        return facts

    def _failure(self, nodeid: str, report: pytest.TestReport) -> dict[str, Any]:
        raised = list(_leaves(self._raised.get(nodeid)))
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = "; ".join(_told(error) for error in raised) or str(crash or report.longrepr)
        notes = "\n".join(note for error in raised for note in _notes(error))
        return {"reason": _cut(reason), "history": _LOOKS.sub("", _HEAD.sub("", notes)) or None}


def _leaves(error: BaseException | None) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif error is not None:
        yield error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _notes(error: BaseException) -> Iterator[str]:
    for note in getattr(error, "__notes__", ()):
        if not _NOISE.search(note):
            yield str(note)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
