"""
`python collect.py SUBJECTS`: collect the contract suite, and print its tests as JSON.

For each subject (kind, whether it is async, and whether faults are made) it prints an object: test
ids, and of each how many there are of it, the guarantees that it is about, and what it proves.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from orchestrix_contract_tests.certify._guarantees import claim_of, guarantees_of
from orchestrix_contract_tests.certify._observer import test_id

INI = "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
MODULE = """\
from orchestrix_contract_tests.certify._suites import classes_of
from orchestrix_core import ContractSubject

subject = ContractSubject(
    kind={kind!r}, name="any", create=None, capabilities=frozenset(["async"] * {is_async})
)
globals().update(classes_of(subject, faults={faults}))
"""


class Collector:
    """Takes note of what pytest has found; `_suites` is imported by the module that it reads."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def collect(subject: dict[str, Any], place: Path) -> dict[str, Any]:
    """Return the tests for one subject."""
    module = place / f"test_{len(list(place.iterdir()))}.py"
    module.write_text(MODULE.format(**subject), encoding="utf-8")
    collector, output = Collector(), io.StringIO()
    options = ["--collect-only", "-q", "-c", str(place / "pytest.ini"), "--rootdir", str(place)]
    with redirect_stdout(output):
        status = pytest.main([*options, "-p", "no:cacheprovider", str(module)], [collector])
    if status:
        sys.exit(output.getvalue())
    return _tests(collector.items)


def _tests(items: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        test = item.function
        about = {"count": 0, "guarantees": guarantees_of(test), "claim": claim_of(test)}
        found.setdefault(test_id(item).partition("[")[0], about)["count"] += 1
    return found


def main() -> None:
    """Collect, and print."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "pytest.ini").write_text(INI, encoding="utf-8")
        tests = [collect(subject, place) for subject in json.loads(sys.argv[1])]
    json.dump(tests, sys.stdout)


if __name__ == "__main__":
    main()
