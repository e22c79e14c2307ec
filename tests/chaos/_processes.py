"""Workers that are killed and started again, and the client that gives them something to do."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic
from typing import IO

from ._evidence import Asked

__all__ = ["Client", "Process", "Workers"]

PATIENCE = 360.0  # no measure of speed: an end to waiting for what never comes
PROGRAM = Path(sys.executable).with_name("orchestrix")


class Process:
    """A process, and what it says on its standard output, line by line."""

    def __init__(self, command: Sequence[str], directory: Path, log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._log = log
        self._heard = False
        assert self._process.stdout is not None
        self._output: IO[str] = self._process.stdout
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._output, selectors.EVENT_READ)

    def says_something(self, deadline: float) -> bool:
        """Wait until there is a line to read, or until a moment of `monotonic()`."""
        return bool(self._readable.select(max(0.0, deadline - monotonic())))

    def has_said_something(self) -> bool:
        """Tell whether it has, whether that was read or not."""
        return self._heard or self.says_something(0)

    def next(self) -> str:
        """Return what it says next."""
        assert self.says_something(monotonic() + PATIENCE), f"silence: {self.told()}"
        line = self._output.readline()
        self._heard = True
        assert line, f"it has ended: {self.told()}"
        return line.strip()

    def told(self) -> str:
        """Return what it wrote as errors."""
        return f"{self._log.name}: {self._log.read_text()}"

    def kill(self) -> None:
        """End it in the middle of whatever it is doing."""
        self._process.kill()
        assert self._process.wait() == -signal.SIGKILL, self.told()
        self.close()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def wait(self) -> int:
        """Wait for its end; return its status."""
        return self._process.wait(timeout=PATIENCE)

    def close(self) -> None:
        """Let nothing of it be left."""
        self._process.kill()
        self._process.wait()
        self._readable.close()
        self._output.close()


class Workers:
    """
    Processes of `orchestrix run`; one that is killed is replaced.

    Attributes:
        killed: how many have been.
        at_work: how many of these had got as far as to run: a busy machine starts them slowly.
    """

    def __init__(self, directory: Path, number: int, seed: int) -> None:
        self.killed = 0
        self.at_work = 0
        self._directory = directory
        self._chance = Random(seed)
        self._number = count(1)
        self._running: list[Process] = []
        for _ in range(number):
            self._start()

    def _start(self) -> None:
        log = self._directory / f"worker-{next(self._number)}.log"
        self._running.append(Process([str(PROGRAM), "run"], self._directory, log))

    def await_all(self) -> None:
        """Wait until each of them runs; to be called once."""
        for process in self._running:
            process.next()

    def kill_one(self) -> None:
        """Kill one, whatever it is doing, and start another."""
        victim = self._running.pop(self._chance.randrange(len(self._running)))
        self.at_work += victim.has_said_something()
        victim.kill()
        self.killed += 1
        self._start()

    def stop(self) -> list[int]:
        """End them as an operator does; return their statuses."""
        for process in self._running:
            process.terminate()
        return [process.wait() for process in self._running]

    def close(self) -> None:
        """Kill those that are left."""
        for process in self._running:
            process.close()

    def told(self) -> str:
        """Return what all of them wrote as errors."""
        return "\n".join(log.read_text() for log in sorted(self._directory.glob("worker-*.log")))


class Client(Process):
    """The process of `_client`."""

    def __init__(self, directory: Path, seconds: float, seed: int) -> None:
        script = str(Path(__file__).with_name("_client.py"))
        command = [sys.executable, "-u", script, str(seconds), str(seed)]
        super().__init__(command, directory, directory / "client.log")

    def asked(self) -> Asked:
        """Return what it asked for, once it has ended."""
        told = json.loads(self.next())
        assert self.wait() == 0, self.told()
        return Asked.from_json(told)
