"""`python -m benchmarks`, from the root of the repository."""

from __future__ import annotations

from benchmarks._cli import main

main()
