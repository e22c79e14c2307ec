"""Runs a job in a process of its own, and makes a certificate of what that tells."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Final, Protocol

import attrs

from orchestrix_contract_tests.certify._job import Job
from orchestrix_contract_tests.certify._report import Certificate, Outcome

__all__ = ["Progress", "certify"]

PATIENCE: Final = 180.0
"""Seconds without a word until the process counts as hanging; a call in a test has 20."""


_PREFIX: Final = "orchestrix-certify-"


class Progress(Protocol):
    """Who follows a run."""

    def begin(self, job: Job, count: int) -> None:
        """Take note that `count` tests are to come."""

    def advance(self, outcome: Outcome) -> None:
        """Take note that a test has ended."""

    def soaking(self, share: float, text: str) -> None:
        """Take note of how much of a soak is over, and what was done meanwhile."""


def certify(
    job: Job, versions: Mapping[str, str], progress: Progress, *, refused: str | None = None
) -> Certificate:
    """
    Run the tests, unless they are refused; an interruption ends the process, too.

    The certificate names all parts: `versions`, and what the backend says of itself.
    """
    began = perf_counter()
    run = _Run(job, progress, refused)
    if refused is None:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as place:
            run.follow(attrs.evolve(job, directory=place))
    return Certificate(
        kind=job.kind,
        name=job.name,
        settings="the configuration's" if job.configured else "its own",
        seed=job.seed,
        command=job.command(),
        capabilities=run.capabilities,
        versions={**versions, **run.about},
        outcomes=run.outcomes,
        seconds=round(perf_counter() - began, 3),
        partial=bool(job.tests),
        error=run.error,
    )


class _Run:
    """What the process has told so far."""

    def __init__(self, job: Job, progress: Progress, error: str | None) -> None:
        self._job = job
        self._progress = progress
        self._count: int | None = None
        self._running: dict[str, Any] | None = None
        self.about: dict[str, str] = {}
        self.capabilities: list[str] = []
        self.outcomes: list[Outcome] = []
        self.error = error

    def follow(self, job: Job) -> None:
        """Start the process and listen to its end."""
        command = [sys.executable, "-P", "-m", "orchestrix_contract_tests.certify", job.text()]
        complaints = Path(job.directory, "stderr.txt")
        with (
            complaints.open("wb") as stderr,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process,  # noqa: S603
        ):
            try:
                self._listen(process)
            finally:
                process.kill()
        self._conclude(process.returncode, complaints.read_text(errors="replace"))

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        for line in _lines(process):
            if line is None:
                self._hangs()
                return
            told = json.loads(line)
            getattr(self, f"_{told.pop('event')}")(**told)
        process.wait(PATIENCE)

    def _opened(self, about: dict[str, str], capabilities: list[str]) -> None:
        self.about, self.capabilities = about, capabilities

    def _collected(self, count: int) -> None:
        self._count = count
        self._progress.begin(self._job, count)

    def _started(self, **test: Any) -> None:
        self._running = test

    def _soaking(self, share: float, text: str) -> None:
        self._progress.soaking(share, text)

    def _finished(self, outcome: dict[str, Any]) -> None:
        self._running = None
        self._add(Outcome(**outcome))

    def _add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._progress.advance(outcome)

    def _refused(self, reason: str) -> None:
        self.error = reason

    def _hangs(self) -> None:
        self.error = f"the run was ended: nothing happened for {PATIENCE:.0f} s"
        self._blame(self.error)

    def _blame(self, reason: str) -> None:
        if self._running is not None:
            self._add(Outcome(**self._running, outcome="failed", seconds=0.0, reason=reason))

    def _conclude(self, status: int, complaints: str) -> None:
        """A process that ended before its tests did is an error, whatever it told."""
        if self.error is not None:
            return
        if self._count is None or len(self.outcomes) < self._count:
            last = "\n".join(complaints.strip().splitlines()[-5:])
            self.error = f"the process of the tests ended with status {status}\n{last}".strip()
            self._blame(self.error)
        elif not self.outcomes:
            self.error = "no test was run: none has such an id"


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes | None]:
    """Yield each line as it comes, and None when nothing comes for too long."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=PATIENCE)
        except queue.Empty:
            yield None
            return
        if not line:
            return
        yield line


def _read(output: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in output:
        lines.put(line)
    lines.put(b"")
