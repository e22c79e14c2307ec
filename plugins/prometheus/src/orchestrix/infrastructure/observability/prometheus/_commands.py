"""`orchestrix metrics`: figures at a shell, and the files for Prometheus and Grafana."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer
from prometheus_client import CollectorRegistry, start_http_server

from orchestrix.infrastructure.observability.prometheus import _files
from orchestrix.infrastructure.observability.prometheus._config import PrometheusSettings
from orchestrix.infrastructure.observability.prometheus._metrics import PrometheusMetrics
from orchestrix.infrastructure.observability.prometheus._multiprocess import (
    VARIABLE,
    directory,
    registry_of_all,
)
from orchestrix.infrastructure.observability.prometheus._sources import (
    Fetched,
    FromStore,
    families,
    registry_with,
)
from orchestrix_core import ConfigurationError, OrchestrixError
from orchestrix_core.cli._output import note, print_json, print_line
from orchestrix_core.cli._session import INTERRUPTED, JsonOption, Session, session_of

__all__ = ["add_to"]

_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not listened at
_EXAMPLES: Final = "Example: orchestrix metrics --serve --port 9464"


def add_to(program: typer.Typer) -> None:
    """Add the command."""
    program.command(epilog=_EXAMPLES)(metrics)


def metrics(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(help="Ask a running application here.")] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Tell what the event store knows: the lags.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve /metrics until interrupted.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to serve; 0: any free port.")
    ] = 9464,
    address: Annotated[str, typer.Option(help="The address to serve at.")] = "127.0.0.1",
    rules: Annotated[
        bool, typer.Option("--rules", help="Print alert rules for Prometheus, and end.")
    ] = False,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Print a dashboard for Grafana, and end.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """
    Print or serve the metrics of an application.

    This program counts nothing itself. It takes the figures from where they are: the running
    application (--url, or the port in orchestrix.toml), the files that all its processes share
    (PROMETHEUS_MULTIPROC_DIR), or the event store, which knows how far each projection is behind
    even when no application runs.
    """
    session = session_of(ctx)
    if rules or dashboard:
        config = _settings(session).metric_config()
        print_line((_files.rules if rules else _files.dashboard)(config).rstrip("\n"))
        return
    text, registry = _source(session, url, store)
    if serve:
        _serve(registry, address, port)
    else:
        text = text if registry is None else _exposition(registry)
        print_json({"metrics": families(text)}) if json else print_line(text.rstrip("\n"))


def _settings(session: Session) -> PrometheusSettings:
    backend = session.registry.installed("metrics", "prometheus").backend
    settings: PrometheusSettings = session.configuration.settings(backend)
    return settings


def _source(session: Session, url: str | None, store: bool) -> tuple[str, CollectorRegistry | None]:
    """Return what an application has answered, or else a registry to ask."""
    if url is None and not store and os.environ.get(VARIABLE):
        return "", registry_of_all(_directory())
    settings = _settings(session)
    if url is None and not store and settings.port:
        host = _WILDCARDS.get(settings.address, settings.address)
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/metrics"
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise typer.BadParameter("must begin with http:// or https://", param_hint="--url")
        return Fetched(url).text(), None
    if not store:
        note("note: no port is set under [orchestrix.metrics.prometheus]: this is from the store")
    return "", registry_with(FromStore(session, settings.metric_config().prefix))


def _directory() -> Path:
    try:
        return directory()
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from exc


def _exposition(registry: CollectorRegistry) -> str:
    return PrometheusMetrics.generate_exposition(registry).decode()


def _serve(registry: CollectorRegistry | None, address: str, port: int) -> None:
    """Serve until interrupted."""
    if registry is None:
        reason = "the application serves its metrics itself: serve the store's with --store"
        raise typer.BadParameter(reason, param_hint="--serve")
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as exc:
        msg = f"cannot serve at {address}:{port}: {exc.strerror or exc}"
        raise OrchestrixError(msg) from exc
    print_line(f"serving http://{address}:{server.server_port}/metrics")
    try:
        thread.join()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        server.shutdown()
        server.server_close()
