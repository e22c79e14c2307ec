"""Rounds after rounds for a long time: each is judged when it ends, so that no file grows large."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final

import attrs

from orchestrix_contract_tests.history._lines import read_history
from orchestrix_contract_tests.history.checker import check
from orchestrix_contract_tests.history.findings import Finding
from orchestrix_contract_tests.history.operations import Row
from orchestrix_contract_tests.history.plan import HistoryRunError, Plan
from orchestrix_contract_tests.history.running import Run, started
from orchestrix_contract_tests.history.summary import Summary
from orchestrix_core import ContractSubject

__all__ = ["Soak", "SoakError"]

_ROUND: Final = 5000
"""Appends of a round: some megabytes to note, and about a second to judge."""
_LONGEST: Final = 60.0
"""Seconds of a round: readers of a slow store note how often they have found nothing."""
_TOLD: Final = 3
"""Findings that are told; all of them are in the file that is kept."""

Tell = Callable[[float, str], None]
"""Called about once a second with the share of the time that has passed, and how much was done."""


class SoakError(AssertionError):
    """A rule was broken, or nothing could be judged; what was noted is kept, where it says."""


@attrs.frozen
class _Part:
    """What the log held when a round had ended: it has to hold the same for ever."""

    name: str
    last: int
    digest: bytes


class Soak:
    """
    One long run of a plan.

    Attributes:
        summary: what was done so far.
    """

    def __init__(self, plan: Plan, seconds: float, tell: Tell) -> None:
        self._plan = plan
        self._seconds = seconds
        self._tell = tell
        self._parts: list[_Part] = []
        self._rounds = 0
        self._events = 0
        self._busy = 0.0
        self._began = self._told = monotonic()
        self.summary = Summary()

    async def run(self, subject: ContractSubject, directory: Path, place: Path) -> None:
        """
        Use the stores that a subject makes in `directory`, and note in `place` what happens.

        Raises:
            SoakError: something is wrong.
        """
        try:
            async with started(subject, directory, self._plan) as run:
                self._began = self._told = monotonic()
                while not self._rounds or self._passed() < 1:
                    await self._round(run, place / f"{subject.name}-r{self._rounds}.jsonl")
                await self._look_back(run)
        except HistoryRunError as exc:
            kept = " ".join(_keep_all(place))
            msg = f"the run came to no end: {exc}\nwhat was noted is kept: {kept}"
            raise SoakError(msg) from exc

    async def _round(self, run: Run, file: Path) -> None:
        began = monotonic()
        until = min(self._began + self._seconds, began + _LONGEST)
        name = f"r{self._rounds}"
        await run.round(name, file, appends=_ROUND, until=until, told=self._count)
        self._busy += monotonic() - began
        self._rounds += 1
        self._judge(name, file)

    def _judge(self, name: str, file: Path) -> None:
        history = read_history(file)
        self.summary += Summary.of(history)
        found = check(history)
        if not found and not any(one.outcome == "acknowledged" for one in history.appends):
            msg = f"nothing was acknowledged: {Summary.of(history)}"
            raise SoakError(msg)
        if found:
            raise SoakError(_breach(found, *_keep([file])))
        self._parts += _parts(name, history.stored)
        file.unlink()

    async def _look_back(self, run: Run) -> None:
        """Read all of the log once more: what a round left there is still there."""
        parts = iter(self._parts)
        part, digest = next(parts, None), hashlib.sha256()
        async for page in run.log():
            self._say(f"reading all of it once more, up to position {page[-1].position}")
            for row in page:
                if part is None:
                    break  # written since; nobody does
                _add(digest, row)
                if row.position == part.last:
                    _compare(part, digest)
                    part, digest = next(parts, None), hashlib.sha256()
        if part is not None:
            _compare(part, digest)

    def _count(self, events: int) -> None:
        self._events += events
        self._say(f"{self._events:,} events, {self._rate(self._events):,.0f} events/s")

    def _say(self, text: str) -> None:
        if monotonic() - self._told > 1:
            self._told = monotonic()
            self._tell(min(self._passed(), 1.0), text)

    def _passed(self) -> float:
        return (monotonic() - self._began) / self._seconds

    def _rate(self, number: int) -> float:
        return number / max(monotonic() - self._began, 1e-9)

    def measured(self) -> dict[str, Any]:
        """Return how much was done, and how fast."""
        busy = max(self._busy, 1e-9)
        return {
            "rounds": self._rounds,
            "workers": self._plan.workers,
            "seconds": round(self._busy, 3),
            **self.summary.document(),
            "operations_per_second": round(self.summary.operations / busy, 1),
            "events_per_second": round(self.summary.events / busy, 1),
        }


def _parts(name: str, stored: list[Row]) -> list[_Part]:
    if not stored or stored[-1].position is None:
        return []  # no log to look back at
    digest = hashlib.sha256()
    for row in stored:
        _add(digest, row)
    return [_Part(name, stored[-1].position, digest.digest())]


def _add(digest: Any, row: Row) -> None:
    digest.update(repr(attrs.astuple(row)).encode())


def _compare(part: _Part, digest: Any) -> None:
    if digest.digest() != part.digest:
        msg = f"lost event: the log is not any more what it was when round {part.name} had ended"
        raise SoakError(msg)


def _breach(found: list[Finding], file: str) -> str:
    told = "\n".join(str(finding) for finding in found[:_TOLD])
    return (
        f"{len(found)} findings; the history is kept: {file}\n"
        f"judge it again: orchestrix certify-history {file}\n{told}"
    )


def _keep_all(place: Path) -> list[str]:
    return _keep(sorted(place.iterdir()))


def _keep(files: list[Path]) -> list[str]:
    """Move files to where they stay when the run is over."""
    place = Path(tempfile.mkdtemp(prefix="orchestrix-history-"))
    return [str(shutil.move(file, place / file.name)) for file in files]
