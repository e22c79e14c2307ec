"""What goes wrong once goes wrong a thousand times: it is said once."""

from __future__ import annotations

import logging

__all__ = ["Warnings"]


class Warnings:
    """Logs each text once, whatever its arguments."""

    def __init__(self, logger: str) -> None:
        self._log = logging.getLogger(logger)
        self._given: set[str] = set()

    def once(self, text: str, *arguments: object, exc_info: BaseException | None = None) -> None:
        """Log a warning, unless this text has been logged before."""
        if text not in self._given:
            self._given.add(text)
            self._log.warning(text, *arguments, exc_info=exc_info)
