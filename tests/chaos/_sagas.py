"""Sagas: each event reacted to once, each command sent and effective once, in the right order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from fulfilment.messages import OrderCancelled, OrderCompleted
from fulfilment.saga import Fulfilment
from orchestrix_core import RecordedEvent
from orchestrix_core.sagas import CommandsSent, Outgoing, Reacted

__all__ = ["SAGAS", "faults_of_saga"]

Effects = Mapping[str, Sequence[RecordedEvent]]

SAGAS: Final = f"saga-{Fulfilment.name}-"
"""What the streams of all instances begin with."""
EFFECTS: Final = {
    "ReserveStock": (("StockReserved", "StockRefused"), 1),
    "RequestPayment": (("PaymentRequested",), 1),
    "ShipOrder": (("OrderShipped", "ShippingRefused"), 1),
    "CompleteOrder": (("OrderCompleted",), 1),
    "CancelOrder": (("OrderCancelled",), 1),
    # What was refused, or never paid, need not be taken back.
    "ReleaseStock": (("StockReleased",), 0),
    "RefundPayment": (("PaymentRefunded",), 0),
}
"""What a command of the saga has happen: one of these once, and at least so many times."""


def faults_of_saga(
    about: Sequence[RecordedEvent], effects: Effects, handled: Collection[str]
) -> Iterator[str]:
    """Yield what is wrong with an instance; `about` is all that is about it or its order."""
    own = [record for record in about if record.aggregate_id.startswith(SAGAS)]
    reactions = [one.event for one in own if isinstance(one.event, Reacted)]
    notes = [one.event for one in own if isinstance(one.event, CommandsSent)]
    commands = [outgoing for reacted in reactions for outgoing in reacted.commands]
    yield from _faults_of_ends(reactions, about)
    yield from _faults_of_hearing(reactions, about)
    yield from _faults_of_sending(reactions, notes, handled)
    for outgoing in commands:
        yield from _faults_of_effects(outgoing, effects.get(outgoing.id, ()))
    yield from _faults_of_compensation(reactions, commands)
    yield from _faults_of_timers(reactions, handled)


def _faults_of_ends(reactions: Sequence[Reacted], about: Sequence[RecordedEvent]) -> Iterator[str]:
    status = reactions[-1].status if reactions else None
    ends = {OrderCompleted: "completed", OrderCancelled: "compensated"}
    wanted = [ends[type(one.event)] for one in about if type(one.event) in ends]
    if [status] != wanted:
        yield f"its saga is {status}, and the order ended: {wanted}"


def _faults_of_hearing(
    reactions: Sequence[Reacted], about: Sequence[RecordedEvent]
) -> Iterator[str]:
    """All that the saga hears, up to what it ended with, was reacted to once."""
    for cause, times in Counter(reacted.cause_id for reacted in reactions).items():
        if times > 1:
            yield f"its saga reacted {times} times to {cause}"
    heard = [one for one in about if Fulfilment.hearers[type(one.event)] is not None]
    causes = {reacted.cause_id for reacted in reactions}
    last = max((one.position for one in heard if one.event.id in causes), default=0)
    ended = bool(reactions) and reactions[-1].status != "running"
    for record in heard:
        if record.event.id not in causes and not (ended and record.position > last):
            yield f"its saga did not react to {record.event.type} at {record.position}"
    for cause in causes - {one.event.id for one in heard}:
        yield f"its saga reacted to {cause}, which is not there"


def _faults_of_sending(
    reactions: Sequence[Reacted], notes: Sequence[CommandsSent], handled: Collection[str]
) -> Iterator[str]:
    for reacted in reactions:
        sent = [note.count for note in notes if note.reaction == reacted.id]
        if sent != sorted(set(sent)) or max(sent, default=0) != len(reacted.commands):
            yield f"{sent} of {len(reacted.commands)} commands of {reacted.id} were sent"
        for outgoing in reacted.commands:
            if outgoing.id not in handled:
                yield f"{outgoing.command.type} {outgoing.id} was never handled"


def _faults_of_effects(outgoing: Outgoing, effects: Sequence[RecordedEvent]) -> Iterator[str]:
    kinds, least = EFFECTS[outgoing.command.type]
    found = [record.event.type for record in effects]
    if not least <= len(found) <= 1 or not set(found) <= set(kinds):
        yield f"{outgoing.command.type} {outgoing.id} had the effects {found}"


def _faults_of_compensation(
    reactions: Sequence[Reacted], commands: Sequence[Outgoing]
) -> Iterator[str]:
    """What was done is taken back in reverse order, if the instance gave up; else nothing is."""
    gave_up = bool(reactions) and reactions[-1].status == "compensated"
    done = [one.id for one in commands if one.undo is not None]
    undone = [one.undoes for one in commands if one.undoes is not None]
    if undone != (done[::-1] if gave_up else []):
        yield f"done was {done}, and undone {undone}"


def _faults_of_timers(reactions: Sequence[Reacted], handled: Collection[str]) -> Iterator[str]:
    cancelled = {id for reacted in reactions for id in reacted.cancelled}
    for reacted in reactions:
        for timer in reacted.scheduled:
            if timer.id not in cancelled and timer.id not in handled:
                yield f"{timer.name} was due at {timer.due} and never came"
