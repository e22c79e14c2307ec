"""
The file: one line of JSON for each commit, `["CHECKSUM",COMMIT]`, in commit order.

What is not a whole line is no commit: a writer that was killed leaves the beginning of one, which
readers pass over and the next writer cuts off. A whole line that does not agree with its checksum
is damage and said to be: it may be a commit that was acknowledged.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from orchestrix_core import StorageError

__all__ = ["CommitFile"]


class CommitFile:
    """An open file; who writes keeps all others out, those of other processes as well."""

    # -- begin: a file of commits
    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._end = 0  # how far it has been read; what stands before is never read again
        with self._storage_errors():
            how = os.O_RDWR | os.O_APPEND | (os.O_CREAT if create else 0)
            self._file = os.open(path, how, 0o666)
            _sync_directory(path.parent)  # a file that was made must be found after a power cut

    def close(self) -> None:
        os.close(self._file)

    def read(self) -> list[bytes]:
        """Return the commits that came since the last reading."""
        with self._storage_errors():
            if os.fstat(self._file).st_size == self._end:
                return []
            with self._locked(fcntl.LOCK_SH):
                return self._read_on()

    @contextmanager
    def turn(self) -> Iterator[list[bytes]]:
        """Keep all others out during the block, which gets what they have written before."""
        with self._storage_errors(), self._locked(fcntl.LOCK_EX):
            yield self._read_on()

    def append(self, commit: bytes) -> None:
        """Write a commit, in one's turn; it is durable when this returns."""
        line = b'["%08x",%b]\n' % (crc32(commit), commit)
        try:
            os.ftruncate(self._file, self._end)  # what a killed writer has left
            _write(self._file, line)
            os.fsync(self._file)
        except OSError:
            with suppress(OSError):  # all others wait for the lock: nobody has seen a part of it
                os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)

    def _read_on(self) -> list[bytes]:
        found = os.fstat(self._file)
        if found.st_size < self._end or not found.st_nlink:
            raise StorageError(f"{self._path} was cut or removed by somebody else: open it again")
        *lines, _torn = _rest(self._file, self._end).split(b"\n")
        if lines and b"\0" in lines[-1]:  # a power cut can leave a hole in what was written last
            lines.pop()
        at, commits = self._end, []
        for line in lines:
            commits.append(self._commit(line, at))
            at += len(line) + 1
        if commits:  # who wrote them may have been killed before its own fsync
            os.fsync(self._file)
        self._end = at
        return commits

    def _commit(self, line: bytes, at: int) -> bytes:
        commit = line[12:-1]
        if line != b'["%08x",%b]' % (crc32(commit), commit):
            raise StorageError(f"{self._path} is damaged: the line at byte {at} is not as written")
        return commit

    # -- end: a file of commits

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fcntl.flock(self._file, how)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror or error}") from error


def _rest(file: int, at: int) -> bytes:
    parts = []
    while part := os.pread(file, 1 << 20, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
