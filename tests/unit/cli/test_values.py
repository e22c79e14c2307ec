"""States as JSON values, and how two of them differ."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from orchestrix_core.cli._values import ABSENT, differences, plain, text_of, text_of_path


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@attrs.frozen
class Line:
    item: str
    price: Decimal


class Lines:
    def __init__(self):
        self.all = [Line("a", Decimal("1.50"))]


def changes(before, after):
    found = differences(before, after)
    return {text_of_path(one.path): (one.before, one.after) for one in found}


class TestPlain:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (Decimal("9.50"), "9.50"),
            (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
            (Colour.RED, "red"),
            (Level.HIGH, 3),
            (float("inf"), "inf"),
            ({3, 1, 2}, [1, 2, 3]),
            ((1, None, True), [1, None, True]),
            ({Decimal("1.5"): 1, Colour.RED: 2, (1, 2): 3}, {"1.5": 1, "red": 2, "[1, 2]": 3}),
            (Line("a", Decimal(1)), {"item": "a", "price": "1"}),
            (Lines(), {"all": [{"item": "a", "price": "1.50"}]}),
            (len, "<built-in function len>"),
        ],
    )
    def test_values_of_states(self, value, expected):
        assert plain(value) == expected
        json.dumps(plain(value), allow_nan=False)

    def test_an_object_inside_of_itself(self):
        lines = Lines()
        lines.all.append(lines)
        assert plain(lines) == {"all": [{"item": "a", "price": "1.50"}, "..."]}

    def test_one_object_in_two_places_is_no_circle(self):
        line = Line("a", Decimal(1))
        assert plain([line, line]) == [{"item": "a", "price": "1"}] * 2

    def test_it_is_a_copy(self):
        value = {"a": [1]}
        copy = plain(value)
        value["a"].append(2)
        assert copy == {"a": [1]}


class TestDifferences:
    def test_the_smallest_places(self):
        before = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "gone": None}
        after = {"a": 1, "b": {"c": [1, 3, 4], "d": "x"}, "new": {"e": 1}}
        assert changes(before, after) == {
            "b.c[1]": (2, 3),
            "b.c[2]": (ABSENT, 4),
            "gone": (None, ABSENT),
            "new": (ABSENT, {"e": 1}),
        }

    @pytest.mark.parametrize("value", [None, 0, "", [], {}, [[{"a": 1}]]])
    def test_what_is_equal_does_not_differ(self, value):
        assert changes(value, value) == {}

    @pytest.mark.parametrize(
        ("before", "after"), [(1, True), (0, False), (None, 0), (1, "1"), ([], {})]
    )
    def test_a_change_of_type_is_a_change(self, before, after):
        assert changes({"a": before}, {"a": after}) == {"a": (before, after)}


def test_a_cell_tells_nothing_from_null():
    assert [text_of(value) for value in (ABSENT, None, "é")] == ["", "null", '"é"']
