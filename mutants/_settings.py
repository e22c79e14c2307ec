"""What is mutated, which tests count, and who is known to survive: a file for each backend."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = ["BACKENDS", "REASONS", "ROOT", "Settings", "Survivor", "read"]

ROOT: Final = Path(__file__).resolve().parents[1]
BACKENDS: Final = ("memory", "sqlite")
REASONS: Final = {
    "equivalent": "nothing behaves differently",
    "message": "only a text differs, or which of two errors it is",
    "speed": "only slower, or more often than needed",
    "defence": "another check stands before it or behind it",
    "race": "shows only when threads or processes meet between two instructions",
    "trouble": "shows only with what a test cannot have: another file system, an old SQLite",
    "setting": "a value that is no promise: a page, a pause, a default",
    "choice": "what it does instead is right as well: the contract leaves it open",
}


@attrs.frozen
class Survivor:
    """Why it is no gap that no test kills a mutant."""

    reason: str
    why: str


@attrs.frozen
class Settings:
    """
    One backend.

    Attributes:
        tests: the files that apply the contract to it; of what is in them, the contract's tests.
        left_out: modules that are not mutated.
        own: for modules that no contract is about, files with tests of the backend's own.
        survivors: those who are known, by their keys.
    """

    backend: str
    tests: Sequence[str]
    own: Mapping[str, Sequence[str]]
    left_out: Sequence[str]
    survivors: Mapping[str, Survivor]

    @property
    def package(self) -> str:
        """The package that is mutated."""
        return f"orchestrix.infrastructure.{self.backend}"

    @property
    def source(self) -> Path:
        """Its folder."""
        return ROOT / "plugins" / self.backend / "src" / Path(*self.package.split("."))

    def files(self) -> list[str]:
        """Return every file of tests that counts, as pytest takes it."""
        names = {*self.tests, *(name for names in self.own.values() for name in names)}
        return [self._file(name) for name in sorted(names)]

    def own_files(self, module: str) -> set[str]:
        """Return the files whose own tests count for a module."""
        return {self._file(name) for name in self.own.get(module, ())}

    def _file(self, name: str) -> str:
        return f"plugins/{self.backend}/tests/{name}"


def read(backend: str) -> Settings:
    """Read `plugins/NAME/mutants.toml`."""
    path = ROOT / "plugins" / backend / "mutants.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    survivors: dict[str, Survivor] = {}
    for group in content.pop("survivors", []):
        survivors.update(_survivors(path, survivors, **group))
    return Settings(backend=backend, survivors=survivors, **content)


def _survivors(
    path: Path, known: Mapping[str, Any], *, reason: str, why: str, mutants: Sequence[str]
) -> dict[str, Survivor]:
    if reason not in REASONS:
        msg = f"{path}: reason must be one of {', '.join(REASONS)}, not {reason!r}"
        raise ValueError(msg)
    for key in mutants:
        if key in known:
            msg = f"{path}: listed twice: {key}"
            raise ValueError(msg)
    return dict.fromkeys(mutants, Survivor(reason, why))
