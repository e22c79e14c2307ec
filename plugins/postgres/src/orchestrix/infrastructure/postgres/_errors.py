"""The one place where an error of asyncpg becomes one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final

import asyncpg

from orchestrix_core import StorageError
from orchestrix_core.secrets import mask

__all__ = ["ConnectionLostError", "Translation", "is_unreachable"]


class ConnectionLostError(StorageError):
    """The server could not be reached, or went away; what was under way may be stored or not."""


_LOST: Final = ("08", "57P01", "57P02", "57P03", "57P05")
_ADVICE: Final[Mapping[str, str]] = {
    "08": "the connection failed: look whether the server is up and can be reached",
    "57P01": "the server ended the connection",
    "57P02": "the server crashed and is being restarted",
    "57P03": "the server is starting up or shutting down: try again in a moment",
    "57P05": "the server ended an idle connection",
    "57014": "the statement was cancelled: look at statement_timeout and lock_timeout",
    "55P03": "a lock was not to be had: look at lock_timeout and at who holds it",
    "53100": "the server's disk is full; nothing of this was stored: make room, then try again",
    "53200": "the server is out of memory; nothing was written",
    "53300": (
        "the server has no connection left: lower pool_max_size, end idle clients or raise the "
        "server's max_connections"
    ),
    "28": "the server refused the login: check user, password and pg_hba.conf",
    "3D000": "there is no such database: create it, or name another in connection_string",
    "3F000": "there is no such schema: run `orchestrix postgres migrate`",
    "42P01": "a table is missing: run `orchestrix postgres migrate`",
    "42883": "a function is missing: run `orchestrix postgres migrate`",
    "42501": "the user lacks a right: grant it the use of the schema and its tables",
    "25006": "the server only reads, as a replica does: connect to the primary",
    "25000": (
        "default_transaction_isolation is not 'read committed', which appends need: "
        "ALTER ROLE ... SET default_transaction_isolation = 'read committed'"
    ),
    "40001": "a conflict with another transaction; nothing was written: try again",
    "40P01": (
        "a deadlock with another transaction; nothing was written: try again, and let all "
        "transactions take their documents in one order, and append last"
    ),
    "54": "a value is larger than the server can hold or index; nothing was written",
}


def is_unreachable(error: BaseException) -> bool:
    """Tell whether the server went away, as opposed to having said no."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(_LOST)
    if isinstance(error, asyncpg.InterfaceError):  # which has no kinds
        return "closed" in str(error) or "released back to the pool" in str(error)
    # The server has said farewell to an idle connection, whose end has not arrived yet.
    if isinstance(error, asyncpg.InternalClientError):
        return True
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)


_FOREIGN: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


class Translation:
    """
    A reusable context manager: an error of asyncpg or of the network leaves as `StorageError`.

    `where` names host, port and database, and no password.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, TimeoutError):
            return  # whoever set the time knows its name
        if isinstance(error, _FOREIGN):
            raise self.storage_error(error) from error

    def storage_error(self, error: Exception) -> StorageError:
        """Name the server, what it said, and what to do."""
        state = str(getattr(error, "sqlstate", None) or "")
        lost = is_unreachable(error)
        advice = _ADVICE.get(state) or _ADVICE.get(state[:2])
        if advice is None:
            advice = _ADVICE["08"] if lost else "the server refused"
        said = mask(str(error)) or type(error).__name__
        kind = ConnectionLostError if lost else StorageError
        return kind(
            f"{self._where}: {advice} (PostgreSQL: {said}, {state or type(error).__name__})"
        )
