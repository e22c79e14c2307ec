"""Stores in a file that break their promises: a module that other processes import, too."""

from __future__ import annotations

import os
from functools import partial
from itertools import count
from pathlib import Path

from orchestrix.infrastructure.sqlite import SQLiteEventStore
from orchestrix_core import ContractSubject
from orchestrix_core.stores import ASYNC, GLOBAL_LOG, MULTI_PROCESS, PERSISTENT


class Forgetful(SQLiteEventStore):
    """Acknowledges every twentieth append of a process, and stores nothing."""

    calls = count(1)

    async def save(self, aggregate_id, events, expected_version=None):
        if next(self.calls) % 20:
            await super().save(aggregate_id, events, expected_version)


class Dying(SQLiteEventStore):
    """Ends the process at its tenth append."""

    calls = count(1)

    async def save(self, aggregate_id, events, expected_version=None):
        if next(self.calls) == 10:
            os._exit(7)
        await super().save(aggregate_id, events, expected_version)


class Talkative(SQLiteEventStore):
    """Returns what nobody asked for."""

    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, events, expected_version)
        return events


def create(directory: Path, *, name: str) -> SQLiteEventStore:
    made: SQLiteEventStore = globals()[name](directory / "events.db")
    return made


def subject(name: str) -> ContractSubject:
    return ContractSubject(
        kind="event_store",
        name=name,
        create=partial(create, name=name),
        capabilities=frozenset({ASYNC, GLOBAL_LOG, MULTI_PROCESS, PERSISTENT}),
    )
