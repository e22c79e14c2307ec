"""
Which class a stored name stands for, and how its older schemas become the current one.

Every message class joins the default registry when it is defined, or the one it names:
`class OrderPlaced(Event, registry=mine)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestrix_core.errors import AmbiguousMessageType, UnknownMessageType, UpcastingError

if TYPE_CHECKING:
    from orchestrix_core.messages import Message

__all__ = [
    "MessageRegistry",
    "Upcaster",
    "default_registry",
    "framework_registry",
    "upcaster",
]

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes an event's data (JSON values, no metadata) at one schema version, returns the next's."""


class MessageRegistry:
    """
    Stored name to message class, and the upcasters of each name.

    Attributes:
        ambiguous: the names that several classes claim; who stores looks here first.
    """

    def __init__(self) -> None:
        self.ambiguous: set[str] = set()
        self._claims: dict[str, dict[str, type[Message]]] = {}
        self._classes: dict[str, type[Message]] = {}  # the names that one class alone claims
        self._upcasters: dict[str, dict[int, Upcaster]] = {}

    def register(self, cls: type[Message]) -> None:
        """
        Let `cls` answer to its stored name.

        A class of the same module and qualified name (a reload, a decorator's copy) is replaced.
        """
        name = f"{cls.__module__}.{cls.__qualname__}"
        claims = self._claims.setdefault(cls.__message_type__, {})
        claims[name] = cls
        if len(claims) == 1:
            self._classes[cls.__message_type__] = cls
        else:
            self._classes.pop(cls.__message_type__, None)
            self.ambiguous.add(cls.__message_type__)

    def refuse_ambiguous(self, type: str) -> None:
        """Raise `AmbiguousMessageType` where several classes have this name."""
        if type in self.ambiguous:
            first, second, *_ = self._claims[type]
            raise AmbiguousMessageType(type, first, second)

    def resolve(self, type: str) -> type[Message]:
        """
        Return the class whose stored name is `type`.

        Raises:
            UnknownMessageType: no class has this name.
            AmbiguousMessageType: several have it.
        """
        cls = self._classes.get(type)
        if cls is not None:
            return cls
        self.refuse_ambiguous(type)
        return self._framework(type)

    def _framework(self, type: str) -> type[Message]:
        if self is framework_registry:
            raise UnknownMessageType(type)
        return framework_registry.resolve(type)

    def add_upcaster(self, type: str, from_version: int, upcast: Upcaster) -> None:
        """Use `upcast` to bring data of `type` from `from_version` to the next version."""
        steps = self._upcasters.setdefault(type, {})
        known = steps.get(from_version)
        if known is not None and _name(known) != _name(upcast):
            both = f"{_name(known)}, {_name(upcast)}"
            msg = f"{type!r} has two upcasters from version {from_version}: {both}"
            raise UpcastingError(msg)
        steps[from_version] = upcast

    def upcast(self, type: str, version: int, data: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return `data`, stored at schema `version`, as the current class of `type` has it.

        Raises:
            UpcastingError: a step is missing or failed, or the data is newer than the class.
        """
        current = self.resolve(type).__message_version__
        if version > current:
            msg = f"{type!r} was stored at version {version}, its class is at {current}: upgrade"
            raise UpcastingError(msg)
        result = dict(data)
        for step in range(version, current):
            result = self._apply(type, step, result)
        return result

    def check(self) -> None:
        """
        Look, at start-up, for upcasters that can never bring data to the current version.

        Raises:
            UpcastingError: a gap in a chain, an unknown type, or a step beyond the class.
        """
        for type, steps in self._upcasters.items():
            if type not in self._claims:
                msg = (
                    f"upcaster {_name(steps[min(steps)])} is for {type!r}, which no class is called"
                )
                raise UpcastingError(msg)
            current = self.resolve(type).__message_version__
            if max(steps) >= current:
                msg = (
                    f"{type!r} has an upcaster from version {max(steps)}, but its class is at "
                    f"version {current}: declare it with version={max(steps) + 1}"
                )
                raise UpcastingError(msg)
            for step in range(min(steps), current):
                self._step(type, step)

    def _step(self, type: str, version: int) -> Upcaster:
        try:
            return self._upcasters[type][version]
        except KeyError:
            msg = f"{type!r} has no upcaster from version {version} to {version + 1}"
            raise UpcastingError(msg) from None

    def _apply(self, type: str, version: int, data: dict[str, Any]) -> dict[str, Any]:
        upcast = self._step(type, version)
        try:
            result = upcast(data)
        except Exception as error:
            msg = f"upcaster {_name(upcast)} of {type!r} from version {version} failed: {error!r}"
            raise UpcastingError(msg) from error
        if not isinstance(result, dict):
            msg = f"upcaster {_name(upcast)} of {type!r} must return a dict, not {result!r}"
            raise UpcastingError(msg)
        return result


def _name(upcast: Upcaster) -> str:
    return f"{getattr(upcast, '__module__', '?')}.{getattr(upcast, '__qualname__', repr(upcast))}"


framework_registry = MessageRegistry()
"""What the framework itself stores: every registry knows it."""
default_registry = MessageRegistry()
"""The registry of every message class that names no other."""


def upcaster(
    type: str, *, from_version: int, registry: MessageRegistry = default_registry
) -> Callable[[Upcaster], Upcaster]:
    """
    Declare a pure function from an event's data at `from_version` to the next version's.

    ```python
    @upcaster("OrderShipped", from_version=1)
    def add_carrier(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "carrier": "unknown"}
    ```
    """
    if isinstance(from_version, bool) or not isinstance(from_version, int) or from_version < 1:
        msg = f"from_version must be a whole number from 1, not {from_version!r}"
        raise ValueError(msg)

    def declare(upcast: Upcaster) -> Upcaster:
        registry.add_upcaster(type, from_version, upcast)
        return upcast

    return declare
