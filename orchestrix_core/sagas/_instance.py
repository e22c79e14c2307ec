"""One instance of a saga, as its stream tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orchestrix_core.messages import Event
from orchestrix_core.sagas._stored import CommandsSent, Outgoing, Reacted, Scheduled, Status

__all__ = ["Instance"]


class Instance:
    """
    What has become of an instance.

    Attributes:
        key: of the instance.
        version: of its stream.
        status: None while there is none.
        state: as JSON.
        schema: number of the shape of the state.
        pending: what is to come later, by name; commands stay there when they have been sent.
        arrived: ids of the time-outs that are in the stream.
    """

    def __init__(self, key: str, events: Iterable[Event] = ()) -> None:
        self.key = key
        self.version = 0
        self.status: Status | None = None
        self.state: Any = None
        self.schema = 0
        self.pending: dict[str, Scheduled] = {}
        self.arrived: set[str] = set()
        self._reactions: dict[str, Reacted] = {}  # by their own ids, in their order
        self._sent: dict[str, int] = {}  # how many commands of each reaction were
        self._noted: dict[str, int] = {}  # how many of them are in the stream
        self._failed: set[str] = set()  # reactions whose further commands are not to be sent
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Go on by an event of the stream."""
        self.version += 1
        if isinstance(event, Reacted):
            self._react(event)
        elif isinstance(event, CommandsSent):
            self._sent[event.reaction] = self._noted[event.reaction] = event.count
        else:
            self.arrived.add(event.id)

    def _react(self, reacted: Reacted) -> None:
        self.status, self.state, self.schema = reacted.status, reacted.state, reacted.schema
        self._reactions[reacted.id] = reacted
        if reacted.failed is not None:
            self._fail(reacted.failed)
        gone = {reacted.cause_id, *reacted.cancelled}
        kept = {name: one for name, one in self.pending.items() if one.id not in gone}
        self.pending = kept | {one.name: one for one in reacted.scheduled}

    def _fail(self, command_id: str) -> None:
        for reacted in self._reactions.values():
            for index, outgoing in enumerate(reacted.commands):
                if outgoing.id == command_id:
                    self._sent[reacted.id] = self._noted[reacted.id] = index
                    self._failed.add(reacted.id)

    def reactions_to(self, event_id: str) -> Iterator[Reacted]:
        """Yield the reaction to an event, then those to failures of its commands."""
        done: set[str] = set()
        while found := next((one for one in self._to(event_id) if one.id not in done), None):
            yield found  # which may bring about the next
            done.add(found.id)

    def _to(self, event_id: str) -> list[Reacted]:
        return [one for one in self._reactions.values() if one.cause_id == event_id]

    def next_of(self, reacted: Reacted) -> Outgoing | None:
        """Return the command of a reaction that is to be sent next, if there is one."""
        count = self._sent.get(reacted.id, 0)
        if reacted.id in self._failed or count == len(reacted.commands):
            return None
        return reacted.commands[count]

    def sent(self, reacted: Reacted) -> None:
        """Take note that the next command of a reaction was sent."""
        self._sent[reacted.id] = self._sent.get(reacted.id, 0) + 1

    def unnoted(self, reacted: Reacted) -> int | None:
        """Return how many commands of a reaction were sent; None where the stream says so."""
        count = self._sent.get(reacted.id, 0)
        if reacted.commands and reacted.scheduled and not self.is_noted(reacted):
            return count  # even of none: its timers are set with the first note
        return None if self._noted.get(reacted.id, 0) == count else count

    def is_noted(self, reacted: Reacted) -> bool:
        """Whether the stream has any note of the commands of a reaction."""
        return reacted.id in self._noted

    def pending_of(self, reacted: Reacted) -> list[Scheduled]:
        """Return what a reaction asked to come later, and nobody cancelled since."""
        ids = {one.id for one in self.pending.values()}
        return [one for one in reacted.scheduled if one.id in ids]

    def undoable(self) -> list[Outgoing]:
        """Return what was sent and can be taken back, and was not yet, the first one first."""
        all_sent = [
            outgoing
            for reacted in self._reactions.values()
            for outgoing in reacted.commands[: self._sent.get(reacted.id, 0)]
        ]
        asked_for = {
            outgoing.undoes for reacted in self._reactions.values() for outgoing in reacted.commands
        }
        return [one for one in all_sent if one.undo is not None and one.id not in asked_for]
