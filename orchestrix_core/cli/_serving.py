"""`/health` and `/metrics` over HTTP, from a thread, beside an application that runs."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import socketserver
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, TypeAlias

import typer

__all__ = ["Answer", "in_loop", "json_answer", "serving"]

_log = logging.getLogger(__name__)

Answer: TypeAlias = tuple[HTTPStatus, str, bytes]
"""Status, media type and content."""
Page: TypeAlias = Callable[[], Answer]

_FAILED: Final = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"failed; the log tells why\n"
_SLOWEST: Final = 10.0  # seconds in which a client must have asked


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pages: dict[str, Page]

    def server_bind(self) -> None:
        """Bind, and ask no name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # the same, but for bytes


class _Handler(BaseHTTPRequestHandler):
    timeout = _SLOWEST
    server: _Server

    def do_GET(self) -> None:
        """Answer with a page."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Answer as to GET, without the content."""
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        page = self.server.pages.get(self.path.partition("?")[0], self._not_found)
        try:
            status, media_type, content = page()
        except Exception:
            _log.exception("%s failed", self.path)
            status, media_type, content = _FAILED
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def _not_found(self) -> Answer:
        return HTTPStatus.NOT_FOUND, "text/plain", f"try {', '.join(self.server.pages)}\n".encode()

    def log_message(self, format: str, *args: Any) -> None:
        """Tell the log of the program, and only whoever wants to know all."""
        _log.debug(format, *args)


@contextmanager
def serving(address: str, port: int, pages: dict[str, Page]) -> Iterator[str]:
    """
    Serve pages by their paths, each called in a thread, until the end of the block.

    Yields the URL. `typer.BadParameter` where the address cannot be listened at.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = type("_ServerOfFamily", (_Server,), {"address_family": family})
    try:
        server = kind((address, port), _Handler)
    except OSError as exc:
        reason = f"cannot listen at {address}:{port}: {exc.strerror or exc}"
        raise typer.BadParameter(reason, param_hint="--port") from exc
    server.pages = pages
    thread = Thread(
        target=server.serve_forever, name="orchestrix-http", kwargs={"poll_interval": 0.1}
    )
    thread.start()
    host = f"[{address}]" if ":" in address else address
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def json_answer(status: HTTPStatus, document: Any) -> Answer:
    """Return an answer that is a JSON document."""
    return status, "application/json", json.dumps(document, ensure_ascii=False).encode() + b"\n"


def in_loop(loop: asyncio.AbstractEventLoop, work: Any, patience: float) -> Any:
    """Run a coroutine in the loop of another thread and return its result; or `TimeoutError`."""
    future: Future[Any] = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result(patience)
    except TimeoutError:
        future.cancel()
        raise
