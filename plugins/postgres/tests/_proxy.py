"""A proxy between store and server that loses the answer to a request at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
FAREWELL = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


class Proxy:
    """
    Passes everything on, until it shall lose an answer.

    Attributes:
        lose_answer: cut the connection instead of passing on the server's next words.
        lost: how many answers were lost.
    """

    def __init__(self, dsn: str) -> None:
        self._server = urlsplit(dsn)
        self.lose_answer = False
        self.lost = 0
        self._clients: set[asyncio.StreamWriter] = set()

    def farewell(self) -> None:
        """Say what a server says that shuts down, but leave the connections as they are."""
        for client in self._clients:
            client.write(FAREWELL)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = parse_qs(self._server.query).get("host", [self._server.hostname or "localhost"])[0]
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/{SOCKET}")
        return await asyncio.open_connection(host, self._server.port or 5432)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what the server says."""
        while data := await reader.read(65536):
            if self.lose_answer:
                self.lose_answer = False
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await self._connect()
        self._clients.add(writer)

        async def ask() -> None:
            while data := await reader.read(65536):
                requests.write(data)
                await requests.drain()

        ways = {asyncio.create_task(ask()), asyncio.create_task(self._answer(answers, writer))}
        _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in pending:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._clients.discard(writer)
        for end in (writer, requests):
            end.close()

    @classmethod
    @asynccontextmanager
    async def run(cls, dsn: str, directory: Path) -> AsyncIterator[tuple[Self, str]]:
        """Serve in `directory`; give the proxy and the URL that leads through it."""
        proxy = cls(dsn)
        server = await asyncio.start_unix_server(proxy._serve, directory / SOCKET)
        database = proxy._server.path
        user = proxy._server.username or ""
        secret = f":{proxy._server.password}" if proxy._server.password else ""
        try:
            yield proxy, f"postgresql://{user}{secret}@{database}?host={directory}"
        finally:
            server.close()
