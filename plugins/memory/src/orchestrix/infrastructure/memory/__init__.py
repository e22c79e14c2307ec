"""
In-memory event stores and message buses, for development and tests.

```python
store = InMemoryEventStore()
store.save("ORD-001", [OrderCreated(order_id="ORD-001")], expected_version=0)
store.load("ORD-001")
```
"""

from orchestrix.infrastructure.memory._bus import InMemoryAsyncMessageBus, InMemoryMessageBus
from orchestrix.infrastructure.memory._stores import InMemoryAsyncEventStore, InMemoryEventStore
from orchestrix.infrastructure.memory.plugin import MemoryConfig

__all__ = [
    "InMemoryAsyncEventStore",
    "InMemoryAsyncMessageBus",
    "InMemoryEventStore",
    "InMemoryMessageBus",
    "MemoryConfig",
]
