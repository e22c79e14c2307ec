"""
The web front: `uvicorn fulfilment.web:web`.

The application starts and stops with the server. Each request is a trace, or goes on with the one
of its `traceparent` header: `orchestrix trace ID` shows what came of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

import attrs
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from fulfilment.messages import Line, PayOrder, PlaceOrder, ReceiveStock, RefusedError
from fulfilment.saga import Fulfilment
from fulfilment.views import OrderStatus, SalesReport
from orchestrix_core import Orchestrix
from orchestrix_core.asgi import lifespan
from orchestrix_core.context import trace_of, use_trace
from orchestrix_core.projections import health
from orchestrix_core.sagas import subscription_name
from orchestrix_core.subscriptions import lags

__all__ = ["web"]


class NewOrder(BaseModel):
    """What a customer orders: pieces by product."""

    customer: str
    address: str
    lines: dict[str, int]
    card: str | None = None


class Accepted(BaseModel):
    """The order was taken; `GET /orders/ID` tells how it goes on."""

    order_id: str
    trace_id: str


class Money(BaseModel):
    """What a customer pays."""

    amount: Decimal


class Delivery(BaseModel):
    """What comes into the warehouse."""

    sku: str
    pieces: int


async def _trace(traceparent: Annotated[str | None, Header()] = None) -> AsyncIterator[str]:
    trace_id = (traceparent and trace_of(traceparent)) or uuid4().hex
    with use_trace(trace_id):
        yield trace_id


def _orchestrix(request: Request) -> Orchestrix:
    app: Orchestrix = request.state.orchestrix
    return app


App = Annotated[Orchestrix, Depends(_orchestrix)]
Trace = Annotated[str, Depends(_trace)]

web = FastAPI(title="Fulfilment", lifespan=lifespan(Orchestrix.from_config))


@web.post("/orders", status_code=202)
async def place_order(
    order: NewOrder,
    app: App,
    trace_id: Trace,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Accepted:
    """Place an order; one that is sent again with the same `Idempotency-Key` is the same order."""
    command = PlaceOrder(
        order_id=f"ORD-{uuid4().hex[:12]}",
        customer=order.customer,
        address=order.address,
        lines=tuple(Line(sku, pieces) for sku, pieces in order.lines.items()),
        card=order.card,
    )
    if idempotency_key is not None:
        command = attrs.evolve(command, id=f"web-{idempotency_key}")
    return Accepted(order_id=await app.send(command), trace_id=trace_id)


@web.get("/orders/{order_id}")
async def see_order(order_id: str, app: App) -> dict[str, Any]:
    """Tell how an order stands."""
    order = await app.view(OrderStatus).get(order_id)
    if order is None:
        raise HTTPException(404, f"no order {order_id}")
    return order


@web.post("/orders/{order_id}/payment", status_code=204)
async def pay_order(order_id: str, money: Money, app: App, trace_id: Trace) -> None:
    """Pay an order that has no card."""
    await app.send(PayOrder(order_id=order_id, amount=money.amount))


@web.post("/stock", status_code=204)
async def receive_stock(delivery: Delivery, app: App, trace_id: Trace) -> None:
    """Receive pieces of a product."""
    await app.send(ReceiveStock(sku=delivery.sku, pieces=delivery.pieces))


@web.get("/report")
async def see_report(app: App) -> dict[str, dict[str, Any]]:
    """Tell what was sold, by day and by product."""
    return {"days": await _part_of(app, "day/"), "products": await _part_of(app, "product/")}


async def _part_of(app: Orchestrix, prefix: str) -> dict[str, Any]:
    found = await app.view(SalesReport).find(prefix=prefix)
    return {key.removeprefix(prefix): body for key, body in found.items()}


@web.get("/health")
async def see_health(app: App) -> dict[str, Any]:
    """Tell whether the store answers, and by how many events what follows them is behind."""
    views = await health(app.store, [OrderStatus(), SalesReport()])
    sagas = await lags(app.store, [subscription_name(Fulfilment)])
    behind = {view.name: view.behind for view in views} | {lag.name: lag.behind for lag in sagas}
    return {"store": await app.store.ping(), "behind": behind}


@web.exception_handler(RefusedError)
async def _refused(request: Request, error: RefusedError) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=409)
