"""
Payments: one for each order, taken once at most, given back if the order fails later.

Whether an order is paid or its time is over is decided here, by one stream, so it cannot be both.
"""

from __future__ import annotations

from decimal import Decimal

from fulfilment.messages import (
    DeclinePayment,
    ExpirePayment,
    PaymentFailed,
    PaymentRefunded,
    PaymentRequested,
    PaymentTaken,
    PayOrder,
    RefundPayment,
    RefusedError,
    RequestPayment,
)
from orchestrix_core import AggregateRoot, Orchestrix, handles, on, when

__all__ = [
    "Payment",
    "charge",
    "collect",
    "decline_payment",
    "expire_payment",
    "pay_order",
    "payment_of",
    "refund_payment",
    "request_payment",
]


class Payment(AggregateRoot):
    """
    What a customer owes and pays for one order.

    Attributes:
        order_id: the order.
        amount: its price.
        status: new, open, taken, failed or refunded.
    """

    order_id = ""
    amount = Decimal(0)
    status = "new"

    def request(self, asked: RequestPayment) -> None:
        """Open the payment."""
        if self.status == "new":
            order_id, amount, card = asked.order_id, asked.amount, asked.card
            self.record(PaymentRequested(order_id=order_id, amount=amount, card=card))

    def pay(self, amount: Decimal) -> None:
        """Take the money; what comes after the payment has failed goes back at once."""
        if self.status not in ("open", "failed"):
            msg = f"{self.id} is {self.status}: there is nothing to pay"
            raise RefusedError(msg)
        if amount != self.amount:
            msg = f"{self.id} is over {self.amount}, not {amount}"
            raise RefusedError(msg)
        late = self.status == "failed"
        self.record(PaymentTaken(order_id=self.order_id, amount=amount))
        if late:
            self.refund()

    def fail(self, reason: str) -> None:
        """Close the payment without money, unless it is settled already."""
        if self.status == "open":
            self.record(PaymentFailed(order_id=self.order_id, reason=reason))

    def refund(self) -> None:
        """Give back what was taken, if anything was."""
        if self.status == "taken":
            self.record(PaymentRefunded(order_id=self.order_id, amount=self.amount))

    @when(PaymentRequested)
    def _requested(self, event: PaymentRequested) -> None:
        self.order_id, self.amount, self.status = event.order_id, event.amount, "open"

    @when(PaymentTaken)
    def _taken(self, event: PaymentTaken) -> None:
        self.status = "taken"

    @when(PaymentFailed)
    def _failed(self, event: PaymentFailed) -> None:
        self.status = "failed"

    @when(PaymentRefunded)
    def _refunded(self, event: PaymentRefunded) -> None:
        self.status = "refunded"


def payment_of(order_id: str) -> str:
    """Return the stream of an order's payment."""
    return f"payment-{order_id}"


@handles(RequestPayment)
async def request_payment(command: RequestPayment, app: Orchestrix) -> None:
    """Open an order's payment."""
    payments = app.repository(Payment)
    await payments.execute(payment_of(command.order_id), lambda payment: payment.request(command))


@handles(PayOrder)
async def pay_order(command: PayOrder, app: Orchestrix) -> None:
    """Take the money."""
    payments = app.repository(Payment)
    await payments.execute(payment_of(command.order_id), lambda one: one.pay(command.amount))


@handles(DeclinePayment)
async def decline_payment(command: DeclinePayment, app: Orchestrix) -> None:
    """Note that the provider said no."""
    payments = app.repository(Payment)
    await payments.execute(payment_of(command.order_id), lambda one: one.fail("card declined"))


@handles(ExpirePayment)
async def expire_payment(command: ExpirePayment, app: Orchestrix) -> None:
    """Close a payment whose time is over."""
    payments = app.repository(Payment)
    await payments.execute(payment_of(command.order_id), lambda one: one.fail("not paid in time"))


@handles(RefundPayment)
async def refund_payment(command: RefundPayment, app: Orchestrix) -> None:
    """Give the money back."""
    await app.repository(Payment).execute(payment_of(command.order_id), Payment.refund)


@on(PaymentRequested)
async def collect(event: PaymentRequested, app: Orchestrix) -> None:
    """
    Have the provider charge the customer's card.

    An event may come again after a crash. So the provider gets its id as the key by which it knows
    a charge again, and the command that follows has an id that is made of it, and counts once.
    """
    if event.card is None:
        return
    if await charge(event.card, event.amount, key=event.id):
        paid = PayOrder(id=f"collected-{event.id}", order_id=event.order_id, amount=event.amount)
        await app.send(paid)
    else:
        await app.send(DeclinePayment(id=f"declined-{event.id}", order_id=event.order_id))


async def charge(card: str, amount: Decimal, *, key: str) -> bool:
    """Stand in for a payment provider, which answers as its test cards say."""
    return not card.startswith("declined")
