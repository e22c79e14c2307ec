"""Given events, when something is asked of an aggregate or a decider, then this is decided."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import attrs

from orchestrix_core.aggregates import AggregateRoot, Decided, Decider
from orchestrix_core.messages import Event
from orchestrix_core.testing._differences import (
    INHERITED,
    differences,
    event_differences,
    show,
)

__all__ = ["Decision", "Given", "fail_with", "watched"]

A = TypeVar("A", bound=AggregateRoot)
C = TypeVar("C")
E = TypeVar("E", bound=Event)
S = TypeVar("S")
T = TypeVar("T")
P = ParamSpec("P")


class _RuleBrokenError(AssertionError):
    """The aggregate or decider broke a rule that holds whatever was asked."""


class Given(Generic[A]):
    """An aggregate with a past, of which something may be asked."""

    def __init__(self, make: Callable[[], A], events: Sequence[Event]) -> None:
        self._make = make
        self._events = events
        self._as_given = deepcopy(events)

    @overload
    def when(self: Given[Decided[C, E, S]], command: C, /) -> Decision[Decided[C, E, S]]: ...
    @overload
    def when(
        self, fn: Callable[Concatenate[A, P], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Decision[A]: ...
    def when(self, action: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        Let it decide: `when(Order.pay, 5)` or `when(lambda order: order.pay(5))`, or a command.

        What is raised is kept for `then_raises`; any other `then...` shows it.
        """
        aggregate = self._replayed(())
        act = _action(aggregate, action, args, kwargs)
        try:
            result = act()
        except _RuleBrokenError:
            raise
        except Exception as error:
            return Decision(aggregate, error=error)
        _refuse_async(action, result)
        self._check_events()
        self._check_replay(aggregate)
        return Decision(aggregate, result)

    def _replayed(self, more: Sequence[Event]) -> A:
        aggregate = self._make()
        aggregate.replay([*self._events, *more])
        return aggregate

    def _check_events(self) -> None:
        """A list in an event is the event's: who changes it changes what is stored."""
        if lines := event_differences(self._as_given, self._events, ()):
            raise _RuleBrokenError("\n  ".join(["an event was changed", *lines]))

    def _check_replay(self, aggregate: A) -> None:
        """What its events do not say is lost when it is loaded again."""
        first, second = (self._replayed(aggregate.uncommitted_events) for _ in range(2))
        for name, value in vars(aggregate).items():
            again = getattr(first, name, None)
            if name == "uncommitted_events" or again != getattr(second, name, None):
                continue  # the latter: two of its values are never equal
            if again != value:
                msg = (
                    f"{type(aggregate).__name__}.{name} was changed outside the @when methods: it "
                    f"is {value!r}, and {again!r} once its events are replayed"
                )
                raise _RuleBrokenError(msg)


def _action(aggregate: Any, action: Any, args: Any, kwargs: Any) -> Callable[[], Any]:
    if callable(action):
        return partial(action, aggregate, *args, **kwargs)
    if isinstance(aggregate, Decided):
        return partial(aggregate.decide, action)
    msg = f"when takes a function of the aggregate, not {action!r}"
    raise TypeError(msg)


def _refuse_async(action: Any, result: Any) -> None:
    if inspect.iscoroutine(result):
        result.close()
        msg = f"when takes a plain function, not {action!r}: await what it needs before"
        raise TypeError(msg)


@attrs.frozen(eq=False)
class Decision(Generic[A]):
    """
    What came of it; each `then...` raises an AssertionError that shows what differs.

    Attributes:
        aggregate: as it is now.
        result: what the function returned.
        error: what it raised.
    """

    aggregate: A
    result: Any = None
    error: Exception | None = None

    @property
    def events(self) -> list[Event]:
        """What was recorded."""
        return list(self.aggregate.uncommitted_events)

    def then(self, *events: Event, metadata: bool = False) -> Self:
        """
        Check that exactly these events were recorded, in this order.

        Their ids, times and what they inherit are left out, unless `metadata` is asked for.
        """
        __tracebackhide__ = True
        self._did_not_raise("; ".join(map(show, events)) or "no events")
        ignore: Collection[str] = () if metadata else INHERITED
        fail_with("the recorded events differ", event_differences(events, self.events, ignore))
        return self

    def then_nothing(self) -> Self:
        """Check that nothing was recorded, and nothing raised."""
        __tracebackhide__ = True
        return self.then()

    def then_raises(self, error: type[BaseException], *, match: str | None = None) -> Self:
        """Check that this was raised, with a text in which the pattern `match` is found."""
        __tracebackhide__ = True
        if self.error is None:
            done = "; ".join(map(show, self.events)) or "nothing"
            msg = f"expected {error.__name__}, but none was raised; recorded: {done}"
            raise AssertionError(msg)
        if not isinstance(self.error, error):
            msg = f"expected {error.__name__}, got {self.error!r}"
            raise AssertionError(msg) from self.error
        if match is not None and not re.search(match, str(self.error)):
            msg = f"expected {error.__name__} with a text like {match!r}, got {str(self.error)!r}"
            raise AssertionError(msg) from self.error
        return self

    def then_returns(self, result: Any) -> Self:
        """Check what the function returned."""
        __tracebackhide__ = True
        self._did_not_raise(f"the result {result!r}")
        fail_with("the result differs", differences(result, self.result))
        return self

    @overload
    def then_state(self: Decision[Decided[C, E, S]], state: S, /) -> Decision[Decided[C, E, S]]: ...
    @overload
    def then_state(self, /, **attributes: Any) -> Self: ...
    def then_state(self, /, *state: Any, **attributes: Any) -> Any:
        """Check these attributes of the aggregate (of a decider's state), or a decider's state."""
        __tracebackhide__ = True
        self._did_not_raise("a state")
        actual = self.aggregate.state if isinstance(self.aggregate, Decided) else self.aggregate
        lines = [line for each in state for line in differences(each, actual, "state")]
        for name, value in attributes.items():
            if not hasattr(actual, name):
                lines.append(f"{name}: expected {value!r}, but there is no such attribute")
            else:
                lines += differences(value, getattr(actual, name), name)
        fail_with("the state differs", lines)
        return self

    def _did_not_raise(self, expected: str) -> None:
        __tracebackhide__ = True
        if self.error is not None:
            msg = f"expected {expected}, but this was raised: {self.error!r}"
            raise AssertionError(msg) from self.error


def fail_with(title: str, lines: Iterable[str]) -> None:
    """Raise an AssertionError that shows these lines, if there are any."""
    __tracebackhide__ = True
    if shown := list(lines):
        raise AssertionError("\n  ".join([title, *shown]))


def watched(decider: Decider[C, E, S]) -> Decider[C, E, S]:
    """Return the decider with functions that are seen to be pure at each call."""
    evolve = decider.evolve

    def evolved(state: S, event: E) -> S:
        after = _unchanged("evolve", state, lambda: evolve(state, event))
        if after is None and decider.initial is not None:
            msg = f"evolve returned None for {show(event)}: it returns the next state"
            raise _RuleBrokenError(msg)
        return after

    def decided(command: C, state: S) -> Sequence[E]:
        return _unchanged("decide", state, lambda: decider.decide(command, state))

    return attrs.evolve(decider, decide=decided, evolve=evolved)


def _unchanged(name: str, state: Any, call: Callable[[], T]) -> T:
    try:
        before = deepcopy(state)
    except TypeError:
        return call()  # it cannot be copied, so it cannot be compared
    comparable = before == state
    result = call()
    if comparable and before != state:
        msg = f"{name} changed the state that it was given"
        raise _RuleBrokenError("\n  ".join([msg, *differences(before, state, "state")]))
    return result
