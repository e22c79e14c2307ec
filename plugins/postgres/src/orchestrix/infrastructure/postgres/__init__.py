"""
The production event store, in PostgreSQL: any number of processes may share it.

`PostgreSQLEventStore("postgresql://user:password@localhost/shop")` is async, on asyncpg.
"""

from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._store import PostgreSQLEventStore

__all__ = ["PostgreSQLConfig", "PostgreSQLEventStore"]
