"""A saga as a part of an application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from orchestrix_core.components import Component
from orchestrix_core.handlers import stored_names
from orchestrix_core.sagas._reactor import Reactor
from orchestrix_core.sagas._timeouts import as_command, time_out_class, time_out_handler
from orchestrix_core.sagas._work import SagaWork, Surroundings
from orchestrix_core.subscriptions import Subscription

if TYPE_CHECKING:
    from orchestrix_core.sagas._saga import Saga

__all__ = ["SagaComponent", "subscription_name"]


def subscription_name(saga: Saga | type[Saga]) -> str:
    """Return the name of the subscription, and so of the dead letters, of a saga."""
    return f"saga-{saga.name}"


class SagaComponent(Component):
    """
    What a saga adds to an application: its subscription, and the handler of its time-outs.

    Attributes:
        saga: what it runs.
        runner: how.
    """

    def __init__(self, saga: Saga, app: Any) -> None:
        engine = app._engine
        self.saga = saga
        kind = type(saga)
        self.name = f"saga {kind.name}"
        reactor = Reactor(self.saga, engine.serializer)
        time_out = time_out_class(kind.name)
        around = Surroundings(
            app.store, engine.ground, engine.timers, app.send, app.instrumentation
        )
        self.runner = SagaWork(reactor, around, as_command(time_out, engine.serializer))
        engine.sending.register(
            time_out_handler(time_out, kind.name, self.runner, app.store, engine.serializer)
        )

    def subscriptions(self) -> Iterable[Subscription]:
        """Return the one of the saga, which keeps the order of each instance."""
        kind = type(self.saga)
        yield Subscription(
            name=subscription_name(kind),
            handle=self.runner.handle,
            types=stored_names(kind.hearers.types),
            partitions=kind.partitions,
            transactional=False,  # its commands have transactions of their own
            start=kind.start,
            retry=self.saga.retry,
            group=self.runner.group,
        )
