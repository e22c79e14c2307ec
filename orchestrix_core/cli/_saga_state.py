"""`orchestrix state` of an instance of a saga: what it knows, and the commands it asked for."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from orchestrix_core.cli._output import print_json, print_table, printable
from orchestrix_core.cli._values import text_of
from orchestrix_core.messages import Event
from orchestrix_core.sagas import CommandsSent, Reacted

__all__ = ["is_saga", "print_saga"]


def is_saga(events: Sequence[Event]) -> bool:
    """Return whether these are of an instance of a saga; its time-outs may be among them."""
    return isinstance(events[0], Reacted)


def print_saga(stream: str, events: Sequence[Event], until: int, json: bool) -> None:
    """Print the instance as it was at version `until`; its state is stored with each reaction."""
    then = events[:until]
    reactions = [event for event in then if isinstance(event, Reacted)]
    last = reactions[-1] if reactions else None
    owner = next(event for event in events if isinstance(event, Reacted))
    facts = {
        "stream": stream,
        "saga": owner.saga,
        "key": owner.key,
        "version": until,
        "time": then[-1].timestamp.isoformat() if then else None,
        "status": last and last.status,
        "state": last and last.state,
    }
    commands = list(_commands(then))
    if json:
        print_json({**facts, "commands": commands})
    else:
        _print(facts, commands)


def _commands(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """Yield the commands of the reactions; those of which it is noted so have been handled."""
    notes = (event for event in events if isinstance(event, CommandsSent))
    sent = {note.reaction: note.count for note in notes}
    for version, event in enumerate(events, start=1):
        if isinstance(event, Reacted):
            for number, outgoing in enumerate(event.commands):
                yield {
                    "version": version,
                    "cause": event.cause_type,
                    "type": outgoing.command.type,
                    "id": outgoing.id,
                    "data": json_module.loads(outgoing.command.data),
                    "undoes": outgoing.undoes,
                    "handled": number < sent.get(event.id, 0),
                }


def _print(facts: dict[str, Any], commands: Sequence[dict[str, Any]]) -> None:
    name = f"saga {facts['saga']} {printable(facts['key'])!r} at version {facts['version']}"
    parts = [name, facts["time"], facts["status"] or "not begun"]
    typer.echo(", ".join(part for part in parts if part))
    state = facts["state"]
    fields = state if isinstance(state, dict) else {"state": state}
    print_table(("field", "value"), [(field, text_of(value)) for field, value in fields.items()])
    if commands:
        typer.echo("\ncommands:")
        print_table(("version", "command", "because of", "outcome"), map(_row, commands))


def _row(command: dict[str, Any]) -> tuple[object, ...]:
    kind = f"{command['type']}{' (takes back)' if command['undoes'] else ''}"
    outcome = "handled" if command["handled"] else "not noted as handled"
    return command["version"], kind, command["cause"], outcome
