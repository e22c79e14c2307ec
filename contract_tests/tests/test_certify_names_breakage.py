"""The guide's store, broken in ten ways: `orchestrix certify` names what is broken each time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import attrs
import pytest

GUIDE: Final = Path(__file__).parents[2] / "docs/writing-a-plugin.md"
BLOCK: Final = re.compile(r"```python\n(# orchestrix-acme/src/\S+_store\.py\n.*?)```", re.DOTALL)
PROGRAM: Final = (sys.executable, "-c", "from orchestrix_core.cli import main; main()")
CONTRACTS: Final = {
    "Promise 1": "AppendContract",
    "Promise 2": "LockingContract",
    "Promise 3": "RetryContract",
    "Promise 4": "AppendContract",
    "Promise 5": "TraceContract",
    "Promise 6": "SnapshotContract",
    "Promise 7": "IsolationContract",
    "Promise 8": "LifecycleContract",
    "Promise 9": "BadInputContract",
}
"""The contract that each promise is named in; with all of them, ten runs would take minutes."""
AT_A_TIME: Final = 3

Done: TypeAlias = subprocess.CompletedProcess[str]


@attrs.frozen
class Breakage:
    """
    A way to break the store.

    Attributes:
        breaks: the guarantee that the report has to name.
        edits: what is written in place of what.
    """

    breaks: str
    edits: Mapping[str, str]


BREAKAGES: Final = {
    "stores event by event": Breakage(
        "Promise 1",
        {
            "        encoded = [(aggregate_id, *stored_as(e), self._serializer.encode(e)) "
            "for e in batch]\n": "",
            "        self._log.update(zip(ids, encoded, strict=True))\n": (
                "        for e in batch:\n"
                "            self._log[e.id] = (\n"
                "                aggregate_id, *stored_as(e), self._serializer.encode(e)\n"
                "            )\n"
            ),
        },
    ),
    "lets whoever comes late have his way": Breakage(
        "Promise 2", {"at != len(stream)": "at > len(stream)"}
    ),
    "knows no repetition": Breakage(
        "Promise 3", {"if known and (at is None or stream[at : at + len(ids)] != ids)": "if known"}
    ),
    "looks for ids in one stream": Breakage(
        "Promise 3", {"if id in self._log]": "if id in stream]"}
    ),
    "sorts a stream": Breakage(
        "Promise 4", {"for row in rows[first:]]": "for row in sorted(rows, reverse=True)[first:]]"}
    ),
    "finds the first of a trace": Breakage(
        "Promise 5", {"if event.trace_id == trace_id]": "if event.trace_id == trace_id][:1]"}
    ),
    "keeps the snapshot that came last": Breakage(
        "Promise 6", {"newest.version <= snapshot.version": "newest.version <= newest.version"}
    ),
    "keeps what belongs to its caller": Breakage(
        "Promise 7",
        {
            "(aggregate_id, *stored_as(e), self._serializer.encode(e))": (
                "(aggregate_id, e, self._serializer.encode(e))"
            ),
            "self._serializer.decode(*row[1:]) for row in rows": "row[1] for row in rows",
            "self._serializer.decode(*row[1:]) for row in self": "row[1] for row in self",
        },
    ),
    "answers when it is closed": Breakage(
        "Promise 8", {"return self._log is not None": "return True"}
    ),
    "takes whatever comes": Breakage(
        "Promise 9",
        {"check.check_append(aggregate_id, events, expected_version)": "list(events)"},
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a project as the guide says, and its store; return where it is installed."""
    folder = tmp_path_factory.mktemp("guide")
    new = [*PROGRAM, "plugin", "new", "acme", "--kind", "event_store"]
    subprocess.run(new, cwd=folder, check=True, capture_output=True)
    site = folder / "orchestrix-acme/src"
    (found,) = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    (site / "orchestrix_acme/_store.py").write_text(found, encoding="utf-8")
    info = site / "orchestrix_acme-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orchestrix-acme\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[orchestrix.plugins]\nacme = orchestrix_acme.plugin\n", encoding="utf-8"
    )
    return site


@pytest.fixture(scope="module")
def certify(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path, Iterable[str]], Done]:
    """Return a function that certifies the store of a place; all runs share what they compile."""
    compiled = tmp_path_factory.mktemp("compiled")
    environment = {
        name: os.environ[name] for name in os.environ.keys() - {"PYTHONDONTWRITEBYTECODE"}
    }

    def certify(site: Path, contracts: Iterable[str]) -> Done:
        tests = [word for contract in sorted(contracts) for word in ("--test", f"{contract}::*")]
        more = {"PYTHONPATH": str(site), "PYTHONPYCACHEPREFIX": str(compiled)}
        return subprocess.run(
            [*PROGRAM, "certify", "--backend", "acme", "--examples", "5", *tests],
            cwd=site.parent,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return certify


@pytest.fixture(scope="module")
def sound(project: Path, certify: Callable[[Path, Iterable[str]], Done]) -> Done:
    """Certify the store as it is, by all of its promises."""
    return certify(project, set(CONTRACTS.values()))


def break_store(project: Path, folder: Path, breakage: Breakage) -> Path:
    """Copy the project and write the edits into the store; return where it is installed."""
    site = folder / "src"
    shutil.copytree(project, site)
    store = site / "orchestrix_acme/_store.py"
    text = store.read_text(encoding="utf-8")
    for old, new in breakage.edits.items():
        assert text.count(old) == 1, f"the guide has changed: {old!r}"
        text = text.replace(old, new)
    store.write_text(text, encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def reports(
    project: Path,
    certify: Callable[[Path, Iterable[str]], Done],
    sound: Done,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Done]:
    """Certify each broken store, a few at a time, when the sound one has compiled all."""

    def run(breakage: Breakage) -> Done:
        site = break_store(project, tmp_path_factory.mktemp("broken"), breakage)
        return certify(site, [CONTRACTS[breakage.breaks]])

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(BREAKAGES, pool.map(run, BREAKAGES.values()), strict=True))


@pytest.mark.parametrize("name", BREAKAGES)
def test_breakage_is_named(name: str, reports: Mapping[str, Done]) -> None:
    done, breaks = reports[name], BREAKAGES[name].breaks
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"^{breaks} +broken ", done.stdout, re.MULTILINE), done.stdout
    assert re.search(rf"^broken: (Promise .*)?{breaks}\b.*: .", done.stdout, re.MULTILINE)
    assert "see it again: orchestrix certify " in done.stdout
    (verdict,) = re.findall(r"^not certified: (.*) \(seed", done.stdout, re.MULTILINE)
    assert breaks in verdict.split(", ")


def test_nothing_is_named_before_it_is_broken(sound: Done) -> None:
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "broken" not in sound.stdout
    holding = re.findall(r"^(Promise \d) +holds ", sound.stdout, re.MULTILINE)
    assert holding == list(CONTRACTS)
