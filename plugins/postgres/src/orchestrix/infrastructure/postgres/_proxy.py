"""A proxy between store and server that loses the answer to a request at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import attrs

__all__ = ["Address", "Proxy"]

_PORT: Final = 5432
_HERE: Final = "127.0.0.1"


@attrs.frozen
class Address:
    """A server's address, and the same with the proxy in the server's place."""

    dsn: str

    @property
    def host(self) -> str:
        """The server's host, or the directory of its socket; empty where no single one is named."""
        parts = urlsplit(self.dsn)
        if "," in parts.netloc:
            return ""
        return parse_qs(parts.query).get("host", [parts.hostname or ""])[0]

    @property
    def port(self) -> int:
        """The server's port."""
        parts = urlsplit(self.dsn)
        return int(parse_qs(parts.query).get("port", [parts.port or _PORT])[0])

    @property
    def reason(self) -> str | None:
        """Why a proxy cannot stand in the server's place; None when it can."""
        if not self.host or "," in self.host:
            return "connection_string names no single host, in front of which a proxy could stand"
        if "verify-full" in parse_qs(urlsplit(self.dsn).query).get("sslmode", []):
            return "sslmode=verify-full accepts no proxy, which has another name"
        return None

    def through(self, port: int) -> str:
        """Return the address of a proxy on this machine."""
        parts = urlsplit(self.dsn)
        user, at, _ = parts.netloc.rpartition("@")
        query = {k: v for k, v in parse_qs(parts.query).items() if k not in ("host", "port")}
        return urlunsplit(
            parts._replace(netloc=f"{user}{at}{_HERE}:{port}", query=urlencode(query, doseq=True))
        )

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server."""
        if self.host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self.host}/.s.PGSQL.{self.port}")
        return await asyncio.open_connection(self.host, self.port)


class Proxy:
    """Passes everything on, until it shall lose an answer; `lost` is set when it has."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._ways: set[asyncio.Task[None]] = set()
        self._losing = False
        self.lost = asyncio.Event()

    def lose_answer(self) -> None:
        """Cut the connection in place of passing on the server's next words."""
        self._losing = True
        self.lost.clear()

    @classmethod
    @asynccontextmanager
    async def run(cls, dsn: str) -> AsyncIterator[tuple[Self, str]]:
        """Give the proxy, and the address that leads through it."""
        proxy = cls(Address(dsn))
        server = await asyncio.start_server(proxy._serve, _HERE, 0)
        try:
            yield proxy, proxy._address.through(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for way in proxy._ways:
                way.cancel()
            await asyncio.gather(*proxy._ways, return_exceptions=True)

    async def _serve(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        answers, server = await self._address.connect()
        ways = {
            asyncio.create_task(self._pass(requests, server, is_answer=False)),
            asyncio.create_task(self._pass(answers, client, is_answer=True)),
        }
        self._ways |= ways
        _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in pending:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._ways -= ways
        for end in (client, server):
            end.close()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        while data := await source.read(65536):
            if is_answer and self._losing:
                self._losing = False
                self.lost.set()
                return
            target.write(data)
            await target.drain()
