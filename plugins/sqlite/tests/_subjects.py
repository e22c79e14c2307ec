"""The async store that waits for no disk, for tests that are about no power failure."""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs

from orchestrix.infrastructure.sqlite import plugin

_ASYNC, _ = plugin.orchestrix_contract_subjects()
QUICK: Final = attrs.evolve(_ASYNC, create=partial(plugin._create_async, synchronous="normal"))
"""Whatever process is killed, it keeps what it acknowledged, as the other does."""
