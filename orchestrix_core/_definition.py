"""
How a subclass of `Message` becomes a frozen attrs class, whichever way it was spelled.

A class decorator runs after the class exists, so the class is only checked when it is defined and
finished at its first use. Until then it has a placeholder `__init__`, which attrs and dataclasses
both take for the class's own and leave in place.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

if TYPE_CHECKING:
    from orchestrix_core.messages import Message

_GENERATED = ("__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__")


def define(cls: type[Message], name: str | None, version: int | None) -> None:
    """Check and name a new subclass, and set the placeholder that finishes it at first use."""
    own = cls.__dict__
    _finish_bases(cls)
    if "__attrs_attrs__" not in own:  # there, the class is attrs' slotted copy of a checked one
        _check(cls)
        cls.__message_written__ = frozenset(own)
    if name is not None or "__message_type__" not in own:
        cls.__message_type__ = _checked_name(cls, name)
    if version is not None or "__message_version__" not in own:
        cls.__message_version__ = _checked_version(cls, version)
    cls.__init__ = _finish_then_init  # type: ignore[method-assign]  # the placeholder


def finish(cls: type[Message]) -> None:
    """Make `cls` and its bases ready for use; a second call does nothing."""
    if cls.__dict__.get("__init__") is not _finish_then_init:
        return
    _finish_bases(cls)
    if "__attrs_attrs__" not in cls.__dict__:
        these = _from_dataclass(cls) if "__dataclass_fields__" in cls.__dict__ else None
        # auto_detect keeps what the class itself wrote, and the placeholder until the next line.
        attrs.define(cls, these=these, kw_only=True, frozen=True, slots=False)
    init = cls.__attrs_init__  # type: ignore[attr-defined]
    init.__name__, init.__qualname__ = "__init__", f"{cls.__qualname__}.__init__"
    cls.__init__ = init  # type: ignore[method-assign]  # replaces the placeholder


def _finish_then_init(self: Message, *args: Any, **kwargs: Any) -> None:
    finish(type(self))
    type(self).__init__(self, *args, **kwargs)


def _finish_bases(cls: type[Message]) -> None:
    for base in cls.__mro__[-1:0:-1]:
        if "__message_type__" in base.__dict__:
            finish(base)


def _from_dataclass(cls: type[Message]) -> dict[str, Any]:
    """Take back what the dataclass decorator generated and return its fields as attrs fields."""
    fields: dict[str, dataclasses.Field[Any]] = cls.__dict__["__dataclass_fields__"]
    for name in _GENERATED:
        if name in cls.__dict__ and name not in cls.__message_written__:
            delattr(cls, name)
    if "__post_init__" in cls.__dict__:
        cls.__attrs_post_init__ = cls.__dict__["__post_init__"]  # type: ignore[attr-defined]
    own = [name for name in inspect.get_annotations(cls) if name in fields]
    these = {name: _attrs_field(fields[name]) for name in own if not _is_classvar(cls, name)}
    del cls.__dataclass_fields__  # it is an attrs class from now on
    return these


def _attrs_field(field: dataclasses.Field[Any]) -> Any:
    default: Any = attrs.NOTHING
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = attrs.Factory(field.default_factory)
    return attrs.field(
        default=default,
        init=field.init,
        repr=field.repr,
        eq=field.compare,
        hash=field.hash,
        metadata=dict(field.metadata),
    )


def _is_classvar(cls: type, name: str) -> bool:
    annotation = inspect.get_annotations(cls)[name]
    text = annotation if isinstance(annotation, str) else str(annotation)
    return text.strip("'\"").startswith(("typing.ClassVar", "t.ClassVar", "ClassVar"))


def _metadata(cls: type[Message]) -> frozenset[str]:
    root = next(base for base in cls.__mro__[::-1] if "__message_type__" in base.__dict__)
    return frozenset(field.name for field in attrs.fields(root))


def _check(cls: type[Message]) -> None:
    """Refuse, where it is written, a class that could not work."""
    own = cls.__dict__
    if "__slots__" in own:
        _refuse(cls, "__slots__", "leave out slots=True, or use @attrs.frozen(kw_only=True)")
    if own.get("__init__", _finish_then_init) is not _finish_then_init:
        _refuse(cls, "__init__", "declare fields; add a classmethod for another way to make one")
    for name in _metadata(cls) & (own.keys() | inspect.get_annotations(cls).keys()):
        _refuse(cls, name, "every message has this metadata field; name yours otherwise" + _HINT)
    for name, annotation in inspect.get_annotations(cls).items():
        if "InitVar" in str(annotation):
            _refuse(cls, name, "InitVar is not stored; make it a field or use a classmethod")
        if not _is_classvar(cls, name):
            _check_default(cls, name, own.get(name))


_HINT = ' (the stored name is set by class X(Event, type="..."))'


def _check_default(cls: type, name: str, value: Any) -> None:
    default = value.default if isinstance(value, dataclasses.Field) else value
    default = getattr(default, "_default", default)  # what attrs.field(default=...) holds
    if type(default).__hash__ is None:
        factory = f"attrs.field(factory=lambda: {default!r})"
        _refuse(cls, name, f"a mutable default would be shared by all; use {factory}")


def _refuse(cls: type, name: str, reason: str) -> NoReturn:
    msg = f"{cls.__module__}.{cls.__qualname__}.{name}: {reason}"
    raise TypeError(msg)


def _checked_name(cls: type, name: str | None) -> str:
    if name is None:
        return cls.__name__
    if not isinstance(name, str) or not name:
        _refuse(cls, "type", f"the stored name must be a non-empty str, not {name!r}")
    return name


def _checked_version(cls: type, version: int | None) -> int:
    if version is None:
        return 1
    if type(version) is not int or version < 1:
        _refuse(
            cls, "version", f"the schema version must be a whole number from 1, not {version!r}"
        )
    return version
