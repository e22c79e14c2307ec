"""Schemas for the contract suite, beside all that is in a database, and gone afterwards."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs

from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._database import Database

__all__ = ["drop", "settings"]

_PREFIX: Final = "contract_"


def settings(config: PostgreSQLConfig, directory: Path) -> PostgreSQLConfig:
    """Return the settings of a schema of the directory's own; the suite opens many stores."""
    name = sha256(str(directory).encode()).hexdigest()[:24]
    return attrs.evolve(
        config, schema=_PREFIX + name, create=True, pool_min_size=1, pool_max_size=4
    )


async def drop(config: PostgreSQLConfig) -> None:
    """Remove a schema that `settings` named, and no other."""
    if not config.schema.startswith(_PREFIX):
        msg = f"schema must be one that begins with {_PREFIX!r}, not {config.schema!r}"
        raise ValueError(msg)
    await Database(config, "scratch").drop()
