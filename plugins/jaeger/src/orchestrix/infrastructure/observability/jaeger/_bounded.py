"""Calls that may hang, and must not hang whoever makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["within"]


def within(seconds: float, call: Callable[[], object]) -> bool:
    """Make the call in a thread; False when it has not returned in time, and goes on alone."""
    thread = threading.Thread(target=call, name="orchestrix-jaeger", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # some Pythons start no thread while the process ends
        call()  # OpenTelemetry's own bound is half a minute
        return True
    thread.join(seconds)
    return not thread.is_alive()
