"""What the saga asks for, event by event: no store, no runtime."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from fulfilment.messages import (
    CancelOrder,
    CompleteOrder,
    ExpirePayment,
    Line,
    OrderPlaced,
    OrderShipped,
    PaymentFailed,
    PaymentTaken,
    RefundPayment,
    ReleaseStock,
    RequestPayment,
    ReserveStock,
    ShipOrder,
    ShippingRefused,
    StockRefused,
    StockReserved,
)
from fulfilment.saga import Fulfilment
from orchestrix_core import Event
from orchestrix_core.testing import given

LINES = (Line("chair", 2), Line("desk", 1))
PRICE = Decimal("368.80")
QUARTER = timedelta(minutes=15)
PLACED = OrderPlaced(
    order_id="ORD-1",
    customer="Ada",
    address="Main St 1",
    lines=LINES,
    total=PRICE,
    card="card-1",
    pay_within=QUARTER,
)
CHAIRS = StockReserved(order_id="ORD-1", sku="chair", pieces=2)
DESK = StockReserved(order_id="ORD-1", sku="desk", pieces=1)
TAKEN = PaymentTaken(order_id="ORD-1", amount=PRICE)
NO_CHAIRS = ReleaseStock(order_id="ORD-1", sku="chair")
NO_DESK = ReleaseStock(order_id="ORD-1", sku="desk")
NO_MONEY = RefundPayment(order_id="ORD-1")


def cancel(reason: str) -> CancelOrder:
    return CancelOrder(order_id="ORD-1", reason=reason)


def test_one_line_after_another_is_reserved() -> None:
    decision = given(Fulfilment).when(PLACED)
    decision.then_sends(ReserveStock(order_id="ORD-1", sku="chair", pieces=2)).then_goes_on()
    decision = given(Fulfilment, PLACED).when(CHAIRS)
    decision.then_sends(ReserveStock(order_id="ORD-1", sku="desk", pieces=1))
    decision.then_state(reserved=1)


def test_then_payment_is_asked_for_within_a_time() -> None:
    decision = given(Fulfilment, PLACED, CHAIRS).when(DESK)
    decision.then_sends(RequestPayment(order_id="ORD-1", amount=PRICE, card="card-1"))
    decision.then_schedules(ExpirePayment(order_id="ORD-1"), after=QUARTER)


def test_what_is_paid_is_shipped_and_does_not_expire() -> None:
    decision = given(Fulfilment, PLACED, CHAIRS, DESK).when(TAKEN)
    decision.then_sends(ShipOrder(order_id="ORD-1", address="Main St 1", lines=LINES))
    decision.then_cancels(ExpirePayment)


def test_what_is_shipped_is_complete() -> None:
    shipped = OrderShipped(order_id="ORD-1", lines=LINES)
    decision = given(Fulfilment, PLACED, CHAIRS, DESK, TAKEN).when(shipped)
    decision.then_sends(CompleteOrder(order_id="ORD-1")).then_completes()


def test_without_stock_what_is_reserved_is_released() -> None:
    refused = StockRefused(order_id="ORD-1", sku="desk", pieces=1, available=0)
    decision = given(Fulfilment, PLACED, CHAIRS).when(refused)
    decision.then_compensates(NO_DESK, NO_CHAIRS)
    decision.then_sends(cancel("desk: 1 wanted, 0 in stock"))


@pytest.mark.parametrize("reason", ["not paid in time", "card declined"])
def test_without_money_everything_is_taken_back(reason: str) -> None:
    failed = PaymentFailed(order_id="ORD-1", reason=reason)
    decision = given(Fulfilment, PLACED, CHAIRS, DESK).when(failed)
    decision.then_compensates(NO_MONEY, NO_DESK, NO_CHAIRS).then_sends(cancel(reason))
    decision.then_cancels(ExpirePayment)


def test_where_no_carrier_goes_the_money_goes_back_first() -> None:
    refused = ShippingRefused(order_id="ORD-1", reason="no delivery")
    decision = given(Fulfilment, PLACED, CHAIRS, DESK, TAKEN).when(refused)
    decision.then_compensates(NO_MONEY, NO_DESK, NO_CHAIRS).then_sends(cancel("no delivery"))


@pytest.mark.parametrize("late", [TAKEN, PaymentFailed(order_id="ORD-1", reason="late")])
def test_what_comes_after_the_end_is_nothing(late: Event) -> None:
    refused = StockRefused(order_id="ORD-1", sku="chair", pieces=2, available=0)
    given(Fulfilment, PLACED, refused).when(late).then_nothing()
