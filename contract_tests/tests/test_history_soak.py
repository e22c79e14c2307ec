"""Round after round: what breaks a rule is found, and the history of its round is kept."""

from __future__ import annotations

import re
import tempfile
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
from msgspec.structs import replace

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_contract_tests.certify._report import Certificate, Outcome
from orchestrix_contract_tests.history import Plan, check, read_history, soaking
from orchestrix_contract_tests.history.soaking import Soak, SoakError
from orchestrix_core import StorageError

from . import racing_stores

PLAN = Plan(seed=9, workers=2, tasks=4, streams=4)
ROUNDS, APPENDS = 3, 400


@pytest.fixture(autouse=True)
def bounded(monkeypatch, tmp_path):
    """So many rounds of so many appends, however fast they are; what is kept is kept here."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    monkeypatch.setattr(soaking, "_ROUND", APPENDS)
    monkeypatch.setattr(Soak, "_passed", lambda self: self._rounds / ROUNDS)


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "histories"
    place.mkdir()
    return place


def soak(tell=lambda share, text: None):
    return Soak(PLAN, 3600, tell)


async def test_sound_store_holds_and_leaves_nothing(place, subject_of, tmp_path, monkeypatch):
    moments = count(monotonic())  # each look at the clock is a second later than the one before
    monkeypatch.setattr(soaking, "monotonic", lambda: next(moments))
    told = []
    run = Soak(PLAN, 10**6, lambda share, text: told.append((share, text)))
    await run.run(subject_of(InMemoryAsyncEventStore), tmp_path, place)
    assert (list(place.iterdir()), list((tmp_path / "kept").iterdir())) == ([], [])
    measured = run.measured()
    assert (measured["rounds"], measured["workers"], measured["errors"]) == (ROUNDS, 2, {})
    assert measured["acknowledged"] > ROUNDS * APPENDS
    assert measured["events"] > ROUNDS * APPENDS
    assert measured["operations"] > measured["acknowledged"] + measured["refused"]
    assert measured["operations_per_second"] > measured["events_per_second"] > 0
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert re.fullmatch(r"[\d,]+ events, [\d,]+ events/s", told[0][1])
    assert told[-1][1].startswith("reading all of it once more")


class LosesOneInAHundred(racing_stores.Forgetful):
    every = 100


class LooksAtNoVersion(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        known = {event.id for event in await self.load(aggregate_id)}
        if events[0].id not in known:
            await super().save(aggregate_id, events)


@pytest.mark.parametrize(
    ("backend", "rule"),
    [(LosesOneInAHundred, "lost event"), (LooksAtNoVersion, "broken version")],
)
async def test_broken_store_is_found_and_its_history_kept(
    backend, rule, place, subject_of, tmp_path
):
    run = soak()
    with pytest.raises(SoakError) as caught:
        await run.run(subject_of(backend), tmp_path, place)
    first, second, *rest = str(caught.value).splitlines()
    kept = re.fullmatch(r"\d+ findings; the history is kept: (.+)", first)[1]
    assert second == f"judge it again: orchestrix certify-history {kept}"
    assert any(line.startswith(f"{rule}: ") for line in rest)
    again = check(read_history(Path(kept)))
    assert len(again) == int(first.split()[0])
    assert rule in {finding.rule for finding in again}
    assert run.measured()["rounds"] == 1, "it ends with the first round that is wrong"


class ForgetsWhatIsOld(InMemoryAsyncEventStore):
    """Changes the first event of the log when two thousand have come."""

    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(after, limit, types)
        if after == 0 and await self.head() > 2000:
            records[0] = replace(records[0], version=2)
        return records


async def test_what_changes_after_its_round_is_found(place, subject_of, tmp_path):
    with pytest.raises(SoakError, match="not any more what it was when round r0 had ended"):
        await soak().run(subject_of(ForgetsWhatIsOld), tmp_path, place)


class Shrinks(InMemoryAsyncEventStore):
    """Gives nothing of a log that has grown, to who begins with its beginning."""

    async def read_log(self, after=0, limit=1000, types=None):
        if after == 0 and await self.head() > 2000:
            return []
        return await super().read_log(after, limit, types)


async def test_what_is_gone_after_its_round_is_found(place, subject_of, tmp_path):
    with pytest.raises(SoakError, match="round r0"):
        await soak().run(subject_of(Shrinks), tmp_path, place)


class GivesUp(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        if await self.head() > 300:
            raise StorageError("the disk is full")
        await super().save(aggregate_id, events, expected_version)


async def test_run_that_comes_to_no_end_keeps_its_notes(place, subject_of, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrix_contract_tests.history._writing._PAUSE", 0)
    with pytest.raises(SoakError, match="the disk is full") as caught:
        await soak().run(subject_of(GivesUp), tmp_path, place)
    kept = str(caught.value).rpartition("what was noted is kept: ")[2].split()
    assert len(kept) == PLAN.workers
    assert all(read_history(Path(file)).appends for file in kept)


class RefusesAll(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, events, 10**6)


async def test_nothing_acknowledged_is_no_proof(place, subject_of, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrix_contract_tests.history._writing._TRIES", 2)
    monkeypatch.setattr(soaking, "check", lambda history: [])
    with pytest.raises(SoakError, match="nothing was acknowledged: "):
        await soak().run(subject_of(RefusesAll), tmp_path, place)


def test_what_was_measured_is_told_in_words():
    measured = {"rounds": 2, "errors": {"StorageError": 3}, "events_per_second": 1.5}
    outcome = Outcome(
        test="S::s", claim="c", guarantees=("Soak",), outcome="passed", seconds=1.0,
        measured=measured,
    )  # fmt: skip
    certificate = Certificate(
        kind="event_store", name="acme", settings="its own", seed=1, command="", capabilities=(),
        versions={}, outcomes=(outcome,), seconds=1.0,
    )  # fmt: skip
    told = "Soak: rounds 2, errors (StorageError 3), events per second 1.5"
    assert certificate.measured == [told]
