"""Removing the tables of a generation."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from orchestrix_core.projections._view import SQLView, View

__all__ = ["drop_tables"]


async def drop_tables(view: View) -> None:
    """Remove every table of the generation that is there, with its indexes."""
    if isinstance(view, SQLView):
        for table in view.tables:
            await view.execute(_statement().format(table=view.table(table)))


@cache
def _statement() -> str:
    return files("orchestrix_core.projections").joinpath("drop_table.sql").read_text("utf-8")
