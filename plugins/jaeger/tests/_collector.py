"""Receivers of OTLP, over HTTP and gRPC, that decode what arrives with the protocol's types."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes


class Collector:
    """Where it listens, and the spans that arrive there, each with its service."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests: queue.Queue[Any] = queue.Queue()
        self.paths: list[str] = []

    def count(self, number: int) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        while len(found) < number:
            found += _spans(self.requests.get(timeout=PATIENCE))
        return found


def _spans(request: Any) -> Iterator[tuple[str, Any]]:
    for resource in request.resource_spans:
        tags = {tag.key: tag.value.string_value for tag in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield tags["service.name"], span


@contextmanager
def over_http() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/x-protobuf"
            collector.paths.append(self.path)
            collector.requests.put(messages.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(messages.ExportTraceServiceResponse().SerializeToString())

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing: the tests' output is their own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(PATIENCE)


@contextmanager
def over_grpc() -> Iterator[Collector]:
    class Service(services.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
            collector.requests.put(request)
            return messages.ExportTraceServiceResponse()

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        services.add_TraceServiceServicer_to_server(Service(), server)
        collector = Collector(f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        server.start()
        try:
            yield collector
        finally:
            server.stop(None).wait(PATIENCE)


RECEIVERS = {"http": over_http, "grpc": over_grpc}
