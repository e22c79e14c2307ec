"""Child processes, figures of an exposition, and waiting for what another program does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import attrs
import pytest

from orchestrix_core.cli import main

PATIENCE = 180.0  # no measure of speed: an end to waiting for what never comes
CHILDREN = Path(__file__).with_name("_children.py")
PROGRAM = "from orchestrix_core.cli import main; main()"
CONFIGURATION = """
[orchestrix]
event_store.use = "{store}"
metrics.use = "prometheus"

[orchestrix.metrics.prometheus]
port = "${{TEST_PORT:-0}}"
"""


def environment(**more: str) -> dict[str, str]:
    ours = ("ORCHESTRIX", "PROMETHEUS", "TEST_PORT")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


class Child:
    """A process that answers lines."""

    def __init__(self, *arguments: Any, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(CHILDREN), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(**variables),
        )
        self.said = self.next()

    def next(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait()}"
        return line.strip()

    def tell(self, *lines: str) -> None:
        assert self.process.stdin is not None
        for line in lines:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            assert self.next() == "done"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def end(self) -> int:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            return self.process.wait(PATIENCE)


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Return a function that starts one of `_children`; none outlives the test."""
    children: list[Child] = []

    def start(*arguments: Any, **variables: str) -> Child:
        children.append(Child(*arguments, **variables))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the configuration of an application."""
    (tmp_path / "orchestrix.toml").write_text(CONFIGURATION.format(store="memory"))
    return tmp_path


@attrs.frozen
class Ended:
    """How a run of the program ended."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def orchestrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Return a function that runs the program in the test's folder, in this process."""

    def run(*arguments: str, **variables: str) -> Ended:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name in os.environ.keys() - environment().keys():
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["orchestrix", *arguments])
            with pytest.raises(SystemExit) as end:
                main()
        return Ended(int(end.value.code or 0), *capsys.readouterr())

    return run


def get(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # the tests' own servers
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


def until(ask: Callable[[], Any]) -> Any:
    """Ask another program until its answer is true; return it."""
    deadline = monotonic() + PATIENCE
    while True:
        answer: Any = None
        with suppress(OSError):
            answer = ask()
        if answer:
            return answer
        assert monotonic() < deadline, f"still {answer!r} after {PATIENCE:.0f} s"
        sleep(0.02)


def api(address: str, path: str) -> Any:
    """Return what a Prometheus server answers."""
    return json.loads(get(f"http://{address}/api/v1/{path}"))["data"]
