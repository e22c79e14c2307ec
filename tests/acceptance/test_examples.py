"""The examples run as they are, and the README shows the very same code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples/shop"


def test_the_shop_runs_again_and_again(tmp_path):
    shutil.copytree(SHOP, tmp_path, dirs_exist_ok=True)
    for expected in ("total 42\n", "total 84\n"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "shop.py"], cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize("name", ["shop.py", "orchestrix.toml"])
def test_the_readme_shows_the_shop(name):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.compile(rf"^```\w+\n# {re.escape(name)}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    (shown,) = block.findall(readme)
    assert lines_of(shown) == lines_of((SHOP / name).read_text(encoding="utf-8"))


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]
