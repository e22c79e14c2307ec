from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import attrs
import pytest

InstallPlugin = Callable[..., Path]


def write_distribution(
    folder: Path, distribution: str, code: str, *, entry: str, version: str, requires: str
) -> str:
    """Write what pip would leave behind for a plugin of one module; return the module's name."""
    module = distribution.replace("-", "_") + "_plugin"
    (folder / f"{module}.py").write_text(dedent(code))
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
    (info / "entry_points.txt").write_text(f"[orchestrix.plugins]\n{entry} = {module}\n")
    return module


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """Install real distributions into a folder on this process's path; return that folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    modules = []

    def install(
        distribution: str,
        code: str,
        *,
        entry: str | None = None,
        version: str = "1.0",
        requires: str = "",
    ) -> Path:
        name = entry or distribution
        modules.append(
            write_distribution(
                folder, distribution, code, entry=name, version=version, requires=requires
            )
        )
        return folder

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@attrs.frozen
class Done:
    """How a run of the program ended and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def orchestrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run the program `orchestrix` in a folder of the test's own, in this process."""
    from orchestrix_core.cli import main  # not every suite below this folder has the core

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCHESTRIX_CONFIG", raising=False)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["orchestrix", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Done(end.value.code, printed.out, printed.err)

    return run
