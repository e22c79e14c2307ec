"""The base class of projections: what a view is made of, and of which events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final

from orchestrix_core.messages import Event
from orchestrix_core.projections._hearers import Hearers
from orchestrix_core.projections._tables import drop_tables
from orchestrix_core.projections._view import SQLView
from orchestrix_core.subscriptions import RetryPolicy
from orchestrix_core.validation import check_range

__all__ = ["Projection", "projection_of"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}")
_TABLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,19}")


class Projection:
    """
    A view of what happened, made by handlers of events; the same events make the same view.

    ```python
    class OrderTotals(Projection):
        @on(OrderPlaced)
        async def placed(self, event: OrderPlaced, view: View) -> None:
            await view.put(event.order_id, {"total": str(event.total)})
    ```

    A handler takes the event and the view, and as a third the record if it wants to know where the
    event stands in the log. It changes nothing but the view. `class P(Projection, name=...)` sets:

    - `name`: what it is called in the store; the name of the class by default.
    - `version`: raise it when the handlers or the shape of the view change, then rebuild: until
      that is done, whoever runs another version leaves the view alone.
    - `partitions`: in how many parts it is kept up to date side by side, each in order.
    - `inline`: it changes in the transaction that appends the events, not behind it.
    - `tables`: names of SQL tables that `setup` makes, for a store that has SQL.

    Attributes:
        retry: what happens when a handler fails, before the event is a dead letter.
    """

    name: ClassVar[str] = "Projection"
    version: ClassVar[int] = 1
    partitions: ClassVar[int] = 1
    inline: ClassVar[bool] = False
    tables: ClassVar[tuple[str, ...]] = ()
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    hearers: ClassVar[Hearers]
    """Which methods hear which events."""

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        version: int | None = None,
        partitions: int | None = None,
        inline: bool | None = None,
        tables: Iterable[str] | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__ if name is None else name
        cls.version = cls.version if version is None else version
        cls.partitions = cls.partitions if partitions is None else partitions
        cls.inline = cls.inline if inline is None else inline
        cls.tables = cls.tables if tables is None else _tables(cls, tables)
        cls.hearers = Hearers(cls)
        _check(cls)

    async def setup(self, view: SQLView) -> None:
        """Make the tables of a new generation; `view` runs the statements."""

    async def drop(self, view: SQLView) -> None:
        """Remove what `setup` made, for a generation that is read no more; it may be gone."""
        await drop_tables(view)

    def hears(self, event: Event) -> bool:
        """Return whether any handler takes this event."""
        return bool(self.hearers[type(event)])


def _tables(cls: type[Projection], tables: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tables, str):
        msg = f"{cls.__name__}: tables must be several names, not the one text {tables!r}"
        raise TypeError(msg)
    names = tuple(tables)
    for table in names:
        if not (isinstance(table, str) and _TABLE.fullmatch(table)):
            msg = f"{cls.__name__}: a table is named like order_lines, not {table!r}"
            raise ValueError(msg)
    return names


def _check(cls: type[Projection]) -> None:
    if not (isinstance(cls.name, str) and _NAME.fullmatch(cls.name)):
        msg = (
            f"{cls.__name__}: name must be up to 30 letters, digits, - and _, a letter first; "
            f"got {cls.name!r}"
        )
        raise ValueError(msg)
    check_range(cls.version, f"{cls.__name__}: version", least=1)
    check_range(cls.partitions, f"{cls.__name__}: partitions", least=1)
    if cls.tables and cls.setup is Projection.setup:
        msg = f"{cls.__name__} has tables: its method setup(self, view) makes them"
        raise TypeError(msg)
    if cls.inline:
        _check_inline(cls)


def _check_inline(cls: type[Projection]) -> None:
    if cls.partitions > 1:
        msg = f"{cls.__name__}: an inline projection has no partitions, it changes with each append"
        raise ValueError(msg)
    for method in cls.hearers.with_record():
        msg = (
            f"{cls.__name__}.{method} takes the record, but where an event stands in the log is "
            "not known yet when an inline projection hears it"
        )
        raise TypeError(msg)


Projection.hearers = Hearers(Projection)


def projection_of(thing: Projection | type[Projection]) -> Projection:
    """Return a projection that was given as a class, or as an instance."""
    projection = thing() if isinstance(thing, type) else thing
    if not isinstance(projection, Projection) or type(projection) is Projection:
        msg = f"a projection is a subclass of Projection, or an instance of one, not {thing!r}"
        raise TypeError(msg)
    if not projection.hearers.types:
        msg = f"{type(projection).__name__} hears nothing: mark its handlers with @on(EventType)"
        raise TypeError(msg)
    return projection
