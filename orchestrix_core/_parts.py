"""What is registered with an application."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import Any

from orchestrix_core._projecting import Projecting
from orchestrix_core.commands import CommandHandler, Sending
from orchestrix_core.components import Component, Listener
from orchestrix_core.handlers import handled, heard
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.projections import Projection, projection_of
from orchestrix_core.stores import DOCUMENTS, GLOBAL_LOG

__all__ = ["Parts"]

_JOINS = "__orchestrix_component__"


class Parts:
    """The handlers, listeners, projections and other components of one application."""

    def __init__(self, app: Any, sending: Sending) -> None:
        self._app = app
        self._sending = sending
        self._things: list[Any] = []
        self._handlers: list[CommandHandler] = []
        self._projections: list[Projection] = []
        self._components: list[Component] = []
        self._complete: list[Component] | None = None

    def add_module(self, module: ModuleType) -> None:
        """Add all that a module defines, but for private names."""
        for name, thing in list(vars(module).items()):
            own = getattr(thing, "__module__", None) == module.__name__
            if own and not name.startswith("_") and (_is_marked(thing) or _joins(thing)):
                self.add(thing)

    def add(self, thing: Any) -> None:
        """Add one thing, once; `TypeError` when it is nothing that can be added."""
        if any(thing is known for known in self._things):
            return
        if not self._add(thing):
            msg = (
                f"{thing!r} cannot be registered: that takes a function marked with @handles or "
                "@on, an object with such methods, a Projection, a Saga, or a module"
            )
            raise TypeError(msg)
        self._things.append(thing)
        self._complete = None

    def _add(self, thing: Any) -> bool:
        kind = thing if isinstance(thing, type) else type(thing)
        if hasattr(kind, _JOINS):
            self._components.append(_component(thing, self._app))
        elif issubclass(kind, Projection):
            self._projections.append(projection_of(thing))
        else:
            functions = list(_functions(thing))
            for function in functions:
                self._add_function(function)
            return bool(functions)
        return True

    def _add_function(self, function: Callable[..., Any]) -> None:
        self._handlers += self._sending.register(function)
        if heard(function):
            listener = Listener(function, self._app)
            names = [part.name for part in self._components if isinstance(part, Listener)]
            if listener.name in names:
                msg = f'two functions are named {listener.name}: give one @on(..., name="...")'
                raise ValueError(msg)
            self._components.append(listener)

    def needs(self) -> Iterator[tuple[str, Collection[str]]]:
        """Yield who needs which capabilities."""
        for handler in self._handlers:
            yield handler.name, {DOCUMENTS, GLOBAL_LOG}
        for projection in self._projections:
            yield f"projection {projection.name}", {DOCUMENTS, GLOBAL_LOG}
        for component in self._components:
            yield component.name, component.requires

    def complete(self, store: Any, watch: Instrumentation) -> list[Component]:
        """Return all components; the projections are one together."""
        if self._complete is None:
            self._complete = list(self._components)
            if self._projections:
                self._complete.append(Projecting(store, self._projections, watch))
        return self._complete


def _component(thing: Any, app: Any) -> Component:
    instance = thing() if isinstance(thing, type) else thing
    component = getattr(instance, _JOINS)(app)
    if not isinstance(component, Component):
        msg = f"{_JOINS} of {thing!r} must return a Component, not {component!r}"
        raise TypeError(msg)
    return component


def _joins(thing: Any) -> bool:
    """Whether a class, found in a module, is meant to be registered."""
    if not isinstance(thing, type):
        return False
    return hasattr(thing, _JOINS) or (issubclass(thing, Projection) and bool(thing.hearers.types))


def _functions(thing: Any) -> Iterator[Callable[..., Any]]:
    """Return the marked functions: the thing itself, or the methods of an object."""
    if _is_marked(thing):
        yield thing
    elif not isinstance(thing, type):
        for name, _ in inspect.getmembers_static(type(thing), _is_marked):
            yield getattr(thing, name)


def _is_marked(thing: Any) -> bool:
    function = getattr(thing, "__func__", thing)
    return inspect.isroutine(function) and bool(handled(function) or heard(function))
