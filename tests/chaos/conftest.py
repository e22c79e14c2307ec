"""The example with its own configuration, on the store that a test asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from postgres_fixtures import database, postgres

__all__ = ["database", "postgres"]  # fixtures that all suites share

EXAMPLE = Path(__file__).parents[2] / "examples/fulfilment"


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory, now the working one, with the example's configuration for one store."""
    store: str = getattr(request, "param", "sqlite")
    text = (EXAMPLE / "orchestrix.toml").read_text(encoding="utf-8")
    assert 'use = "sqlite"' in text
    changed = text.replace('use = "sqlite"', f'use = "{store}"')
    (tmp_path / "orchestrix.toml").write_text(changed, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULFILMENT_DB", str(tmp_path / "fulfilment.db"))
    if store == "postgres":
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database"))
    return tmp_path
