"""`orchestrix postgres` looks after the tables, and the core's commands read the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix.infrastructure.postgres._sql import MIGRATIONS

PROGRAM = "from orchestrix_core.cli import main; main()"


@pytest.fixture
def orchestrix(empty_dsn, tmp_path):
    """Return a function that runs the program on a configuration of the test's own."""
    settings = f'connection_string = "{empty_dsn}"\npool_min_size = 1\nschema = "shop"\n'
    (tmp_path / "orchestrix.toml").write_text(
        f'[orchestrix]\nevent_store.use = "postgres"\n[orchestrix.event_store.postgres]\n{settings}'
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRIX")}

    def run(*arguments, **more):
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_status_then_migrate(orchestrix):
    newest = max(MIGRATIONS)
    before = orchestrix("postgres", "status", "--json")
    assert before.returncode == 1, before.stderr
    assert json.loads(before.stdout)["pending"] == list(MIGRATIONS)
    for _ in range(2):
        migrated = orchestrix("postgres", "migrate")
        assert migrated.returncode == 0, migrated.stderr
        assert f"schema 'shop': at {newest} of {newest}" in migrated.stdout
    after = orchestrix("postgres", "status")
    assert after.returncode == 0
    assert "pending" not in after.stdout


async def test_commands_that_look_make_no_tables(orchestrix, empty_dsn, notes):
    refused = orchestrix("events", "a")
    assert refused.returncode == 1
    assert "orchestrix postgres migrate" in refused.stderr
    assert json.loads(orchestrix("postgres", "status", "--json").stdout)["applied"] == {}
    async with PostgreSQLEventStore(empty_dsn, 1, 1, schema="shop") as store:
        await store.save("a", notes("1", "2"), 0)
    shown = orchestrix("events", "a", "--json")
    assert [event["id"] for event in json.loads(shown.stdout)["events"]] == ["1", "2"]


def test_a_secret_is_never_printed(orchestrix):
    address = "postgresql://shop:p4ssword@127.0.0.1:1/shop"
    variable = {"ORCHESTRIX__EVENT_STORE__POSTGRES__CONNECTION_STRING": address}
    for command in (["postgres", "status"], ["postgres", "migrate"], ["doctor"]):
        ended = orchestrix(*command, **variable)
        assert ended.returncode == 1
        assert "127.0.0.1:1/shop" in ended.stdout + ended.stderr
        assert "p4ssword" not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
