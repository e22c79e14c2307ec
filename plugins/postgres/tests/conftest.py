"""The server that the tests run on, a database for each test, and processes to race and to kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from child_processes import Child, Nursery
from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from postgres_databases import Databases, run
from postgres_fixtures import postgres, programs_or_skip
from postgres_server import Server

from ._children import Noted, noted

__all__ = ["postgres"]  # a fixture that all suites share


async def _create_schema(dsn: str) -> None:
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=1):
        pass


@pytest.fixture(scope="session")
def databases(postgres: str) -> Iterator[Databases]:
    databases = Databases(postgres)
    databases.prepare(lambda dsn: run(_create_schema(dsn)))
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
    binaries = programs_or_skip(", which this test starts a server of its own from")
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
    script = Path(__file__).with_name("_children.py")
    nursery = Nursery(script, tmp_path_factory.mktemp("pipes"))
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
