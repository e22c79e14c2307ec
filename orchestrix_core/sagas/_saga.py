"""The base class of sagas: what an instance hears, and what it can ask for when it does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from orchestrix_core.errors import OrchestrixError
from orchestrix_core.messages import Command, Event, Message
from orchestrix_core.sagas._component import SagaComponent
from orchestrix_core.sagas._hearers import Hearers, Key
from orchestrix_core.sagas._reaction import Reaction
from orchestrix_core.subscriptions import RetryPolicy
from orchestrix_core.validation import check_range

__all__ = ["Saga", "saga_of"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


class Saga:
    """
    A process over several aggregates: events in, commands out, compensation, time-outs.

    ```python
    class Fulfilment(Saga, key="order_id"):
        @on(OrderPlaced, starts=True)
        def placed(self, event: OrderPlaced) -> None:
            self.send(ReserveStock(order_id=event.order_id), undo=ReleaseStock(...))
            self.schedule(PaymentOverdue(order_id=event.order_id), after=timedelta(minutes=15))

        @on(PaymentOverdue, timeout=True)
        def overdue(self, event: PaymentOverdue) -> None:
            self.compensate()
    ```

    There is an instance for each key. A handler takes the event; it may change `self.state` and
    call the methods below, and does nothing else: what it asks for is done once it is stored.
    `@on` takes `key`, the name of the event's field that has the key or a function of the event
    (None: the event is for no instance), `starts=True` where the event begins an instance, and
    `timeout=True` for what the saga schedules for itself.

    `class S(Saga, name=...)` sets:

    - `name`: what it is called in the store; the name of the class by default.
    - `key`: that of each `@on` which has none of its own.
    - `version`: raise it when the shape of `state` changes, and write `upgrade`.
    - `partitions`: in how many parts it is worked on side by side; each instance in order.
    - `start`: "now", behind what was stored when it first ran, or "beginning".

    Attributes:
        state: what the instance knows; annotate it, `state: Progress = Progress()`, with a type
            that an event's field may have. An instance begins with a copy of the class's.
        retry: what happens when a handler, or a command, fails, before its event is a dead letter.
    """

    name: ClassVar[str] = "Saga"
    version: ClassVar[int] = 1
    partitions: ClassVar[int] = 1
    start: ClassVar[Literal["beginning", "now"]] = "now"
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    hearers: ClassVar[Hearers]
    """Which method hears which events."""
    handles_failure: ClassVar[bool] = False
    """Whether it overrides `on_failure`."""
    upgrades: ClassVar[bool] = False
    """Whether it overrides `upgrade`."""

    state: Any = None
    _key: ClassVar[Key | None] = None
    _reaction: Reaction | None = None

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        key: Key | None = None,
        version: int | None = None,
        partitions: int | None = None,
        start: Literal["beginning", "now"] | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__ if name is None else name
        cls._key = cls._key if key is None else key
        cls.version = cls.version if version is None else version
        cls.partitions = cls.partitions if partitions is None else partitions
        cls.start = cls.start if start is None else start
        cls.handles_failure = cls.on_failure is not Saga.on_failure
        cls.upgrades = cls.upgrade.__func__ is not Saga.upgrade.__func__  # type: ignore[attr-defined]  # a class method has it
        _check(cls)
        cls.hearers = Hearers(cls, cls._key)

    @property
    def key(self) -> str:
        """The key of this instance."""
        return self._now.key

    def send(self, command: Command, undo: Command | None = None) -> None:
        """
        Send a command, after those that were sent before; once, whatever happens.

        `undo` is what `compensate` sends to take back what the command does. The command gets an
        id that follows from the saga and the event.
        """
        self._now.send(command, undo)

    def schedule(
        self,
        message: Command | Event,
        *,
        after: timedelta | None = None,
        at: datetime | None = None,
        name: str | None = None,
    ) -> None:
        """
        Have a time-out: an event that comes to this instance later, or a command sent then.

        What has the same name, the stored name of the message by default, is put in its place. An
        event does not come to an instance that has ended; a command is sent nevertheless.
        """
        if isinstance(message, Event):
            hearer = self.hearers[type(message)]
            if hearer is None or not hearer.timeout:
                mark = f"@on({type(message).__name__}, timeout=True)"
                msg = f"{type(self).__name__} does not hear it: mark a method {mark}"
                raise TypeError(msg)
        self._now.schedule(message, at, after, name)

    def cancel(self, what: str | type[Message]) -> bool:
        """Let what was scheduled under a name, or as a message of a class, not come any more."""
        return self._now.cancel(what if isinstance(what, str) else what.__message_type__)

    def compensate(self, *, end: bool = True) -> None:
        """
        Take back what was sent: each `undo`, the last one first, one after another.

        That is the end of the instance; with `end=False` it goes on.
        """
        self._now.compensate(end=end)

    def complete(self) -> None:
        """End the instance: it hears nothing any more."""
        self._now.complete()

    def on_failure(self, command: Command, error: Exception) -> None:
        """
        React when a command has failed as often as `retry` says: `self.compensate()`, for example.

        The command, and those behind it that the same reaction asked for, are not sent again and
        need no undo. A saga that does not override this has its event set aside as a dead letter
        instead. A command that compensates always is.
        """
        raise NotImplementedError

    @classmethod
    def upgrade(cls, state: Any, version: int) -> Any:
        """Return a state, as JSON, that an older version of the class stored, as this one does."""
        raise NotImplementedError

    def __orchestrix_component__(self, app: Any) -> SagaComponent:
        """Return what the saga adds to an application."""
        return SagaComponent(saga_of(self), app)

    @property
    def _now(self) -> Reaction:
        if self._reaction is None:
            msg = f"{type(self).__name__} reacts to nothing now: this is for its handlers"
            raise OrchestrixError(msg)
        return self._reaction


def _check(cls: type[Saga]) -> None:
    if not (isinstance(cls.name, str) and _NAME.fullmatch(cls.name)):
        msg = (
            f"{cls.__name__}: name must be up to 40 letters, digits and _, a letter first; "
            f"got {cls.name!r}"
        )
        raise ValueError(msg)
    check_range(cls.version, f"{cls.__name__}: version", least=1)
    check_range(cls.partitions, f"{cls.__name__}: partitions", least=1)
    if cls.start not in ("beginning", "now"):
        msg = f'{cls.__name__}: start must be "beginning" or "now", not {cls.start!r}'
        raise ValueError(msg)


Saga.hearers = Hearers(Saga, None)


def saga_of(thing: Saga | type[Saga]) -> Saga:
    """Return a saga that was given as a class, or as an instance of it."""
    saga = thing() if isinstance(thing, type) else thing
    if not isinstance(saga, Saga) or type(saga) is Saga:
        msg = f"a saga is a subclass of Saga, or an instance of one, not {thing!r}"
        raise TypeError(msg)
    if not saga.hearers.start:
        msg = f"{type(saga).__name__} never begins: one @on(EventType, starts=True) at least"
        raise TypeError(msg)
    saga.hearers.check_keys()
    return saga
