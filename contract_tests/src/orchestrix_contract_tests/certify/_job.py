"""What one run is to do: handed to a process of its own as text, and without a secret in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Self

import attrs

from orchestrix_core.hookspecs import Kind

__all__ = ["Job"]


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
        return shlex.join(words)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the job that `text` gave."""
        return cls(**json.loads(text))
