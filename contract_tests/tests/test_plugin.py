"""The pytest plugin: what a user sees of it, in a pytest process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONTRACT = """
from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_contract_tests import EventLogContract, SnapshotContract
from orchestrix_core import ContractSubject

def subject(name, *capabilities):
    return ContractSubject(
        kind="event_store",
        name=name,
        create=lambda directory: InMemoryAsyncEventStore(),
        capabilities=frozenset(capabilities),
    )

class TestOne(SnapshotContract):
    subject = subject("one", "async")

class TestTwo(EventLogContract):
    subject = subject("two", "async", "global_log")
"""


def run(folder: Path, module: str, *options: str, mode: str = "strict") -> tuple[int, str]:
    (folder / "test_it.py").write_text(module)
    (folder / "pytest.ini").write_text(
        f"[pytest]\nasyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_summary_tells_what_passed_and_what_was_skipped_for_want_of(
    tmp_path: Path, mode: str
) -> None:
    status, output = run(tmp_path, CONTRACT, "-rs", "--strict-markers", mode=mode)
    assert status == 0, output
    summary = output.partition("Orchestrix contract")[2]
    assert "event_store one: " in summary
    two = summary.partition("event_store two: ")[2]
    assert two.splitlines()[0].startswith(tuple("123456789"))
    assert "skipped: it does not declare 'multi_stream'" in two
    assert "event_store two does not declare 'multi_stream'" in output
    assert not (tmp_path / ".hypothesis").exists()


def test_summary_survives_xdist(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    status, output = run(tmp_path, CONTRACT, "-n", "2")
    assert status == 0, output
    assert "skipped: it does not declare 'multi_stream'" in output


def test_missing_subject_is_told(tmp_path: Path) -> None:
    module = (
        "from orchestrix_contract_tests import MessageBusContract\n"
        "class TestMine(MessageBusContract):\n    pass\n"
    )
    status, output = run(tmp_path, module)
    assert status == 1
    assert "TestMine must set `subject`" in output


def test_subject_may_be_a_parametrized_fixture(tmp_path: Path) -> None:
    module = CONTRACT.partition("class TestOne")[0] + (
        "import pytest\n"
        "class TestBoth(SnapshotContract):\n"
        "    @pytest.fixture(params=['red', 'blue'])\n"
        "    def subject(self, request):\n"
        "        return subject(request.param, 'async')\n"
    )
    status, output = run(tmp_path, module)
    assert status == 0, output
    assert "event_store red: " in output
    assert "event_store blue: " in output


def test_weakened_contract_fails_at_collection(tmp_path: Path) -> None:
    module = CONTRACT + "    def test_empty_log(self):\n        pass\n"
    status, output = run(tmp_path, module)
    assert status == 2
    assert "TestTwo replaces LogContract.test_empty_log" in output


def test_unrelated_runs_are_left_alone(tmp_path: Path) -> None:
    module = (
        "import sys\n"
        "def test_nothing_heavy_was_imported():\n"
        "    heavy = {'orchestrix_core', 'orchestrix_contract_tests.contracts', 'hypothesis'}\n"
        "    assert heavy.isdisjoint(sys.modules)\n"
    )
    status, output = run(tmp_path, module, "-p", "no:hypothesispytest")
    assert status == 0, output
    assert "Orchestrix contract" not in output


def test_assertions_of_the_suite_are_explained(tmp_path: Path) -> None:
    module = CONTRACT.replace(
        "InMemoryAsyncEventStore()", "type('S', (InMemoryAsyncEventStore,), {'head': head})()"
    ).replace("def subject", "async def head(self):\n    return 7\n\ndef subject")
    status, output = run(tmp_path, module, "-k", "test_empty_log")
    assert status == 1
    assert "assert 7 == 0" in output
