"""Databases of a test's own on a server, empty ones or copies of a template."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine outside of any test's event loop, and leave no loop behind."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


async def executed(dsn: str, *statements: str) -> None:
    """Execute statements, each in a transaction of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def execute(dsn: str, *statements: str) -> None:
    """Execute statements outside of any event loop."""
    run(executed(dsn, *statements))


def in_database(dsn: str, database: str) -> str:
    """Return the same URL with another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


class Databases:
    """
    Databases on the server of `dsn`: empty ones, and copies of one that was prepared.

    The names hold a random part, so that several test sessions can share one server.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._prefix: Final = f"orchestrix_test_{uuid4().hex[:12]}"
        self._numbers = count(1)
        self._template = self._prefix

    def prepare(self, work: Callable[[str], None]) -> None:
        """Make the template, and let `work` fill it."""
        execute(self._dsn, f'CREATE DATABASE "{self._template}"')
        work(in_database(self._dsn, self._template))

    def create(self) -> str:
        """Copy the template; return the URL of the copy."""
        name = f"{self._prefix}_{next(self._numbers)}"
        execute(self._dsn, f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        return in_database(self._dsn, name)

    def create_empty(self) -> str:
        """Create a database without a schema; return its URL."""
        name = f"{self._prefix}_{next(self._numbers)}"
        execute(self._dsn, f'CREATE DATABASE "{name}"')
        return in_database(self._dsn, name)

    def drop(self, dsn: str) -> None:
        """Drop a copy, whoever is still connected to it."""
        self._drop(urlsplit(dsn).path[1:])

    def close(self) -> None:
        """Drop the template."""
        self._drop(self._template)

    def _drop(self, name: str) -> None:
        execute(self._dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
