"""The aggregate as three pure functions, and the object in which a repository carries its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import attrs
import msgspec
from cattrs import Converter

from orchestrix_core._converter import make_field_converter
from orchestrix_core.aggregates._root import AggregateRoot
from orchestrix_core.errors import SerializationError
from orchestrix_core.messages import Event

__all__ = ["Decided", "Decider"]

C = TypeVar("C")
E = TypeVar("E", bound=Event)
S = TypeVar("S")

_default_converter = cache(make_field_converter)


def _type_of_initial(decider: Decider[Any, Any, Any]) -> Any:
    return type(decider.initial)


def _name_of_state(decider: Decider[Any, Any, Any]) -> str:
    return type(decider.initial).__name__


@attrs.frozen(eq=False)
class Decider(Generic[C, E, S]):
    """
    What decides on commands and how events change a state, as pure functions.

    A state is a value: `evolve` returns a new one and never changes the one that it was given.

    Attributes:
        initial: the state before the first event.
        decide: `decide(command, state)` returns the new events; it refuses by raising.
        evolve: `evolve(state, event)` returns the state after the event.
        name: what it is called in traces and metrics; the name of the state's type by default.
        snapshot_version: the schema version of the state in snapshots; None: it can be in none.
            Raise it when the shape changes: old ones are replayed.
        state_type: what a snapshot's state is read as; the type of `initial` by default. Needed
            where the state may be of several types (`Empty | Open | Closed`).
        converter: turns the state into JSON values and back; the one that serializers use for
            fields by default, and `serializer.converter` where types were registered there.
    """

    initial: S
    decide: Callable[[C, S], Sequence[E]]
    evolve: Callable[[S, E], S]
    name: str = attrs.field(
        default=attrs.Factory(_name_of_state, takes_self=True),
        kw_only=True,
        validator=attrs.validators.instance_of(str),
    )
    snapshot_version: int | None = attrs.field(default=None, kw_only=True)
    state_type: Any = attrs.field(
        default=attrs.Factory(_type_of_initial, takes_self=True), kw_only=True
    )
    converter: Converter = attrs.field(factory=_default_converter, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        for name in ("decide", "evolve"):
            if not callable(function := getattr(self, name)):
                msg = f"{name} must be a function, not {function!r}"
                raise TypeError(msg)


class Decided(AggregateRoot, Generic[C, E, S]):
    """
    The state that a decider's events made, with its version; what a repository loads and saves.

    Attributes:
        decider: the functions.
        state: the present state.
    """

    def __init__(self, id: str, decider: Decider[C, E, S]) -> None:
        super().__init__(id)
        self.decider = decider
        self.state: S = decider.initial

    def decide(self, command: C) -> list[E]:
        """Record and return the events by which the decider answers `command`."""
        events = self.decider.decide(command, self.state)
        if not _are_events(events):
            msg = f"decide of {self.decider.name} must return a list of events, not {events!r}"
            raise TypeError(msg)
        decided = list(events)
        self.replay(decided)
        self.uncommitted_events += decided
        return decided

    def record(self, event: Event) -> None:
        """Apply a new event and keep it for the next save."""
        self.apply(event)
        self.uncommitted_events.append(event)

    def apply(self, event: Event) -> None:
        """Take the next state from the decider."""
        self.replay((event,))

    def replay(self, events: Iterable[Event]) -> None:
        """Take the state after all of the events, or none of them where one is refused."""
        evolve: Callable[[S, Any], S] = self.decider.evolve
        state, version = self.state, self.version
        for event in events:
            state = evolve(state, event)
            version += 1
        self.state, self.version = state, version

    def to_state(self) -> dict[str, Any]:
        """Return the state for a snapshot; `SerializationError` where it would not come back."""
        converter, kind = self.decider.converter, self.decider.state_type
        value = msgspec.to_builtins(converter.unstructure(self.state, kind), str_keys=True)
        if converter.structure(value, kind) != self.state:
            reason = f"a snapshot of it would not read back the same as {kind}: give state_type"
            raise SerializationError(self.decider.name, reason)
        return {"state": value}

    def from_state(self, state: Mapping[str, Any]) -> None:
        """Take over the state that `to_state` gave."""
        self.state = self.decider.converter.structure(state["state"], self.decider.state_type)

    def __deepcopy__(self, memo: dict[int, Any]) -> Decided[C, E, S]:
        """Return one of its own with the same state: a value needs no copy."""
        twin = Decided(self.id, self.decider)
        twin.state, twin.version = self.state, self.version
        twin.uncommitted_events = list(self.uncommitted_events)
        return twin

    def _snapshot_schema(self) -> int | None:
        return self.decider.snapshot_version


def _are_events(events: Any) -> bool:
    return isinstance(events, Sequence) and all(isinstance(event, Event) for event in events)
