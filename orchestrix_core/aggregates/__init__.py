"""
Aggregates: state that changes only by events, and a repository that loads and saves them.

```python
class Order(AggregateRoot):
    def place(self, total: Decimal) -> None:
        self.record(OrderPlaced(order_id=self.id, total=total))

    @when(OrderPlaced)
    def _placed(self, event: OrderPlaced) -> None:
        self.total = event.total
```

A `Decider` says the same with three pure functions.
"""

from orchestrix_core.aggregates._decider import Decided, Decider
from orchestrix_core.aggregates._repository import Repository
from orchestrix_core.aggregates._root import (
    AggregateRoot,
    CannotSaveError,
    UnhandledEventError,
    when,
)
from orchestrix_core.aggregates._snapshots import SnapshotPolicy
from orchestrix_core.aggregates._sync import SyncRepository

__all__ = [
    "AggregateRoot",
    "CannotSaveError",
    "Decided",
    "Decider",
    "Repository",
    "SnapshotPolicy",
    "SyncRepository",
    "UnhandledEventError",
    "when",
]
