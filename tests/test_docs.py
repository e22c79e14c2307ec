"""Every block of code in README.md and docs/ runs as printed, page by page."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrix_core import hookspecs
from orchestrix_core.stores import CAPABILITIES

ROOT = Path(__file__).parents[1]
RUN_PAGE = Path(__file__).with_name("run_page.py")
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
    ROOT / "contract_tests/README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]

# Followed in an environment of its own, by tests/packaging/test_guide.py.
GUIDE = ROOT / "docs/writing-a-plugin.md"

# What a block may be, and so be checked for; `text` shows a layout or a message.
LANGUAGES = {"python", "toml", "json", "bash", "text output", "text", "sql", "{toctree}"}
# A directive that shows a part of a file; that it is there is Sphinx's to check.
INCLUDED = re.compile(r"\{literalinclude\} (\S+)")
# A table that the extension in docs/_ext makes; tests/test_guarantees.py is about it.
TABLE = re.compile(r"\{guarantees\} [a-z_]+( tests)?")

# The blocks that cannot run here: (page, first command of the block). A new one is added knowingly.
SKIPPED: set[tuple[str, str]] = {
    ("README.md", "python3 -m venv .venv"),
    ("README.md", "python3 -m venv .venv-test"),
    ("docs/application.md", "# worker.py"),
}

FENCE = re.compile(r"^(`{3,})(?P<language>[^\n`]*)\n(?P<body>.*?)^\1$", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"<!--\s*skip:(?P<arguments>.*?)-->\s*(?P<next>```[^\n]*\n[^\n]*)?", re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def run(page: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the page as a program of its own, so that no page sees another's classes."""
    command = [sys.executable, "-W", "error", str(RUN_PAGE), str(page)]
    return subprocess.run(
        command, cwd=directory, text=True, capture_output=True, timeout=900, check=False
    )


@pytest.mark.parametrize("page", [page for page in PAGES if page != GUIDE], ids=name_of)
def test_every_block_runs(page: Path, tmp_path: Path) -> None:
    done = run(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@each_page
def test_every_block_says_its_language(page: Path) -> None:
    languages = {fence["language"] for fence in FENCE.finditer(page.read_text(encoding="utf-8"))}
    shown = {name for name in languages if INCLUDED.fullmatch(name) or TABLE.fullmatch(name)}
    assert languages - shown <= LANGUAGES


def test_every_skipped_block_is_listed_and_says_why() -> None:
    found = set()
    for page in PAGES:
        for skip in SKIP.finditer(page.read_text(encoding="utf-8")):
            assert re.fullmatch(r'\s*next\s+"[^"]{10,}"\s*', skip["arguments"]), skip[0]
            assert skip["next"], f"{name_of(page)}: no block follows {skip[0]}"
            first_line = skip["next"].partition("\n")[2]
            found.add((name_of(page), first_line.partition(" && ")[0]))
    assert found == SKIPPED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("```python\nassert 1 == 2\n```\n", "AssertionError"),
        ("```python\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```toml\nkey = \n```\n", "TOMLDecodeError"),
        ("```toml\n[orchestrix]\nevent_stor = 'x'\n```\n", "did you mean 'event_store'"),
        ("```bash\nfalse\n```\n", "status 1"),
        ("```bash\npip install orchestrix-cores\n```\n", "orchestrix-cores"),
        ("```python\nprint(1)\n```\n\n```text output\n2\n```\n", "what was printed is"),
    ],
)
def test_a_wrong_block_fails(text: str, reason: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}", encoding="utf-8")
    done = run(page, tmp_path)
    assert done.returncode != 0
    assert reason in done.stderr


def test_every_hook_has_a_heading_with_its_arguments() -> None:
    hooks = {
        f"{name}({', '.join(inspect.signature(hook).parameters)})"
        for name, hook in vars(hookspecs).items()
        if name.startswith("orchestrix_")
    }
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    assert hooks == set(re.findall(r"^## (orchestrix_.*)$", page, re.MULTILINE))


def test_every_capability_is_explained() -> None:
    page = (ROOT / "docs/stores.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == CAPABILITIES


def test_blocks_of_a_page_are_one_program(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\n# greet.py\nimport asyncio\nlock = asyncio.Lock()\nprint('good day')\n```\n\n"
        "```python\nasync with lock:\n    print('in', lock.locked())\n```\n\n"
        "```text output\nin ...\n```\n\n"
        '<!-- skip: next "shows that a skipped block is not run" -->\n'
        "```python\n1 / 0\n```\n\n"
        "```bash\npython greet.py\n```\n\n```text output\ngood day\n```\n",
        encoding="utf-8",
    )
    done = run(page, tmp_path)
    assert done.returncode == 0, done.stderr
