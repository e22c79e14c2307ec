"""The JSON encoder: one JSON form for each value that messages hold."""

from __future__ import annotations

import dataclasses
import enum
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import attrs
import pytest

from orchestrix_core import Event, MessageRegistry, OrchestrixJSONEncoder


class Color(enum.Enum):
    RED = "red"


@attrs.frozen
class Line:
    sku: str
    price: Decimal


@dataclasses.dataclass
class Gift:
    sku: str
    lines: tuple[Line, ...] = ()


class Placed(Event, registry=MessageRegistry()):
    total: Decimal


CASES = [
    (Decimal("1.50"), "1.50"),
    (datetime(2024, 1, 1, 2, 3, tzinfo=UTC), "2024-01-01T02:03:00Z"),
    (date(2024, 1, 1), "2024-01-01"),
    (time(1, 2, 3), "01:02:03"),
    (timedelta(days=1, seconds=2), "P1DT2S"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Color.RED, "red"),
    (b"\x00\xff", "AP8="),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset("ba"), ["a", "b"]),
    ((1, "a"), [1, "a"]),
    (Line("a", Decimal("1.0")), {"sku": "a", "price": "1.0"}),
    (Gift("g", (Line("a", Decimal(1)),)), {"sku": "g", "lines": [{"sku": "a", "price": "1"}]}),
    ({"deep": [{"x": Decimal(1)}]}, {"deep": [{"x": "1"}]}),
]


@pytest.mark.parametrize(("value", "expected"), CASES, ids=str)
def test_a_value_has_its_json_form(value, expected):
    assert json.loads(json.dumps(value, cls=OrchestrixJSONEncoder)) == expected


def test_items_of_a_set_that_cannot_be_compared_are_all_there():
    encoded = json.loads(json.dumps({1, "a"}, cls=OrchestrixJSONEncoder))
    assert sorted(encoded, key=str) == [1, "a"]


def test_a_message_is_an_object_with_its_metadata():
    event = Placed(total=Decimal("2.00"))
    encoded = json.loads(json.dumps(event, cls=OrchestrixJSONEncoder))
    assert encoded["total"] == "2.00"
    assert (encoded["id"], encoded["type"], encoded["specversion"]) == (event.id, "Placed", "1.0")


@pytest.mark.parametrize("value", [object(), Line, Gift], ids=str)
def test_what_has_no_json_form_is_an_error(value):
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(value, cls=OrchestrixJSONEncoder)
