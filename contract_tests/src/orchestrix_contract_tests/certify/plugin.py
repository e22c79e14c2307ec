"""
The hook of this distribution.

Every program that discovers plugins imports this module, so it imports nothing of the suite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrix_core import hookimpl

if TYPE_CHECKING:
    import typer

__all__ = ["orchestrix_commands"]


@hookimpl
def orchestrix_commands(cli: typer.Typer) -> None:
    """Add `orchestrix certify` and `orchestrix certify-history`."""
    from orchestrix_contract_tests.certify import _command
    from orchestrix_contract_tests.history import _command as history_command

    _command.add_to(cli)
    history_command.add_to(cli)
