"""The tests that the contract suite has now, for each kind of backend: collected, not run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import attrs
import cattrs

__all__ = ["Subject", "Test", "present_tests"]

COLLECT = Path(__file__).with_name("collect.py")


@attrs.frozen
class Test:
    """How many there are of a test with its parameters, what it is about, and what it proves."""

    count: int
    guarantees: list[str]
    claim: str


@attrs.frozen
class Subject:
    """What decides which tests there are: kind, sync or async, and whether faults are made."""

    kind: str
    is_async: bool
    faults: bool


def present_tests(subjects: Iterable[Subject]) -> dict[Subject, dict[str, Test]]:
    """Return the tests of the suite by their ids, for each subject."""
    wanted = tuple(dict.fromkeys(subjects))
    return dict(zip(wanted, _collected(wanted), strict=True))


@cache
def _collected(subjects: tuple[Subject, ...]) -> list[dict[str, Test]]:
    """Ask a process of its own: pytest rewrites what it imports, and this one has other plans."""
    command = [sys.executable, str(COLLECT), _as_text(subjects)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        msg = f"the contract suite cannot be collected:\n{done.stdout}{done.stderr}"
        raise RuntimeError(msg)
    return cattrs.structure(json.loads(done.stdout), list[dict[str, Test]])


def _as_text(subjects: Sequence[Subject]) -> str:
    return json.dumps([attrs.asdict(subject) for subject in subjects])
