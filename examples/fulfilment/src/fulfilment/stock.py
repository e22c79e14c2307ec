"""
Stock: how many pieces of a product are free, and how many are kept for whom.

A decider: two pure functions over a state. Each product is a stream of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from fulfilment.messages import (
    ReceiveStock,
    RefusedError,
    ReleaseStock,
    ReserveStock,
    StockReceived,
    StockRefused,
    StockReleased,
    StockReserved,
    StockTaken,
    TakeStock,
)
from orchestrix_core import Decider, Orchestrix, handles

__all__ = ["Shelf", "StockCommand", "StockEvent", "change_stock", "shelf_of", "stock"]

StockCommand: TypeAlias = ReceiveStock | ReserveStock | ReleaseStock | TakeStock
StockEvent: TypeAlias = StockReceived | StockReserved | StockRefused | StockReleased | StockTaken


@attrs.frozen
class Shelf:
    """
    The pieces of one product.

    Attributes:
        free: pieces that may be sold.
        kept: pieces that are kept, by order.
    """

    free: int = 0
    kept: dict[str, int] = attrs.field(factory=dict[str, int])


def decide(command: StockCommand, shelf: Shelf) -> Sequence[StockEvent]:
    """Answer a command; whatever is kept already, or kept no more, is no reason to fail."""
    match command:
        case ReceiveStock():
            return _receive(command)
        case ReserveStock():
            return _reserve(command, shelf)
        case ReleaseStock(order_id=order_id, sku=sku):
            pieces = shelf.kept.get(order_id, 0)
            return [StockReleased(order_id=order_id, sku=sku, pieces=pieces)] if pieces else []
        case TakeStock(order_id=order_id, sku=sku):
            if order_id not in shelf.kept:
                msg = f"no {sku} is kept for order {order_id}"
                raise RefusedError(msg)
            return [StockTaken(order_id=order_id, sku=sku, pieces=shelf.kept[order_id])]


def _receive(command: ReceiveStock) -> Sequence[StockEvent]:
    if command.pieces < 1:
        msg = "at least one piece comes in"
        raise RefusedError(msg)
    return [StockReceived(sku=command.sku, pieces=command.pieces)]


def _reserve(command: ReserveStock, shelf: Shelf) -> Sequence[StockEvent]:
    order_id, sku, pieces = command.order_id, command.sku, command.pieces
    if order_id in shelf.kept:
        return []
    if pieces > shelf.free:
        return [StockRefused(order_id=order_id, sku=sku, pieces=pieces, available=shelf.free)]
    return [StockReserved(order_id=order_id, sku=sku, pieces=pieces)]


def evolve(shelf: Shelf, event: StockEvent) -> Shelf:
    """Return the shelf after an event."""
    match event:
        case StockReceived():
            return attrs.evolve(shelf, free=shelf.free + event.pieces)
        case StockReserved():
            kept = shelf.kept | {event.order_id: event.pieces}
            return Shelf(shelf.free - event.pieces, kept)
        case StockReleased():
            return Shelf(shelf.free + event.pieces, _without(shelf, event.order_id))
        case StockTaken():
            return Shelf(shelf.free, _without(shelf, event.order_id))
        case StockRefused():
            return shelf


def _without(shelf: Shelf, order_id: str) -> dict[str, int]:
    return {other: pieces for other, pieces in shelf.kept.items() if other != order_id}


# A product that sells well has a long stream: a snapshot now and then spares most of its replay.
stock = Decider(Shelf(), decide, evolve, name="Stock", snapshot_version=1)


def shelf_of(sku: str) -> str:
    """Return the stream of a product."""
    return f"stock-{sku}"


@handles(ReceiveStock, ReserveStock, ReleaseStock, TakeStock)
async def change_stock(command: StockCommand, app: Orchestrix) -> None:
    """Let the product's shelf answer the command."""
    await app.repository(stock, snapshot_every=100).execute(shelf_of(command.sku), command)
