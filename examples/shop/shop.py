import asyncio

from orchestrix_core import AggregateRoot, Event, Orchestrix, when


class OrderPlaced(Event):
    order_id: str
    total: int


class Order(AggregateRoot):
    total = 0

    @when(OrderPlaced)
    def placed(self, event: OrderPlaced) -> None:
        self.total += event.total


async def main() -> None:
    async with Orchestrix.from_config("orchestrix.toml") as app:
        orders = app.repository(Order)
        order = await orders.load("ORD-001")
        order.record(OrderPlaced(order_id="ORD-001", total=42))
        await orders.save(order)
        print("total", (await orders.load("ORD-001")).total)


if __name__ == "__main__":
    asyncio.run(main())
