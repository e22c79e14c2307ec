from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Literal

import attrs
import pytest

from orchestrix_core.configuration import Configuration, RuntimeSettings
from orchestrix_core.errors import ConfigurationError
from orchestrix_core.hookspecs import Backend, hookimpl
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.secrets import MASK, Secret


class Mode(enum.StrEnum):
    FULL = "full"
    NORMAL = "normal"


@attrs.frozen(kw_only=True)
class Retry:
    times: int = 3


@attrs.frozen(kw_only=True)
class StoreConfig:
    path: Path = Path("default.db")
    timeout: float = 5.0
    size: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    wal: bool = True
    name: str = "n"
    mode: Mode = Mode.FULL
    level: Literal[1, 2] = 1
    limit: int | None = None
    tables: tuple[str, ...] = ()
    ports: list[int] = attrs.field(factory=list)
    labels: dict[str, str] = attrs.field(factory=dict)
    retry: Retry = attrs.field(factory=Retry)
    password: Secret | None = None


@dataclasses.dataclass(frozen=True)
class DsnConfig:
    dsn: str
    key: str = dataclasses.field(default="hidden", repr=False)


STORE = Backend(kind="event_store", name="disk", config=StoreConfig, create=lambda c: c)
DSN = Backend(kind="event_store", name="server", config=DsnConfig, create=lambda c: c)


@pytest.fixture
def registry():
    class Plugin:
        @hookimpl
        def orchestrix_backends(self):
            return [STORE, DSN]

    made = PluginRegistry()
    made.register(Plugin(), name="test")
    return made


@pytest.fixture
def load(tmp_path):
    def load(text, **environ):
        (tmp_path / "orchestrix.toml").write_text(text)
        return Configuration.load(environ=environ, directory=tmp_path)

    return load


def settings(load, lines, **environ):
    return load(f"[orchestrix.event_store.disk]\n{lines}\n", **environ).settings(STORE)


def fault(load, text, **environ):
    with pytest.raises(ConfigurationError) as caught:
        load(text, **environ).settings(STORE)
    return caught.value


class TestChoice:
    @pytest.mark.parametrize(
        "text",
        [
            '[orchestrix]\nevent_store = "disk"',
            '[orchestrix]\nevent_store.use = "disk"',
            '[orchestrix.event_store]\nuse = "disk"\n[orchestrix.event_store.server]\ndsn = "x"',
            '[orchestrix.event_store.disk]\npath = "x"',
            "[orchestrix.event_store.disk]",
        ],
    )
    def test_a_backend_is_chosen(self, load, text):
        assert load(text).chosen == {"event_store": "disk"}

    def test_the_form_of_the_guide(self, load, tmp_path):
        configuration = load(
            '[orchestrix]\nevent_store.use = "disk"\nmessage_bus.use = "memory"\n'
            'modules = ["shop.events"]\n[orchestrix.event_store.disk]\npath = "${SHOP_DB:-shop.db}"'
        )
        assert configuration.chosen == {"event_store": "disk", "message_bus": "memory"}
        assert configuration.modules == ("shop.events",)
        assert configuration.settings(STORE).path == tmp_path / "shop.db"

    def test_several_without_use_are_an_error(self, load):
        text = "[orchestrix.event_store.disk]\n[orchestrix.event_store.server]"
        error = fault(load, text)
        assert error.key == "orchestrix.event_store"
        assert 'add event_store.use = "disk"' in error.reason

    @pytest.mark.parametrize("value", ["3", "[1]", "true"])
    def test_a_choice_is_a_name_or_a_table(self, load, value):
        error = fault(load, f"[orchestrix]\nevent_store = {value}")
        assert error.key == "orchestrix.event_store"

    def test_use_is_a_string(self, load):
        assert fault(load, "[orchestrix]\nevent_store.use = 3").key == "orchestrix.event_store.use"

    def test_a_setting_in_the_wrong_table_is_told_where_it_belongs(self, load):
        error = fault(load, '[orchestrix.event_store]\nuse = "disk"\npath = "x"')
        assert error.key == "orchestrix.event_store.path"
        assert "[orchestrix.event_store.<name>]" in error.reason

    def test_settings_of_an_unknown_backend_are_most_likely_misspelt(self, load, registry):
        text = '[orchestrix]\nevent_store.use = "disk"\n[orchestrix.event_store.dsk]\npath = "x"'
        with pytest.raises(ConfigurationError, match="did you mean 'disk'") as caught:
            load(text).check_names(registry)
        assert caught.value.key == "orchestrix.event_store.dsk"

    def test_settings_of_a_backend_not_chosen_are_kept_in_reserve(self, load, registry):
        text = '[orchestrix]\nevent_store.use = "disk"\n[orchestrix.event_store.postgres]\nx = 1'
        load(text).check_names(registry)

    @pytest.mark.parametrize("key", ["event_stor", "module", "extra"])
    def test_an_unknown_root_key(self, load, key):
        error = fault(load, f'[orchestrix]\n{key} = "x"')
        assert error.key == f"orchestrix.{key}"
        assert "valid keys: block, commands_kept, event_store" in error.reason

    def test_runtime_settings(self, load):
        made = load(
            "[orchestrix]\nworker = false\nlease = 3\ngrace = 0", ORCHESTRIX__COMMANDS_KEPT="0.5"
        )
        assert made.runtime == RuntimeSettings(
            worker=False, lease=3.0, grace=0.0, commands_kept=0.5
        )
        assert load("[orchestrix]").runtime == RuntimeSettings()

    @pytest.mark.parametrize(
        ("key", "value", "reason"),
        [
            ("worker", "1", "expected a boolean"),
            ("lease", "0", "lease must be more than 0"),
            ("lease", '"10"', "expected a number"),
            ("grace", "-1", "grace must be 0 or more"),
            ("grace", "inf", "grace must be 0 or more"),
            ("commands_kept", "0.0", "commands_kept must be more than 0"),
        ],
    )
    def test_runtime_settings_that_make_no_sense(self, load, key, value, reason):
        error = fault(load, f"[orchestrix]\n{key} = {value}")
        assert error.key.startswith("orchestrix")
        assert reason in error.reason

    @pytest.mark.parametrize("value", ["3", '"a b"', "[1]"])
    def test_modules_are_an_array_of_strings(self, load, value):
        assert fault(load, f"[orchestrix]\nmodules = {value}").key == "orchestrix.modules"


class TestSettings:
    def test_defaults(self, load, tmp_path):
        assert settings(load, "") == StoreConfig(path=tmp_path / "default.db")

    def test_every_type(self, load, tmp_path):
        lines = (
            'path = "/x/y.db"\ntimeout = 2\nsize = 4\nwal = false\nname = "é"\nmode = "normal"\n'
            'level = 2\nlimit = 9\ntables = ["a", "b"]\nports = [1, 2]\nlabels = {a = "b"}\n'
            'retry.times = 5\npassword = "hunter2"'
        )
        made = settings(load, lines)
        assert made == StoreConfig(
            path=Path("/x/y.db"), timeout=2.0, size=4, wal=False, name="é", mode=Mode.NORMAL,
            level=2, limit=9, tables=("a", "b"), ports=[1, 2], labels={"a": "b"},
            retry=Retry(times=5), password=Secret("hunter2"),
        )  # fmt: skip
        assert type(made.timeout) is float

    def test_a_misspelt_key_names_file_path_and_nearest(self, load, tmp_path):
        error = fault(load, '[orchestrix.event_store.disk]\npth = "x"')
        assert error.file == str(tmp_path / "orchestrix.toml")
        assert error.key == "orchestrix.event_store.disk.pth"
        assert "did you mean 'path'?" in error.reason

    def test_a_misspelt_key_of_a_nested_table(self, load):
        error = fault(load, "[orchestrix.event_store.disk.retry]\ntime = 1")
        assert error.key == "orchestrix.event_store.disk.retry.time"
        assert "did you mean 'times'?" in error.reason

    @pytest.mark.parametrize(
        ("line", "key", "expected"),
        [
            ("path = 3", "path", "expected a path (a string), found an integer"),
            ("name = 3", "name", "expected a string, found an integer"),
            ('size = "3"', "size", "expected an integer, found a string"),
            ("size = 3.0", "size", "expected an integer, found a number"),
            ("size = true", "size", "expected an integer, found a boolean"),
            ("timeout = true", "timeout", "expected a number, found a boolean"),
            ("wal = 1", "wal", "expected a boolean, found an integer"),
            ('mode = "ful"', "mode", "expected one of 'full', 'normal'"),
            ("level = true", "level", "expected one of 1, 2"),
            ("limit = 'x'", "limit", "expected an integer, found a string"),
            ("tables = 'a,b'", "tables", "expected an array, found a string"),
            ("tables = [1]", "tables", "expected a string, found an integer"),
            ("retry = 3", "retry", "expected a table, found an integer"),
            ("retry.times = 'x'", "retry.times", "expected an integer, found a string"),
            ("password = 3", "password", "expected a string, found an integer"),
            ("name = 2024-01-01", "name", "expected a string, found a date"),
        ],
    )
    def test_a_wrong_type_says_what_was_expected(self, load, line, key, expected):
        error = fault(load, f"[orchestrix.event_store.disk]\n{line}")
        assert error.key == f"orchestrix.event_store.disk.{key}"
        assert expected in error.reason

    def test_a_validator_of_the_plugin_speaks(self, load):
        error = fault(load, "[orchestrix.event_store.disk]\nsize = 0")
        assert error.key.startswith("orchestrix.event_store.disk")
        assert "'size' must be >= 1" in error.reason

    def test_a_missing_value(self, load):
        with pytest.raises(ConfigurationError, match="is missing: expected a string") as caught:
            load('[orchestrix]\nevent_store = "server"').settings(DSN)
        assert caught.value.key == "orchestrix.event_store.server.dsn"

    def test_a_misspelt_required_key_is_reported_as_misspelt(self, load):
        with pytest.raises(ConfigurationError, match="did you mean 'dsn'"):
            load('[orchestrix.event_store.server]\ndns = "x"').settings(DSN)

    def test_an_error_never_shows_a_value(self, load):
        lines = '[orchestrix.event_store.disk]\npassword = "hunter2"\nsize = "hunter2"'
        error = fault(load, lines)
        assert "hunter2" not in f"{error} {error!r} {error.__cause__!r}"


class TestEnvironment:
    def test_a_placeholder_is_converted_as_declared(self, load, tmp_path):
        lines = 'size = "${SIZE}"\ntimeout = "${T:-1.5}"\nwal = "${WAL}"\npath = "${NAME}.db"'
        made = settings(load, lines, SIZE="7", WAL="no", NAME="shop")
        assert (made.size, made.timeout, made.wal) == (7, 1.5, False)
        assert made.path == tmp_path / "shop.db"

    def test_a_missing_variable_names_file_and_key(self, load, tmp_path):
        error = fault(load, '[orchestrix.event_store.disk]\nname = "${NOPE}"')
        assert error.file == str(tmp_path / "orchestrix.toml")
        assert error.key == "orchestrix.event_store.disk.name"
        assert "NOPE is not set" in error.reason

    def test_a_missing_variable_of_a_backend_not_chosen_is_no_matter(self, load):
        text = '[orchestrix]\nevent_store.use = "{}"\nevent_store.disk.name = "${{NOPE}}"'
        assert load(text.format("memory")).chosen["event_store"] == "memory"
        assert "NOPE is not set" in fault(load, text.format("disk")).reason

    def test_an_override_makes_good_for_a_missing_variable(self, load):
        environ = {"ORCHESTRIX__EVENT_STORE__DISK__NAME": "given"}
        assert settings(load, 'name = "${NOPE}"', **environ).name == "given"

    def test_a_missing_variable_outside_of_backends_is_always_an_error(self, load):
        with pytest.raises(ConfigurationError, match="NOPE is not set") as caught:
            load('[orchestrix]\nmodules = ["${NOPE}"]')
        assert caught.value.key == "orchestrix.modules"

    @pytest.mark.parametrize("text", ["${", "${NOPE", "${a b}", "${}", "${1A}"])
    def test_a_malformed_placeholder(self, load, text):
        error = fault(load, f'[orchestrix.event_store.disk]\nname = "{text}"', NOPE="x")
        assert "expected ${NAME}" in error.reason

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$A", "$A"),
            ("a${A}b${B:-c}", "a1bc"),
            ("${A:-x}", "1"),
            ("${E:-x}", "x"),
            ("${E}", ""),
            ("${B:-}", ""),
            ("${B:-x:-y}", "x:-y"),
        ],
    )
    def test_placeholders(self, load, text, value):
        assert settings(load, f'name = "{text}"', A="1", E="").name == value

    def test_a_value_that_is_not_from_outside_keeps_its_type(self, load):
        assert "found a string" in fault(load, '[orchestrix.event_store.disk]\nsize = "$$1"').reason

    def test_text_that_does_not_convert_names_the_variable(self, load):
        error = fault(
            load, "[orchestrix.event_store.disk]", ORCHESTRIX__EVENT_STORE__DISK__SIZE="x"
        )
        assert error.file == "environment variable ORCHESTRIX__EVENT_STORE__DISK__SIZE"
        assert error.key == "orchestrix.event_store.disk.size"
        assert error.reason == "expected an integer, found other text"

    def test_an_override_wins_over_the_file(self, load):
        made = settings(
            load,
            'name = "file"\nsize = 1',
            ORCHESTRIX__EVENT_STORE__DISK__NAME="a${X}$$",
            orchestrix__event_store__disk__size="5",
            ORCHESTRIX__EVENT_STORE__DISK__PORTS="1, 2",
            ORCHESTRIX__EVENT_STORE__DISK__RETRY__TIMES="9",
            ORCHESTRIX__EVENT_STORE__DISK__PATH="here.db",
            ORCHESTRIX__EVENT_STORE__DISK__MODE="normal",
            ORCHESTRIX__EVENT_STORE__DISK__LEVEL="2",
        )
        assert (made.name, made.size, made.ports, made.retry.times) == ("a${X}$$", 5, [1, 2], 9)
        assert (made.path, made.mode, made.level) == (Path("here.db"), Mode.NORMAL, 2)

    @pytest.mark.parametrize("text", ["", '[orchestrix]\nevent_store = "server"'])
    def test_an_override_chooses_the_backend(self, load, text):
        assert load(text, ORCHESTRIX__EVENT_STORE="disk").chosen["event_store"] == "disk"

    def test_a_setting_overridden_leaves_the_choice_alone(self, load):
        made = load('[orchestrix]\nevent_store = "server"', ORCHESTRIX__EVENT_STORE__DISK__NAME="x")
        assert made.chosen["event_store"] == "server"

    def test_lists_are_separated_by_commas(self, load):
        made = load(
            "[orchestrix]\nmodules = ['a']", ORCHESTRIX__MODULES="b, c", ORCHESTRIX__BLOCK=""
        )
        assert (made.modules, made.block) == (("b", "c"), ())

    @pytest.mark.parametrize(
        "variable",
        ["ORCHESTRIX__EVNT_STORE", "ORCHESTRIX__EVENT_STORE__DISK__NAM", "ORCHESTRIX__MODULES__A"],
    )
    def test_an_unknown_override_is_an_error(self, load, variable):
        error = fault(load, "[orchestrix]\nmodules = ['a']", **{variable: "x"})
        assert error.file == f"environment variable {variable}"

    @pytest.mark.parametrize("variable", ["ORCHESTRIX__", "ORCHESTRIX____A"])
    def test_an_override_without_a_key(self, load, variable):
        assert "expected ORCHESTRIX__KEY" in fault(load, "", **{variable: "x"}).reason

    def test_a_backend_spelt_with_a_dash_can_be_overridden(self, load):
        made = load("[orchestrix.event_store.my-disk]", ORCHESTRIX__EVENT_STORE__MY_DISK__A="1")
        assert made.document.table["event_store"]["my-disk"] == {"a": "1"}


class TestFiles:
    def test_the_nearest_file_upwards_is_found(self, tmp_path):
        deep = tmp_path / "a" / "b"
        deep.mkdir(parents=True)
        (tmp_path / "orchestrix.toml").write_text('[orchestrix]\nevent_store = "far"')
        (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx = 1")
        assert Configuration.load(environ={}, directory=deep).chosen["event_store"] == "far"
        (tmp_path / "a" / "pyproject.toml").write_text('[tool.orchestrix]\nevent_store = "near"')
        assert Configuration.load(environ={}, directory=deep).chosen["event_store"] == "near"
        (tmp_path / "a" / "orchestrix.toml").write_text('[orchestrix]\nevent_store = "own"')
        assert Configuration.load(environ={}, directory=deep).chosen["event_store"] == "own"

    def test_the_key_path_in_pyproject(self, tmp_path):
        (tmp_path / "pyproject.toml").write_text("[tool.orchestrix]\nevnt_store = 1")
        with pytest.raises(ConfigurationError) as caught:
            Configuration.load(environ={}, directory=tmp_path)
        assert caught.value.key == "tool.orchestrix.evnt_store"
        assert caught.value.file == str(tmp_path / "pyproject.toml")

    def test_the_argument_wins_over_the_variable(self, tmp_path):
        for name in ("a", "b"):
            (tmp_path / f"{name}.toml").write_text(f'[orchestrix]\nevent_store = "{name}"')
        environ = {"ORCHESTRIX_CONFIG": "b.toml"}
        named = Configuration.load("a.toml", environ=environ, directory=tmp_path)
        assert named.chosen["event_store"] == "a"
        found = Configuration.load(environ=environ, directory=tmp_path)
        assert found.chosen["event_store"] == "b"

    @pytest.mark.parametrize("environ", [{}, {"ORCHESTRIX_CONFIG": "no.toml"}])
    def test_a_named_file_must_exist(self, tmp_path, environ):
        with pytest.raises(ConfigurationError, match="no such file") as caught:
            Configuration.load(None if environ else "no.toml", environ=environ, directory=tmp_path)
        assert caught.value.file == str(tmp_path / "no.toml")

    def test_without_a_file_the_configuration_is_empty(self, monkeypatch, tmp_path):
        # Whatever stands above the temporary folder is none of this test's business.
        monkeypatch.setattr(type(tmp_path), "is_file", lambda _: False)
        made = Configuration.load(environ={}, directory=tmp_path)
        assert (made.document.file, made.chosen) == (None, {})

    def test_a_folder_is_not_a_file(self, tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            Configuration.load(tmp_path, environ={})

    @pytest.mark.parametrize(
        "content", [b"[orchestrix", b"\xff\xfe", b"[orchestrix]\na = 1\na = 2"]
    )
    def test_not_toml(self, tmp_path, content):
        (tmp_path / "orchestrix.toml").write_bytes(content)
        with pytest.raises(ConfigurationError, match="is not valid TOML"):
            Configuration.load(environ={}, directory=tmp_path)

    def test_a_key_that_no_toml_can_hold_twice_explains_itself(self, load):
        text = '[orchestrix]\nevent_store = "disk"\n[orchestrix.event_store.disk]\npath = "x"'
        assert "is not valid TOML" in fault(load, text).reason

    def test_a_misspelt_root_table(self, load):
        error = fault(load, '[orchestix]\nevent_store = "disk"')
        assert error.key == "orchestix"
        assert "did you mean 'orchestrix'?" in error.reason

    def test_the_root_is_a_table(self, load):
        assert fault(load, "orchestrix = 3").key == "orchestrix"


class TestModules:
    def test_they_are_imported(self, load, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(tmp_path))
        (tmp_path / "shop_events_imported.py").write_text("from pathlib import Path\nX = 1\n")
        load('[orchestrix]\nmodules = ["shop_events_imported"]').import_modules()
        import shop_events_imported  # type: ignore[import-not-found]  # written above

        assert shop_events_imported.X == 1

    @pytest.mark.parametrize(
        "code", [None, "raise RuntimeError('boom')", "import sys; sys.exit(1)"]
    )
    def test_a_failing_one_is_named(self, load, tmp_path, monkeypatch, code):
        monkeypatch.syspath_prepend(str(tmp_path))
        if code:
            (tmp_path / "shop_broken.py").write_text(code)
        with pytest.raises(ConfigurationError, match="'shop_broken' cannot be imported") as caught:
            load('[orchestrix]\nmodules = ["shop_broken"]').import_modules()
        assert caught.value.key == "orchestrix.modules"
        assert caught.value.__cause__ is not None


class TestEntries:
    def entries(self, configuration, registry):
        return {entry.key: (entry.value, entry.source) for entry in configuration.entries(registry)}

    def test_each_value_says_where_it_was_written(self, load, registry, tmp_path):
        file = str(tmp_path / "orchestrix.toml")
        made = load(
            '[orchestrix]\nevent_store.use = "disk"\n[orchestrix.event_store.disk]\n'
            'name = "${NAME:-x}"\nsize = 4\npassword = "hunter2"',
            ORCHESTRIX__EVENT_STORE__DISK__WAL="off",
        )
        entries = self.entries(made, registry)
        base = "orchestrix.event_store"
        assert entries[f"{base}.use"] == ("disk", file)
        assert entries[f"{base}.disk.name"] == ("x", f"{file} with $NAME")
        assert entries[f"{base}.disk.size"] == ("4", file)
        assert entries[f"{base}.disk.wal"] == (
            "False",
            "environment variable ORCHESTRIX__EVENT_STORE__DISK__WAL",
        )
        assert entries[f"{base}.disk.path"] == (str(tmp_path / "default.db"), "default")
        assert entries[f"{base}.disk.password"] == (MASK, file)
        assert entries["orchestrix.modules"] == ("", "default")

    def test_secrets_are_masked_wherever_they_stand(self, load, registry):
        made = load('[orchestrix.event_store.server]\ndsn = "pg://u:hunter2@h/d"\nkey = "hunter2"')
        entries = self.entries(made, registry)
        assert entries["orchestrix.event_store.server.dsn"][0] == f"pg://u:{MASK}@h/d"
        assert entries["orchestrix.event_store.server.key"][0] == MASK
        assert "hunter2" not in f"{entries} {made!r}"
