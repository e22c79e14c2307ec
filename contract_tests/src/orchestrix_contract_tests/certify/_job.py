"""What one run is to do: handed to a process of its own as text, and without a secret in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Final, Self

import attrs

from orchestrix_core.hookspecs import Kind

__all__ = ["WORKERS", "Job"]

WORKERS: Final = 4
"""How many workers soak a store unless it is told: enough to contend, on any machine."""


@attrs.frozen(kw_only=True)
class Job:
    """
    One backend, and how it is tried.

    Attributes:
        kind, name: the backend.
        configured: whether it is made from the settings of the configuration.
        config: the configuration file; None finds the nearest.
        block: the plugins that must not be loaded.
        seed: what makes the generated examples.
        examples: how many there are for each generated test; None is the suite's own number.
        faults: whether faults are made, too.
        soak: for how many minutes workers use a store at once, if at all.
        workers: how many these are.
        tests: ids of tests, or patterns for them; none are all.
        directory: an empty directory for all that is made.
    """

    kind: Kind
    name: str
    configured: bool
    config: str | None
    block: Sequence[str]
    seed: int
    examples: int | None
    faults: bool
    soak: float | None = None
    workers: int = WORKERS
    tests: Sequence[str]
    directory: str

    def text(self) -> str:
        """Return the job as text."""
        return json.dumps(attrs.asdict(self))

    def command(self) -> str:
        """Return the command line that does the same, for whichever tests."""
        words = ["orchestrix"]
        if self.configured and self.config is not None:
            words += ["--config", self.config]
        words += ["certify", "--kind", self.kind, "--backend", self.name, "--seed", str(self.seed)]
        if self.examples is not None:
            words += ["--examples", str(self.examples)]
        if self.faults:
            words.append("--faults")
        if self.soak is not None:
            words += ["--soak", str(self.soak), "--workers", str(self.workers)]
        return shlex.join(words)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the job that `text` gave."""
        return cls(**json.loads(text))
