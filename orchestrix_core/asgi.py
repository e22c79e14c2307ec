"""
An application inside of a web application: started and stopped with it.

```python
app = Orchestrix.from_config("orchestrix.toml")
web = FastAPI(lifespan=lifespan(app))
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from orchestrix_core.application import Orchestrix

__all__ = ["lifespan"]


def lifespan(
    app: Orchestrix | Callable[[], Orchestrix],
) -> Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]:
    """
    Return a `lifespan` for FastAPI or Starlette that runs the application.

    In a request, `request.state.orchestrix` is the application. Given a function, it is made when
    the server starts: so a test can start the server several times.
    """

    @asynccontextmanager
    async def run(server: Any) -> AsyncIterator[Mapping[str, Any]]:
        async with app if isinstance(app, Orchestrix) else app() as running:
            yield {"orchestrix": running}

    return run
