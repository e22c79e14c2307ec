"""A UDP socket that notices when nobody listens."""

from __future__ import annotations

import os
import socket
from time import monotonic
from typing import Final

__all__ = ["Datagrams"]

_KEEP: Final = 60.0  # seconds to trust an address: the host may be given another one
_PATIENCE: Final = 1.0  # seconds to wait for room in the buffer of the socket


class Datagrams:
    """
    Sends datagrams to one address; the socket is opened when the first is sent.

    The socket is connected, for only then the kernel tells of a port that nobody listens on. It
    tells it late, at the next use of the socket, so the error is asked for after each datagram:
    on the same machine it is there by then.

    For one thread at a time, as exporters are: a lock could be left locked by a fork.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._opened_at = 0.0

    def send(self, datagram: bytes) -> None:
        """Send it; `OSError` when the host is unknown or known not to listen."""
        try:
            self._send(datagram)
        except OSError:
            self.close()
            raise

    def _send(self, datagram: bytes) -> None:
        opened = self._open()
        try:
            opened.send(datagram)
        except ConnectionRefusedError:
            # That was about the datagram before; this one has not gone yet.
            opened.send(datagram)
        error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def _open(self) -> socket.socket:
        if self._socket is not None and monotonic() - self._opened_at < _KEEP:
            return self._socket
        self.close()
        self._socket = _connected(self._host, self._port)
        self._opened_at = monotonic()
        return self._socket

    def close(self) -> None:
        """Close the socket; sending opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(host: str, port: int) -> socket.socket:
    """Agents listen on IPv4 first of all, and `localhost` may mean IPv6 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = min(found, key=lambda row: row[0] != socket.AF_INET)
    opened = socket.socket(family, kind, protocol)
    try:
        opened.settimeout(_PATIENCE)
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened
