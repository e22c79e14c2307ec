"""Processes to race and to kill: `_children` run in forks of one process that has all imports."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

PATIENCE = 180.0  # no measure of speed: an end to waiting for what never comes


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

    def wait_for(self, *expected: Any) -> None:
        """Read until it says this."""
        for words in self.lines_until(monotonic() + PATIENCE):
            if words == list(expected):
                return
        pytest.fail(f"the process never said {expected}")

    def drain(self) -> int:
        """Read what it has said up to now; return how many lines."""
        return len(list(self.lines_until(monotonic())))

    def rest(self) -> list[list[Any]]:
        """Return what else it says until it ends."""
        said = list(self.lines_until(monotonic() + PATIENCE))
        assert self._poll.poll(0), "the process did not end"
        return said

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        os.close(self._pipe)


class Nursery:
    """Starts children; `close` ends them all."""

    def __init__(self, pipes: Path) -> None:
        script = Path(__file__).with_name("_children.py")
        self._pipes = pipes
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._children: list[Child] = []

    def start(self, run: str, *arguments: Any) -> Child:
        """Run one of the functions of `_children` in a process of its own."""
        pipe = self._pipes / str(len(self._children))
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        command = {"run": run, "pipe": str(pipe), "arguments": arguments}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command, default=str) + "\n")
        self._process.stdin.flush()
        child = Child(reader)
        self._children.append(child)
        return child

    def close(self) -> None:
        """Kill what still runs of its session: the children are forks, they have no other."""
        os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:
            pass
        for child in self._children:
            child.close()
