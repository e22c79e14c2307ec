"""
Processes to race and to kill, forked from one that has all imports, a nursery.

A suite has a script with the functions that its children run, which ends with `serve(globals())`.
Its tests start the nursery with `Nursery`, and the children with `Nursery.start`.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeAlias

import pytest

__all__ = ["PATIENCE", "Child", "Nursery", "Report", "serve"]

Report: TypeAlias = Callable[..., None]
"""What a child calls with the words that its test shall read."""
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

    def kill(self, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):  # it came to its end first, and is gone
            os.kill(self.pid, number)

    def close(self) -> None:
        os.close(self._pipe)


class Nursery:
    """Starts children, which run functions of a script; `close` ends them all."""

    def __init__(self, script: Path, pipes: Path) -> None:
        self._pipes = pipes
        here = str(Path(__file__).parent)
        path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._children: list[Child] = []

    def start(self, run: str, *arguments: Any) -> Child:
        """Run one of the functions of the script in a process of its own."""
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


def serve(functions: Mapping[str, Any]) -> None:
    """
    Be a nursery: fork a child for each line of the standard input.

    A line is a JSON object: the function to run, the named pipe to report through, the arguments.
    There is no store open and no thread when it forks.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    gc.freeze()
    for line in sys.stdin:
        if os.fork() == 0:
            _run(functions, json.loads(line))
            os._exit(0)


def _run(functions: Mapping[str, Any], command: dict[str, Any]) -> None:
    pipe = os.open(command["pipe"], os.O_WRONLY)

    def report(*words: Any) -> None:
        line = json.dumps(words).encode() + b"\n"
        while line:
            line = line[os.write(pipe, line) :]

    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    report("pid", os.getpid())
    try:
        functions[command["run"]](report, *command["arguments"])
    except BaseException:
        report("failed", traceback.format_exc())


def _end_with(pipe: int) -> None:
    """End this process when nobody reads the pipe any more, whatever it is waiting for."""
    poll = select.poll()
    poll.register(pipe, 0)
    poll.poll()
    os._exit(1)
