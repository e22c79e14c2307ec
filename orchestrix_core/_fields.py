"""The stored fields of an event class, and the two msgspec structs that write and read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import msgspec

from orchestrix_core import _definition, _exact
from orchestrix_core._plans import Planner, resolved_hints
from orchestrix_core.messages import METADATA, Event

__all__ = ["StoredField", "read_struct", "stored_fields", "wire_struct"]

_ALWAYS_WRITTEN = frozenset({"id", "timestamp"})
_METADATA_PLANS = {
    "id": _exact.Plan(frozenset({str}), _exact.not_empty, usual="{}"),
    "timestamp": _exact.Plan(frozenset({datetime}), _exact.aware, usual=_exact.IN_UTC),
}


@attrs.frozen(eq=False)
class StoredField:
    """
    One field of an event class as its codec sees it.

    `late`: it is looked at again once the struct is read, because cattrs converts it or because
    its default needs the event.
    """

    name: str
    hint: Any
    plan: _exact.Plan
    default: Any

    @property
    def has_default(self) -> bool:
        return self.default is not attrs.NOTHING

    @property
    def late(self) -> bool:
        return not self.plan.native or getattr(self.default, "takes_self", False)

    def default_for(self, event: Event) -> Any:
        """Return the default that an event without this field gets."""
        if not _is_factory(self.default):
            return self.default
        return self.default.factory(event) if self.default.takes_self else self.default.factory()


def stored_fields(cls: type[Event], planner: Planner) -> list[StoredField]:
    """Return own fields first, then id and timestamp, then the metadata that has defaults."""
    _definition.finish(cls)
    hints = resolved_hints(cls)
    fields = [
        StoredField(
            field.name,
            hints[field.name],
            _METADATA_PLANS.get(field.name) or planner.plan(hints[field.name]),
            field.default,
        )
        for field in attrs.fields(cls)
        if field.name != "type"  # the store keeps it beside the document
    ]
    return sorted(fields, key=_rank)


def _rank(field: StoredField) -> int:
    if field.name not in METADATA:
        return 0
    return 1 if field.name in _ALWAYS_WRITTEN else 2


def wire_struct(cls: type[Event], fields: list[StoredField]) -> type[msgspec.Struct]:
    """Build what is written: only metadata leaves out its default. Defaults change, facts don't."""
    spec: list[Any] = [
        (field.name, Any, _metadata_default(field)) if _rank(field) == 2 else (field.name, Any)
        for field in fields
    ]
    return msgspec.defstruct(cls.__name__, spec, omit_defaults=True, gc=False)


def read_struct(cls: type[Event], fields: list[StoredField]) -> type[msgspec.Struct]:
    """
    Build what is read: a field that the class got later takes its default.

    Its fields stand in the order of the class's, `type` among them, as if `__init__` had run.
    """
    specs = {field.name: _read_spec(field) for field in fields}
    specs["type"] = ("type", str, cls.__message_type__)
    spec = [specs[field.name] for field in attrs.fields(cls)]
    return msgspec.defstruct(cls.__name__, spec, kw_only=True, gc=False)


def _read_spec(field: StoredField) -> Any:
    hint = field.hint if field.plan.native else Any
    if _rank(field) == 2:
        return field.name, hint, _metadata_default(field)
    if _rank(field) == 1 or not field.has_default:
        return field.name, hint
    if field.late:
        return field.name, hint, msgspec.UNSET
    if _is_factory(field.default):
        return field.name, hint, msgspec.field(default_factory=field.default.factory)
    return field.name, hint, msgspec.field(default_factory=lambda: field.default)


def _metadata_default(field: StoredField) -> Any:
    """Ids that are inherited while handling were not, for an event that was stored without."""
    return None if _is_factory(field.default) else field.default


def _is_factory(default: Any) -> bool:
    return isinstance(default, attrs.Factory)  # type: ignore[arg-type]  # typed as a function
