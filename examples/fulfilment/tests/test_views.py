"""What each view makes of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fulfilment.messages import (
    Line,
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    OrderShipped,
    PaymentFailed,
    PaymentRefunded,
    PaymentRequested,
    PaymentTaken,
    StockReserved,
    StockTaken,
)
from fulfilment.views import OrderStatus, SalesReport
from orchestrix_core import Event
from orchestrix_core.testing import frozen, given

LINES = (Line("chair", 2),)
PRICE = Decimal("119.80")


def placed(order_id: str = "ORD-1") -> OrderPlaced:
    return OrderPlaced(
        order_id=order_id,
        customer="Ada",
        address="Main St 1",
        lines=LINES,
        total=PRICE,
        card=None,
        pay_within=timedelta(minutes=15),
    )


def events_of_an_order() -> list[Event]:
    return [
        placed(),
        StockReserved(order_id="ORD-1", sku="chair", pieces=2),
        PaymentRequested(order_id="ORD-1", amount=PRICE, card=None),
        PaymentTaken(order_id="ORD-1", amount=PRICE),
        OrderShipped(order_id="ORD-1", lines=LINES),
        StockTaken(order_id="ORD-1", sku="chair", pieces=2),
        OrderCompleted(order_id="ORD-1"),
    ]


def test_the_status_follows_the_order() -> None:
    events = events_of_an_order()
    told = ["placed", "placed", "to be paid", "paid", "shipped", "shipped", "completed"]
    for number, status in enumerate(told, 1):
        view = given(OrderStatus, *events[:number]).views["ORD-1"]
        assert view["status"] == status
    whole = {"customer": "Ada", "total": "119.80", "lines": {"chair": 2}, "reason": None}
    given(OrderStatus, *events).then_view(
        "ORD-1", whole | {"reserved": ["chair"], "status": "completed"}
    )


def test_money_that_comes_too_late_does_not_bring_an_order_back() -> None:
    events = [
        placed(),
        PaymentFailed(order_id="ORD-1", reason="not paid in time"),
        OrderCancelled(order_id="ORD-1", reason="not paid in time"),
        PaymentTaken(order_id="ORD-1", amount=PRICE),
        PaymentRefunded(order_id="ORD-1", amount=PRICE),
    ]
    view = given(OrderStatus, *events).views["ORD-1"]
    assert (view["status"], view["reason"]) == ("cancelled", "not paid in time")


def test_the_report_adds_up_days_and_products() -> None:
    with frozen(datetime(2026, 1, 31, 23, tzinfo=UTC)) as world:
        events = [*events_of_an_order(), placed("ORD-2")]
        world.advance(hours=2)
        events += [
            PaymentTaken(order_id="ORD-2", amount=PRICE),
            PaymentRefunded(order_id="ORD-2", amount=PRICE),
            OrderCancelled(order_id="ORD-2", reason="no delivery to the Moon"),
        ]
    first = {"placed": 2, "completed": 1, "cancelled": 0, "taken": "119.80", "refunded": "0"}
    second = {"placed": 0, "completed": 0, "cancelled": 1, "taken": "119.80"}
    given(SalesReport, *events).then_views(
        {
            "day/2026-01-31": first,
            "day/2026-02-01": second | {"refunded": "119.80"},
            "product/chair": {"pieces": 2, "orders": 1},
        }
    )
