"""
Run one page of the documentation as a reader would, from top to bottom.

`python run_page.py PAGE` runs the fenced blocks of PAGE in the current directory:

- `python`: executed, all blocks of a page being one program; `await` may stand at top level.
- `toml`: parsed; with a table `[orchestrix]`, read as the real configuration.
- `json`: parsed.
- `bash`: executed by bash, stopping at the first failure; of `pip install`, the names are checked.
- `text output`: must be what the block before it printed; `...` stands for anything.

A block whose first line is a comment with a file name (`# app.py`) is also written to that file.
A block that cannot run here stands after `<!-- skip: next "reason" -->`.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import types
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example
from sybil.parsers.myst import CodeBlockParser, SkipParser

from orchestrix_core.configuration import Configuration
from orchestrix_core.plugins import PluginRegistry

FILE_NAME = re.compile(r"# ([\w./-]+\.\w+)$")
MODULE = re.compile(r"# (\w+)\.py\n")
INSTALLABLE = {
    "orchestrix-core", "orchestrix-core[demo]", "orchestrix-memory", "orchestrix-sqlite",
    "orchestrix-postgres", "orchestrix-jaeger", "orchestrix-jaeger[otlp]",
    "orchestrix-prometheus",
    "orchestrix-contract-tests",
}  # fmt: skip


class Page:
    """The state of a run: one program, one event loop, one working directory."""

    def __init__(self, path: Path) -> None:
        self.printed = ""
        # As for a script: what the blocks define belongs to `__main__`, and the files beside it
        # can be imported.
        sys.path[0] = str(Path.cwd())
        self.program = types.ModuleType("__main__")
        sys.modules["__main__"] = self.program
        self.document = Document.parse(
            str(path),
            SkipParser(),
            CodeBlockParser("python", self.python),
            CodeBlockParser("toml", self.toml),
            CodeBlockParser("json", self.json),
            CodeBlockParser("bash", self.bash),
            CodeBlockParser("text output", self.output),
        )

    def run(self) -> None:
        with asyncio.Runner() as self.loop:
            for example in self.document.examples():
                try:
                    example.evaluate()
                except SkipTest:
                    continue
                except BaseException as exc:
                    exc.add_note(f"in the block at {example.path}:{example.line}")
                    raise

    def python(self, example: Example) -> None:
        write_named(example.parsed)
        if module := MODULE.match(example.parsed):
            # It runs here: who imports it gets these classes, not twins of the same stored names.
            sys.modules.setdefault(module[1], self.program)
        # Blank lines in front give a traceback the line numbers of the page.
        source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, example.path, "exec", flags=flags, dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if code.co_flags & inspect.CO_COROUTINE:
                run = types.FunctionType(code, self.program.__dict__)
                self.loop.run(run())
            else:
                exec(code, self.program.__dict__)  # noqa: S102  # the page is this project's own
        self.printed = printed.getvalue()

    def toml(self, example: Example) -> None:
        write_named(example.parsed)
        parsed = tomllib.loads(example.parsed)
        if "orchestrix" in parsed:
            check_configuration("orchestrix.toml", example.parsed)
        elif "orchestrix" in parsed.get("tool", {}):
            check_configuration("pyproject.toml", example.parsed)

    def json(self, example: Example) -> None:
        json.loads(example.parsed)

    def bash(self, example: Example) -> None:
        commands = [line for line in example.parsed.splitlines() if line.strip()]
        if all(line.startswith("pip install ") for line in commands):
            unknown = {name for line in commands for name in line.split()[2:]} - INSTALLABLE
            assert not unknown, f"who publishes {unknown}?"
            return
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example.parsed],
            env={**os.environ, "PATH": search_path(), "COLUMNS": "80", "NO_COLOR": "1"},
            text=True, capture_output=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}{done.stderr}"
        self.printed = done.stdout

    def output(self, example: Example) -> None:
        same = doctest.OutputChecker().check_output(
            tidy(example.parsed), tidy(self.printed), doctest.ELLIPSIS
        )
        assert same, f"what was printed is\n{self.printed}"


def write_named(source: str) -> None:
    """Keep the block as a file, if its first line names one, for the blocks after it."""
    if named := FILE_NAME.match(source.partition("\n")[0]):
        place = Path(named[1])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source, encoding="utf-8")


def check_configuration(name: str, text: str) -> None:
    """Read it as an application would, down to the typed settings of each chosen backend."""
    registry = PluginRegistry.discover()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        place.write_text(text, encoding="utf-8")
        configuration = Configuration.load(place, environ={})
        configuration.check_names(registry)
        configuration.entries(registry)


def search_path() -> str:
    """Put first what is installed beside this interpreter: `orchestrix`, `python`."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


if __name__ == "__main__":
    Page(Path(sys.argv[1])).run()
