"""`python -m mutants memory sqlite`, from the root of the repository."""

from __future__ import annotations

from mutants._cli import main

main()
