"""
Projections: views of what happened, which can be made anew at any time.

```python
class OrderTotals(Projection):
    @on(OrderPlaced)
    async def placed(self, event: OrderPlaced, view: View) -> None:
        await view.put(event.order_id, {"total": str(event.total)})
```

An effect and the position of its event commit together. A view has generations: a rebuild makes a
new one beside the one that is read, and then has it read instead.
"""

from orchestrix_core.projections._health import ProjectionHealth, events_behind, health
from orchestrix_core.projections._inline import inline_changes
from orchestrix_core.projections._keeper import Projections
from orchestrix_core.projections._projection import Projection, projection_of
from orchestrix_core.projections._reader import ProjectionReader
from orchestrix_core.projections._rebuild import Progress, rebuild
from orchestrix_core.projections._updates import subscription_of, update
from orchestrix_core.projections._view import Generation, SQLView, View, view_of

__all__ = [
    "Generation",
    "Progress",
    "Projection",
    "ProjectionHealth",
    "ProjectionReader",
    "Projections",
    "SQLView",
    "View",
    "events_behind",
    "health",
    "inline_changes",
    "projection_of",
    "rebuild",
    "subscription_of",
    "update",
    "view_of",
]
