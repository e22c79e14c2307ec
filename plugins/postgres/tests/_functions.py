"""Broken variants of the functions that append, to see that a test would notice."""

from __future__ import annotations

import asyncpg

from orchestrix.infrastructure.postgres._sql import SCHEMA, fill


async def replace_functions(dsn: str, *changes: tuple[str, str], first: str = "SELECT 1") -> None:
    """Put variants of the functions in their place, after a statement that they need."""
    script = fill(SCHEMA, "public", "json")
    functions = script[script.index('CREATE FUNCTION "public".orchestrix_append_one') :]
    for old, new in changes:
        assert old in functions
        functions = functions.replace(old, new)
    connection = await asyncpg.connect(dsn)
    await connection.execute(first)
    await connection.execute(functions.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    await connection.close()
