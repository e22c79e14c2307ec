"""The configuration of the example, on each store."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["database", "postgres"]  # fixtures of the repository

EXAMPLE = Path(__file__).parents[1]


try:
    from postgres_fixtures import database, postgres
except ImportError:  # where the example stands alone

    @pytest.fixture
    def database() -> str:
        """Skip what wants PostgreSQL."""
        pytest.skip("the server for tests is that of the repository")


@pytest.fixture
def configured(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """
    Return a directory, now the working one, with the example's configuration for one store.

    For another store than SQLite one line is another; the environment says where the data is.
    """
    store: str = getattr(request, "param", "sqlite")
    lines = (EXAMPLE / "orchestrix.toml").read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [line.replace('use = "sqlite"', f'use = "{store}"') for line in lines]
    differ = sum(old != new for old, new in zip(lines, changed, strict=True))
    assert differ == (store != "sqlite"), "one line chooses the store"
    (tmp_path / "orchestrix.toml").write_text("".join(changed), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULFILMENT_DB", str(tmp_path / "fulfilment.db"))
    if store == "postgres":
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database"))
    return tmp_path
