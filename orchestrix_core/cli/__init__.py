"""The program `orchestrix`: what is installed, is it healthy, and what happened."""

from orchestrix_core.cli._program import main

__all__ = ["main"]
