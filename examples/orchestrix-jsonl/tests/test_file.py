"""What is special to a file: what a kill, a power cut, a full disk and others can do to it."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest
from orchestrix_core import Event, Snapshot, StorageError

from orchestrix_jsonl import JsonlConfig, JsonlEventStore


class Counted(Event, type="jsonl.counted"):
    text: str


def opened(file: Path, **settings: bool) -> JsonlEventStore:
    return JsonlEventStore(JsonlConfig(path=file, **settings))


async def filled(file: Path) -> bytes:
    """Make a store of three commits, and return the file."""
    async with opened(file) as store:
        for number in range(3):
            await store.save("s", [Counted(text=str(number)), Counted(text="ä\n")], number * 2)
    return file.read_bytes()


async def texts(file: Path) -> list[str]:
    async with opened(file) as store:
        return [event.text for event in await store.load("s") if isinstance(event, Counted)]


async def test_every_line_is_json(tmp_path: Path) -> None:
    lines = (await filled(tmp_path / "f")).splitlines()
    assert [len(json.loads(line)[1]["events"]) for line in lines] == [2, 2, 2]


async def test_a_commit_that_was_cut_off_anywhere_is_none(tmp_path: Path) -> None:
    file = tmp_path / "f"
    whole = await filled(file)
    first = len(whole) - len(whole.splitlines(keepends=True)[-1])
    for size in (*range(first, len(whole), 17), len(whole) - 1):
        file.write_bytes(whole[:size])
        assert await texts(file) == ["0", "ä\n", "1", "ä\n"]
        assert file.read_bytes() == whole[:size], "who only reads changes nothing"
        async with opened(file) as store:
            await store.save("s", [Counted(text="next")], 4)
        assert await texts(file) == ["0", "ä\n", "1", "ä\n", "next"]


async def test_a_hole_that_a_power_cut_left_is_no_commit(tmp_path: Path) -> None:
    file = tmp_path / "f"
    whole = await filled(file)
    first = len(whole) - len(whole.splitlines(keepends=True)[-1])
    file.write_bytes(whole[: first + 20] + b"\0" * 30 + whole[first + 50 :])
    assert await texts(file) == ["0", "ä\n", "1", "ä\n"]
    async with opened(file) as store:
        await store.save("s", [Counted(text="next")], 4)
    assert (await texts(file))[4:] == ["next"]


@pytest.mark.parametrize("line", [0, 1, 2])
async def test_damage_is_told_with_its_place_and_never_cut_off(tmp_path: Path, line: int) -> None:
    file = tmp_path / "f"
    whole = await filled(file)
    lines = whole.splitlines(keepends=True)
    at = sum(map(len, lines[:line]))
    changed = bytearray(whole)
    changed[at + 40] ^= 1
    file.write_bytes(changed)
    with pytest.raises(StorageError, match=f"damaged: the line at byte {at} "):
        await opened(file).initialize()
    assert file.read_bytes() == changed


async def test_a_line_of_another_version_is_told(tmp_path: Path) -> None:
    file = tmp_path / "f"
    commit = b'{"events":1}'
    file.write_bytes(b'["%08x",%b]\n' % (crc32(commit), commit))
    with pytest.raises(StorageError, match="another version"):
        await opened(file).initialize()


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size`, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "f"
    whole = await filled(file)
    event = Counted(text="x" * 1000)
    async with opened(file) as store, opened(file) as reader:
        with full_at(len(whole) + 500), pytest.raises(StorageError, match="too large"):
            await store.save("s", [event], 6)
        assert file.read_bytes() == whole
        await store.save("s", [event], 6)
        assert len(await reader.load("s")) == 7


async def test_a_file_that_others_cut_or_removed_is_not_written_to(tmp_path: Path) -> None:
    file = tmp_path / "f"
    whole = await filled(file)
    async with opened(file) as store:
        file.write_bytes(whole[:-1])
        with pytest.raises(StorageError, match="by somebody else"):
            await store.save("s", [Counted(text="x")])
        with pytest.raises(StorageError, match="by somebody else"):
            await store.load("s")
        assert file.read_bytes() == whole[:-1]
    async with opened(file) as store:
        file.unlink()
        with pytest.raises(StorageError, match="by somebody else"):
            await store.save("s", [Counted(text="x")])


async def test_a_missing_file_is_made_only_if_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        await opened(tmp_path / "f", create=False).initialize()
    with pytest.raises(StorageError, match="No such file"):
        await opened(tmp_path / "missing" / "f").initialize()
    assert list(tmp_path.iterdir()) == []


async def test_an_older_snapshot_is_not_even_written(tmp_path: Path) -> None:
    file = tmp_path / "f"
    async with opened(file) as store:
        await store.save_snapshot(Snapshot(aggregate_id="s", version=2, state={"n": 2}))
        size = file.stat().st_size
        await store.save_snapshot(Snapshot(aggregate_id="s", version=1, state={"n": 1}))
    assert file.stat().st_size == size
