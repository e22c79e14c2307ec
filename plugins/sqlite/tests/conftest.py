"""Processes to race and to kill, and the events that the tests store."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from orchestrix_core import Event

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes


class Noted(Event, type="test.noted"):
    """What the child processes store, too."""

    text: str


class Child:
    """A forked process: what it reports, line by line, and its end."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)
        self._rest = b""
        (word, self.pid) = self.next()
        assert word == "pid"

    def _more(self, timeout: float) -> bool:
        """Read what is there; False when nothing came in time or will come any more."""
        if not self._poll.poll(max(timeout, 0) * 1000):
            return False
        data = os.read(self._pipe, 65536)
        self._rest += data
        return bool(data)

    def lines_until(self, deadline: float) -> Iterator[list[Any]]:
        """Yield what is reported until a moment of `monotonic()`, or the end of the process."""
        while True:
            while b"\n" in self._rest:
                line, self._rest = self._rest.split(b"\n", 1)
                words = json.loads(line)
                assert words[0] != "failed", words[1]
                yield words
            if not self._more(deadline - monotonic()):
                return

    def next(self) -> list[Any]:
        for words in self.lines_until(monotonic() + PATIENCE):
            return words
        pytest.fail("the process said nothing")

    def rest(self) -> list[list[Any]]:
        """Return what else it says until it ends, with its locks."""
        said = list(self.lines_until(monotonic() + PATIENCE))
        self._wait_for_the_end()
        return said

    def _wait_for_the_end(self) -> None:
        """The pipe of a process that is killed may be closed before the files that it locks."""
        deadline = monotonic() + PATIENCE
        with suppress(ProcessLookupError):  # its nursery lets the kernel bury it
            while monotonic() < deadline:
                os.kill(self.pid, 0)
                sleep(0.001)
            pytest.fail("the process does not end")

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it came to its end first, and is gone
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        os.close(self._pipe)


@pytest.fixture(scope="session")
def _nursery() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("_children.py")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, text=True) as nursery:
        yield nursery


@pytest.fixture
def start(
    _nursery: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Child]]:
    """Return a function that runs one of `_children` in a process of its own."""
    pipes = tmp_path_factory.mktemp("pipes")
    children: list[Child] = []

    def start(run: str, *arguments: Any) -> Child:
        pipe = pipes / str(len(children))
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        command = {"run": run, "pipe": str(pipe), "arguments": arguments}
        assert _nursery.stdin is not None
        _nursery.stdin.write(json.dumps(command, default=str) + "\n")
        _nursery.stdin.flush()
        child = Child(reader)
        children.append(child)
        return child

    yield start
    for child in children:
        child.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def notes() -> Callable[..., list[Noted]]:
    """Return a function that makes events with the given ids, as the child processes do."""
    return lambda *ids: [Noted(id=event_id, text=event_id * 4) for event_id in ids]
