"""What `orchestrix plugin new` writes: clean for the tools, and red only on what is not written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import attrs
import pytest

from orchestrix_core.hookspecs import Kind

GUIDE = Path(__file__).parents[2] / "docs/writing-a-plugin.md"
PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
BUILD = "import sys, hatchling.build as build; print(build.build_wheel(sys.argv[1]))"
EXAMPLE = Path(__file__).parents[2] / "examples/orchestrix-jsonl"
# What an author has no reason to change.
UNTOUCHED = [
    ".github/workflows/ci.yml", ".github/workflows/publish.yml", ".gitignore", "tox.ini",
    "tests/test_contract.py", "tests/test_plugin.py",
]  # fmt: skip
SUMMARY = re.compile(r"^(?:FAILED|ERROR) \S+?::(\w+)(?:\[.*\])? - (.*)$", re.MULTILINE)
MISSING = re.compile(r"NotImplementedError: \w+ is missing: .+\(python -m pydoc [\w.]+\)")


@attrs.frozen
class Scaffold:
    """A project that was written, with its wheel on the path."""

    place: Path
    environment: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def passes(self, *command: str | Path) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def is_clean(self, cache: Path) -> None:
        self.passes("-m", "ruff", "check", "--no-cache")
        self.passes("-m", "ruff", "format", "--check", "--no-cache")
        self.passes("-m", "mypy", "--strict", "--cache-dir", cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where mypy keeps what it knows of the core and the suite."""
    return tmp_path_factory.mktemp("mypy")


def scaffold(folder: Path, name: str, kind: str) -> Scaffold:
    new = [*PROGRAM, "plugin", "new", name, "--kind", kind]
    subprocess.run(new, cwd=folder, check=True, capture_output=True)
    place = folder / f"orchestrix-{name}"
    build = [sys.executable, "-c", BUILD, str(folder)]
    built = subprocess.run(build, cwd=place, check=True, capture_output=True, text=True)
    path = os.pathsep.join([str(place / "src"), str(folder / built.stdout.split()[-1])])
    return Scaffold(place, {**os.environ, "PYTHONPATH": path, "COLUMNS": "400"})


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_project_is_clean_and_red_only_on_what_is_missing(
    tmp_path: Path, cache: Path, kind: str
) -> None:
    project = scaffold(tmp_path, "acme", kind)
    project.is_clean(cache)
    done = project.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no")
    assert done.returncode == 1, done.stdout + done.stderr
    reasons = SUMMARY.findall(done.stdout)
    assert len(reasons) >= 30
    assert [(test, why) for test, why in reasons if not MISSING.fullmatch(why)] == []
    assert "test_the_backend_is_offered" not in done.stdout


@pytest.mark.parametrize("kind", get_args(Kind))
def test_no_line_depends_on_the_length_of_the_name(tmp_path: Path, kind: str) -> None:
    for name in ("x", "a-very-long-name-x-y-z-1"):
        project = scaffold(tmp_path, name, kind)
        project.passes("-m", "ruff", "check", "--no-cache")
        project.passes("-m", "ruff", "format", "--check", "--no-cache")


def test_the_dict_of_the_guide_is_clean(tmp_path: Path, cache: Path) -> None:
    """That it is short and certified is seen where the guide is followed."""
    project = scaffold(tmp_path, "acme", "event_store")
    (block,) = re.findall(
        r"```python\n(# orchestrix-acme/src/\S+_store\.py\n.*?)```", GUIDE.read_text(), re.DOTALL
    )
    (project.place / "src/orchestrix_acme/_store.py").write_text(block)
    project.is_clean(cache)
    shutil.rmtree(project.place / "tests")  # certify needs none of them
    out = project.passes(*PROGRAM[1:], "certify", "--backend", "acme", "--test", "LockingContract")
    assert "Promise 2  holds" in out


def test_the_example_is_what_the_scaffold_makes_filled_in(tmp_path: Path, cache: Path) -> None:
    project = scaffold(tmp_path, "jsonl", "event_store")
    made = {path.relative_to(project.place) for path in files(project.place)}
    assert made <= {path.relative_to(EXAMPLE) for path in files(EXAMPLE)}
    for name in UNTOUCHED:
        assert (EXAMPLE / name).read_text() == (project.place / name).read_text(), name
    copied = attrs.evolve(project, place=tmp_path / "example")
    shutil.copytree(EXAMPLE, copied.place, ignore=shutil.ignore_patterns(".*_cache", "__pycache__"))
    copied.environment["PYTHONPATH"] = str(copied.place / "src")
    copied.is_clean(cache)


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
