"""Calls that may hang, and must not hang whoever makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Prepared", "within"]

_NAME = "orchestrix-jaeger"


def within(seconds: float, call: Callable[[], object]) -> bool:
    """Make the call in a thread; False when it has not returned in time, and goes on alone."""
    thread = threading.Thread(target=call, name=_NAME, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


class Prepared:
    """
    One call to come, whose thread waits for it from the beginning.

    For what is called when the process ends: Python 3.12.0 and 3.12.1 start no thread any more
    then.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)
        self._thread.start()

    def within(self, seconds: float) -> bool:
        """Make the call; False when it has not returned in time, and goes on alone."""
        if not self._thread.is_alive():  # lost in a fork
            return within(seconds, self._call)
        self._asked.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._asked.wait()
        self._call()
