"""The standard library's JSON encoder, taught the values that messages hold."""

from __future__ import annotations

import dataclasses
import enum
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import msgspec

__all__ = ["OrchestrixJSONEncoder"]

_SCALARS = (Decimal, datetime, date, time, timedelta, UUID, bytes, bytearray)


class OrchestrixJSONEncoder(json.JSONEncoder):
    """
    Encodes what JSON has no form for; use it as `json.dumps(value, cls=OrchestrixJSONEncoder)`.

    Decimal and UUID become strings, dates and times ISO 8601, timedelta an ISO 8601 duration,
    bytes base64 (as the stores write them); an Enum its value, sets a list (sorted where its items
    can be compared), attrs and dataclass instances, messages among them, an object.
    """

    def default(self, o: Any) -> Any:
        """Return a JSON value for `o`; `TypeError` when there is none."""
        if isinstance(o, _SCALARS):
            return msgspec.to_builtins(o)
        if isinstance(o, enum.Enum):
            return o.value
        if isinstance(o, set | frozenset):
            return _in_order(o)
        if attrs.has(type(o)):
            return {field.name: getattr(o, field.name) for field in attrs.fields(type(o))}
        if dataclasses.is_dataclass(o) and not isinstance(o, type):
            return {field.name: getattr(o, field.name) for field in dataclasses.fields(o)}
        return super().default(o)


def _in_order(items: set[Any] | frozenset[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return list(items)
