"""Where a test begins: what is tested, and what happened before."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar, overload

from orchestrix_core.aggregates import AggregateRoot, Decided, Decider
from orchestrix_core.messages import Event
from orchestrix_core.projections import Projection, projection_of
from orchestrix_core.sagas import Saga, saga_of
from orchestrix_core.serialization import JSONSerializer, Serializer
from orchestrix_core.testing._decisions import Given, watched
from orchestrix_core.testing._sagas import GivenSaga
from orchestrix_core.testing._views import GivenProjection

__all__ = ["given"]

A = TypeVar("A", bound=AggregateRoot)
C = TypeVar("C")
E = TypeVar("E", bound=Event)
S = TypeVar("S")


@overload
def given(
    subject: Decider[C, E, S], /, *events: Event, id: str = "test"
) -> Given[Decided[C, E, S]]: ...
@overload
def given(subject: type[A], /, *events: Event, id: str = "test") -> Given[A]: ...
@overload
def given(
    subject: Projection | type[Projection], /, *events: Event, id: str = "test"
) -> GivenProjection: ...
@overload
def given(
    subject: Saga | type[Saga], /, *events: Event, serializer: Serializer | None = None
) -> GivenSaga: ...
def given(
    subject: Any, /, *events: Event, id: str = "test", serializer: Serializer | None = None
) -> Any:
    """
    Begin a test of an aggregate class, a decider, a projection or a saga, after `events`.

    ```python
    given(Order, OrderPlaced(total=5)).when(Order.pay, 5).then(OrderPaid(amount=5))
    given(ordering, OrderPlaced(total=5)).when(PayOrder(amount=6)).then_raises(ValueError)
    given(OrderTotals, OrderPlaced(total=5)).then_view("total", {"sum": 5})
    given(Fulfilment, OrderPlaced(total=5)).when(OrderPaid(amount=5)).then_sends(ShipOrder())
    ```

    `id` is that of the aggregate; of a projection, the stream of the events; a saga has none.
    `serializer` is that of the application, where commands of a saga hold types that it was taught.
    """
    for event in events:
        if not isinstance(event, Event):
            msg = f"events must be events, not {event!r}"
            raise TypeError(msg)
    # What else is tested by its events has its own kind of `Given`, and its own line here.
    if isinstance(subject, Decider):
        return Given(partial(Decided, id, watched(subject)), events)
    if _is_a(subject, AggregateRoot):
        return Given(partial(subject, id), events)
    if isinstance(subject, Projection) or _is_a(subject, Projection):
        return GivenProjection(projection_of(subject), events, id)
    if isinstance(subject, Saga) or _is_a(subject, Saga):
        return GivenSaga(saga_of(subject), events, serializer or JSONSerializer())
    msg = f"subject must be an aggregate class, a decider, a projection or a saga, not {subject!r}"
    raise TypeError(msg)


def _is_a(subject: Any, kind: type) -> bool:
    return isinstance(subject, type) and issubclass(subject, kind)
