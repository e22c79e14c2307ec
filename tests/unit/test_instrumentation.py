"""Instrumentation: several act as one, none costs nothing, and a broken one breaks nothing."""

from __future__ import annotations

from contextlib import contextmanager, suppress

import pytest

from orchestrix_core import NO_INSTRUMENTATION, Instrumentation, compose


class Recorder:
    """Notes what it sees."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    @contextmanager
    def operation(self, name, attributes):
        self.seen.append((self.name, "enter", name, dict(attributes)))
        try:
            yield
        except Exception as error:
            self.seen.append((self.name, type(error).__name__))
            raise
        finally:
            self.seen.append((self.name, "exit"))

    def record(self, name, value, attributes):
        self.seen.append((self.name, name, value, dict(attributes)))


class Broken:
    """Fails where it is told to."""

    def __init__(self, where):
        self.where = where

    def operation(self, name, attributes):
        if self.where == "operation":
            raise RuntimeError("broken")
        return self

    def record(self, name, value, attributes):
        raise RuntimeError("broken")

    def __enter__(self):
        if self.where == "enter":
            raise RuntimeError("broken")

    def __exit__(self, *error):
        if self.where == "exit":
            raise RuntimeError("broken")
        return self.where == "swallow"


def test_without_parts_there_is_nothing():
    assert compose() is NO_INSTRUMENTATION
    assert compose(NO_INSTRUMENTATION) is NO_INSTRUMENTATION
    assert isinstance(NO_INSTRUMENTATION, Instrumentation)
    with NO_INSTRUMENTATION.operation("publish", {}):
        pass


def test_parts_are_entered_in_order_and_left_in_reverse():
    seen = []
    both = compose(Recorder("a", seen), Recorder("b", seen))
    with both.operation("storage", {"operation": "save"}):
        seen.append("work")
    assert seen == [
        ("a", "enter", "storage", {"operation": "save"}),
        ("b", "enter", "storage", {"operation": "save"}),
        "work",
        ("b", "exit"),
        ("a", "exit"),
    ]


def test_every_part_sees_the_error_and_it_goes_on():
    seen = []
    both = compose(Recorder("a", seen), Recorder("b", seen))
    with pytest.raises(KeyError, match="mine"), both.operation("publish", {}):
        raise KeyError("mine")
    assert ("a", "KeyError") in seen
    assert ("b", "KeyError") in seen


@pytest.mark.parametrize("where", ["operation", "enter", "exit"])
def test_a_broken_part_is_left_out_and_reported_once(where, caplog):
    seen = []
    watched = compose(Broken(where), Recorder("b", seen))
    for _ in range(2):
        with watched.operation("publish", {}):
            seen.append("work")
    assert seen.count("work") == 2
    assert seen.count(("b", "exit")) == 2
    assert len(caplog.records) == 1
    assert "is ignored" in caplog.text


@pytest.mark.parametrize("where", ["operation", "enter", "exit", "swallow"])
def test_a_broken_part_never_hides_the_error_of_the_work(where):
    watched = compose(Broken(where))
    with pytest.raises(KeyError, match="mine"), watched.operation("publish", {}):
        raise KeyError("mine")


def test_operations_nest():
    seen = []
    watched = compose(Recorder("a", seen))
    outer, inner = watched.operation("handle_command", {}), watched.operation("storage", {})
    with outer, suppress(ValueError), inner:
        raise ValueError
    assert [entry[1] for entry in seen] == ["enter", "enter", "ValueError", "exit", "exit"]


def test_gauges_reach_every_part_past_a_broken_one(caplog):
    seen = []
    watched = compose(Recorder("a", seen), Broken("nowhere"), Recorder("b", seen))
    watched.record("projection_lag", 3, {"projection": "totals"})
    expected = ("projection_lag", 3, {"projection": "totals"})
    assert seen == [("a", *expected), ("b", *expected)]
    assert len(caplog.records) == 1
    NO_INSTRUMENTATION.record("projection_lag", 3, {})
