"""The tool that mutates a backend: what it changes, what it calls it, and when it says no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("mutmut", reason="the mutation tool is not installed")

ROOT = Path(__file__).parents[2]
CODE = '''
"""What it is for."""

import os

T = TypeVar("T")
Rows: TypeAlias = dict[str, int]


class Box:
    """Holds one thing."""

    def put(self, thing: int | None, *, twice: bool = False) -> int:
        """Take it."""
        if thing is None:
            msg = f"nothing {thing + 1}"
            raise ValueError(msg)
        with self._lock:
            self._things[thing] = 7
            self._wake(thing, len=3)
        return self._count(thing)
'''


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return the modules of the tool, which is no part of what is installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    names = ("sites", "settings", "results", "verdict", "plan", "run", "trial", "observation")
    return SimpleNamespace(**{name: import_module(f"mutants._{name}") for name in names})


@pytest.fixture
def mutants(tool: SimpleNamespace, tmp_path: Path) -> Any:
    """Return a function that gives the mutants of a module."""

    def mutants(code: str = CODE) -> list[Any]:
        path = tmp_path / "box.py"
        path.write_text(code, encoding="utf-8")
        return tool.sites.mutants_of(path)  # type: ignore[no-any-return]  # found by name

    return mutants


def test_what_behaviour_depends_on_is_changed(mutants):
    changes = {(mutant.old, mutant.new) for mutant in mutants()}
    assert changes >= {
        ("if thing is None:", "if True:"),
        ("if thing is None:", "if False:"),
        ("if thing is None:", "if thing is not None:"),
        ("self._things[thing] = 7", "pass"),
        ("self._things[thing] = 7", "self._things[thing] = 8"),
        ("self._wake(thing, len=3)", "pass"),
        ("self._wake(thing, len=3)", "self._wake(None, len=3)"),
        ("self._wake(thing, len=3)", "self._wake(thing, )"),
        ("with self._lock:", 'with __import__("contextlib").nullcontext():'),
        ("return self._count(thing)", "return None"),
        (
            "def put(self, thing: int | None, *, twice: bool = False) -> int:",
            "def put(self, thing: int | None, *, twice: bool = True) -> int:",
        ),
    }


def test_texts_and_types_are_left_alone(mutants):
    touched = " ".join(mutant.old for mutant in mutants())
    for word in ("import", "TypeVar", "TypeAlias", "msg =", "Holds", "What"):
        assert word not in touched


def test_every_mutant_is_python_and_differs(mutants):
    sources = [mutant.source() for mutant in mutants()]
    for source in sources:
        compile(source, "box.py", "exec")
    assert len({*sources, CODE}) == len(sources) + 1


def test_a_mutant_keeps_its_name_when_lines_move(mutants):
    keys = [mutant.key for mutant in mutants()]
    moved = CODE.replace("import os", "import os\n\nLIMIT: Rows\n\n").replace("7", "7  # why")
    assert [mutant.key for mutant in mutants(moved)] == keys
    assert len(set(keys)) == len(keys)
    assert keys[0].startswith("box.Box.put: ")


def test_two_that_read_the_same_are_told_apart(mutants):
    found = mutants("def f(a):\n    a.clear()\n    a.add(1)\n    a.clear()\n")
    assert [mutant.key for mutant in found if mutant.old == "a.clear()"] == [
        "box.f: a.clear() -> pass",
        "box.f: a.clear() -> pass (2)",
    ]


@pytest.fixture
def settings(tool: SimpleNamespace) -> Any:
    """Return a function that gives the settings of the memory backend, with these survivors."""

    def settings(*keys: str) -> Any:
        why = tool.settings.Survivor("speed", "it is cached")
        return tool.settings.Settings(
            "memory", ["test_contract.py"], {}, [], dict.fromkeys(keys, why)
        )

    return settings


def outcome(tool, key, what):
    return {key: tool.results.Outcome(key, what, "test_it", 0.1, 3)}


def test_who_survives_has_to_be_listed(tool, settings):
    assert list(tool.verdict.wrong(settings(), outcome(tool, "k", "killed"))) == []
    assert list(tool.verdict.wrong(settings("k"), outcome(tool, "k", "survived"))) == []
    (line,) = tool.verdict.wrong(settings(), outcome(tool, "k", "survived"))
    assert line == "memory: survived 3 tests, and is not listed: k"


@pytest.mark.parametrize("what", ["killed", "hung", "ended"])
def test_who_is_listed_has_to_survive(tool, settings, what):
    (line,) = tool.verdict.wrong(settings("k"), outcome(tool, "k", what))
    assert line == f"memory: listed, but {what} by test_it: k"


def test_who_is_listed_has_to_exist(tool, settings, mutants):
    (one, *_) = mutants()
    assert tool.verdict.gone(settings(one.key), [one]) == []
    (line,) = tool.verdict.gone(settings("box.f: a -> b"), [one])
    assert line == "memory: listed, but there is no such mutant any more: box.f: a -> b"


def test_the_lists_are_about_the_present_source():
    command = [sys.executable, "-m", "mutants", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_mutants_are_killed_survive_or_hang():
    script = [sys.executable, Path(__file__).with_name("try_some.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert [outcome["what"] for outcome in outcomes] == ["killed", "survived", "hung"]
    assert outcomes[0]["by"].endswith("::test_handlers_run_in_subscription_order")
