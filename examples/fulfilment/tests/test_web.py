"""The web front: a real server, and a client over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import uvicorn

from fulfilment.catalogue import PRICES
from fulfilment.web import web
from orchestrix_core import Orchestrix
from orchestrix_core.sagas import Reacted

ORDER = {"customer": "Ada", "address": "Main St 1", "lines": {"chair": 2}}
TRACE = "0af7651916cd43dd8448eb211c80319c"


class _Server(uvicorn.Server):
    """One that tells when it is there, on whichever port was free."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @property
    def url(self) -> str:
        port = self.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"


@pytest.fixture
async def client(configured: object) -> AsyncIterator[httpx.AsyncClient]:
    server = _Server(uvicorn.Config(web, port=0, lifespan="on", ws="none", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(server.ready.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        for sku in PRICES:
            delivery = await client.post("/stock", json={"sku": sku, "pieces": 5})
            assert delivery.status_code == 204, delivery.text
        yield client
    server.should_exit = True
    await serving


async def place(client: httpx.AsyncClient, headers: dict[str, str], **changes: object) -> Any:
    answer = await client.post("/orders", json=ORDER | changes, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def until(client: httpx.AsyncClient, path: str, met: Callable[[Any], bool]) -> Any:
    """Ask again and again: what is read follows what happened a moment later."""
    async with asyncio.timeout(240):
        while True:
            answer = await client.get(path)
            if answer.status_code == 200 and met(answer.json()):
                return answer.json()
            await asyncio.sleep(0.02)


async def until_it_is(status: str, client: httpx.AsyncClient, order_id: str) -> Any:
    return await until(client, f"/orders/{order_id}", lambda order: order["status"] == status)


async def test_an_order_is_placed_and_paid_by_card(client: httpx.AsyncClient) -> None:
    order_id = (await place(client, {}, card="card-1"))["order_id"]
    order = await until_it_is("completed", client, order_id)
    assert (order["customer"], order["total"], order["lines"]) == ("Ada", "119.80", {"chair": 2})
    report = await until(client, "/report", lambda report: bool(report["products"]))
    assert report["products"] == {"chair": {"pieces": 2, "orders": 1}}
    (day,) = report["days"].values()
    assert (day["placed"], day["taken"]) == (1, "119.80")


async def test_a_customer_pays_later_and_once(client: httpx.AsyncClient) -> None:
    order_id = (await place(client, {}))["order_id"]
    await until_it_is("to be paid", client, order_id)
    payment = f"/orders/{order_id}/payment"
    wrong = await client.post(payment, json={"amount": "1.00"})
    assert (wrong.status_code, "not 1.00" in wrong.json()["detail"]) == (409, True)
    assert (await client.post(payment, json={"amount": "119.80"})).status_code == 204
    await until_it_is("completed", client, order_id)
    assert (await client.post(payment, json={"amount": "119.80"})).status_code == 409


async def test_a_request_that_is_sent_again_is_one_order(client: httpx.AsyncClient) -> None:
    first = await place(client, {"Idempotency-Key": "cart-1"})
    again = await place(client, {"Idempotency-Key": "cart-1"})
    other = await place(client, {"Idempotency-Key": "cart-2"})
    assert first["order_id"] == again["order_id"] != other["order_id"]


@pytest.mark.parametrize(
    ("order", "status", "reason"),
    [
        (ORDER | {"lines": {"throne": 1}}, 409, "there is no product 'throne'"),
        (ORDER | {"lines": {}}, 409, "at least one line"),
        (ORDER | {"lines": {"chair": "many"}}, 422, "valid integer"),
        ({"lines": {"chair": 1}}, 422, "Field required"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx.AsyncClient, order: dict[str, Any], status: int, reason: str
) -> None:
    answer = await client.post("/orders", json=order)
    assert (answer.status_code, reason in answer.text) == (status, True), answer.text


async def test_an_unknown_order_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/orders/none")).status_code == 404
    answer = await client.post("/orders/none/payment", json={"amount": "1"})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "payment-none is new: there is nothing to pay",
    )


async def test_health_tells_how_far_each_part_has_got(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()
    assert health["store"] is True
    assert set(health["behind"]) == {"OrderStatus", "SalesReport", "saga-Fulfilment"}


async def test_an_order_is_one_trace_from_the_request_to_the_end(
    client: httpx.AsyncClient,
) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    placed = await place(client, headers, card="card-1")
    assert placed["trace_id"] == TRACE
    await until_it_is("completed", client, placed["order_id"])
    async with Orchestrix.from_config(worker=False) as app:
        events = await app.store.load_by_trace(TRACE)
    told = [event.type for event in events if not event.type.startswith("orchestrix.saga")]
    assert told == [
        "OrderPlaced",
        "StockReserved",
        "PaymentRequested",
        "PaymentTaken",
        "OrderShipped",
        "StockTaken",
        "OrderCompleted",
    ]
    # From event to reaction, from its command to the next event: each names what caused it.
    ids = {event.id for event in events}
    reactions = [event for event in events if isinstance(event, Reacted)]
    assert len(reactions) == 4
    assert all(reaction.causation_id in ids for reaction in reactions)
    commands = {sent.id: sent.command.type for one in reactions for sent in one.commands}
    caused = {event.type: commands.get(event.causation_id or "") for event in events}
    assert {kind: command for kind, command in caused.items() if command is not None} == {
        "StockReserved": "ReserveStock",
        "PaymentRequested": "RequestPayment",
        "OrderShipped": "ShipOrder",
        "OrderCompleted": "CompleteOrder",
    }
    assert len({event.correlation_id for event in events}) == 1
