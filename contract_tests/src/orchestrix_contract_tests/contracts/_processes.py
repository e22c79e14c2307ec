"""Other processes on the data of a test: started, listened to, and never left behind."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import attrs
import pytest

from orchestrix_contract_tests import driver
from orchestrix_contract_tests._processes import process_context
from orchestrix_contract_tests.driver import Stores
from orchestrix_core import ContractSubject

__all__ = ["children", "receive", "rest"]

_LEAVING = 5.0  # seconds that a child has to end in, once nobody listens to it any more


@contextmanager
def children(
    work: Callable[..., None], stores: Stores, count: int
) -> Iterator[list[tuple[BaseProcess, Connection]]]:
    """Start processes that do `work` on the same data; none outlives the block."""
    subject = attrs.evolve(stores.subject, faults=None)  # no child makes any
    _check_importable(subject)
    context = process_context()
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            child = context.Process(
                target=work, args=(subject, stores.directory, theirs), daemon=True
            )
            child.start()
            theirs.close()
            started.append((child, ours))
        yield started
    finally:
        for process, ours in started:
            ours.close()
            if process.is_alive():
                process.join(_LEAVING)
            process.kill()
            process.join()
            process.close()


def _check_importable(subject: ContractSubject) -> None:
    try:
        pickle.dumps(subject)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        pytest.fail(
            f"the subject cannot be given to another process ({error}): let its `create` be a "
            "function at the top of a module"
        )


async def receive(pipe: Connection) -> Any:
    if not await asyncio.to_thread(pipe.poll, driver.PATIENCE):
        pytest.fail(f"the other process said nothing for {driver.PATIENCE:.0f} s")
    return pipe.recv()


def rest(pipe: Connection) -> list[Any]:
    """Return what a dead child had still said; its last word may be cut off."""
    words: list[Any] = []
    with suppress(EOFError, OSError):
        while True:
            words.append(pipe.recv())
    return words
