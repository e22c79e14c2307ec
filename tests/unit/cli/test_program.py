"""The program without any backend: blocked where the environment has one."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

from orchestrix_core.cli._output import print_table

BLOCKED = '[orchestrix]\nblock = ["jaeger", "memory", "postgres", "prometheus", "sqlite"]\n'

DEMO_PLUGIN = """
import attrs
from orchestrix_core.hookspecs import Backend, hookimpl

@attrs.frozen(kw_only=True)
class Config:
    path: str = "x"
    size: int = 1

class Store:
    async def initialize(self):
        if {fails}:
            raise OSError("no route to pg://u:hunter2@host")

    async def close(self):
        pass

    async def ping(self):
        return {answers}

class Bus:
    pass

@hookimpl
def orchestrix_backends():
    both = dict(config=Config, capabilities=frozenset({{"async"}}))
    return [Backend(kind="event_store", name="acme", create=lambda c: Store(), **both),
            Backend(kind="message_bus", name="acme", create=lambda c: Bus(), **both)]

@hookimpl
def orchestrix_commands(cli):
    @cli.command()
    def greet(name: str) -> None:
        print("hello", name)

    @cli.command()
    def configured(config: str = "quiet") -> None:
        print("config", config)
"""

WATCHER = """
from dataclasses import dataclass
from orchestrix_core.hookspecs import Backend, hookimpl

@dataclass(frozen=True)
class Config:
    name: str
    port: int = 7

@hookimpl
def orchestrix_backends():
    return [Backend(kind="tracing", name="watcher", config=Config, create=Config)]
"""

TWICE = """
from orchestrix_core import Command, MessageRegistry, handles

class Twice(Command, registry=MessageRegistry()):
    pass

@handles(Twice)
async def one(command: Twice) -> None: ...

@handles(Twice)
async def two(command: Twice) -> None: ...
"""

HEARING = """
from orchestrix_core import Event, MessageRegistry, on

class Heard(Event, registry=MessageRegistry()):
    pass

@on(Heard)
async def hear(event: Heard) -> None: ...
"""

CHOSEN = BLOCKED + 'event_store = "acme"\nmessage_bus = "acme"\n'


@pytest.fixture
def configure(tmp_path):
    def configure(text):
        (tmp_path / "orchestrix.toml").write_text(text)

    return configure


@pytest.fixture
def acme(install_plugin, configure):
    def acme(*, fails=False, answers=True, text=CHOSEN):
        install_plugin("acme", DEMO_PLUGIN.format(fails=fails, answers=answers))
        configure(text)

    return acme


def test_version(orchestrix):
    done = orchestrix("--version")
    assert (done.status, done.out) == (
        0,
        f"orchestrix-core {metadata.version('orchestrix-core')}\n",
    )


TABLES = [
    "plugins", "doctor", "events", "log", "trace", "streams", "state", "diff",
    "projections list", "dead-letters list",
]  # fmt: skip
OTHERS = [
    "init", "run", "projections", "projections rebuild", "dead-letters", "dead-letters replay",
    "dead-letters drop",
]  # fmt: skip


@pytest.mark.parametrize("command", TABLES + OTHERS)
def test_help_of_each_command_has_an_example(orchestrix, command):
    done = orchestrix(*command.split(), "--help")
    assert done.status == 0
    assert "Example: orchestrix " in done.out


@pytest.mark.parametrize("command", TABLES)
def test_each_command_that_prints_a_table_has_json(orchestrix, command):
    assert "--json" in orchestrix(*command.split(), "--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["plugins", "--config", "no.toml"],
        ["--config", "other.toml", "plugins", "--config", "no.toml"],
        ["projections", "--config", "no.toml"],
        ["projections", "rebuild", "Totals", "--config=no.toml"],
    ],
)
def test_config_may_stand_behind_the_command(orchestrix, arguments):
    done = orchestrix(*arguments)
    assert done.status == 2
    assert "no.toml" in done.err


class TestPlugins:
    def test_with_nothing_installed_it_says_how_to_begin(self, orchestrix, configure):
        configure(BLOCKED)
        done = orchestrix("plugins")
        assert done.status == 0
        assert "no backends installed" in done.out
        assert "pip install orchestrix-sqlite" in done.out

    def test_with_nothing_installed_json_is_empty(self, orchestrix, configure):
        configure(BLOCKED)
        report = json.loads(orchestrix("plugins", "--json").out)
        assert report == {"backends": [], "errors": [], "deprecations": []}

    def test_what_is_installed(self, orchestrix, acme):
        acme()
        done = orchestrix("plugins")
        assert done.out.splitlines()[1].split() == ["event_store", "acme", "acme", "1.0", "async"]
        assert json.loads(orchestrix("plugins", "--json").out)["backends"][1] == {
            "kind": "message_bus",
            "name": "acme",
            "distribution": "acme",
            "version": "1.0",
            "capabilities": ["async"],
        }

    def test_what_failed_to_load_is_named_with_its_cause(self, orchestrix, acme, install_plugin):
        acme()
        install_plugin("zebra", "raise RuntimeError('no [libzebra] here')", version="7.1")
        done = orchestrix("plugins")
        assert done.status == 1
        assert "event_store  acme" in done.out
        failed = done.out.partition("failed to load:")[2]
        assert "zebra" in failed
        assert "7.1" in failed
        assert "RuntimeError: no [libzebra] here" in failed
        (error,) = json.loads(orchestrix("plugins", "--json").out)["errors"]
        assert error["distribution"] == "zebra"


class TestWrongInput:
    @pytest.mark.parametrize("command", [["doctor"], ["streams"], ["log"], ["plugins"]])
    def test_a_misspelt_key(self, orchestrix, configure, tmp_path, command):
        configure('[orchestrix]\nevent_stor = "acme"')
        done = orchestrix(*command)
        assert done.status == 2
        assert done.out == ""
        (line,) = done.err.splitlines()
        assert f"{tmp_path / 'orchestrix.toml'}: orchestrix.event_stor: unknown key" in line
        assert "did you mean 'event_store'?" in line

    def test_a_misspelt_setting_of_a_plugin(self, orchestrix, acme):
        acme(text=BLOCKED + 'message_bus = "acme"\n[orchestrix.event_store.acme]\npth = "x"')
        for command in ("doctor", "streams"):
            done = orchestrix(command)
            assert done.status == 2
            assert "orchestrix.event_store.acme.pth: unknown key" in done.err
            assert "did you mean 'path'?" in done.err
            assert "Traceback" not in done.err

    def test_a_backend_that_is_not_installed(self, orchestrix, configure):
        configure(BLOCKED + 'event_store = "sqlite"')
        done = orchestrix("streams")
        assert done.status == 2
        assert "pip install orchestrix-sqlite" in done.err

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('event_store = "acmee"', "orchestrix.event_store"),
            ("[orchestrix.event_store.acmee]", "orchestrix.event_store.acmee"),
        ],
    )
    def test_a_misspelt_backend(self, orchestrix, acme, tmp_path, text, key):
        acme(text=BLOCKED + text)
        for command in ("doctor", "streams", "run"):
            done = orchestrix(command)
            assert done.status == 2
            (line,) = done.err.splitlines()
            assert f"{tmp_path / 'orchestrix.toml'}: {key}: no event_store backend named" in line
            assert "did you mean 'acme'?" in line

    def test_a_misspelt_backend_in_the_environment(self, orchestrix, acme, monkeypatch):
        acme()
        monkeypatch.setenv("ORCHESTRIX__EVENT_STORE", "acmee")
        done = orchestrix("doctor")
        assert done.status == 2
        assert "variable ORCHESTRIX__EVENT_STORE: orchestrix.event_store: no event_" in done.err

    def test_a_file_that_is_not_there(self, orchestrix):
        done = orchestrix("--config", "no.toml", "doctor")
        assert done.status == 2
        assert "no.toml" in done.err

    def test_no_event_store_is_chosen(self, orchestrix, configure):
        configure(BLOCKED)
        done = orchestrix("doctor")
        assert done.status == 2
        assert "orchestrix init" in done.err

    @pytest.mark.parametrize(
        ("command", "lacks"),
        [
            ("log", "global_log"),
            ("projections", "documents, global_log"),
            ("dead-letters", "documents, global_log"),
            ("dead-letters replay mail", "documents, global_log"),
            ("dead-letters drop mail --yes", "documents, global_log"),
        ],
    )
    def test_a_missing_capability(self, orchestrix, acme, command, lacks):
        acme()
        done = orchestrix(*command.split())
        assert done.status == 2
        assert f"'acme' lacks {lacks}" in done.err

    @pytest.mark.parametrize(
        "arguments", [["nope"], ["--nope"], ["events"], ["log", "--limit", "0"]]
    )
    def test_wrong_arguments(self, orchestrix, configure, arguments):
        configure(BLOCKED)
        done = orchestrix(*arguments)
        assert done.status == 2
        assert "Error: " in done.err
        assert "Traceback" not in done.err


class TestDoctor:
    def test_healthy(self, orchestrix, acme, tmp_path, monkeypatch):
        acme()
        monkeypatch.setenv("ORCHESTRIX__EVENT_STORE__ACME__PATH", "pg://u:hunter2@h")
        done = orchestrix("doctor", "--json")
        report = json.loads(done.out)
        assert (done.status, report["healthy"]) == (0, True)
        assert report["configuration"]["file"] == str(tmp_path / "orchestrix.toml")
        settings = {row["key"]: row for row in report["configuration"]["settings"]}
        assert settings["orchestrix.event_store.acme.path"] == {
            "key": "orchestrix.event_store.acme.path",
            "value": "pg://u:********@h",
            "source": "environment variable ORCHESTRIX__EVENT_STORE__ACME__PATH",
        }
        assert settings["orchestrix.event_store.acme.size"]["source"] == "default"
        assert [row["healthy"] for row in report["backends"]] == [True, True]
        assert report["backends"][0]["milliseconds"] >= 0
        assert "hunter2" not in done.out + orchestrix("doctor").out

    @pytest.mark.parametrize(
        ("how", "told"),
        [
            ({"fails": True}, "OSError: no route to pg://u:********@host"),
            ({"answers": False}, "does not answer"),
        ],
    )
    def test_unhealthy(self, orchestrix, acme, how, told):
        acme(**how)
        done = orchestrix("doctor")
        assert done.status == 1
        assert told in done.out
        report = json.loads(orchestrix("doctor", "--json").out)
        assert [row["healthy"] for row in report["backends"]] == [False, True]
        assert report["healthy"] is False
        assert report["application"] == {"healthy": True, "error": None}

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ('requires = ["documents"]', "'acme' lacks documents, which `requires` of "),
            (
                'modules = ["nowhere"]',
                "orchestrix.modules: the module 'nowhere' cannot be imported",
            ),
            ('modules = ["raising"]', "ZeroDivisionError: at import"),
            ('modules = ["twice"]', "orchestrix.modules: the modules do not fit together"),
            ('modules = ["hearing"]', "'acme' lacks documents, global_log, which "),
        ],
    )
    def test_what_cannot_start(self, orchestrix, acme, tmp_path, settings, told):
        (tmp_path / "raising.py").write_text("raise ZeroDivisionError('at import')")
        (tmp_path / "twice.py").write_text(TWICE)
        (tmp_path / "hearing.py").write_text(HEARING)
        acme(text=CHOSEN + settings)
        done = orchestrix("doctor")
        assert done.status == 1
        assert told in done.out
        report = json.loads(orchestrix("doctor", "--json").out)
        assert [row["healthy"] for row in report["backends"]] == [True, True]
        assert report["healthy"] is report["application"]["healthy"] is False
        assert told in report["application"]["error"]


class TestInit:
    def test_it_writes_a_file_that_loads(self, orchestrix, tmp_path, acme):
        acme()
        (tmp_path / "orchestrix.toml").unlink()
        done = orchestrix("init")
        assert (done.status, done.out) == (0, "wrote orchestrix.toml; next: orchestrix doctor\n")
        text = (tmp_path / "orchestrix.toml").read_text()
        assert '# [orchestrix.event_store.acme]\n# path = "x"\n# size = 1\n' in text
        assert orchestrix("plugins").status == 0

    def test_it_offers_what_watches(self, orchestrix, tmp_path, install_plugin):
        install_plugin("watcher", WATCHER)
        assert orchestrix("init").status == 0
        text = (tmp_path / "orchestrix.toml").read_text()
        assert '# tracing.use = "watcher"\n' in text
        assert "# [orchestrix.tracing.watcher]\n# name = ...\n# port = 7\n" in text

    def test_it_does_not_overwrite(self, orchestrix, tmp_path, configure):
        configure(BLOCKED)
        done = orchestrix("init")
        assert done.status == 2
        assert "--force" in done.err
        assert (tmp_path / "orchestrix.toml").read_text() == BLOCKED
        assert orchestrix("init", "--force").status == 0
        assert (tmp_path / "orchestrix.toml").read_text() != BLOCKED

    def test_the_file_that_config_names(self, orchestrix, tmp_path):
        assert orchestrix("--config", "shop.toml", "init").status == 0
        assert (tmp_path / "shop.toml").exists()

    def test_a_folder_that_is_not_there(self, orchestrix):
        done = orchestrix("--config", "no/shop.toml", "init")
        assert done.status == 2
        assert "cannot be written" in done.err


class TestCommandsOfPlugins:
    def test_they_run(self, orchestrix, acme):
        acme()
        assert orchestrix("greet", "Ann").out == "hello Ann\n"
        assert "greet" in orchestrix("--help").out

    def test_config_may_stand_behind_them(self, orchestrix, acme, tmp_path):
        acme()
        done = orchestrix("greet", "Ann", "--config", tmp_path / "orchestrix.toml")
        assert done.out == "hello Ann\n"
        assert orchestrix("greet", "--config", "no.toml").status == 2

    def test_their_own_option_of_that_name_is_left_to_them(self, orchestrix, acme):
        acme()
        assert orchestrix("configured", "--config", "loud").out == "config loud\n"

    def test_they_cannot_take_a_name(self, orchestrix, install_plugin, configure):
        configure(BLOCKED)
        code = DEMO_PLUGIN.format(fails=False, answers=True).replace("greet", "doctor")
        install_plugin("acme", code)
        assert "command name doctor is taken" in orchestrix("plugins").out
        assert "name of the" not in orchestrix("doctor", "--help").out

    def test_help_works_with_a_broken_configuration(self, orchestrix, configure):
        configure("[orchestrix")
        done = orchestrix("--help")
        assert done.status == 0
        assert "doctor" in done.out
        assert "is not valid TOML" in done.err


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    """`orchestrix ... | head` with a pipe that nobody reads: no traceback, no complaint."""
    (tmp_path / "orchestrix.toml").write_text(BLOCKED)
    program = "from orchestrix_core.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "plugins", "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_narrow_terminal_folds_and_cuts_nothing(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("_pytest.capture.CaptureIO.isatty", lambda _: True)
    print_table(["id", "n"], [["ab" * 50, 1]])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines()[3:])) <= 40
    assert "".join(shown.split()).count("ab") == 50


def test_without_a_terminal_columns_are_as_wide_as_they_need(capsys):
    print_table(["id", "n"], [["ab" * 200, 1], ["東京", None], ["\x1b[2J", 22]])
    assert capsys.readouterr().out.splitlines() == [
        "id" + " " * 398 + "  n",
        "ab" * 200 + "  1",
        "東京",
        "\\x1b[2J" + " " * 393 + "  22",
    ]
