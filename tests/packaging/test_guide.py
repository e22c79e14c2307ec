"""
The guide for authors of plugins, followed in an environment that is empty but for pip.

Nothing is known here but the page: a block of a file is written to it, a block of commands is run,
and what it prints is what the page says.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/writing-a-plugin.md"
SHOP = ROOT / "examples/shop/shop.py"
BLOCK = re.compile(r"^```(?P<language>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.\w+)\n")
STORE = "orchestrix-acme/src/orchestrix_acme/_store.py"


@attrs.frozen
class Reader:
    """Follows the page, with the programs of an environment and the wheels on a shelf."""

    environment: Any
    place: Path
    shelf: Path

    def follows(self, page: str) -> None:
        printed = ""
        for language, block in blocks(page):
            if language == "bash":
                printed = self.runs(block)
            elif language == "text output":
                assert same(block, printed), f"the page says\n{block}\nbut it was\n{printed}"
            else:
                self.writes(block)

    def writes(self, block: str) -> None:
        named = FILE.match(block)
        assert named, f"which file is it?\n{block}"
        (self.place / named[1]).write_text(block, encoding="utf-8")

    def runs(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.place, env=self.variables(), text=True, capture_output=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    def variables(self) -> dict[str, str]:
        """Only what every terminal has, and where the wheels are to be had."""
        return {
            "PATH": os.pathsep.join([str(self.environment.bin), os.environ["PATH"]]),
            "HOME": str(self.place), "LANG": "C.UTF-8", "COLUMNS": "80", "NO_COLOR": "1",
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.shelf), "PIP_NO_COMPILE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }  # fmt: skip


def blocks(page: str) -> Iterator[tuple[str, str]]:
    for block in BLOCK.finditer(page):
        if not block["language"].startswith("{"):  # a directive: it is read, not followed
            yield block["language"], block["body"]


def same(said: str, printed: str) -> bool:
    return doctest.OutputChecker().check_output(tidy(said), tidy(printed), doctest.ELLIPSIS)


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def test_from_nothing_to_a_certified_wheel(
    shelf: Path, tmp_path: Path, make_environment: Callable[..., Any]
) -> None:
    environment = make_environment(tmp_path / "venv", with_pip=True)
    assert environment.ours() == set()
    place = tmp_path / "home"
    place.mkdir()
    Reader(environment, place, shelf).follows(GUIDE.read_text(encoding="utf-8"))
    assert environment.ours() == {"orchestrix-core", "orchestrix-contract-tests", "orchestrix-acme"}
    code = (place / STORE).read_text(encoding="utf-8").partition("class AcmeEventStore")[2]
    assert sum(1 for line in code.splitlines() if line.strip()) < 60, (
        "the page says that it is short"
    )
    assert "acme certified](" in (place / "orchestrix-acme/README.md").read_text(encoding="utf-8")
    assert [wheel.name for wheel in (place / "dist").iterdir()] == [
        "orchestrix_acme-0.1.0-py3-none-any.whl"
    ]


def test_the_order_example_is_that_of_the_examples() -> None:
    shown = [block for _, block in blocks(GUIDE.read_text(encoding="utf-8"))]
    assert "# shop.py\n" + SHOP.read_text(encoding="utf-8") in shown


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("```bash\nfalse\n```\n", "false"),
        ("```bash\necho 1\n```\n\n```text output\n2\n```\n", "the page says"),
        ("```toml\n[orchestrix]\n```\n", "which file is it?"),
    ],
)
def test_a_page_that_is_wrong_is_noticed(
    page: str, told: str, tmp_path: Path, environment: Any
) -> None:
    with pytest.raises(AssertionError, match=re.escape(told)):
        Reader(environment, tmp_path, tmp_path).follows(page)
