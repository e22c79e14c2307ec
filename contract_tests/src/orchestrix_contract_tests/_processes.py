"""How the suite starts processes: quickly, and without what the process that runs it has open."""

from __future__ import annotations

import multiprocessing
import sys
from functools import cache
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Final

__all__ = ["process_context"]

_FORKS: Final = "forkserver"
_NEEDED: Final = (
    "orchestrix_contract_tests._application_child",
    "orchestrix_contract_tests._child",
    "orchestrix_contract_tests._projection_child",
    "orchestrix_contract_tests._saga_child",
    "orchestrix_contract_tests._worker_child",
    "orchestrix_contract_tests.history._worker",
)


@cache
def process_context() -> ForkServerContext | SpawnContext:
    """
    Return what starts processes: forks of one that has imported already what all of them need.

    That one has a single thread, and no store open. Where there is none, each process begins anew.
    """
    if _FORKS not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context(_FORKS)
    # Each process imports the program that runs the tests, too.
    context.set_forkserver_preload([*_NEEDED, *({"pytest"} & sys.modules.keys())])
    return context
