"""The waterfall of a trace: the order, the depths and the times."""

from __future__ import annotations

from orchestrix_core.cli._waterfall import waterfall, waterfall_rows


def event(id, at, cause=None, type="Happened"):
    document = {"id": id, "type": type, "timestamp": f"2026-01-02T03:04:05.{at:03}000Z"}
    return document if cause is None else {**document, "causation_id": cause}


def test_each_event_stands_below_its_cause():
    first = [event("a", 0, "command"), event("b", 100), event("c", 150, "a")]
    steps = waterfall([*first, event("d", 200, "b"), event("e", 250, "a"), event("f", 400, "c")])
    assert [(step["id"], step["depth"]) for step in steps] == [
        ("a", 0), ("c", 1), ("f", 2), ("e", 1), ("b", 0), ("d", 1),
    ]  # fmt: skip
    assert [step["offset_ms"] for step in steps] == [0, 150, 400, 250, 100, 200]
    assert [step["after_cause_ms"] for step in steps] == [None, 150, 250, 250, None, 100]


def test_the_time_line_runs_from_the_cause_to_the_event():
    steps = waterfall([event("a", 0, "command"), event("b", 500, "a"), event("c", 999, "b")])
    events, offsets, lines, causes = zip(*waterfall_rows(steps), strict=True)
    assert events == ("Happened", "  Happened", "    Happened")
    assert offsets == ("+0.0 ms", "+500.0 ms", "+999.0 ms")
    assert [(line.find("-"), len(line)) for line in lines] == [(-1, 1), (0, 13), (12, 24)]
    assert all(line.endswith("*") for line in lines)
    assert causes == ("command", "500.0 ms before", "499.0 ms before")


def test_events_that_name_each_other_as_causes_all_come_once():
    steps = waterfall([event("a", 0, "b"), event("b", 1, "a"), event("c", 2, "c")])
    assert sorted(step["id"] for step in steps) == ["a", "b", "c"]


def test_an_effect_may_seem_to_come_before_its_cause():
    steps = waterfall([event("a", 10), event("b", 0, "a")])
    assert [(step["id"], step["after_cause_ms"]) for step in steps] == [("a", None), ("b", -10)]
    assert len(waterfall_rows(steps)) == 2


def test_without_events_there_is_nothing():
    assert waterfall([]) == []
    assert waterfall_rows([]) == []


def test_events_of_one_moment_stand_on_one_spot():
    assert [row[2] for row in waterfall_rows(waterfall([event("a", 0), event("b", 0)]))] == [
        "*"
    ] * 2
