"""What each part decides: no store, no runtime."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

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
    PlaceOrder,
    ReceiveStock,
    RefusedError,
    ReleaseStock,
    RequestPayment,
    ReserveStock,
    ShipOrder,
    ShippingRefused,
    StockReceived,
    StockRefused,
    StockReleased,
    StockReserved,
    StockTaken,
    TakeStock,
)
from fulfilment.orders import Order
from fulfilment.payments import Payment
from fulfilment.shipping import Shipment
from fulfilment.stock import Shelf, stock
from orchestrix_core.testing import given

LINES = (Line("chair", 2), Line("desk", 1))
PRICE = Decimal("368.80")
PLACE = PlaceOrder(order_id="ORD-1", customer="Ada", address="Main St 1", lines=LINES)
PLACED = OrderPlaced(
    order_id="ORD-1",
    customer="Ada",
    address="Main St 1",
    lines=LINES,
    total=PRICE,
    card=None,
    pay_within=timedelta(minutes=15),
)


class TestOrder:
    def test_it_gets_its_price(self) -> None:
        given(Order, id="ORD-1").when(Order.place, PLACE).then(PLACED).then_state(status="open")

    def test_it_is_placed_once(self) -> None:
        decision = given(Order, PLACED, id="ORD-1").when(Order.place, PLACE)
        decision.then_raises(RefusedError, match="was placed before")

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [
            ((), "at least one line"),
            ((Line("chair", 0),), "at least one piece"),
            ((Line("chair", 1), Line("chair", 2)), "each product once"),
            ((Line("throne", 1),), "no product 'throne'; there are: chair"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, lines: tuple[Line, ...], reason: str) -> None:
        asked = PlaceOrder(order_id="ORD-1", customer="Ada", address="", lines=lines)
        given(Order, id="ORD-1").when(Order.place, asked).then_raises(RefusedError, match=reason)

    def test_it_ends_once(self) -> None:
        after = given(Order, PLACED, id="ORD-1")
        after.when(Order.complete).then(OrderCompleted(order_id="ORD-1"))
        after.when(Order.cancel, "no").then(OrderCancelled(order_id="ORD-1", reason="no"))
        ended = given(Order, PLACED, OrderCompleted(order_id="ORD-1"), id="ORD-1")
        ended.when(Order.cancel, "no").then_raises(RefusedError, match="completed, not open")


class TestStock:
    RECEIVED = StockReceived(sku="chair", pieces=3)
    RESERVED = StockReserved(order_id="ORD-1", sku="chair", pieces=2)

    def test_what_comes_in_can_be_reserved(self) -> None:
        decision = given(stock).when(ReceiveStock(sku="chair", pieces=3))
        decision.then(self.RECEIVED).then_state(Shelf(free=3))
        decision = given(stock, self.RECEIVED).when(_reserve("ORD-1", 2))
        decision.then(self.RESERVED).then_state(Shelf(free=1, kept={"ORD-1": 2}))

    def test_no_more_is_reserved_than_there_is(self) -> None:
        decision = given(stock, self.RECEIVED, self.RESERVED).when(_reserve("ORD-2", 2))
        decision.then(StockRefused(order_id="ORD-2", sku="chair", pieces=2, available=1))

    def test_an_order_reserves_once(self) -> None:
        given(stock, self.RECEIVED, self.RESERVED).when(_reserve("ORD-1", 2)).then_nothing()

    def test_what_is_released_is_free_again(self) -> None:
        release = ReleaseStock(order_id="ORD-1", sku="chair")
        decision = given(stock, self.RECEIVED, self.RESERVED).when(release)
        decision.then(StockReleased(order_id="ORD-1", sku="chair", pieces=2))
        decision.then_state(Shelf(free=3))
        given(stock, self.RECEIVED).when(release).then_nothing()

    def test_what_is_kept_can_be_taken_once(self) -> None:
        take, taken = TakeStock(order_id="ORD-1", sku="chair"), _taken()
        decision = given(stock, self.RECEIVED, self.RESERVED).when(take)
        decision.then(taken).then_state(Shelf(free=1))
        again = given(stock, self.RECEIVED, self.RESERVED, taken).when(take)
        again.then_raises(RefusedError, match="no chair is kept for order ORD-1")


def _reserve(order_id: str, pieces: int) -> ReserveStock:
    return ReserveStock(order_id=order_id, sku="chair", pieces=pieces)


def _taken() -> StockTaken:
    return StockTaken(order_id="ORD-1", sku="chair", pieces=2)


class TestPayment:
    REQUESTED = PaymentRequested(order_id="ORD-1", amount=PRICE, card=None)
    TAKEN = PaymentTaken(order_id="ORD-1", amount=PRICE)
    FAILED = PaymentFailed(order_id="ORD-1", reason="not paid in time")
    REFUNDED = PaymentRefunded(order_id="ORD-1", amount=PRICE)

    def test_it_is_requested_once(self) -> None:
        asked = RequestPayment(order_id="ORD-1", amount=PRICE)
        given(Payment).when(Payment.request, asked).then(self.REQUESTED)
        given(Payment, self.REQUESTED).when(Payment.request, asked).then_nothing()

    def test_it_is_taken_once(self) -> None:
        given(Payment, self.REQUESTED).when(Payment.pay, PRICE).then(self.TAKEN)
        paid = given(Payment, self.REQUESTED, self.TAKEN)
        paid.when(Payment.pay, PRICE).then_raises(RefusedError, match="is taken")

    def test_the_amount_must_be_right(self) -> None:
        decision = given(Payment, self.REQUESTED).when(Payment.pay, Decimal(1))
        decision.then_raises(RefusedError, match="over 368.80, not 1")

    def test_what_is_paid_in_time_does_not_expire(self) -> None:
        given(Payment, self.REQUESTED, self.TAKEN).when(Payment.fail, "late").then_nothing()

    def test_what_comes_too_late_goes_back(self) -> None:
        decision = given(Payment, self.REQUESTED, self.FAILED).when(Payment.pay, PRICE)
        decision.then(self.TAKEN, self.REFUNDED).then_state(status="refunded")

    def test_only_what_was_taken_is_refunded(self) -> None:
        given(Payment, self.REQUESTED, self.TAKEN).when(Payment.refund).then(self.REFUNDED)
        given(Payment, self.REQUESTED, self.FAILED).when(Payment.refund).then_nothing()


class TestShipment:
    def test_the_parcel_leaves_once(self) -> None:
        asked, shipped = _ship("Main St 1"), OrderShipped(order_id="ORD-1", lines=LINES)
        given(Shipment).when(Shipment.ship, asked).then(shipped).then_returns(True)
        given(Shipment, shipped).when(Shipment.ship, asked).then_nothing().then_returns(False)

    def test_the_carrier_may_refuse(self) -> None:
        decision = given(Shipment).when(Shipment.ship, _ship("Crater 7, Moon"))
        decision.then(ShippingRefused(order_id="ORD-1", reason="no delivery to Crater 7, Moon"))
        decision.then_returns(False)


def _ship(address: str) -> ShipOrder:
    return ShipOrder(order_id="ORD-1", address=address, lines=LINES)
