"""
What tests of an application use; it needs no test framework and works with any.

`given(Order, OrderPlaced(...)).when(Order.pay, 5).then(OrderPaid(...))` says what an aggregate or
a decider does, `given(OrderTotals, OrderPlaced(...)).then_view(key, {...})` what a projection makes
of events, `given(Fulfilment, ...).when(...).then_sends(...)` what a saga asks for.
`application(...)` runs all of it in memory; `frozen()` makes ids and times the same in each run.
"""

from orchestrix_core.testing._application import application
from orchestrix_core.testing._decisions import Decision, Given
from orchestrix_core.testing._frozen import Frozen, frozen
from orchestrix_core.testing._given import given
from orchestrix_core.testing._sagas import GivenSaga, SagaDecision
from orchestrix_core.testing._views import GivenProjection

__all__ = [
    "Decision",
    "Frozen",
    "Given",
    "GivenProjection",
    "GivenSaga",
    "SagaDecision",
    "application",
    "frozen",
    "given",
]
