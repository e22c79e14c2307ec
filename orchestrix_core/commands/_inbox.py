"""What is kept of commands that were handled: their results, for as long as they may come again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from orchestrix_core.documents import Document
from orchestrix_core.messages import Command, now

__all__ = ["COMMANDS", "check_same", "purge"]

COMMANDS: Final = "commands"
"""The collection of results, by command id; due when they may be forgotten."""
_PAGE: Final = 500


def check_same(command: Command, document: Document) -> None:
    """Refuse a command whose id was that of another one."""
    other = document.body["type"]
    if other != command.type:
        msg = (
            f"id: {command.id!r} is the id of a {other} that was handled before, not of a "
            f"{command.type}: give each command an id of its own"
        )
        raise ValueError(msg)


async def purge(store: Any, moment: datetime | None = None) -> int:
    """Forget the commands whose time has come, in small transactions; return how many."""
    count = 0
    moment = moment or now()
    while found := await store.find_documents(COMMANDS, due=moment, limit=_PAGE):
        async with store.transaction() as transaction:
            for document in found:
                count += await transaction.delete(COMMANDS, document.key)
        if len(found) < _PAGE:
            break
    return count
