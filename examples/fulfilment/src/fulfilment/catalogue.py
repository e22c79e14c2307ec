"""What is sold, and for how much: a table here, a system of its own in a real shop."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from fulfilment.messages import RefusedError

__all__ = ["PRICES", "price_of"]

PRICES: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        "chair": Decimal("59.90"),
        "desk": Decimal("249.00"),
        "lamp": Decimal("34.50"),
        "shelf": Decimal("89.00"),
    }
)
"""The price of each product, by its stock-keeping unit."""


def price_of(sku: str) -> Decimal:
    """Return the price of one piece."""
    if sku not in PRICES:
        msg = f"there is no product {sku!r}; there are: {', '.join(PRICES)}"
        raise RefusedError(msg)
    return PRICES[sku]
