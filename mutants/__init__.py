"""Shows that the contract suite kills every mutant of a backend; see `docs/adr/0013`."""
