"""The checker of histories finds each fault that is planted, and none in an honest history."""

from __future__ import annotations

import json

import attrs
import pytest

from ._history import Attempt, Row, read_attempts, violations


def attempt(ids, expected, outcome="acknowledged", stream="a", writer="w", at=0.0):
    return Attempt(writer, stream, expected, tuple(ids), outcome, at, at + 1)


HONEST = [
    attempt(["1", "2"], 0, at=0),
    attempt(["x"], 0, stream="b", writer="v", at=0.5),
    attempt(["3"], 1, "refused", at=2),
    attempt(["3"], 2, at=4),
    attempt(["y"], None, stream="b", writer="v", at=5),
    attempt(["4", "5"], 3, "unknown", at=6),
    attempt(["4", "5"], 3, at=8),
    attempt(["4", "5"], 3, at=10),
    attempt(["6"], 5, "unknown", at=12),
    attempt(["7"], 5, "unknown", writer="u", at=12),
]
LOG = [
    Row(1, "a", 1, "1"),
    Row(2, "a", 2, "2"),
    Row(3, "b", 1, "x"),
    Row(7, "a", 3, "3"),
    Row(8, "b", 2, "y"),
    Row(9, "a", 4, "4"),
    Row(10, "a", 5, "5"),
    Row(12, "a", 6, "7"),
]


def test_honest_history():
    assert violations(HONEST, LOG, {"all": LOG, "some": LOG[:4], "none": []}) == []


def without(*ids):
    return [row for row in LOG if row.id not in ids]


def swapped(first, second):
    """Two events in each other's place."""
    names = {first: second, second: first}
    return [attrs.evolve(row, id=names.get(row.id, row.id)) for row in LOG]


def changed(one, /, **facts):
    return [attrs.evolve(row, **facts) if row.id == one else row for row in LOG]


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        (without("7", "5", "4"), "lost: acknowledged and not stored"),
        (without("7", "5"), "half-written"),
        (without("2"), "half-written"),
        (without("2"), "version out of turn"),
        ([*LOG, Row(13, "a", 7, "7")], "doubled"),
        ([*LOG, Row(13, "a", 7, "never")], "from nowhere"),
        (swapped("1", "2"), "reordered"),
        (swapped("3", "x"), "astray"),
        (swapped("1", "3"), "wrong version"),
        (swapped("x", "y"), "order of a writer is changed"),
        (swapped("x", "y"), "overtaken"),
        (changed("3", version=4), "version out of turn"),
        (changed("3", position=3), "position goes back"),
        (changed("3", position=2), "position goes back"),
        ([LOG[1], LOG[0], *LOG[2:]], "position goes back"),
        ([LOG[1], LOG[0], *LOG[2:]], "version out of turn"),
    ],
)
def test_planted_in_the_log(log, fault):
    assert any(text.startswith(fault) for text in violations(HONEST, log, {}))


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        (attempt(["8"], 6, at=14), "lost"),
        (attempt(["7"], 4, writer="u", at=14), "wrong version"),
        (attempt(["8"], 4, "refused", writer="u", at=7), None),
        (attempt(["8"], 6, "refused", writer="u", at=20), None),
        (attempt(["8"], 2, "refused", stream="b", at=20), "refused without a reason"),
        (attempt(["8"], 2, "refused", stream="b", at=5.5), None),
        (attempt(["4", "5"], 3, "refused", at=20), "refused without a reason"),
        (attempt(["8"], 0, "refused", stream="new", at=20), "refused without a reason"),
        (attempt(["8"], None, "refused", at=20), "refused though any version"),
        (attempt(["8"], 9, "refused", at=20), None),
    ],
)
def test_planted_in_the_attempts(extra, fault):
    found = violations([*HONEST, extra], LOG, {})
    assert found == [] if fault is None else any(text.startswith(fault) for text in found)


def test_refused_but_stored():
    history = [attempt(["1"], 1, "refused")]
    assert violations(history, LOG[:1], {})[0].startswith("refused and stored all the same")


def test_unknown_outcome_at_a_version_that_nobody_asked_for():
    history = [attempt(["1"], 3, "unknown")]
    assert violations(history, LOG[:1], {})[0].startswith("wrong version")


def test_append_overtaken_by_one_that_began_after_its_end():
    early, late = attempt(["1"], None, at=0), attempt(["2"], None, writer="v", at=2)
    log = [Row(1, "a", 1, "2"), Row(2, "a", 2, "1")]
    (found,) = violations([early, late], log, {})
    assert found.startswith("overtaken")
    assert violations([early, attrs.evolve(late, began=0.5)], log, {}) == []


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (LOG[1:], "reader r missed Row(position=1"),
        ([*LOG[:3], *LOG[4:]], "reader r missed Row(position=7"),
        ([*LOG[:3], *LOG[2:]], "reader r was given Row(position=3"),
        ([LOG[1], LOG[0], *LOG[2:]], "reader r missed Row(position=1"),
        ([*LOG, LOG[0]], "reader r was given Row(position=1"),
        (changed("3", id="other"), "reader r was given Row(position=7"),
        (changed("3", version=9), "reader r was given Row(position=7"),
        ([*LOG, Row(99, "a", 7, "8")], "reader r was given Row(position=99"),
    ],
)
def test_planted_in_a_reader(given, fault):
    assert violations(HONEST, LOG, {"r": given})[0].startswith(fault)


def test_notes_of_a_killed_writer(tmp_path):
    notes = tmp_path / "p0"
    lines = [
        ["try", "0-1", "a", 0, ["1", "2"], 1.0],
        ["try", "1-2", "b", None, ["x"], 2.0],
        ["acknowledged", "0-1", 3.0],
        ["refused", "1-2", 4.0],
        ["try", "0-3", "a", 2, ["3"], 5.0],
    ]
    notes.write_text("".join(json.dumps(line) + "\n" for line in lines) + '["acknowledged", "0')
    assert read_attempts(notes) == [
        Attempt("p0/0", "a", 0, ("1", "2"), "acknowledged", 1.0, 3.0),
        Attempt("p0/1", "b", None, ("x",), "refused", 2.0, 4.0),
        Attempt("p0/0", "a", 2, ("3",), "unknown", 5.0),
    ]
