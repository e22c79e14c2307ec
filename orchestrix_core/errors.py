"""
Every error that Orchestrix raises on its own account.

One root, `OrchestrixError`. Facts are attributes, so that a caller decides by them rather than by
the text. Plain misuse of an argument is a `ValueError` or a `TypeError` that names the argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrix_core.records import RecordedEvent

__all__ = [
    "AmbiguousMessageType",
    "BackendNotFoundError",
    "ConcurrencyError",
    "ConfigurationError",
    "DuplicateEventError",
    "DuplicateHandlerError",
    "InvalidCommandError",
    "MissingCapabilityError",
    "NoHandlerError",
    "NotCaughtUpError",
    "OrchestrixError",
    "OutdatedProjectionError",
    "PartitionMismatchError",
    "PluginLoadError",
    "RebuildError",
    "RevisionConflictError",
    "SerializationError",
    "StorageError",
    "StoreClosedError",
    "UnknownMessageType",
    "UpcastingError",
]


class OrchestrixError(Exception):
    """
    Root of every error that Orchestrix defines.

    Attributes:
        record: the stored event, as a `RawEvent`, where the error is that one which was met in the
            log cannot be read, by this program or a newer one; else None.
    """

    record: RecordedEvent | None = None


class ConcurrencyError(OrchestrixError):
    """The stream is not at the version that the caller expected; nothing was written."""

    def __init__(self, aggregate_id: str, expected_version: int, actual_version: int) -> None:
        self.aggregate_id = aggregate_id
        self.expected_version = expected_version
        self.actual_version = actual_version
        super().__init__(aggregate_id, expected_version, actual_version)

    def __str__(self) -> str:
        return (
            f"stream {self.aggregate_id!r} is at version {self.actual_version}, "
            f"not {self.expected_version}: load it again and decide anew"
        )


class DuplicateEventError(OrchestrixError):
    """An event id is stored already (or stands twice in one append); nothing was written."""

    def __init__(self, event_id: str, aggregate_id: str) -> None:
        self.event_id = event_id
        self.aggregate_id = aggregate_id
        super().__init__(event_id, aggregate_id)

    def __str__(self) -> str:
        return (
            f"event id {self.event_id!r}, appended to stream {self.aggregate_id!r}, is stored "
            "already: only the very same save, with the same expected_version, may be repeated"
        )


class RevisionConflictError(OrchestrixError):
    """A document is not at the revision that the caller expected; nothing was written."""

    def __init__(self, collection: str, key: str, expected: int, actual: int) -> None:
        self.collection = collection
        self.key = key
        self.expected = expected
        self.actual = actual
        super().__init__(collection, key, expected, actual)

    def __str__(self) -> str:
        return (
            f"document {self.key!r} of {self.collection!r} is at revision {self.actual}, "
            f"not {self.expected}: read it again and decide anew"
        )


class StoreClosedError(OrchestrixError):
    """The store was used before `initialize()` or after `close()`."""

    def __init__(self, store: str) -> None:
        self.store = store
        super().__init__(store)

    def __str__(self) -> str:
        return f"{self.store} is not open: call initialize() or enter it as a context manager"


class StorageError(OrchestrixError):
    """The backend failed (disk full, connection lost, file damaged); the cause is chained."""


class SerializationError(OrchestrixError):
    """A value cannot be stored so that it reads back the same; `path` names the field."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class UnknownMessageType(OrchestrixError):
    """A stored name has no class; `stream` and `position` say where it was met, once known."""

    def __init__(self, type: str, stream: str | None = None, position: int | None = None) -> None:
        self.type = type
        self.stream = stream
        self.position = position
        super().__init__(type, stream, position)

    def __str__(self) -> str:
        where = (
            "" if self.stream is None else f" (stream {self.stream!r}, position {self.position})"
        )
        return (
            f"no message class is registered for the stored name {self.type!r}{where}: "
            "import the module that defines it, or read with unknown='raw'"
        )


class AmbiguousMessageType(OrchestrixError):
    """Two classes claim one stored name."""

    def __init__(self, type: str, first: str, second: str) -> None:
        self.type = type
        self.first = first
        self.second = second
        super().__init__(type, first, second)

    def __str__(self) -> str:
        return (
            f"the stored name {self.type!r} belongs to both {self.first} and {self.second}: "
            f"{self._advice()}"
        )

    def _advice(self) -> str:
        first, second = (name.partition(".") for name in sorted((self.first, self.second)))
        if first[0] == "__main__" and second[2].endswith(first[2]):
            return (
                "the program that runs is imported a second time by its own name; keep messages in "
                "a module of their own, or leave the program out of `modules`"
            )
        return 'give one of them a name of its own, class X(Event, type="...")'


class UpcastingError(OrchestrixError):
    """A stored schema version has no way to the current one, or its upcaster failed."""


class ConfigurationError(OrchestrixError):
    """A setting is wrong; `file` and `key` say where, the text says what was expected."""

    def __init__(self, reason: str, *, file: str | None = None, key: str | None = None) -> None:
        self.reason = reason
        self.file = file
        self.key = key
        super().__init__(reason)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.reason) if part)


class PluginLoadError(OrchestrixError):
    """One plugin could not be loaded; the others still are."""

    def __init__(self, name: str, distribution: str, version: str, reason: str) -> None:
        self.name = name
        self.distribution = distribution
        self.version = version
        self.reason = reason
        super().__init__(name, distribution, version, reason)

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}: {self.reason}"


class BackendNotFoundError(OrchestrixError):
    """No installed plugin offers a backend of this kind and name; `where` says who wants it."""

    def __init__(
        self,
        kind: str,
        name: str,
        installed: tuple[str, ...],
        hint: str,
        where: str | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.installed = installed
        self.hint = hint
        self.where = where
        super().__init__(kind, name, installed, hint, where)

    def __str__(self) -> str:
        have = ", ".join(self.installed) or "none"
        place = "" if self.where is None else f"{self.where}: "
        return f"{place}no {self.kind} backend named {self.name!r} (installed: {have}); {self.hint}"


class MissingCapabilityError(OrchestrixError):
    """The application needs what the chosen backend does not offer; `needed_by` says what for."""

    def __init__(
        self, backend: str, missing: tuple[str, ...], needed_by: str | None = None
    ) -> None:
        self.backend = backend
        self.missing = missing
        self.needed_by = needed_by
        super().__init__(backend, missing, needed_by)

    def __str__(self) -> str:
        reason = "" if self.needed_by is None else f", which {self.needed_by} needs"
        lacks = f"backend {self.backend!r} lacks {', '.join(self.missing)}{reason}"
        return f"{lacks}: choose another backend"


class NoHandlerError(OrchestrixError):
    """No handler of this command is registered; `near` are commands of similar names that have."""

    def __init__(self, command_type: str, near: tuple[str, ...] = ()) -> None:
        self.command_type = command_type
        self.near = near
        super().__init__(command_type, near)

    def __str__(self) -> str:
        known = f" (there is one for {', '.join(self.near)})" if self.near else ""
        return (
            f"no handler of {self.command_type} is registered{known}: mark a function with "
            f"@handles({self.command_type}), and register it or its module with the application"
        )


class DuplicateHandlerError(OrchestrixError):
    """Two handlers of one command are registered: exactly one answers it."""

    def __init__(self, command_type: str, first: str, second: str) -> None:
        self.command_type = command_type
        self.first = first
        self.second = second
        super().__init__(command_type, first, second)

    def __str__(self) -> str:
        return (
            f"{self.command_type} is handled by both {self.first} and {self.second}: "
            "register one of them"
        )


class InvalidCommandError(OrchestrixError):
    """A command's value is not what its class declares; `path` names the field."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class PartitionMismatchError(OrchestrixError):
    """A subscription is stored with another number of partitions, and cannot change it now."""

    def __init__(self, subscription: str, stored: int, wanted: int, reason: str) -> None:
        self.subscription = subscription
        self.stored = stored
        self.wanted = wanted
        self.reason = reason
        super().__init__(subscription, stored, wanted, reason)

    def __str__(self) -> str:
        return (
            f"subscription {self.subscription!r} is stored with {self.stored} partitions, not "
            f"{self.wanted}, and cannot change now: {self.reason}; run {self.stored}, or stop "
            "every worker of it once it has caught up and start with the new number"
        )


class NotCaughtUpError(OrchestrixError, TimeoutError):
    """Subscriptions did not reach a position in time; `table` says how far each has got."""

    def __init__(self, position: int, timeout: float, table: str) -> None:
        self.position = position
        self.timeout = timeout
        self.table = table
        super().__init__(position, timeout, table)

    def __str__(self) -> str:
        return f"not caught up with position {self.position} in {self.timeout} s\n{self.table}"


class OutdatedProjectionError(OrchestrixError):
    """The live view of a projection is made by another version of it than the one here."""

    def __init__(self, projection: str, live: str, wanted: str) -> None:
        self.projection = projection
        self.live = live
        self.wanted = wanted
        super().__init__(projection, live, wanted)

    def __str__(self) -> str:
        return (
            f"the view of projection {self.projection!r} is made by version {self.live}, but this "
            f"is version {self.wanted}: rebuild it, or start the program that has {self.live}"
        )


class RebuildError(OrchestrixError):
    """A projection could not be rebuilt; the live view is as it was."""

    def __init__(self, projection: str, reason: str) -> None:
        self.projection = projection
        self.reason = reason
        super().__init__(projection, reason)

    def __str__(self) -> str:
        return f"projection {self.projection!r} is not rebuilt: {self.reason}"
