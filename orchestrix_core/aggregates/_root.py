"""The aggregate as a class: commands are methods, and `@when` methods apply events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from orchestrix_core.errors import OrchestrixError
from orchestrix_core.messages import Event

__all__ = ["AggregateRoot", "CannotSaveError", "UnhandledEventError", "when"]

A = TypeVar("A", bound="AggregateRoot")
E = TypeVar("E", bound=Event)
Applier = Callable[[Any, Any], None]

_APPLIES: Final = "__orchestrix_applies__"


class UnhandledEventError(OrchestrixError):
    """An aggregate met an event that none of its `@when` methods applies."""


class CannotSaveError(OrchestrixError):
    """The aggregate may not be saved as it is; nothing was written."""

    def __init__(self, aggregate_id: str, reason: str) -> None:
        self.aggregate_id = aggregate_id
        self.reason = reason
        super().__init__(aggregate_id, reason)

    def __str__(self) -> str:
        return f"aggregate {self.aggregate_id!r} cannot be saved: {self.reason}"


def when(*types: type[Event]) -> Callable[[Callable[[A, E], None]], Callable[[A, E], None]]:
    """Mark a method of an aggregate as the one that applies events of these types."""
    if not types:
        msg = "@when takes the event classes that the method applies, at least one"
        raise TypeError(msg)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            msg = f"@when takes event classes, not {kind!r}"
            raise TypeError(msg)

    def mark(method: Callable[[A, E], None]) -> Callable[[A, E], None]:
        setattr(method, _APPLIES, (*getattr(method, _APPLIES, ()), *types))
        return method

    return mark


class _Appliers(dict[type[Event], Applier]):
    """The applier for each concrete event type, found once: by the type or its nearest base."""

    def __init__(self, owner: type[AggregateRoot]) -> None:
        super().__init__()
        self._owner = owner
        self._names: dict[type[Event], str] = {}
        for base in reversed(owner.__mro__):
            self._names |= _declared(base)

    def __missing__(self, kind: type[Event]) -> Applier:
        for base in kind.__mro__:
            if base in self._names:
                # By name, so that a subclass may override the method without saying @when again.
                applier: Applier = getattr(self._owner, self._names[base])
                self[kind] = applier
                return applier
        msg = f"{self._owner.__name__} has no @when({kind.__name__}) method"
        raise UnhandledEventError(msg)


def _declared(cls: type) -> dict[type[Event], str]:
    """Return the names of the methods that `cls` itself marked, by event type."""
    names: dict[type[Event], str] = {}
    for name, method in vars(cls).items():
        for kind in getattr(method, _APPLIES, ()):
            if kind in names:
                msg = (
                    f"{cls.__name__} has two @when({kind.__name__}) methods: {names[kind]}, {name}"
                )
                raise TypeError(msg)
            names[kind] = name
    return names


class AggregateRoot:
    """
    A consistency boundary: decides by its state, records events, changes by applying them.

    Attributes:
        id: the stream its events are in.
        version: how many events made this state, those not saved yet included.
        uncommitted_events: what was recorded and is not saved yet.
    """

    snapshot_version: ClassVar[int] = 1
    """The schema version of `to_state`; raise it when the shape changes: old ones are replayed."""

    _appliers: ClassVar[Mapping[type[Event], Applier]]
    _not_savable: str | None = None
    """Why a repository must refuse to save it."""
    _snapshot_outdated = False
    """Whether a snapshot was found that could not be used, so that a new one is due."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.version = 0
        self.uncommitted_events: list[Event] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._appliers = _Appliers(cls)

    def record(self, event: Event) -> None:
        """Apply a new event and keep it for the next save."""
        try:
            self.apply(event)
        except UnhandledEventError:
            raise  # found before anything changed
        except BaseException:
            self._not_savable = "one of its @when methods failed; load it again"
            raise
        self.uncommitted_events.append(event)

    def apply(self, event: Event) -> None:
        """Change the state by one event, whose type or nearest base has a `@when` method."""
        self._appliers[type(event)](self, event)
        self.version += 1

    def replay(self, events: Iterable[Event]) -> None:
        """Apply stored events in order."""
        if type(self).apply is not AggregateRoot.apply:  # overridden: it must see each event
            for event in events:
                self.apply(event)
            return
        appliers = self._appliers
        for version, event in enumerate(events, self.version + 1):
            appliers[type(event)](self, event)
            self.version = version

    def to_state(self) -> dict[str, Any] | None:
        """Return the state as JSON values for a snapshot; needed where snapshots are taken."""
        return None

    def from_state(self, state: Mapping[str, Any]) -> None:
        """Take over the state that `to_state` gave."""
        msg = f"{type(self).__name__} has snapshots, but no from_state"
        raise NotImplementedError(msg)

    @classmethod
    def _has_snapshots(cls) -> bool:
        own = cls.to_state, cls.from_state
        return AggregateRoot.to_state not in own and AggregateRoot.from_state not in own

    def _snapshot_schema(self) -> int | None:
        """Return the schema version of its snapshots; None: it can be in none."""
        return self.snapshot_version if self._has_snapshots() else None


AggregateRoot.__init_subclass__()  # it applies nothing itself, and says so like its subclasses
