"""`orchestrix run`: the worker, a process that runs what is registered until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Annotated, Final, NoReturn

import typer

from orchestrix_core.application import Orchestrix
from orchestrix_core.cli._health import Pages
from orchestrix_core.cli._output import note, print_json, print_line
from orchestrix_core.cli._serving import serving
from orchestrix_core.cli._session import JsonOption, Session, run, session_of
from orchestrix_core.errors import (
    AmbiguousMessageType,
    DuplicateHandlerError,
    OutdatedProjectionError,
    UpcastingError,
)

__all__ = ["add_to", "application"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_WRONG_CODE: Final = (
    TypeError, ValueError, DuplicateHandlerError, UpcastingError, AmbiguousMessageType,
)  # fmt: skip
"""What is raised where modules do not fit together."""


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command("run", epilog="Example: orchestrix run --port 9000")(work)


def work(
    ctx: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve /health and /metrics here; 0: any free port."),
    ] = None,
    address: Annotated[
        str, typer.Option(help="The address to serve at; by default this machine alone is heard.")
    ] = "127.0.0.1",
    json: JsonOption = False,
) -> None:
    """
    Run the worker: subscriptions, projections, sagas, timers; until SIGTERM or Ctrl-C.

    Then it finishes what is in hand, saves its positions, gives back what it holds, and ends with
    status 0. A second signal ends it at once. Any number of workers may run.
    """
    session = session_of(ctx)
    app = application(session)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        run(_work(session, app, address, port, json))
    except OutdatedProjectionError as error:
        note(f"to rebuild it: orchestrix projections rebuild {error.projection}")
        raise


def application(session: Session) -> Orchestrix:
    """Make the application; what its modules do wrong is said as of the configuration."""
    session.import_modules()
    try:
        return Orchestrix.from_config(session.config, registry=session.registry, worker=True)
    except _WRONG_CODE as exc:
        reason = f"the modules do not fit together: {exc}"
        raise session.configuration.document.fault(("modules",), reason) from exc


async def _work(
    session: Session, app: Orchestrix, address: str, port: int | None, json: bool
) -> None:
    told = asyncio.Event()
    pages = Pages(app, asyncio.get_running_loop())
    with ExitStack() as stack:
        _listen(stack, told)
        url = None if port is None else stack.enter_context(serving(address, port, pages.by_path()))
        async with _running(session, app, pages):
            _announce(app, url, json)
            await app._engine.unless_it_fails(told.wait())
            pages.status = "stopping"
            note("stopping: what is in hand is finished; a second signal ends it at once")
    note("stopped")


@asynccontextmanager
async def _running(session: Session, app: Orchestrix, pages: Pages) -> AsyncIterator[None]:
    async with app:
        if not _parts(app) and not _commands(app):
            reason = (
                "the modules define nothing that runs, no handler, projection or saga: "
                "add the modules that do, modules = [...]"
            )
            raise session.configuration.document.fault(("modules",), reason)
        pages.status = "ok"
        yield


def _parts(app: Orchestrix) -> list[str]:
    """Return the names of what runs beside the handlers of commands."""
    engine = app._engine
    parts = engine.parts.complete(engine.raw, app.instrumentation)
    return sorted(part.name for part in parts) + (["bus"] if engine._bus_wanted else [])


def _commands(app: Orchestrix) -> list[str]:
    """Return the commands that can be handled, by timers and sagas above all."""
    return sorted(kind.__name__ for kind in app._engine.sending.routes)


def _announce(app: Orchestrix, url: str | None, json: bool) -> None:
    embedded = app._engine._embedded
    owner = None if embedded is None else embedded.worker.owner
    parts, commands = _parts(app), _commands(app)
    if json:
        facts = {"worker": owner, "pid": os.getpid(), "url": url}
        print_json({**facts, "runs": parts, "commands": commands}, indent=None)
        return
    counted = [f"handlers of {len(commands)} commands"] if commands else []
    where = "" if url is None else f"; {url}/health, {url}/metrics"
    print_line(f"worker {owner} runs {'; '.join(parts + counted)}{where}")


def _listen(stack: ExitStack, told: asyncio.Event) -> None:
    """Let the first signal set the event, and the second end the process."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        with suppress(NotImplementedError):  # where there are none, Ctrl-C is an exception
            loop.add_signal_handler(number, _tell, told, number)
            stack.callback(loop.remove_signal_handler, number)


def _tell(told: asyncio.Event, number: signal.Signals) -> None:
    if told.is_set():
        _end(128 + number)
    told.set()


def _end(status: int) -> NoReturn:
    """End at once: nothing is waited for, no lock, no thread, no connection."""
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(status)
