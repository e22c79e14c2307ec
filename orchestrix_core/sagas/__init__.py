"""
Sagas: processes over several aggregates that go on, or are taken back, whatever happens.

```python
class Fulfilment(Saga, key="order_id"):
    @on(OrderPlaced, starts=True)
    def placed(self, event: OrderPlaced) -> None:
        self.send(ReserveStock(order_id=event.order_id), undo=ReleaseStock(order_id=event.order_id))
```

An instance is a stream of its own. Its reaction to an event is one event there, with an id that
follows from the one it reacts to; the commands that it asks for have ids that follow from that.
"""

from orchestrix_core.sagas._component import SagaComponent, subscription_name
from orchestrix_core.sagas._instance import Instance
from orchestrix_core.sagas._reaction import Reaction, Sending, Timing
from orchestrix_core.sagas._reactor import Reactor
from orchestrix_core.sagas._saga import Saga, saga_of
from orchestrix_core.sagas._state import SagaStateError
from orchestrix_core.sagas._stored import CommandsSent, Outgoing, Reacted, Scheduled

__all__ = [
    "CommandsSent",
    "Instance",
    "Outgoing",
    "Reacted",
    "Reaction",
    "Reactor",
    "Saga",
    "SagaComponent",
    "SagaStateError",
    "Scheduled",
    "Sending",
    "Timing",
    "saga_of",
    "subscription_name",
]
