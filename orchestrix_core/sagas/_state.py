"""The state of a saga, as JSON and back: by the annotation of `state` in its class."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final, get_type_hints

import msgspec
from cattrs import Converter

from orchestrix_core._exact import json_value
from orchestrix_core.errors import OrchestrixError, SerializationError

__all__ = ["SagaStateError", "StateCodec"]

_PLAIN: Final = (Any, object, None, type(None))


class SagaStateError(OrchestrixError):
    """The stored state of an instance has another schema version, and there is no way from it."""

    def __init__(self, saga: str, key: str, stored: int, wanted: int) -> None:
        self.saga = saga
        self.key = key
        self.stored = stored
        self.wanted = wanted
        super().__init__(saga, key, stored, wanted)

    def __str__(self) -> str:
        where = f"the state of saga {self.saga}, instance {self.key!r}, was stored at version"
        if self.stored > self.wanted:
            advice = "run the newer version of the application"
        else:
            advice = f"{self.saga}.upgrade(state, version) must bring it to the present version"
        return f"{where} {self.stored}, its class is at {self.wanted}: {advice}"


class StateCodec:
    """Writes and reads the states of one saga class."""

    def __init__(self, owner: type, converter: Converter) -> None:
        self._owner = owner
        self._converter = converter
        self._hint = _annotation(owner)

    def initial(self) -> Any:
        """Return the state that an instance begins with: a copy of the one in the class."""
        return deepcopy(self._owner.state)  # type: ignore[attr-defined]  # a saga has one

    def encode(self, state: Any) -> Any:
        """Return the state as a JSON value; `SerializationError` where it would not come back."""
        try:
            if self._hint in _PLAIN:
                json_value(state)
                return deepcopy(state)
            value = msgspec.to_builtins(
                self._converter.unstructure(state, self._hint), str_keys=True
            )
            same = bool(self._converter.structure(value, self._hint) == state)
        except SerializationError as error:
            raise SerializationError(f"{self._name}{error.path}", error.reason) from None
        except Exception as error:
            raise SerializationError(self._name, f"is {state!r}: {error!r}") from error
        if not same:
            reason = f"is {state!r}, which would not come back the same as {self._hint}"
            raise SerializationError(self._name, reason)
        return value

    @property
    def _name(self) -> str:
        return f"{self._owner.__name__}.state"

    def decode(self, value: Any) -> Any:
        """Return the state that `encode` gave a value for."""
        if self._hint in _PLAIN:
            return deepcopy(value)
        try:
            return self._converter.structure(value, self._hint)
        except Exception as error:
            reason = f"stored as {value!r}, is not a {self._hint}: {error!r}"
            raise SerializationError(self._name, reason) from error


def _annotation(owner: type) -> Any:
    try:
        return get_type_hints(owner).get("state", Any)
    except NameError as error:
        msg = f"{owner.__name__}: the annotation of state is not found in its module: {error}"
        raise TypeError(msg) from error
