"""Values that must not be shown: a wrapper for settings, and a mask for text with secrets in it."""

from __future__ import annotations

import re
from typing import Final, final

__all__ = ["MASK", "Secret", "mask"]

MASK: Final = "********"
"""Stands for what is hidden; of one length, so that it tells nothing."""

# Up to the last `@` of the word: a password that should have been percent-encoded (`pa/s@s`) must
# not leak its tail. To hide a little too much of a malformed address is the cheaper mistake.
_IN_URL: Final = re.compile(r"(?P<start>[\w+.-]+://[^\s:/@?#]*:)\S+@")
_IN_DSN: Final = re.compile(
    r"(?P<start>\b\w*(?:password|passwd|pwd|secret|token|api_?key)\s*=\s*)"
    r"(?:'(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s&;]+)",
    re.IGNORECASE,
)


@final
class Secret:
    """
    A string that shows itself to `reveal()` alone.

    `repr`, `str`, f-strings and logs show a mask. Equal when the strings are; not a `str`, so it
    cannot slip into a message by concatenation.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            msg = f"value must be a str, not {type(value).__name__}"
            raise TypeError(msg)
        self._value = value

    def reveal(self) -> str:
        """Return the string itself; hand it to the driver and keep it nowhere."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK


def mask(text: str) -> str:
    """Return `text` without the passwords inside its URLs, DSNs and `password=` settings."""
    hidden = _IN_URL.sub(lambda found: f"{found['start']}{MASK}@", text)
    return _IN_DSN.sub(lambda found: f"{found['start']}{MASK}", hidden)
