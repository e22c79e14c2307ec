"""`orchestrix certify`, as a process of its own, on backends that are sound and that are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from orchestrix_contract_tests import contracts
from orchestrix_contract_tests.certify import _running
from orchestrix_contract_tests.certify._guarantees import TITLES, guarantees_of, in_order
from orchestrix_contract_tests.certify._job import Job
from orchestrix_contract_tests.certify._markdown import badge, page
from orchestrix_contract_tests.certify._report import Certificate, Outcome

PROGRAM = "from orchestrix_core.cli import main; main()"
PLUGIN = """
import asyncio
from pathlib import Path

import attrs
from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import Backend, ContractSubject, Event, hookimpl
from orchestrix_core.stores import ASYNC, GLOBAL_LOG, MULTI_STREAM, PERSISTENT

DECLARED = frozenset({ASYNC, GLOBAL_LOG, MULTI_STREAM})


class Broken(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        await super().save(aggregate_id, events, expected_version or None)


class Halves(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        for number, event in enumerate(events):
            await asyncio.sleep(0)
            await super().save(aggregate_id, [event], (expected_version or 0) + number)


class Dying(InMemoryAsyncEventStore):
    async def save(self, aggregate_id, events, expected_version=None):
        import os

        os._exit(7)


class Forgetful(InMemoryAsyncEventStore):
    calls = 0

    async def save(self, aggregate_id, events, expected_version=None):
        self.calls += 1
        if self.calls % 5:
            await super().save(aggregate_id, events, expected_version)


def forgetful(directory: Path):
    return Forgetful()


def broken(directory: Path):
    return Broken()


def halves(directory: Path):
    return Halves()


def dying(directory: Path):
    return Dying()


@attrs.frozen(kw_only=True)
class Config:
    where: str = "here"


class Used(InMemoryAsyncEventStore):
    async def initialize(self):
        await super().initialize()
        await self.save("old", [Event()])


def used(config):
    return Used()


@hookimpl
def orchestrix_contract_subjects():
    return [
        ContractSubject(kind="event_store", name=make.__name__, create=make, capabilities=DECLARED)
        for make in (broken, dying, forgetful, halves)
    ]


@hookimpl
def orchestrix_backends():
    def row(name, **more):
        return Backend(
            kind="event_store", name=name, config=Config, create=used,
            capabilities=DECLARED | {PERSISTENT}, **more,
        )

    return [
        row("careless"),
        row("itself", scratch=lambda config, directory: config),
        row("used", scratch=lambda config, directory: Config(where=str(directory))),
    ]
"""


@attrs.frozen
class Done:
    status: int
    out: str
    err: str

    @property
    def certificates(self) -> list[dict[str, Any]]:
        document: dict[str, list[dict[str, Any]]] = json.loads(self.out)
        return document["certificates"]


@pytest.fixture
def certify(tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs the program where a plugin is installed beside ours."""
    site = tmp_path / "site"
    info = site / "acme-1.5.dist-info"
    info.mkdir(parents=True)
    (site / "acme_plugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[orchestrix.plugins]\nacme = acme_plugin\n")

    def run(*arguments: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "certify", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site), "PYTEST_ADDOPTS": "--no-such-option"},
            capture_output=True,
            text=True,
            timeout=900,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def test_memory_is_certified(certify: Callable[..., Done], tmp_path: Path) -> None:
    options = ("--kind", "event_store", "--backend", "memory", "--examples", "5", "--faults")
    done = certify(*options, "--json", "--markdown", "report.md")
    assert (done.status, "certifying event_store memory: " in done.err) == (0, True), done.out
    (certificate,) = done.certificates
    assert certificate["certified"] is True
    verdicts = {one["name"]: one["verdict"] for one in certificate["guarantees"]}
    promises = {f"Promise {number}" for number in range(1, 10)}
    assert {verdicts[name] for name in promises | {"Documents", "Workers"}} == {"holds"}
    assert verdicts["`persistent`"] == "not declared"
    assert {verdicts["Cancellation"], verdicts["Clock going back"]} == {"holds"}
    assert verdicts["Server restart"] == "not offered"
    assert {"orchestrix-memory", "orchestrix-core", "Python"} <= certificate["versions"].keys()
    (atomic,) = (one for one in certificate["guarantees"] if one["name"] == "Promise 1")
    large = next(t for t in atomic["tests"] if t["test"] == "AppendContract::test_large_batch")
    assert large["claim"] == "a thousand events in one save stay together and in order."
    assert (large["outcome"], large["seconds"] > 0) == ("passed", True)
    report = (tmp_path / "report.md").read_text()
    assert "-certified-brightgreen)" in report
    assert "| Promise 1 | atomic append | holds |" in report
    assert "- `AppendContract::test_large_batch`: passed" in report


SOME = ("--test", "*::test_empty_save_*", "--test", "EventStoreStateMachine", "--examples", "100")


def test_broken_backend_is_named_with_its_history(certify: Callable[..., Done]) -> None:
    done = certify("--backend", "broken", "--seed", "7", *SOME)
    assert done.status == 1
    assert "acme" in done.out
    lines = [line.split() for line in done.out.splitlines()]
    assert any(line[:3] == ["Promise", "2", "broken"] for line in lines), done.out
    assert "broken: Promise 2: an empty save with a wrong expectation is a conflict." in done.out
    history = done.out.partition("the shortest history that fails:")[2].split("see it again: ")
    steps = [line.strip() for line in history[0].strip().splitlines()]
    assert steps[0] == "state = StoreMachine()"
    assert sum("state.save(" in step for step in steps) <= 2, "it is the shortest"
    replay = history[1].partition("\n")[0].split()
    assert replay[:2] == ["orchestrix", "certify"]
    assert "not certified: Promise 2" in done.out
    again = certify(*replay[2:])
    assert again.status == 1
    assert [step for step in steps if step.startswith("state.") and step not in again.out] == []


def test_soak_finds_what_breaks_and_keeps_its_history(
    certify: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    options = ("--test", "SoakContract", "--soak", "0.02", "--workers", "2", "--seed", "3")
    done = certify("--backend", "forgetful", *options, "--json")
    assert done.status == 1
    (certificate,) = done.certificates
    assert (certificate["seed"], certificate["certified"]) == (3, False)
    (guarantee,) = certificate["guarantees"]
    assert (guarantee["name"], guarantee["verdict"]) == ("Soak", "broken")
    (test,) = guarantee["tests"]
    assert test["measured"].keys() >= {"rounds", "operations", "events", "events_per_second"}
    replay = "--seed 3 --soak 0.02 --workers 2 --test SoakContract::test_soak"
    assert test["replay"].endswith(replay)
    command, *found = test["reason"].partition("judge it again: orchestrix ")[2].splitlines()
    assert found[0] == "lost event: acknowledged, and not stored"
    again = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (again.returncode, "\nlost event: acknowledged" in again.stdout) == (1, True)


def test_what_a_fault_breaks_is_named_and_seen_again(certify: Callable[..., Done]) -> None:
    test = "CancellationContract::test_cancelled_append_is_whole_or_absent[save]"
    done = certify("--backend", "halves", "--faults", "--test", test)
    assert done.status == 1
    assert "broken: Cancellation: at every await of an append" in done.out
    assert "AssertionError: a half, cancelled at await 2" in done.out
    assert "see it again: orchestrix certify " in done.out
    assert f" --faults --test '{test}'" in done.out
    assert "none has such an id" in certify("--backend", "halves", "--test", test).out


def test_process_that_dies_is_told_with_the_test_it_died_in(certify: Callable[..., Done]) -> None:
    done = certify("--backend", "dying", "--test", "AppendContract::test_large_batch", "--json")
    assert done.status == 1
    (certificate,) = done.certificates
    assert "ended with status 7" in certificate["error"]
    (test,) = certificate["guarantees"][0]["tests"]
    assert (test["test"], test["outcome"]) == ("AppendContract::test_large_batch", "failed")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("careless", "neither offers a contract subject nor names a scratch place"),
        ("itself", "is the configured place itself"),
        ("used", "holds events already: existing data is never touched"),
    ],
)
def test_existing_data_is_never_touched(
    certify: Callable[..., Done], name: str, reason: str
) -> None:
    done = certify("--backend", name)
    assert done.status == 1
    assert reason in done.out
    assert "not certified" in done.out


def test_unknown_backend_says_what_there_is(certify: Callable[..., Done]) -> None:
    done = certify("--backend", "brocken")
    assert done.status == 2
    assert "'brocken'" in done.err
    assert "broken, careless, dying" in done.err


def test_test_that_is_not_there_is_an_error(certify: Callable[..., Done]) -> None:
    done = certify("--backend", "broken", "--test", "AppendContract::test_lage_batch")
    assert (done.status, "none has such an id" in done.out) == (1, True)


def test_silence_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def begin(self, job: Job, count: int) -> None:
            raise AssertionError("nothing was to begin")

        def advance(self, outcome: Outcome) -> None:
            raise AssertionError("nothing was to end")

        def soaking(self, share: float, text: str) -> None:
            raise AssertionError("nothing was to soak")

    monkeypatch.setattr(_running, "PATIENCE", 0.05)  # no Python starts in that time
    job = Job(
        kind="event_store", name="memory", configured=False, config=None, block=(), seed=1,
        examples=None, faults=False, tests=(), directory="",
    )  # fmt: skip
    certificate = _running.certify(job, {}, Silent())
    assert "nothing happened for" in str(certificate.error)
    assert not certificate.holds


def outcome(name: str, guarantee: str, became: Any, **more: Any) -> Outcome:
    return Outcome(
        test=name, claim="it | is", guarantees=(guarantee,), outcome=became, seconds=0.5, **more
    )


def certificate_of(*outcomes: Outcome, **more: Any) -> Certificate:
    return Certificate(
        kind="event_store", name="acme", settings="its own", seed=1, command="orchestrix certify",
        capabilities=(), versions={"orchestrix-core": "0.1.0"}, outcomes=outcomes, seconds=1.0,
        **more,
    )  # fmt: skip


def test_what_is_skipped_for_another_reason_is_not_proven() -> None:
    passed = outcome("A::a", "Promise 1", "passed")
    undeclared = outcome("A::b", "Promise 5", "skipped", missing="async")
    other = outcome("A::c", "Promise 2", "skipped", reason="no disk")
    assert certificate_of(passed, undeclared).certified
    assert not certificate_of(undeclared).holds, "nothing was proven"
    assert not certificate_of(passed, other).holds
    assert not certificate_of(passed, error="it died").holds
    assert not certificate_of(passed, partial=True).certified
    verdicts = [one.verdict for one in certificate_of(passed, undeclared, other).guarantees]
    assert verdicts == ["holds", "not proven", "not declared"]


def test_fault_that_is_not_offered_is_told_and_never_holds() -> None:
    passed = outcome("A::a", "Promise 1", "passed")
    fault = outcome("A::b", "Server restart", "skipped", not_offered="it is | not ours")
    undeclared = outcome("A::c", "Server restart", "skipped", missing="async")
    certificate = certificate_of(passed, fault, undeclared)
    assert certificate.certified
    assert not certificate_of(fault).holds, "nothing was proven"
    assert [one.verdict for one in certificate.guarantees] == ["holds", "not offered"]
    rows = {row["name"]: row for row in certificate.document()["guarantees"]}
    assert rows["Server restart"]["verdict"] == "not offered"
    assert rows["Server restart"]["not_offered"] == ["it is | not ours"]
    assert "Not offered: Server restart: it is \\| not ours" in page([certificate])


def test_badge_tells_the_verdict() -> None:
    passed = outcome("A::a", "Promise 1", "passed")
    failed = outcome("A::b[x]", "Promise 1", "failed", reason="why", history="state.save()")
    assert "-certified-brightgreen)" in badge(certificate_of(passed))
    assert "-partial-" in badge(certificate_of(passed, partial=True))
    broken = certificate_of(passed, failed)
    assert "-failed-red)" in badge(broken)
    text = page([broken])
    assert "state.save()" in text
    assert "orchestrix certify --test 'A::b[x]'" in text


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Promise 3: x.", ("Promise 3",)),
        ("Promises 2 and 3: x.", ("Promise 2", "Promise 3")),
        ("Promises 1 to 6: x.", ("Promises 1 to 6",)),
        ("`StreamCatalog`, which is optional: x.", ("`StreamCatalog`",)),
        ("Dead letters: x.", ("Dead letters",)),
    ],
)
def test_docstrings_name_guarantees(docstring: str, expected: tuple[str, ...]) -> None:
    def test() -> None:
        pass

    test.__doc__ = docstring
    assert guarantees_of(test) == expected


@pytest.mark.parametrize("name", contracts.__all__)
def test_every_guarantee_has_a_title(name: str) -> None:
    contract = getattr(contracts, name)
    tests = (getattr(contract, test) for test in dir(contract) if test.startswith("test"))
    named = {guarantee for test in tests for guarantee in guarantees_of(test)}
    assert [one for one in in_order(named) if one not in TITLES] == []
