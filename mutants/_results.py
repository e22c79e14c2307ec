"""What became of each mutant, kept in a folder, so that a run can be resumed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from mutants._settings import ROOT, Settings

__all__ = ["KILLED", "Outcome", "Results"]

KILLED: Final = {"killed", "hung", "ended"}
_CODE: Final = {".py", ".sql", ".toml"}


@attrs.frozen
class Outcome:
    """
    What became of a mutant.

    Attributes:
        what: killed; hung: a test did not come to its end; ended: the process died; survived.
        by: the test in which that was.
        of: how many tests there were to run.
    """

    key: str
    what: str
    by: str
    seconds: float
    of: int

    @property
    def killed(self) -> bool:
        """Whether a test noticed."""
        return self.what in KILLED


class Results:
    """
    The outcomes so far, and what the tests do without a mutant.

    Both are of one state of the code. When that changed they are thrown away, or, with `keep`, only
    the survivors are: that is for work on the contract, to see them die.
    """

    def __init__(self, settings: Settings, folder: Path, *, keep: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.observed = folder / "observed.json"
        self._path = folder / "outcomes.jsonl"
        self.by_key: dict[str, Outcome] = {}
        state, now = folder / "state.txt", _state(settings)
        fresh = not state.exists() or state.read_text(encoding="utf-8") != now
        if fresh:
            self.observed.unlink(missing_ok=True)
        known = [] if fresh and not keep else list(self._read())
        self._path.unlink(missing_ok=True)
        for outcome in known:
            if outcome.killed or not fresh:
                self.add(outcome)
        state.write_text(now, encoding="utf-8")

    def _read(self) -> Iterator[Outcome]:
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                yield Outcome(**json.loads(line))

    def add(self, outcome: Outcome) -> None:
        """Note one more."""
        self.by_key[outcome.key] = outcome
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(attrs.asdict(outcome)) + "\n")


def _state(settings: Settings) -> str:
    """Return a digest of all that an outcome depends on; the list of survivors is none of it."""
    tests = [ROOT / file for file in settings.files()]
    folders = ("orchestrix_core", "contract_tests/src", "mutants")
    code = [path for name in folders for path in (ROOT / name).rglob("*")]
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted({*settings.source.rglob("*"), *code, *tests}):
        if path.suffix in _CODE:
            digest.update(path.read_bytes())
    return digest.hexdigest()
