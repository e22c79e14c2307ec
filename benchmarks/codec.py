"""
`JSONSerializer` against the standard library's `json`, on an order with three lines.

Encoding has two baselines: `json.dumps` of the event with a general encoder, which takes any
message (`OrchestrixJSONEncoder`), and code written by hand for this one class. Decoding by hand
builds the same typed object. What is written by hand checks nothing, and is wrong for others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from benchmarks._events import OrderLine, OrderPlaced, order
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Start, Work
from orchestrix_core import Event, JSONSerializer, OrchestrixJSONEncoder


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, OrderLine):
        return {"sku": value.sku, "quantity": value.quantity, "price": value.price}
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def encode_by_hand(event: OrderPlaced) -> bytes:
    """Write the document that `JSONSerializer` writes, with the standard library."""
    document = {
        "order_id": event.order_id,
        "total": event.total,
        "placed_at": event.placed_at,
        "lines": event.lines,
        "note": event.note,
        "id": event.id,
        "timestamp": event.timestamp,
    }
    for name in ("subject", "correlation_id", "causation_id", "trace_id"):
        value = getattr(event, name)
        if value is not None:
            document[name] = value
    return json.dumps(document, default=_default, separators=(",", ":")).encode()


def decode_by_hand(data: bytes) -> OrderPlaced:
    """Read it back into the same typed object, with the standard library."""
    document = json.loads(data)
    return OrderPlaced(
        order_id=document["order_id"],
        total=Decimal(document["total"]),
        placed_at=datetime.fromisoformat(document["placed_at"]),
        lines=tuple(
            OrderLine(line["sku"], line["quantity"], Decimal(line["price"]))
            for line in document["lines"]
        ),
        note=document["note"],
        id=document["id"],
        timestamp=datetime.fromisoformat(document["timestamp"]),
        correlation_id=document.get("correlation_id"),
        causation_id=document.get("causation_id"),
        trace_id=document.get("trace_id"),
        subject=document.get("subject"),
    )


def _encode_general(event: Event) -> bytes:
    return json.dumps(event, cls=OrchestrixJSONEncoder).encode()


def _encoding(encode: Callable[[OrderPlaced], bytes]) -> Start:
    def prepare(count: int) -> Work:
        events = [order() for _ in range(count)]
        return lambda: sum(1 for event in events if encode(event))

    return _slices_of(prepare)


def _decoding(decode: Callable[[bytes], Event]) -> Start:
    def prepare(count: int) -> Work:
        encode = JSONSerializer().encode
        documents = [encode(order()) for _ in range(count)]
        return lambda: sum(1 for document in documents if decode(document).id)

    return _slices_of(prepare)


def _slices_of(prepare: Callable[[int], Work]) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        yield lambda part: prepare(count)

    return start


def cases() -> list[Case]:
    """Return the cases."""
    serializer = JSONSerializer()
    name = OrderPlaced.__message_type__
    return [
        Case(
            name="encode",
            count=300,
            slices=20,
            contestants=[
                Contestant("JSONSerializer", _encoding(serializer.encode)),
                Contestant("json, by hand", _encoding(encode_by_hand)),
                Contestant("json, general", _encoding(_encode_general)),
            ],
            comparisons=[
                Comparison("JSONSerializer", "json, general", 4.5),
                Comparison("JSONSerializer", "json, by hand"),
            ],
        ),
        Case(
            name="decode",
            count=300,
            slices=20,
            contestants=[
                Contestant(
                    "JSONSerializer", _decoding(lambda data: serializer.decode(name, 1, data))
                ),
                Contestant("json, by hand", _decoding(decode_by_hand)),
            ],
            comparisons=[Comparison("JSONSerializer", "json, by hand", 3.5)],
        ),
    ]
