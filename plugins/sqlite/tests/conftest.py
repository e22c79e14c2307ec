"""Processes to race and to kill, and the events that the tests store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from child_processes import Child, Nursery

from ._children import Noted, noted


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
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def notes() -> Callable[..., list[Noted]]:
    """Return a function that makes events with the given ids, as the child processes do."""
    return lambda *ids: noted(list(ids))
