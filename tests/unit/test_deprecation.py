"""An old plugin on a newer core: a hook, or an argument of one, that will go."""

from __future__ import annotations

import json
import warnings

import pytest

from orchestrix_core import hookspecs
from orchestrix_core._deprecation import deprecated
from orchestrix_core.plugins import PluginRegistry

OLD_PLUGIN = """
from orchestrix_core import hookimpl

@hookimpl
def orchestrix_instrumentation(settings):
    return []

@hookimpl
def orchestrix_startup(app):
    app.append("started")
"""
NEW_PLUGIN = """
from orchestrix_core import hookimpl

@hookimpl
def orchestrix_instrumentation():
    return []
"""
HOOK = deprecated(
    "orchestrix_startup()", since="0.2", removal="0.4", instead="implement orchestrix_open()"
)
ARGUMENT = deprecated(
    "the argument settings of orchestrix_instrumentation()",
    since="0.3", removal="0.5", instead="leave it out",
)  # fmt: skip


@pytest.fixture
def newer_core(monkeypatch):
    """Mark a hook and an argument, as a later core will, in the specifications themselves."""
    startup = hookspecs.orchestrix_startup.orchestrix_spec
    monkeypatch.setitem(startup, "warn_on_impl", HOOK)
    instrumentation = hookspecs.orchestrix_instrumentation.orchestrix_spec
    monkeypatch.setitem(instrumentation, "warn_on_impl_args", {"settings": ARGUMENT})


@pytest.fixture
def old_and_new(install_plugin):
    install_plugin("acme-old", OLD_PLUGIN, version="1.2")
    install_plugin("acme-new", NEW_PLUGIN)


def acme(registry):
    return {p.distribution: p for p in registry.plugins if p.distribution.startswith("acme")}


@pytest.mark.usefixtures("newer_core", "old_and_new")
def test_what_will_go_is_told_and_works_on():
    with pytest.warns(DeprecationWarning, match="since orchestrix-core") as told:
        registry = PluginRegistry.discover()
    assert [str(warning.message) for warning in told] == [str(ARGUMENT), str(HOOK)]
    assert {warning.filename.rpartition("/")[2] for warning in told} == {"acme_old_plugin.py"}
    plugins = acme(registry)
    assert plugins["acme-old"].deprecations == (str(ARGUMENT), str(HOOK))
    assert plugins["acme-new"].deprecations == ()
    seen: list[str] = []
    plugins["acme-old"].hooks.orchestrix_startup(app=seen)
    assert seen == ["started"]


def test_the_text_says_since_when_until_when_and_what_instead():
    assert str(HOOK) == (
        "orchestrix_startup() is deprecated since orchestrix-core 0.2 and goes with 0.4: "
        "implement orchestrix_open()"
    )


@pytest.mark.usefixtures("newer_core", "old_and_new")
def test_where_warnings_are_errors_that_plugin_alone_is_left_out():
    registry = PluginRegistry.discover()  # as pytest is configured here
    (error,) = [error for error in registry.errors if error.distribution == "acme-old"]
    assert error.reason == f"warnings are errors here, and {ARGUMENT}"
    assert list(acme(registry)) == ["acme-new"]


@pytest.mark.usefixtures("old_and_new")
def test_nothing_is_told_of_what_stays():
    registry = PluginRegistry.discover()
    assert [plugin.deprecations for plugin in acme(registry).values()] == [(), ()]


@pytest.mark.usefixtures("newer_core", "old_and_new")
def test_the_program_lists_what_will_go(orchestrix):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as Python does, outside of tests
        done, report = orchestrix("plugins"), json.loads(orchestrix("plugins", "--json").out)
    assert done.status == 0, "it works on"
    lines = done.out.partition("\ndeprecated:\n")[2].splitlines()
    assert lines[0].split() == ["plugin", "distribution", "version", "reason"]
    assert [line.split(maxsplit=3) for line in lines[1:]] == [
        ["acme-old", "acme-old", "1.2", str(ARGUMENT)],
        ["acme-old", "acme-old", "1.2", str(HOOK)],
    ]
    assert [row["reason"] for row in report["deprecations"]] == [str(ARGUMENT), str(HOOK)]
    assert report["deprecations"][0]["distribution"] == "acme-old"
