"""How a running application is, for those who ask it over HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from importlib import metadata
from typing import Any, Final

import attrs

from orchestrix_core._backends import ping
from orchestrix_core.application import Orchestrix
from orchestrix_core.cli._serving import Answer, in_loop, json_answer
from orchestrix_core.instrumentation import Exposition
from orchestrix_core.secrets import mask
from orchestrix_core.subscriptions import lags

__all__ = ["Pages"]

_PATIENCE: Final = 5.0  # seconds for the store to answer; who asks has no more of it


class Pages:
    """
    What `orchestrix run` answers.

    Attributes:
        status: "starting", "ok" or "stopping"; with all but "ok" it is not healthy.
    """

    def __init__(self, app: Orchestrix, loop: asyncio.AbstractEventLoop) -> None:
        self.status = "starting"
        self._app = app
        self._loop = loop

    def by_path(self) -> dict[str, Any]:
        """Return each page by its path."""
        return {"/health": self.health, "/metrics": self.metrics}

    def health(self) -> Answer:
        """Answer 200 where the application runs and its store answers, else 503; tell the lags."""
        status, rows, error = self.status, [], None
        if status == "ok":
            try:
                rows = in_loop(self._loop, self._look(), _PATIENCE)
            except TimeoutError:
                error = f"no answer within {_PATIENCE:.0f} seconds"
            except Exception as exc:  # whatever a driver raises: it is told, not ours to mend
                error = mask(f"{type(exc).__name__}: {exc}")
        healthy = status == "ok" and error is None
        document = {
            "status": status if error is None else "failing",
            "error": error,
            "version": metadata.version("orchestrix-core"),
            "lags": rows,
        }
        code = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
        return json_answer(code, document)

    async def _look(self) -> list[dict[str, Any]]:
        """Return how far what is registered has got; what others run is not ours to tell."""
        engine = self._app._engine
        if not await ping(engine.raw):
            msg = "the store does not answer"
            raise ConnectionError(msg)
        return [attrs.asdict(row) for row in await lags(engine.raw, await engine._following())]

    def metrics(self) -> Answer:
        """Answer what the first backend has that can be asked."""
        for backend in self._app._backends:
            if isinstance(backend, Exposition):
                return (HTTPStatus.OK, *backend.exposition())
        text = "no metrics backend is configured whose figures can be fetched: metrics = ...\n"
        return HTTPStatus.NOT_FOUND, "text/plain", text.encode()
