"""Histories in files: as workers note them, killed ones too; `certify-history` judges them."""

from __future__ import annotations

import json
from math import inf

import attrs
import pytest
import typer
from typer.testing import CliRunner

from orchestrix_contract_tests.history import (
    Append,
    History,
    HistoryFileError,
    Load,
    Read,
    Recorder,
    Row,
    Summary,
    _command,
    read_history,
    write_history,
)
from orchestrix_core import ConcurrencyError

ROWS = [Row(4, "a", 1, "1"), Row(9, "a", 2, "2")]
HISTORY = History(
    [
        Append(worker="w", stream="a", expected=0, ids=["1", "2"], outcome="acknowledged",
               began=1.5, ended=2.25),
        Append(worker="v", stream="a", expected=None, ids=["3"], outcome="unknown", began=2.0,
               error="StorageError"),
        Append(worker="v", stream="a", expected=0, ids=["3"], outcome="refused", began=3.0,
               ended=4.0, error="ConcurrencyError"),
        Append(worker="u", stream="b", expected=0, ids=["4"], outcome="unknown"),
        Load(worker="w", stream="a", after=1, ids=["2"], began=5.0, ended=6.0),
        Read(worker="r", after=3, limit=10, rows=ROWS, began=5.0, ended=6.0),
    ],
    ROWS,
    {"store": "acme", "seed": 7},
)  # fmt: skip


def test_written_history_reads_the_same(tmp_path):
    file = tmp_path / "history"
    write_history(HISTORY, file)
    assert read_history(file) == HISTORY


def test_recorder_notes_what_is_read_again(tmp_path):
    file = tmp_path / "history"
    with Recorder(file) as recorder:
        recorder.about(store="acme", seed=7)
        recorder.append("w", "a", 0, ["1", "2"])
        recorder.append("v", "a", None, ["3"])
        recorder.ended("w", "acknowledged")
        recorder.ended("v", "unknown", OSError())
        recorder.append("v", "a", 1, ["3"])
        recorder.ended("v", "refused", ConcurrencyError("a", 1, 2))
        recorder.load("w", "a", 1, ["2"], began=5.0)
        recorder.read("r", 3, 10, ROWS, began=5.0)
        recorder.stored(ROWS[:1])
        recorder.stored(ROWS[1:])
    history = read_history(file)
    first, unknown, refused, load, page = history.operations
    assert (history.about, history.stored) == (HISTORY.about, ROWS)
    assert first.outcome == "acknowledged"
    assert first.began < unknown.began < first.ended < refused.began < refused.ended
    assert (unknown.outcome, unknown.ended, unknown.error) == ("unknown", inf, "OSError")
    assert (refused.outcome, refused.error) == ("refused", "ConcurrencyError")
    assert (load.ids, load.began, load.ended > refused.ended) == (("2",), 5.0, True)
    assert page.rows == tuple(ROWS)


def test_killed_worker_leaves_an_append_of_unknown_outcome(tmp_path):
    killed, other = tmp_path / "killed", tmp_path / "other"
    with Recorder(killed) as recorder:
        recorder.append("v", "a", 0, ["1"])
        recorder.append("w", "a", 0, ["2"])
    killed.write_text(killed.read_text() + '{"op": "ended", "worker": "w", "outc')
    with Recorder(other) as recorder:
        recorder.append("w", "a", 1, ["3"])
        recorder.ended("w", "acknowledged")
    history = read_history(killed, other)
    assert [(one.ids, one.outcome) for one in history.appends] == [
        (("2",), "unknown"), (("3",), "acknowledged"), (("1",), "unknown"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "JSONDecodeError"),
        ("[1]", "TypeError"),
        ('{"worker": "w"}', "KeyError: 'op'"),
        ('{"op": "dance"}', "KeyError: 'dance'"),
        ('{"op": "ended", "worker": "w", "outcome": "acknowledged"}', "KeyError: 'w'"),
        ('{"op": "load", "worker": "w"}', "TypeError"),
        ('{"op": "stored", "rows": [[1]]}', "TypeError"),
        ('{"op": "append", "worker": "w", "stream": "a", "expected": 0, "ids": []}\n'
         '{"op": "ended", "worker": "w", "outcome": "unknown"}', "ValueError: ids"),
    ],
)  # fmt: skip
def test_what_is_no_history_is_told_with_its_line(tmp_path, line, reason):
    file = tmp_path / "history"
    file.write_text('{"op": "about"}\n' + line + "\n")
    with pytest.raises(HistoryFileError) as caught:
        read_history(file)
    assert str(caught.value).startswith(f"{file}, line ")
    assert reason in str(caught.value)


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(HistoryFileError, match="nowhere: cannot be read"):
        read_history(tmp_path / "nowhere")


def test_numbers_of_histories_add_up():
    numbers = Summary.of(HISTORY)
    assert str(numbers) == (
        "4 appends (1 acknowledged, 1 refused, 2 unknown), 1 loads, 1 pages of the log; "
        "2 events stored"
    )
    both = numbers + numbers
    assert (both.operations, both.events, both.errors["StorageError"]) == (12, 4, 2)


@pytest.fixture
def certify_history():
    """Return a function that runs the command, here."""
    program = typer.Typer()
    _command.add_to(program)
    return lambda *arguments: CliRunner().invoke(program, [*map(str, arguments)])


def test_command_judges_a_file_that_was_kept(tmp_path, certify_history):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    write_history(HISTORY, right)
    write_history(attrs.evolve(HISTORY, stored=[]), wrong)
    done = certify_history(right)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "no findings")
    assert done.output.startswith("store acme, seed 7: 4 appends (1 acknowledged, ")
    done = certify_history(wrong, "--most", 1)
    assert (done.exit_code, done.output.splitlines()[-1]) == (1, "4 findings, 3 not shown")
    assert "\nlost event: acknowledged, and not stored\n    events: [1, 2]\n" in done.output
    done = certify_history(wrong, "--json")
    document = json.loads(done.output)
    assert (done.exit_code, document["about"]["seed"], document["acknowledged"]) == (1, 7, 1)
    rules = [one["rule"] for one in document["findings"]]
    assert rules == ["lost event", "broken version", "lost event", "lost event"]
