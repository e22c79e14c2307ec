"""What a handler returns, as JSON and back: by its return annotation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final, get_type_hints

import msgspec
from cattrs import Converter

from orchestrix_core._converter import make_field_converter
from orchestrix_core.errors import SerializationError
from orchestrix_core.handlers import name_of
from orchestrix_core.validation import encode_body

__all__ = ["ResultCodec", "converter_of"]

_PLAIN: Final = (type(None), bool, int, float, str)
_default_converter = cache(make_field_converter)


def converter_of(serializer: Any) -> Converter:
    """Return the converter that knows the types which were registered with a serializer."""
    converter = getattr(serializer, "converter", None)
    return converter if isinstance(converter, Converter) else _default_converter()


class ResultCodec:
    """
    Keeps the results of one handler so that they come back as they were.

    With a return annotation, any type that an event's field may have; without, JSON values.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = name_of(function)
        self._annotation, self._hint = _returned(function)

    def encode(self, result: Any, converter: Converter) -> Any:
        """Return the result as a JSON value; `SerializationError` where it would not come back."""
        if self._hint is None:
            return self._plain(result)
        if self._hint in _PLAIN and type(result) is self._hint:
            return result
        try:
            value = msgspec.to_builtins(converter.unstructure(result, self._hint), str_keys=True)
            same = bool(converter.structure(value, self._hint) == result)
        except Exception as error:
            raise SerializationError(self._name, f"returned {result!r}: {error!r}") from error
        if not same:
            reason = f"returned {result!r}, which would not come back the same as {self._hint}"
            raise SerializationError(self._name, reason)
        return value

    def _plain(self, result: Any) -> Any:
        if type(result) not in _PLAIN:
            try:
                encode_body({"result": result})
            except SerializationError as error:
                raise SerializationError(self._name, self._advice(error)) from error
        return result

    def _advice(self, error: SerializationError) -> str:
        why = "has no return annotation"
        if self._annotation is not None:
            why = f"is annotated to return {self._annotation!r}, which is not found in its module"
        return (
            f"{why}, so its result must be a JSON value, but {error.path} {error.reason}: annotate "
            "it with a type that can be stored, or mark it with @handles(..., idempotent=False)"
        )

    def decode(self, value: Any, converter: Converter) -> Any:
        """Return the result that `encode` gave a value for."""
        if self._hint is None or self._hint in _PLAIN:
            return value
        return converter.structure(value, self._hint)


def _returned(function: Callable[..., Any]) -> tuple[Any, Any]:
    """Return the return annotation as it is written, and as a type; None where there is none."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    annotation = getattr(function, "__annotations__", {}).get("return", Any)
    holder = type("Returned", (), {"__annotations__": {"result": annotation}})
    try:
        hint = get_type_hints(holder, globalns=getattr(function, "__globals__", {}))["result"]
    except NameError:  # of a function's own scope, or imported for type checkers alone
        return annotation, None
    if hint in (Any, object):
        return None, None
    return annotation, hint
