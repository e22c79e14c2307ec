"""Which aggregate a stream belongs to, and the states that its events make."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs
import typer

from orchestrix_core.aggregates import AggregateRoot, Decided, Decider, UnhandledEventError
from orchestrix_core.cli._session import Session
from orchestrix_core.cli._values import plain
from orchestrix_core.errors import OrchestrixError
from orchestrix_core.messages import Event, RawEvent, stored_as

__all__ = ["Found", "find_aggregate", "import_application", "states"]

Source: TypeAlias = "type[AggregateRoot] | Decider[Any, Any, Any]"


@attrs.frozen
class Found:
    """An aggregate of the application: `name` is `module.Class`, or where a decider stands."""

    name: str
    source: Source

    def new(self, stream: str) -> AggregateRoot:
        """Return it as it is before its first event."""
        if isinstance(self.source, Decider):
            return Decided(stream, self.source)
        return self.source(stream)

    def is_called(self, name: str) -> bool:
        """Return whether it may be named so: in full, or by the last parts alone."""
        called = isinstance(self.source, Decider) and self.source.name == name
        return called or f".{self.name}".endswith(f".{name.replace(':', '.')}")

    def event_types(self) -> Collection[type[Event]]:
        """Return the event classes that it says it applies."""
        if isinstance(self.source, Decider):
            return _evolved(self.source)
        return self.source._appliers._names  # type: ignore[attr-defined,no-any-return]  # ours


def import_application(session: Session, name: str | None) -> None:
    """Import the modules of the application, and the one that an aggregate's name begins with."""
    session.import_modules()
    if name is not None and ":" in name:
        session.import_module(name.partition(":")[0], "--aggregate")


def find_aggregate(
    session: Session, stream: str, events: Sequence[Event], name: str | None
) -> Found:
    """
    Return the aggregate that is named, or else the one that applies the events of the stream.

    What the application defines is imported already.

    Raises:
        ConfigurationError: the application has none; it says what to do.
        typer.BadParameter: the name is not the one of exactly one.
    """
    _check_classes(session, events)
    known = list(_known(session, name))
    if name is not None:
        return _named(name, known)
    kinds = {type(event) for event in events}
    found = [one for one in known if _applies(one.event_types(), kinds)]
    exact = [one for one in found if kinds <= {*one.event_types()}]
    if len(found) > 1 and len(exact) == 1:
        found = exact
    if len(found) == 1:
        return found[0]
    raise _undecided(session, stream, kinds, found, known)


def _known(session: Session, name: str | None) -> Iterator[Found]:
    """Yield what stands in the packages of the application, each aggregate once."""
    named = [name.partition(":")[0]] if name is not None and ":" in name else []
    packages = {module.partition(".")[0] for module in (*session.configuration.modules, *named)}
    seen: list[Any] = []
    for module_name, module in sorted(sys.modules.items()):
        if module_name.partition(".")[0] in packages and isinstance(module, types.ModuleType):
            for key, thing in list(vars(module).items()):
                if _is_aggregate(thing) and not any(thing is other for other in seen):
                    seen.append(thing)
                    yield Found(_full_name(module_name, key, thing), thing)


def _is_aggregate(thing: Any) -> bool:
    if isinstance(thing, Decider):
        return True
    if not (isinstance(thing, type) and issubclass(thing, AggregateRoot)):
        return False
    return thing not in (AggregateRoot, Decided)


def _full_name(module: str, key: str, thing: Any) -> str:
    if isinstance(thing, Decider):
        return f"{module}.{key}"
    return f"{thing.__module__}.{thing.__qualname__}"


def _named(name: str, known: Sequence[Found]) -> Found:
    found = [one for one in known if one.is_called(name)]
    if len(found) == 1:
        return found[0]
    if found:
        reason = f"{name!r} is the name of several: {_listed(found)}"
    else:
        reason = f"no aggregate of the application is called {name!r} (there are {_listed(known)})"
    raise typer.BadParameter(reason, param_hint="--aggregate")


def _check_classes(session: Session, events: Iterable[Event]) -> None:
    """Refuse events whose class is not known: no aggregate can apply them."""
    unknown = {stored_as(event)[0] for event in events if isinstance(event, RawEvent)}
    if unknown:
        reason = (
            f"no module of the application defines {', '.join(sorted(unknown))}: "
            "add the module that does, modules = [...], or name it as --aggregate module:NAME"
        )
        raise session.configuration.document.fault(("modules",), reason)


def _applies(known: Collection[type[Event]], kinds: Iterable[type[Event]]) -> bool:
    return all(issubclass(kind, tuple(known)) for kind in kinds)


def _evolved(decider: Decider[Any, Any, Any]) -> Collection[type[Event]]:
    """Return the event classes that the second parameter of `evolve` is annotated with."""
    try:
        hints = typing.get_type_hints(decider.evolve)
    except Exception:  # it is a helper that runs whatever stands in annotations
        return ()
    hints.pop("return", None)
    kind = list(hints.values())[-1] if hints else None
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    kinds = typing.get_args(kind) if union else (kind,)
    return [one for one in kinds if isinstance(one, type) and issubclass(one, Event)]


def _undecided(
    session: Session,
    stream: str,
    kinds: Iterable[type[Event]],
    found: Sequence[Found],
    known: Sequence[Found],
) -> Exception:
    names = ", ".join(sorted(kind.__message_type__ for kind in kinds))
    if found:
        reason = f"{_listed(found)} all apply {names} of stream {stream!r}: say which one"
        return typer.BadParameter(reason, param_hint="--aggregate")
    reason = (
        f"no aggregate of the application applies {names} of stream {stream!r} "
        f"(there are {_listed(known)}): add the module that defines it, modules = [...], "
        "or name it with --aggregate NAME or --aggregate module:NAME"
    )
    return session.configuration.document.fault(("modules",), reason)


def _listed(found: Iterable[Found]) -> str:
    return ", ".join(sorted(one.name for one in found)) or "none"


def states(found: Found, stream: str, events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """Yield the state before the first event, then after each one, as JSON values."""
    try:
        aggregate = found.new(stream)
    except Exception as exc:
        msg = f"{found.name}({stream!r}) failed: {type(exc).__name__}: {exc}"
        raise OrchestrixError(msg) from exc
    yield _state(aggregate)
    for version, event in enumerate(events, start=1):
        _apply(found, aggregate, version, event)
        yield _state(aggregate)


def _apply(found: Found, aggregate: AggregateRoot, version: int, event: Event) -> None:
    place = f"version {version} ({stored_as(event)[0]})"
    try:
        aggregate.replay([event])
    except UnhandledEventError as exc:
        msg = f"{place} cannot be applied: {exc}"
        raise OrchestrixError(msg) from exc
    except Exception as exc:  # whatever the application's code raises
        msg = f"{found.name} failed to apply {place}: {type(exc).__name__}: {exc}"
        raise OrchestrixError(msg) from exc


def _state(aggregate: AggregateRoot) -> dict[str, Any]:
    if not isinstance(aggregate, Decided):
        return {name: plain(value) for name, value in _attributes(aggregate).items()}
    state = plain(aggregate.state)
    fields = state if isinstance(state, dict) else {"state": state}
    if aggregate.decider.state_type is type(aggregate.decider.initial):
        return fields
    return {"type": type(aggregate.state).__name__, **fields}  # one of several: which is told


_OWN = {*vars(AggregateRoot), *vars(AggregateRoot("x"))}
"""The names that every aggregate has, which are no part of its state."""


def _attributes(aggregate: AggregateRoot) -> dict[str, Any]:
    """Return what is set on the aggregate, over the defaults that stand in its classes."""
    found: dict[str, Any] = {}
    for cls in reversed(type(aggregate).__mro__):
        for name, value in vars(cls).items():
            if isinstance(value, types.MemberDescriptorType):  # of __slots__
                if hasattr(aggregate, name):
                    found[name] = getattr(aggregate, name)
            elif _is_default(cls, name, value):
                found[name] = value
    found |= vars(aggregate)
    return {name: value for name, value in found.items() if name not in _OWN}


def _is_default(cls: type, name: str, value: Any) -> bool:
    """Return whether an attribute of a class is what the state begins with, not a constant."""
    constant = name.startswith("_") or name.isupper()
    declared = str(vars(cls).get("__annotations__", {}).get(name, ""))
    code = callable(value) or hasattr(value, "__get__")
    return not (constant or code or "ClassVar" in declared or "Final" in declared)
