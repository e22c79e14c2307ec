"""What one reaction of an instance asks for, collected while its handler runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs

from orchestrix_core.messages import Command, Event, Message, now
from orchestrix_core.sagas._stored import Status, derived_id
from orchestrix_core.validation import check_due, check_id

__all__ = ["Reaction", "Sending", "Timing"]


@attrs.frozen
class Sending:
    """
    A command to be sent.

    Attributes:
        command: with its id.
        undo: what compensates for it.
        undoes: id of the command that it compensates for.
    """

    command: Command
    undo: Command | None = None
    undoes: str | None = None


@attrs.frozen
class Timing:
    """
    What is to come later.

    Attributes:
        name: by which it can be cancelled.
        message: with its id.
        due: when.
        after: how that was said; None: as a moment.
    """

    name: str
    message: Command | Event
    due: datetime
    after: timedelta | None


class Reaction:
    """
    What a handler asks for.

    Args:
        saga: its name.
        key: of the instance.
        cause: id of what it reacts to, of which all ids are derived.
        undoable: what was sent before and can be taken back, the first one first.
        pending: ids of what was scheduled before, by name.
    """

    def __init__(
        self, saga: str, key: str, cause: str, undoable: list[Sending], pending: dict[str, str]
    ) -> None:
        self.key = key
        self.sends: list[Sending] = []
        self.timings: dict[str, Timing] = {}
        self.cancelled: list[str] = []
        self.status: Status = "running"
        self._saga = saga
        self._cause = cause
        self._undoable = undoable
        self._pending = dict(pending)
        self._count = 0

    def _id(self, what: str) -> str:
        self._count += 1
        return derived_id(self._saga, self._cause, what, self._count)

    def send(self, command: Command, undo: Command | None) -> None:
        """Take a command, and what compensates for it."""
        _check("command", command, Command)
        if undo is not None:
            _check("undo", undo, Command)
        sending = Sending(attrs.evolve(command, id=self._id("command")), undo)
        self.sends.append(sending)
        if undo is not None:
            self._undoable.append(sending)

    def compensate(self, *, end: bool) -> None:
        """Take the commands that undo what was sent, the last first."""
        while self._undoable:
            sent = self._undoable.pop()
            assert sent.undo is not None  # noqa: S101 - only such are kept
            undo = attrs.evolve(sent.undo, id=derived_id(self._saga, sent.command.id, "undo"))
            self.sends.append(Sending(undo, undoes=sent.command.id))
        if end:
            self.status = "compensated"

    def complete(self) -> None:
        """Let the instance end; one that compensates has ended already."""
        if self.status == "running":
            self.status = "completed"

    def schedule(
        self,
        message: Command | Event,
        at: datetime | None,
        after: timedelta | None,
        name: str | None,
    ) -> None:
        """Take what is to come later."""
        _check("message", message, Command, Event)
        name = message.type if name is None else name
        check_id(name, "name")
        due = _moment(at, after)
        self.cancel(name)
        message = attrs.evolve(message, id=self._id("timer"))
        self.timings[name] = Timing(name, message, due, after)

    def cancel(self, name: str) -> bool:
        """Let go of what is to come under a name; return whether there was anything."""
        if self.timings.pop(name, None) is not None:
            return True
        timer = self._pending.pop(name, None)
        if timer is not None:
            self.cancelled.append(timer)
        return timer is not None


def _check(argument: str, value: Any, *kinds: type[Message]) -> None:
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        msg = f"{argument} must be a {wanted}, not {value!r}"
        raise TypeError(msg)


def _moment(at: datetime | None, after: timedelta | None) -> datetime:
    if (at is None) == (after is None):
        msg = "schedule takes at=, an aware datetime, or after=, a timedelta, and not both"
        raise TypeError(msg)
    if after is None:
        due = check_due(at)
        assert due is not None  # noqa: S101 - it was given
        return due
    if not isinstance(after, timedelta):
        msg = f"after must be a timedelta, not {after!r}"
        raise TypeError(msg)
    return now() + after
