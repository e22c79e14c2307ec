"""Shipping: what is kept for an order leaves the warehouse in a parcel."""

from __future__ import annotations

from fulfilment.messages import OrderShipped, ShipOrder, ShippingRefused, TakeStock
from orchestrix_core import AggregateRoot, Orchestrix, handles, when

__all__ = ["Shipment", "ship_order", "shipment_of"]


class Shipment(AggregateRoot):
    """
    The parcel of one order.

    Attributes:
        status: new, shipped or refused.
    """

    status = "new"

    def ship(self, asked: ShipOrder) -> bool:
        """Hand the parcel to the carrier; return whether it takes it."""
        if self.status == "new" and _delivered_to(asked.address):
            self.record(OrderShipped(order_id=asked.order_id, lines=asked.lines))
            return True
        if self.status == "new":
            reason = f"no delivery to {asked.address}"
            self.record(ShippingRefused(order_id=asked.order_id, reason=reason))
        return False

    @when(OrderShipped)
    def _shipped(self, event: OrderShipped) -> None:
        self.status = "shipped"

    @when(ShippingRefused)
    def _refused(self, event: ShippingRefused) -> None:
        self.status = "refused"


def _delivered_to(address: str) -> bool:
    """Stand in for a carrier, which goes everywhere but to the Moon."""
    return not address.endswith("Moon")


def shipment_of(order_id: str) -> str:
    """Return the stream of an order's parcel."""
    return f"shipment-{order_id}"


@handles(ShipOrder)
async def ship_order(command: ShipOrder, app: Orchestrix) -> None:
    """
    Ship an order: parcel and shelves, several streams, change together or not at all.

    What a handler sends in turn becomes part of what it does.
    """
    shipments = app.repository(Shipment)
    if await shipments.execute(shipment_of(command.order_id), lambda one: one.ship(command)):
        for line in command.lines:
            await app.send(TakeStock(order_id=command.order_id, sku=line.sku))
