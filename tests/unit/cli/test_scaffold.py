"""`orchestrix plugin new`: what is written, and what is refused."""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from orchestrix_core import instrumentation, stores
from orchestrix_core.buses import AsyncMessageBus
from orchestrix_core.cli._scaffold import Project, write
from orchestrix_core.hookspecs import Kind

KINDS = get_args(Kind)
FILES = {
    ".github/workflows/ci.yml", ".github/workflows/publish.yml", ".gitignore", "README.md",
    "pyproject.toml", "tox.ini",
    "src/orchestrix_acme_db/__init__.py", "src/orchestrix_acme_db/_config.py",
    "src/orchestrix_acme_db/plugin.py", "src/orchestrix_acme_db/py.typed",
    "tests/test_contract.py", "tests/test_plugin.py",
}  # fmt: skip


def written(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_project_is_written(orchestrix: Any, tmp_path: Path, kind: Kind) -> None:
    done = orchestrix("plugin", "new", "acme-db", "--kind", kind)
    assert done.status == 0, done.err
    place = tmp_path / "orchestrix-acme-db"
    module = f"src/orchestrix_acme_db/{Project('acme-db', kind).module}.py"
    assert written(place) == {*FILES, module}
    assert f"then implement {module}" in done.out
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    assert project["name"] == "orchestrix-acme-db"
    assert project["entry-points"]["orchestrix.plugins"] == {"acme-db": "orchestrix_acme_db.plugin"}
    assert "license" not in project, "that is for the author to choose"
    assert any(line.startswith("orchestrix-core>=0.1.0,<") for line in project["dependencies"])
    assert "${{ matrix.python }}" in (place / ".github/workflows/ci.yml").read_text()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Acme DB", "as in 'acme-db'"),
        ("9lives", "as in 'lives'"),
        ("acme_db", "as in 'acme-db'"),
        ("", "as in 'acme'"),
        ("../up", "as in 'up'"),
        ("a" * 25, f"as in '{'a' * 24}'"),
        ("core", "orchestrix-core is a distribution of Orchestrix itself"),
        ("orchestrix-contract-tests", "is taken"),
    ],
)
def test_a_bad_name_is_refused(orchestrix: Any, tmp_path: Path, name: str, reason: str) -> None:
    done = orchestrix("plugin", "new", "--kind", "event_store", "--", name)
    assert done.status == 2
    assert reason in " ".join(done.err.replace("│", " ").split())
    assert written(tmp_path) == set()


def test_the_distribution_may_be_named_instead(orchestrix: Any, tmp_path: Path) -> None:
    assert orchestrix("plugin", "new", "orchestrix-acme", "--kind", "metrics").status == 0
    assert (tmp_path / "orchestrix-acme/src/orchestrix_acme").is_dir()


def test_nothing_is_overwritten(orchestrix: Any, tmp_path: Path) -> None:
    place = tmp_path / "here"
    place.mkdir()
    new = ("plugin", "new", "acme", "--kind", "tracing", "--directory", place)
    assert orchestrix(*new).status == 0, "an empty directory will do"
    before = {name: (place / name).read_bytes() for name in written(place)}
    done = orchestrix(*new)
    assert (done.status, "is not empty" in done.err) == (2, True)
    assert {name: (place / name).read_bytes() for name in written(place)} == before


def test_a_file_is_no_directory(orchestrix: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = orchestrix("plugin", "new", "acme", "--kind", "tracing", "--directory", "file")
    assert (done.status, "file is a file" in done.err) == (2, True)


def test_a_wrong_kind_says_which_there_are(orchestrix: Any) -> None:
    done = orchestrix("plugin", "new", "acme", "--kind", "store")
    assert (done.status, all(kind in done.err for kind in KINDS)) == (2, True)


PROTOCOLS: list[tuple[Kind, str, list[Any]]] = [
    ("event_store", "AcmeEventStore", [stores.AsyncLifecycle, stores.AsyncEventStore]),
    ("message_bus", "AcmeMessageBus", [AsyncMessageBus]),
    ("tracing", "AcmeTracing", [instrumentation.Instrumentation]),
    ("metrics", "AcmeMetering", [instrumentation.Instrumentation]),
]


@pytest.mark.parametrize(("kind", "name", "protocols"), PROTOCOLS)
def test_the_skeleton_is_that_of_the_protocol(
    tmp_path: Path, kind: Kind, name: str, protocols: list[Any]
) -> None:
    project = Project("acme", kind)
    write(project, tmp_path)
    tree = ast.parse((tmp_path / "src/orchestrix_acme" / f"{project.module}.py").read_text())
    (skeleton,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    methods = {node.name: node for node in skeleton.body if isinstance(node, functions)}
    for protocol in protocols:
        promised: dict[str, Callable[..., Any]] = {
            method: function
            for method, function in vars(protocol).items()
            if inspect.isfunction(function) and not method.startswith("_")
        }
        assert promised
        for method, function in promised.items():
            assert ast.get_docstring(methods[method]) == inspect.getdoc(function)
            arguments = [argument.arg for argument in methods[method].args.args]
            assert arguments == list(inspect.signature(function).parameters)
            asynchronous = isinstance(methods[method], ast.AsyncFunctionDef)
            assert asynchronous == inspect.iscoroutinefunction(function)
            raised = ast.unparse(methods[method].body[-1])
            assert raised.startswith("raise NotImplementedError(")
            assert f"{method} is missing: " in raised
            assert "python -m pydoc orchestrix_core." in raised
