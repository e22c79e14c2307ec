"""The built wheels, and empty environments to install them into."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT, *sorted(ROOT.glob("plugins/*")), ROOT / "contract_tests"]
# what an operator may add to a wheel
EXTRAS = {"orchestrix_jaeger": "otlp"}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheels are: tox names the place; without it they are built here."""
    if named := os.environ.get("ORCHESTRIX_DIST"):
        return Path(named)
    place = tmp_path_factory.mktemp("dist")
    for project in PROJECTS:
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place)]
        subprocess.run([*build, str(project)], check=True, capture_output=True)
    return place


@pytest.fixture(scope="session")
def shelf(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheels and all that they declare, fetched once: the installs below reach for no index."""
    place = tmp_path_factory.mktemp("shelf")
    wheels = sorted(built.glob("*.whl"))
    extras = [f"{w}[{EXTRAS[n]}]" for w in wheels if (n := w.name.partition("-")[0]) in EXTRAS]
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", str(place)]
    subprocess.run([*pip, *map(str, wheels), *extras, "hatchling", "editables"], check=True)
    return place


class Environment:
    """An empty virtual environment; this one's pip installs into it."""

    def __init__(self, place: Path, *, with_pip: bool = False) -> None:
        venv.create(place, with_pip=with_pip)
        self.place = place
        self.bin = place / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.place,  # not the checkout: only what is installed can be imported
            env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def install(self, shelf: Path, *arguments: str | Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install"]
        self.run(*pip, "-q", "--no-compile", "--no-index", "--find-links", shelf, *arguments)

    def python(self, code: str) -> str:
        strict = ["-W", "error", "-I", "-c"]
        return self.run(self.bin / "python", *strict, code).stdout.strip()

    def ours(self) -> set[str]:
        """The distributions of this project that are installed."""
        names = "print(*(found.name for found in importlib.metadata.distributions()))"
        installed = self.python(f"import importlib.metadata; {names}").split()
        return {name for name in installed if name.startswith("orchestrix")}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return an empty environment."""
    return Environment(tmp_path / "venv")


@pytest.fixture(scope="session")
def make_environment() -> Callable[..., Environment]:
    """Make an empty environment in a place."""
    return Environment
