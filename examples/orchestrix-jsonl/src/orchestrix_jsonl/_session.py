"""What a store has while it is open: the file, what stands in it, and a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from orchestrix_jsonl._config import JsonlConfig
from orchestrix_jsonl._file import CommitFile
from orchestrix_jsonl._index import Commit, Index

__all__ = ["Session"]

T = TypeVar("T")


class Session:
    """One thread does all the work: the event loop never waits for the disk, nor for a lock."""

    # -- begin: a session
    def __init__(self, config: JsonlConfig) -> None:
        self._file = CommitFile(config.path, create=config.create)
        self._index = Index()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="orchestrix-jsonl")
        try:
            self._take_in(self._file.read())
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Finish what was begun, and let go of the file."""
        self._thread.shutdown()
        self._file.close()

    async def read(self, answer: Callable[[Index], T]) -> T:
        """Answer from all that is committed, by whichever process."""

        def work() -> T:
            self._take_in(self._file.read())
            return answer(self._index)

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def write(self, decide: Callable[[Index], Commit | None]) -> None:
        """Commit what is decided, while no other process can commit."""

        def work() -> None:
            with self._file.turn() as lines:
                self._take_in(lines)
                commit = decide(self._index)
                if commit is not None:
                    self._file.append(msgspec.json.encode(commit))
                    self._index.add(commit)

        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _take_in(self, lines: list[bytes]) -> None:
        for line in lines:
            self._index.read(line)

    # -- end: a session
