"""The settings of a PostgreSQL store, checked once for the store and the configuration file."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import attrs

from orchestrix_core import Secret
from orchestrix_core.serialization import UnknownPolicy

__all__ = ["NOT_AN_ADDRESS", "Payload", "PostgreSQLConfig"]

Payload: TypeAlias = Literal["json", "jsonb"]

_SCHEMA: Final = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}")
NOT_AN_ADDRESS: Final = (
    "connection_string must look like postgresql://user:password@host:5432/database; "
    "percent-encode special characters in user and password (what was given is not shown)"
)


def _check_dsn(value: str) -> None:
    """Refuse what is no address, without a word of what it was: the password may stand anywhere."""
    try:
        parts = urlsplit(value)
        _ = parts.port if "," not in parts.netloc else None
        # A character of the password that ends the host part would show what comes before it.
        whole = value.count("@") == parts.netloc.count("@")
        known = whole and parts.scheme in ("postgresql", "postgres")
    except ValueError:
        known = False
    if not known:
        raise ValueError(NOT_AN_ADDRESS) from None


def _dsn(config: PostgreSQLConfig, field: attrs.Attribute[Secret], value: Any) -> None:
    if not isinstance(value, Secret):
        msg = f"{field.name} must be a str, not {type(value).__name__}"
        raise TypeError(msg)
    _check_dsn(value.reveal())


def _secret(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else value


def _one_of(*choices: str) -> Any:
    def check(config: PostgreSQLConfig, field: attrs.Attribute[str], value: str) -> None:
        if value not in choices:
            msg = f"{field.name} must be {' or '.join(map(repr, choices))}, not {value!r}"
            raise ValueError(msg)

    return check


def _seconds(config: PostgreSQLConfig, field: attrs.Attribute[float], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        msg = f"{field.name} must be a number of seconds above 0 and up to a day, not {value!r}"
        raise ValueError(msg)


def _count(least: int, most: int) -> Any:
    def check(config: PostgreSQLConfig, field: attrs.Attribute[int], value: int) -> None:
        if type(value) is not int or not least <= value <= most:
            msg = f"{field.name} must be a whole number from {least} to {most}, not {value!r}"
            raise ValueError(msg)

    return check


def _at_most_max(config: PostgreSQLConfig, field: attrs.Attribute[int], value: int) -> None:
    _count(0, 10_000)(config, field, value)
    most = config.pool_max_size
    if type(most) is int and 0 < most < value:
        msg = f"{field.name} must be at most pool_max_size ({most}), not {value}"
        raise ValueError(msg)


def _name(config: PostgreSQLConfig, field: attrs.Attribute[str], value: str) -> None:
    if not isinstance(value, str) or not _SCHEMA.fullmatch(value):
        msg = (
            f"{field.name} must be a name of up to 63 letters, digits and underscores that begins "
            f"with neither a digit nor 'pg_', not {value!r}"
        )
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class PostgreSQLConfig:
    """
    The table `[orchestrix.event_store.postgres]`.

    Attributes:
        connection_string: the address of the database, with user and password; never shown.
        pool_min_size: connections opened at the start and kept.
        pool_max_size: connections at most, and how many operations run at a time. A store that is
            subscribed to has one more, which listens.
        pool_timeout: seconds to wait for a free connection before `StorageError`.
        schema: where the tables stand; made if it is missing.
        payload: type of the column with the documents. "json" keeps their text and is faster,
            "jsonb" can be indexed, and refuses NUL characters and some numbers.
        statement_cache_size: prepared statements for each connection; 0 for a pooler such as
            PgBouncer in transaction mode.
        poll_interval: seconds between two looks of a subscription that was not woken.
        idle_timeout: seconds after which the server undoes a transaction whose program does
            nothing: one that was paused must not hold up all others. Behind a pooler, that is,
            with `statement_cache_size=0`, it is the pooler's or the role's to set.
        create: whether to make or upgrade the tables; without, missing ones are a `StorageError`.
        unknown: a stored name without a class is an error, or gives a `RawEvent`.
    """

    connection_string: Secret = attrs.field(converter=_secret, validator=_dsn)
    pool_min_size: int = attrs.field(default=10, validator=_at_most_max)
    pool_max_size: int = attrs.field(default=50, validator=_count(1, 10_000))
    pool_timeout: float = attrs.field(default=30.0, validator=_seconds)
    schema: str = attrs.field(default="public", validator=_name)
    payload: Payload = attrs.field(default="json", validator=_one_of("json", "jsonb"))
    statement_cache_size: int = attrs.field(default=100, validator=_count(0, 10_000))
    poll_interval: float = attrs.field(default=1.0, validator=_seconds)
    idle_timeout: float = attrs.field(default=300.0, validator=_seconds)
    create: bool = True
    unknown: UnknownPolicy = attrs.field(default="error", validator=_one_of("error", "raw"))
