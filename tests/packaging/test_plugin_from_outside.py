"""
A plugin from outside the project: the example, as its own wheel, beside those of core and suite.

And what `orchestrix` makes of installed plugins that are no good.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/orchestrix-jsonl"
SHOP = ROOT / "examples/shop/shop.py"
BUILD = "import sys, hatchling.build as build; print(build.build_wheel(sys.argv[1]))"

CONFIGURATION = """
[orchestrix]
event_store.use = "jsonl"
requires = ["persistent", "multi_process"]

[orchestrix.event_store.jsonl]
path = "shop.jsonl"
poll_interval = 0.01
"""
WRITER = """
import asyncio
import sys
from shop import Order, OrderPlaced
from orchestrix_core import Orchestrix

async def main():
    async with Orchestrix.from_config("orchestrix.toml") as app:
        orders = app.repository(Order)
        while True:
            order = await orders.load(sys.argv[1])
            order.record(OrderPlaced(order_id=order.id, total=1))
            order.record(OrderPlaced(order_id=order.id, total=1))
            await orders.save(order)
            print(order.version, flush=True)

asyncio.run(main())
"""


@attrs.frozen
class Place:
    """A directory with an application, and the programs of an environment."""

    folder: Path
    bin: Path
    also: Path | None = None  # where more is installed

    def run(self, program: str, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.folder, env=self.variables(), text=True, capture_output=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status in (0, 1) else done.stderr

    def report(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run("orchestrix", *arguments, "--json", status=status))

    def variables(self) -> dict[str, str]:
        path = {"PYTHONPATH": str(self.also)} if self.also else {}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**kept, **path, "COLUMNS": "120", "NO_COLOR": "1"}

    @contextmanager
    def writer(self, stream: str) -> Iterator[subprocess.Popen[str]]:
        """Start a process that appends until it is killed, and says each version that is kept."""
        with subprocess.Popen(
            [str(self.bin / "python"), "writer.py", stream],
            cwd=self.folder, env=self.variables(), text=True, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def installed(
    shelf: Path, tmp_path_factory: pytest.TempPathFactory, make_environment: Callable[..., Any]
) -> Any:
    """Return an environment with the core, the suite and the plugin, each from its wheel."""
    environment = make_environment(tmp_path_factory.mktemp("stranger") / "venv")
    build = [sys.executable, "-c", BUILD, str(environment.place)]
    built = subprocess.run(build, cwd=EXAMPLE, check=True, capture_output=True, text=True)
    wheel = environment.place / built.stdout.split()[-1]
    environment.install(shelf, wheel, "orchestrix-contract-tests")
    assert environment.ours() == {
        "orchestrix-core", "orchestrix-contract-tests", "orchestrix-jsonl",
    }  # fmt: skip
    return environment


@pytest.fixture
def place(installed: Any, tmp_path: Path) -> Place:
    folder = tmp_path / "shop"
    folder.mkdir()
    shutil.copy(SHOP, folder)
    (folder / "writer.py").write_text(WRITER, encoding="utf-8")
    (folder / "orchestrix.toml").write_text(CONFIGURATION, encoding="utf-8")
    return Place(folder, installed.bin)


def test_an_application_runs_on_it_and_the_program_looks_into_it(place: Place) -> None:
    health = place.report("doctor")
    assert health["healthy"]
    assert [row["name"] for row in health["backends"]] == ["jsonl"]
    assert place.run("python", "shop.py") == "total 42\n"
    assert place.run("python", "shop.py") == "total 84\n"
    events = place.report("events", "ORD-001")["events"]
    assert [event["data"]["total"] for event in events] == [42, 42]
    assert [row["position"] for row in place.report("log")["events"]] == [1, 2]
    assert place.report("streams")["streams"] == [{"stream": "ORD-001", "version": 2}]
    assert len((place.folder / "shop.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_writer_that_is_killed_loses_nothing_that_was_acknowledged(place: Place) -> None:
    with place.writer("killed") as killed, place.writer("other") as other:
        assert killed.stdout
        assert other.stdout
        said = [killed.stdout.readline() for _ in range(10)]
        other.stdout.readline()
        killed.send_signal(signal.SIGKILL)
        said += killed.stdout
        before = [other.stdout.readline() for _ in range(10)]  # who is left goes on
        other.send_signal(signal.SIGKILL)
        before += other.stdout
    for stream, lines in (("killed", said), ("other", before)):
        events = place.report("events", stream)["events"]
        assert [event["version"] for event in events] == list(range(1, len(events) + 1))
        # Each commit has two events; one may have been made and not been told yet.
        assert len(events) in (int(lines[-1]), int(lines[-1]) + 2)
    assert place.run("python", "shop.py") == "total 42\n"


def test_it_is_certified_beside_its_data(place: Place) -> None:
    place.run("python", "shop.py")
    before = (place.folder / "shop.jsonl").read_bytes()
    certify = ["certify", "--backend", "jsonl", "--faults", "--markdown", "certificate.md"]
    said = place.run("orchestrix", *certify)
    assert "event_store jsonl, with the configuration's settings" in said
    assert "\ncertified (seed " in said
    assert re.search(r"^Slow commit +holds", said, re.MULTILINE)
    assert (place.folder / "shop.jsonl").read_bytes() == before
    assert "jsonl certified](" in (place.folder / "certificate.md").read_text(encoding="utf-8")


def test_its_own_tests_pass(place: Place) -> None:
    shutil.copytree(EXAMPLE / "tests", place.folder / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", place.folder)
    # Of the contract a part: `certify` has run all of it.
    chosen = "test_file or test_plugin or racers or killed"
    said = place.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen)
    assert "event_store jsonl: " in said


THIEF = """
import attrs
from orchestrix_core import Backend, hookimpl

@attrs.frozen
class Config:
    pass

@hookimpl
def orchestrix_backends():
    rows = [("event_store", "jsonl"), ("event_store", "other")]
    return [Backend(kind=kind, name=name, config=Config, create=None) for kind, name in rows]
"""
BAD = {
    "acme-broken": ("2.1", "import acme_driver", "acme-driver>=2"),
    "acme-old": ("0.9", "raise AssertionError('imported')", "orchestrix-core<0.1,>=0.0.5"),
    "acme-thief": ("1.0", THIEF, "orchestrix-core"),
}
REASONS = {
    "acme-broken": (
        "cannot be imported from 'acme_broken': ModuleNotFoundError: No module named "
        "'acme_driver'; it needs acme-driver>=2, which is not installed: "
        "pip install 'acme-driver>=2'"
    ),
    "acme-old": (
        "needs orchestrix-core<0.1,>=0.0.5, but orchestrix-core {core} is installed: "
        "look for a newer release, pip install -U acme-old"
    ),
    "acme-thief": (
        "the event_store name 'jsonl' is taken by orchestrix-jsonl 0.1.0; that backend is left "
        "out: to have it, block = ['orchestrix-jsonl'] in the configuration"
    ),
}


def write_wheel(folder: Path, name: str, version: str, code: str, requires: str) -> Path:
    """Write a wheel of one module, as any tool would."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {requires}\n"
    files = {
        f"{module}.py": dedent(code),
        f"{info}/METADATA": about,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[orchestrix.plugins]\n{module} = {module}\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture
def amiss(place: Place, installed: Any, shelf: Path, tmp_path: Path) -> Place:
    """Return the place with three plugins that are no good, installed without what they need."""
    wheels = [write_wheel(tmp_path, name, *about) for name, about in BAD.items()]
    site = tmp_path / "site"
    installed.install(shelf, "--no-deps", "--target", site, *wheels)
    return attrs.evolve(place, also=site)


def test_each_bad_plugin_is_a_clear_line_and_the_rest_works(amiss: Place) -> None:
    core = amiss.run("orchestrix", "--version").split()[1]
    shown = amiss.run("orchestrix", "plugins", status=1).partition("failed to load:\n")[2]
    lines = [line.split(maxsplit=3) for line in shown.splitlines()]
    assert lines[0] == ["plugin", "distribution", "version", "reason"]
    assert {line[1]: (line[2], line[3]) for line in lines[1:]} == {
        name: (BAD[name][0], reason.format(core=core)) for name, reason in REASONS.items()
    }
    report = amiss.report("plugins", status=1)
    assert {row["distribution"]: row["reason"] for row in report["errors"]} == {
        name: reason.format(core=core) for name, reason in REASONS.items()
    }
    origin = {row["name"]: row["distribution"] for row in report["backends"]}
    assert origin == {"jsonl": "orchestrix-jsonl", "other": "acme-thief"}

    assert amiss.report("doctor")["healthy"]
    assert amiss.run("python", "shop.py") == "total 42\n"
    assert len(amiss.report("events", "ORD-001")["events"]) == 1
    certify = [
        "certify",
        "--backend",
        "jsonl",
        "--test",
        "LockingContract::test_empty_save_still_checks",
    ]
    assert "what was asked for holds" in amiss.run("orchestrix", *certify)


def test_who_chooses_a_bad_plugin_is_told_what_is_wrong_with_it(amiss: Place) -> None:
    (amiss.folder / "orchestrix.toml").write_text('[orchestrix]\nevent_store.use = "acme_old"\n')
    said = amiss.run("orchestrix", "doctor", status=2)
    assert "its plugin is installed, but failed to load" in said
    assert "needs orchestrix-core<0.1,>=0.0.5" in said


def test_what_is_blocked_is_no_longer_told(amiss: Place) -> None:
    text = CONFIGURATION.replace("[orchestrix]", f"[orchestrix]\nblock = {[*BAD]}", 1)
    (amiss.folder / "orchestrix.toml").write_text(text, encoding="utf-8")
    assert amiss.report("plugins")["errors"] == []
