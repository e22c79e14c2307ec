"""Which error it was, by a name out of a bounded set."""

from __future__ import annotations

import asyncio
import builtins
from typing import Final

from orchestrix_core import errors

__all__ = ["error_type"]

_MODULES: Final = {errors.__name__, builtins.__name__}


def error_type(kind: type[BaseException]) -> str:
    """
    Return the nearest class that Orchestrix or Python itself defines: `ConcurrencyError`.

    An application's own class counts as the one of those that it is derived from, so that no
    number of classes makes more than some dozens of series.
    """
    for base in kind.__mro__:
        if base.__module__ in _MODULES or base is asyncio.CancelledError:
            return base.__name__
    return BaseException.__name__
