"""The built wheels: what is in them, and that each works where nothing else is installed."""

from __future__ import annotations

import email
import re
import sys
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# wheel -> the package that it owns
OWNS = {
    "orchestrix_core": "orchestrix_core",
    "orchestrix_memory": "orchestrix.infrastructure.memory",
    "orchestrix_sqlite": "orchestrix.infrastructure.sqlite",
    "orchestrix_postgres": "orchestrix.infrastructure.postgres",
    "orchestrix_jaeger": "orchestrix.infrastructure.observability.jaeger",
    "orchestrix_prometheus": "orchestrix.infrastructure.observability.prometheus",
    "orchestrix_contract_tests": "orchestrix_contract_tests",
}
PROJECTS = [
    ROOT,
    ROOT / "plugins/memory",
    ROOT / "plugins/sqlite",
    ROOT / "plugins/postgres",
    ROOT / "plugins/jaeger",
    ROOT / "plugins/prometheus",
    ROOT / "contract_tests",
]
SHARED = ("orchestrix/", "orchestrix/infrastructure/", "orchestrix/infrastructure/observability/")

each_wheel = pytest.mark.parametrize("name", OWNS)


def wheel_of(built: Path, name: str) -> Path:
    (wheel,) = built.glob(f"{name}-*.whl")
    return wheel


def contents(built: Path, name: str) -> list[str]:
    with zipfile.ZipFile(wheel_of(built, name)) as wheel:
        return wheel.namelist()


def metadata(built: Path, name: str) -> Message:
    with zipfile.ZipFile(wheel_of(built, name)) as wheel:
        (path,) = (item for item in wheel.namelist() if item.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(wheel.read(path))


@each_wheel
def test_nothing_sits_in_the_shared_namespace(built: Path, name: str) -> None:
    stray = [item for item in contents(built, name) if item.rpartition("/")[0] + "/" in SHARED]
    assert stray == []


@each_wheel
def test_a_wheel_holds_its_own_package_and_nothing_else(built: Path, name: str) -> None:
    own = OWNS[name].replace(".", "/") + "/"
    outside = [
        item
        for item in contents(built, name)
        if not item.startswith(own) and ".dist-info/" not in item
    ]
    assert outside == []


@each_wheel
def test_a_wheel_holds_every_file_of_its_package(built: Path, name: str) -> None:
    own = OWNS[name].replace(".", "/")
    project = PROJECTS[list(OWNS).index(name)]
    base = project if project == ROOT else project / "src"
    files = (path for path in (base / own).rglob("*") if path.is_file())
    expected = {path.relative_to(base).as_posix() for path in files if path.suffix != ".pyc"}
    assert {item for item in contents(built, name) if item.startswith(f"{own}/")} == expected
    assert {f"{own}/__init__.py", f"{own}/py.typed"} <= expected


@each_wheel
def test_metadata_is_in_step_and_whole(built: Path, name: str) -> None:
    own = metadata(built, name)
    core = metadata(built, "orchestrix_core")
    assert own["Version"] == core["Version"]
    assert own["Requires-Python"] == core["Requires-Python"]
    assert own["License-Expression"] == "MIT"
    assert "LICENSE" in own.get_all("License-File", [])
    assert own.get_payload(), "the README is the long description"
    pins = [item for item in own.get_all("Requires-Dist", []) if item.startswith("orchestrix")]
    assert pins == ([] if own["Name"] == core["Name"] else [f"orchestrix-core=={core['Version']}"])


@pytest.mark.parametrize("name", [name for name in OWNS if name != "orchestrix_core"])
def test_a_wheel_installs_and_imports_alone(shelf: Path, name: str, environment: Any) -> None:
    environment.install(shelf, name)
    environment.python(f"import {OWNS[name]}")
    assert environment.ours() == {"orchestrix-core", name.replace("_", "-")}


def test_the_core_alone_says_how_to_get_a_backend(shelf: Path, environment: Any) -> None:
    environment.install(shelf, "orchestrix_core")
    environment.python("import orchestrix_core")
    assert environment.ours() == {"orchestrix-core"}
    said = environment.run(environment.bin / "orchestrix", "plugins").stdout
    assert "no backends installed" in said
    assert re.search(r"pip install orchestrix-(memory|sqlite)\b", said)


def test_all_wheels_together_import(shelf: Path, environment: Any) -> None:
    environment.install(shelf, *OWNS)
    environment.python("\n".join(f"import {package}" for package in OWNS.values()))
    said = environment.run(environment.bin / "orchestrix", "plugins").stdout
    assert "orchestrix-memory" in said
    assert "orchestrix-sqlite" in said


BY_OTLP = """
from orchestrix.infrastructure.observability.jaeger import JaegerTracer, TracingConfig
from orchestrix_core import OrchestrixError

for protocol in ("http", "grpc"):
    try:
        JaegerTracer(TracingConfig("shop", transport="otlp", otlp_protocol=protocol)).close()
        print("made")
    except OrchestrixError as error:
        print(error)
"""


def test_the_extra_for_otlp_is_asked_for_and_clashes_with_nothing(
    shelf: Path, environment: Any
) -> None:
    environment.install(shelf, "orchestrix_jaeger")
    assert environment.python(BY_OTLP).count("pip install 'orchestrix-jaeger[otlp]'") == 2
    environment.install(shelf, "orchestrix_jaeger[otlp]")
    assert environment.python(BY_OTLP).split() == ["made", "made"]
    environment.run(sys.executable, "-m", "pip", "--python", environment.bin / "python", "check")


def test_editable_installs_of_all_import(shelf: Path, environment: Any) -> None:
    """A stray `__init__.py` in the shared namespace is silent with wheels and fatal here."""
    # The build back end goes in first, so that four builds need no environments of their own.
    environment.install(shelf, "hatchling", "editables")
    editable = [part for project in PROJECTS for part in ("-e", project)]
    environment.install(shelf, "--no-build-isolation", *editable)
    for package in OWNS.values():
        place = environment.python(f"import {package}; print({package}.__file__)")
        assert Path(place).is_relative_to(ROOT), f"{package} is not the checkout's"
