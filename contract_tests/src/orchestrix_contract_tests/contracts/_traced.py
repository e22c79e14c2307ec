"""How the contract sees a tracer: what it gives it to do, and what it looks at afterwards."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_contract_tests.domain import Opened
from orchestrix_core import ContractSubject

__all__ = [
    "PRODUCER",
    "PRODUCER_SPAN",
    "PRODUCER_TRACE",
    "Finished",
    "FinishedSpan",
    "TracedContract",
    "was_made_in",
]

PRODUCER_TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PRODUCER_SPAN: Final = "b7ad6b7169203331"
PRODUCER: Final = f"00-{PRODUCER_TRACE}-{PRODUCER_SPAN}-01"


@attrs.frozen(kw_only=True)
class FinishedSpan:
    """
    A finished span, as the contract looks at it.

    Attributes:
        name: what it is called.
        trace_id, span_id: 32 and 16 hex digits.
        parent_id: the span it belongs to; None where a trace begins.
        kind: "internal", "client", "server", "producer" or "consumer".
        attributes: what it tells.
        links: trace id and span id of each span that it links to.
        events: the names of what was noted on it.
        exceptions: the types of the exceptions that were recorded, without their modules.
        failed: whether its status is an error.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None = None
    kind: str = "internal"
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    links: Sequence[tuple[str, str]] = ()
    events: Sequence[str] = ()
    exceptions: Sequence[str] = ()
    failed: bool = False


Finished = Callable[[], Sequence[FinishedSpan]]


class TracedContract(Contract):
    """What every contract on tracing begins with."""

    @pytest.fixture
    def traced(self, subject: ContractSubject, tmp_path: Path) -> Iterator[Any]:
        """Return a new backend; it is closed in the end."""
        backend = subject.create(tmp_path)
        yield backend
        closed = backend.close() if hasattr(backend, "close") else None
        if inspect.iscoroutine(closed):
            asyncio.run(closed)

    @pytest.fixture
    def tracer(self, traced: Any) -> Any:
        """Return what makes spans by hand."""
        return traced.tracer

    @pytest.fixture
    def finished(self, traced: Any) -> Finished:
        """Return a function that gives the finished spans."""
        if not hasattr(traced, "finished_spans"):
            pytest.fail("how are finished spans seen? give the fixture `finished`")
        seen: Finished = traced.finished_spans
        return seen


def was_made_in(message: Opened, span: FinishedSpan) -> None:
    """Assert that `message` says so."""
    assert message.trace_id == span.trace_id
    assert message.traceparent is not None
    assert message.traceparent.split("-")[1:3] == [span.trace_id, span.span_id]
