"""Each rule finds its fault where one is planted in a history, and lets pass what looks like it."""

from __future__ import annotations

import attrs
import pytest

from orchestrix_contract_tests.history import RULES, Append, History, Load, Read, Row, check


def append(ids, expected, at, outcome="acknowledged", *, to=None, stream="a", **more):
    """An append that takes one second unless told; what is unknown has no end."""
    if outcome != "unknown":
        more["ended"] = at + 1 if to is None else to
    if outcome == "refused":
        more.setdefault("error", "ConcurrencyError")
    return Append(
        worker=more.pop("worker", "w"), stream=stream, expected=expected, ids=ids.split(),
        outcome=outcome, began=at, **more,
    )  # fmt: skip


def load(ids, at, *, to=None, stream="a", after=0):
    ended = at + 1 if to is None else to
    return Load(worker="l", stream=stream, after=after, ids=ids.split(), began=at, ended=ended)


def read(ids, at, *, to=None, after=0, limit=100, log=None):
    ended = at + 1 if to is None else to
    rows = [row for row in log or LOG if row.id in ids.split()]
    return Read(worker="r", after=after, limit=limit, rows=rows, began=at, ended=ended)


APPENDS = [
    append("1 2", 0, at=0),
    append("x", 0, at=0.5, stream="b", worker="v"),
    append("3", 1, at=2, outcome="refused"),
    append("3", 2, at=4),
    append("y", None, at=6, stream="b", worker="v"),
    append("4 5", 3, at=8, outcome="unknown"),
    append("4 5", 3, at=10),
    append("4 5", 3, at=12),
    append("6", 5, at=14, outcome="unknown"),
    append("7", 5, at=14, outcome="unknown", worker="u"),
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
LOOKS = [
    load("", at=-2),
    load("1 2", at=2),
    load("2 3", at=6, after=1),
    load("4 5 7", at=20, after=3),
    load("x y", at=20, stream="b"),
    load("", at=20, stream="c"),
    read("1 2 x", at=2),
    read("3", at=3, to=5, after=3),
    read("y 4 5", at=9, after=7),
    read("1 2 x", at=20, limit=3),
    read("", at=20, after=12),
]


def found(*operations, log=LOG):
    """The findings of the honest history with more operations, or another log."""
    return check(History([*APPENDS, *LOOKS, *operations], log))


def rules(findings):
    return {finding.rule for finding in findings}


def changed(one, /, **facts):
    return [attrs.evolve(row, **facts) if row.id == one else row for row in LOG]


def swapped(first, second):
    """Two events in each other's place."""
    names = {first: second, second: first}
    return [attrs.evolve(row, id=names.get(row.id, row.id)) for row in LOG]


def missing(*ids):
    return [row for row in LOG if row.id not in ids]


def test_honest_history():
    assert found() == []


def test_honest_history_of_a_store_that_has_no_log():
    streams = [attrs.evolve(row, position=None) for row in LOG]
    streams.sort(key=lambda row: row.stream)
    loads = [look for look in LOOKS if isinstance(look, Load)]
    assert check(History([*APPENDS, *loads], streams)) == []
    gone = check(History([*APPENDS, *loads], streams[:-1]))
    assert rules(gone) == {"lost event"}


def test_history_in_which_nothing_happened():
    assert check(History([], [])) == []
    assert check(History([load("", at=0), read("", at=0)], [])) == []


# A fault, and the rule that it breaks: what is done besides the honest history, and the log.
PLANTED = {
    "acknowledged and not stored": ("lost event", [append("8", 6, at=30)], LOG),
    "a part of what was acknowledged": ("lost event", [], missing("2")),
    "the end of what was acknowledged": ("lost event", [], missing("5", "7")),
    "seen and not stored": (
        "lost event", [append("8", 6, at=30, outcome="unknown"), load("7 8", at=31, after=5)], LOG,
    ),
    "a hole in a stream": ("lost event", [], changed("7", version=9)),
    "in the log twice": ("doubled event", [], [*LOG, Row(13, "a", 7, "7")]),
    "stored again by a retry": (
        "doubled event", [], [*LOG, Row(13, "a", 7, "4"), Row(14, "a", 8, "5")],
    ),
    "twice in one load": ("doubled event", [load("1 2 2 3", at=20)], LOG),
    "order within an append": ("reordered event", [], swapped("1", "2")),
    "an append taken apart": ("reordered event", [], swapped("5", "7")),
    "order of the log against the stream": (
        "reordered event", [], [*LOG[:5], Row(9, "a", 5, "5"), Row(10, "a", 4, "4"), LOG[7]],
    ),
    "order of time": (
        "reordered event",
        [append("p", None, at=30, stream="c"), append("q", None, at=32, stream="d")],
        [*LOG, Row(13, "d", 1, "q"), Row(14, "c", 1, "p")],
    ),
    "order of time, though nobody was answered": (
        "reordered event",
        [
            append("p", None, at=30, stream="c", outcome="unknown"), load("p", at=31, stream="c"),
            append("q", None, at=40, stream="d"),
        ],
        [*LOG, Row(13, "d", 1, "q"), Row(14, "c", 1, "p")],
    ),
    "order in a load": ("reordered event", [load("1 3 2", at=20)], LOG),
    "another place when it was seen": (
        "reordered event", [read("1 2", at=20, limit=2, log=changed("2", version=4))], LOG,
    ),
    "two acknowledged at one version": (
        "broken version",
        [append("8", 5, at=30), append("9", 5, at=30, worker="u")],
        [*LOG, Row(13, "a", 7, "8"), Row(14, "a", 8, "9")],
    ),
    "two at one version, one is gone": (
        "broken version",
        [append("8", 6, at=30), append("9", 6, at=30, worker="u")],
        [*LOG, Row(13, "a", 7, "8")],
    ),
    "two stored as one version": (
        "broken version",
        [append("8", 6, at=30), append("9", None, at=30, worker="u")],
        [*LOG, Row(13, "a", 7, "8"), Row(14, "a", 7, "9")],
    ),
    "acknowledged elsewhere": (
        "broken version", [append("8", 4, at=30)], [*LOG, Row(13, "a", 7, "8")],
    ),
    "repeated with another version": ("broken version", [append("3", 1, at=30)], LOG),
    "no answer, and stored elsewhere": (
        "broken version", [append("8", 4, at=30, outcome="unknown")], [*LOG, Row(13, "a", 7, "8")],
    ),
    "conflict at the right version": (
        "broken version", [append("8", 2, at=30, outcome="refused", stream="b")], LOG,
    ),
    "conflict before another append began": (
        "broken version",
        [append("z", 2, at=30, outcome="refused", stream="b"), append("w", 2, at=40, stream="b")],
        [*LOG, Row(13, "b", 3, "w")],
    ),
    "conflict in a new stream": (
        "broken version", [append("8", 0, at=30, outcome="refused", stream="c")], LOG,
    ),
    "conflict of what expected nothing": (
        "broken version", [append("8", None, at=30, outcome="refused")], LOG,
    ),
    "conflict of what is repeated": (
        "broken version", [append("4 5", 3, at=30, outcome="refused")], LOG,
    ),
    "duplicate of nothing": (
        "broken version", [append("8", 6, at=30, outcome="refused", error="DuplicateEventError")],
        LOG,
    ),
    "duplicate of what is repeated": (
        "broken version",
        [append("4 5", 3, at=30, outcome="refused", error="DuplicateEventError")], LOG,
    ),
    "positions fall": ("position regression", [], changed("3", position=2)),
    "positions stand": ("position regression", [], changed("3", position=3)),
    "below what a page has passed": ("position regression", [read("1 2 3", at=0.6, to=5)], LOG),
    "below what a load has passed": ("position regression", [load("1 2 4", at=2, to=11)], LOG),
    "below where a page began": (
        "position regression", [read("2 x", at=20, after=2, limit=2)], LOG,
    ),
    "half seen by a load": ("torn append", [load("1 2 3 4", at=10, to=11)], LOG),
    "half seen by a page": ("torn append", [read("1", at=0, to=0.5)], LOG),
    "half stored": (
        "torn append", [append("8 9", 6, at=30, outcome="unknown")], [*LOG, Row(13, "a", 7, "8")],
    ),
    "a load behind an acknowledgement": ("stale read", [load("1 2", at=5.5)], LOG),
    "a load behind another": (
        "stale read", [load("1 2 3", at=4.2, to=4.3), load("1 2", at=4.5)], LOG,
    ),
    "a page behind an acknowledgement": ("stale read", [read("1 2", at=2)], LOG),
    "a page behind a load": (
        "stale read", [load("1 2 3", at=4.2, to=4.3), read("1 2 x", at=4.5)], LOG,
    ),
    "a page without what was there before": ("stale read", [read("2 x", at=3, limit=2)], LOG),
    "nothing, though something was known": ("stale read", [load("", at=9, stream="b")], LOG),
    "stored by nobody": ("event from nowhere", [], [*LOG, Row(13, "a", 7, "8")]),
    "in a foreign stream": ("event from nowhere", [], swapped("3", "x")),
    "seen, appended by nobody": ("event from nowhere", [load("1 2 3 4 5 7 8", at=20)], LOG),
    "seen in a foreign stream": ("event from nowhere", [load("x 3", at=20, stream="b")], LOG),
    "seen before it was appended": ("event from nowhere", [load("1 2 3", at=2, to=3)], LOG),
    "refused and stored": (
        "refused event", [append("8", 4, at=30, outcome="refused")], [*LOG, Row(13, "a", 7, "8")],
    ),
    "refused and seen": (
        "refused event",
        [append("8", 4, at=30, outcome="refused"), load("1 2 3 4 5 7 8", at=31)], LOG,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "more", "log"), PLANTED.values(), ids=PLANTED)
def test_planted_fault_is_found(rule, more, log):
    findings = found(*more, log=log)
    assert rule in rules(findings)
    told = next(finding for finding in findings if finding.rule == rule)
    assert told.events or told.around, "it says which events"
    assert str(told).startswith(f"{rule}: ")


def test_every_rule_has_a_fault():
    assert {rule for rule, _, _ in PLANTED.values()} == set(RULES)


# What is right, though it looks like one of the faults above.
HARMLESS = {
    "no answer, and not stored": ([append("8", 6, at=30, outcome="unknown")], LOG),
    "no answer, and stored": (
        [append("8", 6, at=30, outcome="unknown")], [*LOG, Row(13, "a", 7, "8")],
    ),
    "no answer to what expected nothing": (
        [append("8", None, at=30, outcome="unknown")], [*LOG, Row(13, "a", 7, "8")],
    ),
    "positions with gaps": ([append("8", 6, at=30)], [*LOG, Row(1300, "a", 7, "8")]),
    "a repeated append is acknowledged again": ([append("4 5", 3, at=30)], LOG),
    "appends at once, in either order": (
        [append("p", None, at=30, to=33, stream="c"), append("q", None, at=32, stream="d")],
        [*LOG, Row(13, "d", 1, "q"), Row(14, "c", 1, "p")],
    ),
    "one began when another ended": (
        [append("p", None, at=30, to=32, stream="c"), append("q", None, at=32, stream="d")],
        [*LOG, Row(13, "d", 1, "q"), Row(14, "c", 1, "p")],
    ),
    "refused before it was stored": (
        [
            append("q", 7, at=30, stream="d", outcome="refused"),
            append("p", None, at=32, stream="c"), append("q", 0, at=34, stream="d"),
        ],
        [*LOG, Row(13, "c", 1, "p"), Row(14, "d", 1, "q")],
    ),
    "two appends of one version, one refused": (
        [append("8", 6, at=30), append("9", 6, at=30, worker="u", outcome="refused")],
        [*LOG, Row(13, "a", 7, "8")],
    ),
    "a conflict with one that began in time": (
        [append("8", 6, at=30), append("9", 6, at=29, to=30.5, worker="u", outcome="refused")],
        [*LOG, Row(13, "a", 7, "8")],
    ),
    "a conflict with what was not known to be there yet": (
        [append("z", 2, at=6.5, to=9, stream="b", outcome="refused")], LOG,
    ),
    "a conflict ahead of the stream": ([append("8", 9, at=30, outcome="refused")], LOG),
    "a conflict behind the stream": ([append("8", 2, at=30, outcome="refused")], LOG),
    "a duplicate at another version": (
        [append("4 5", 0, at=30, outcome="refused", error="DuplicateEventError")], LOG,
    ),
    "a duplicate that answers the unanswered": (
        [
            append("8", None, at=30, outcome="unknown"),
            append("8", None, at=32, outcome="refused", error="DuplicateEventError"),
        ],
        [*LOG, Row(13, "a", 7, "8")],
    ),
    "a load that begins inside an append": ([load("5 7", at=20, after=4)], LOG),
    "a load beyond the end": ([load("", at=20, after=9)], LOG),
    "a page that is full inside an append": ([read("1", at=20, limit=1)], LOG),
    "a page that begins inside an append": ([read("5 7", at=20, after=9)], LOG),
    "a load while it was acknowledged": ([load("1 2", at=4.5)], LOG),
    "a load at the moment of the acknowledgement": ([load("1 2", at=5)], LOG),
    "a load ahead of the acknowledgement": ([load("1 2 3", at=4.2, to=4.4)], LOG),
    "a page while it was acknowledged": ([read("1 2 x", at=4.5)], LOG),
    "a page that is full, behind an acknowledgement": ([read("1 2 x", at=30, limit=3)], LOG),
    "what a subscription yields one by one": (
        [read("1", at=20, limit=1), read("2", at=21, after=1, limit=1)], LOG,
    ),
    "a conflict that ended when another append began": (
        [append("8", 6, at=30, outcome="refused"), append("9", 6, at=31, worker="u")],
        [*LOG, Row(13, "a", 7, "9")],
    ),
    "a conflict that began when the version was acknowledged": (
        [append("9", 6, at=30), append("8", 7, at=31, outcome="refused")],
        [*LOG, Row(13, "a", 7, "9")],
    ),
    "seen when it was appended": ([load("1 2 3", at=2, to=4)], LOG),
    "unknown moments prove nothing": (
        [
            attrs.evolve(append("8", 6, at=0), began=float("-inf"), ended=float("inf")),
            attrs.evolve(load("1 2", at=0), began=float("-inf"), ended=float("inf")),
        ],
        [*LOG, Row(13, "a", 7, "8")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "log"), HARMLESS.values(), ids=HARMLESS)
def test_what_is_right_is_let_pass(more, log):
    assert found(*more, log=log) == []


def test_finding_tells_which_events_and_operations_with_what_stands_around():
    extra = append("8", 4, at=30, worker="u")
    (finding,) = found(extra, log=[*LOG, Row(13, "a", 7, "8")])
    assert finding.events == ("8",)
    assert finding.operations == (extra,)
    assert finding.around == (LOG[6], LOG[7], Row(13, "a", 7, "8"))
    assert str(finding).splitlines() == [
        "broken version: an append is stored from version 7 on, where nobody expected it",
        "    events: [8]",
        "    u at 30.000000 to 31.000000: appended [8] to a at version 4: acknowledged",
        "    stored: 10 a/5 5",
        "    stored: 12 a/6 7",
        "    stored: 13 a/7 8",
    ]
    document = finding.document()
    assert document["rule"] == "broken version"
    assert document["operations"] == [
        "u at 30.000000 to 31.000000: appended [8] to a at version 4: acknowledged"
    ]


def exactly(rule, what, events, around):
    return rule, what, tuple(events.split()), around


# Faults of which nothing else tells: the whole finding.
ALONE = {
    "astray": (
        [append("8", None, at=30, stream="b")], [*LOG, Row(13, "a", 7, "8")],
        exactly(
            "event from nowhere", "what belongs to stream b is stored in stream a", "8",
            (Row(13, "a", 7, "8"),),
        ),
    ),
    "the log against a stream": (
        [append("8", 6, at=30, to=40), append("9", 7, at=31, to=40, worker="u")],
        [*LOG, Row(13, "a", 8, "9"), Row(14, "a", 7, "8")],
        exactly(
            "reordered event", "version 7 of stream a comes after version 8", "8",
            (LOG[7], Row(13, "a", 8, "9"), Row(14, "a", 7, "8")),
        ),
    ),
    "one version left out": (
        [append("8", 7, at=30, outcome="unknown")], [*LOG, Row(13, "a", 8, "8")],
        exactly(
            "lost event", "nothing is stored as version 7 of stream a, which goes on", "",
            (Row(13, "a", 8, "8"),),
        ),
    ),
    "versions left out": (
        [append("8", 9, at=30, outcome="unknown")], [*LOG, Row(13, "a", 10, "8")],
        exactly(
            "lost event", "nothing is stored as version 7 to 9 of stream a, which goes on", "",
            (Row(13, "a", 10, "8"),),
        ),
    ),
    "half of an append seen": (
        [load("1 2 3 4", at=10, to=11)], LOG,
        exactly(
            "torn append", "a part of an append was seen without the rest", "4",
            (LOG[3], *LOG[5:8]),
        ),
    ),
    "too little seen": (
        [load("", at=3)], LOG,
        exactly(
            "stale read", "an event was not seen, though it was known to be stored before", "1",
            (LOG[0], LOG[1], LOG[3]),
        ),
    ),
    "one not seen that was acknowledged": (
        [read("1 2 3", at=6, limit=3)], LOG,
        exactly(
            "stale read", "an event was not seen, though it was known to be stored before", "x",
            tuple(LOG[:5]),
        ),
    ),
    "one not seen that was acknowledged at that moment": (
        [read("1 2 3", at=1.5, to=6, limit=3)], LOG,
        exactly(
            "position regression", "an event appeared below one that a reader had seen already",
            "x 3", tuple(LOG[:5]),
        ),
    ),
    "acknowledged at version 0, and stored elsewhere": (
        [append("8", 0, at=30)], [*LOG, Row(13, "a", 7, "8")],
        exactly(
            "broken version", "2 appends that expected version 0 of stream a were acknowledged",
            "1 2 8", (),
        ),
    ),
    "a conflict at the right version": (
        [append("8", 2, at=30, outcome="refused", stream="b")], LOG,
        exactly(
            "broken version", "refused as a conflict, though the stream was at 2 all the time", "8",
            (LOG[2], LOG[4]),
        ),
    ),
    "a conflict in the middle of a stream": (
        [append("4 5", 3, at=30, outcome="refused")], LOG,
        exactly(
            "broken version", "refused as a conflict, though the stream was at 3 all the time",
            "4 5", (LOG[0], LOG[1], LOG[3], LOG[5], LOG[6]),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "log", "finding"), ALONE.values(), ids=ALONE)
def test_fault_is_told_once_with_its_events_and_what_stands_around(more, log, finding):
    (told,) = found(*more, log=log)
    assert (told.rule, told.what, told.events, told.around) == finding


def test_order_of_time_in_the_streams_of_a_store_without_a_log():
    early, late = append("p", None, at=30, stream="c"), append("q", None, at=32, stream="c")
    rows = [Row(None, "c", 1, "q"), Row(None, "c", 2, "p")]
    (told,) = check(History([early, late], rows))
    assert (told.rule, told.events) == ("reordered event", ("q", "p"))
    assert check(History([attrs.evolve(early, ended=33), late], rows)) == []


@pytest.mark.parametrize("ids", ["", "1 1"])
def test_append_without_events_or_with_one_twice_is_no_append(ids):
    with pytest.raises(ValueError, match="ids"):
        append(ids, 0, at=0)
