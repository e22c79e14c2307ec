"""
An embedded, durable event store in one SQLite file: several processes may share it.

`SQLiteEventStore("orders.db")` is async, `SQLiteSyncEventStore` has the same methods as plain
functions; both work on the same file.
"""

from orchestrix.infrastructure.sqlite._async import SQLiteEventStore
from orchestrix.infrastructure.sqlite._config import SQLiteConfig
from orchestrix.infrastructure.sqlite._sync import SQLiteSyncEventStore

__all__ = ["SQLiteConfig", "SQLiteEventStore", "SQLiteSyncEventStore"]
