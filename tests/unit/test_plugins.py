from __future__ import annotations

from importlib import metadata

import attrs
import pytest
import typer

from orchestrix_core import plugins
from orchestrix_core.errors import BackendNotFoundError, PluginLoadError
from orchestrix_core.hookspecs import Backend, ContractSubject, hookimpl
from orchestrix_core.instrumentation import NO_INSTRUMENTATION
from orchestrix_core.plugins import PluginRegistry

CORE = metadata.version("orchestrix-core")

OFFERS = """
import attrs
from orchestrix_core.hookspecs import Backend, hookimpl

@attrs.frozen
class Config:
    pass

@hookimpl
def orchestrix_backends():
    return [Backend(kind=kind, name=name, config=Config, create=lambda c: {origin!r})
            for kind, name in {rows!r}]
"""


def offers(origin, *rows):
    return OFFERS.replace("{origin!r}", repr(origin)).replace("{rows!r}", repr(rows))


def stores(registry):
    """Return the event stores of the plugins these tests install, by name."""
    return {name: registry.backend("event_store", name) for name in registry.names("event_store")}


def only_error(registry, distribution):
    (error,) = [error for error in registry.errors if error.distribution == distribution]
    return error


def test_a_plugin_that_raises_on_import_is_named_and_the_others_load(install_plugin):
    install_plugin("acme-broken", "raise RuntimeError('no such library')", version="2.5")
    install_plugin("acme-good", offers("good", ("event_store", "acme")))

    registry = PluginRegistry.discover()

    error = only_error(registry, "acme-broken")
    assert (error.name, error.version) == ("acme-broken", "2.5")
    assert "RuntimeError: no such library" in error.reason
    assert isinstance(error.__cause__, RuntimeError)
    assert stores(registry)["acme"].create(None) == "good"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "def f(:", "import not_there_at_all"])
def test_no_way_to_fail_at_import_goes_further(install_plugin, code):
    install_plugin("acme-broken", code)
    assert only_error(PluginRegistry.discover(), "acme-broken").__cause__ is not None


def test_keyboard_interrupt_is_not_swallowed(install_plugin):
    install_plugin("acme-interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        PluginRegistry.discover()


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("def orchestrix_backends(extra): return []", "extra"),
        (
            "def orchestrix_backend(): return []",
            "orchestrix_backend() is no hook of orchestrix-core {core}: "
            "did you mean orchestrix_backends()?",
        ),
        (
            "def orchestrix_gone(): pass",
            "orchestrix_gone() is no hook of orchestrix-core {core}",
        ),
        ("def orchestrix_backends(): return [42]", "42"),
        ("def orchestrix_backends(): return 42", "must return a list"),
        ("def orchestrix_backends(): raise ValueError('boom')", "boom"),
    ],
)
def test_a_hook_of_the_wrong_shape_is_named(install_plugin, hook, told):
    install_plugin("acme-odd", f"from orchestrix_core.hookspecs import hookimpl\n@hookimpl\n{hook}")
    reason = only_error(PluginRegistry.discover(), "acme-odd").reason
    assert told.format(core=CORE) in reason


def test_a_hook_that_only_newer_cores_have_may_be_optional(install_plugin):
    code = "\n@hookimpl(optionalhook=True)\ndef orchestrix_of_tomorrow(): pass\n"
    install_plugin("acme-ahead", offers("ahead", ("event_store", "acme")) + code)
    assert "acme" in stores(PluginRegistry.discover())


def test_a_plugin_without_decorated_hooks_is_told_so(install_plugin):
    install_plugin("acme-bare", "def orchestrix_backends(): return []")
    assert "hookimpl" in only_error(PluginRegistry.discover(), "acme-bare").reason


def test_one_bad_row_leaves_the_good_rows_of_its_plugin(install_plugin):
    code = offers("good", ("event_store", "acme"), ("teapot", "acme"))
    install_plugin("acme-half", code)
    registry = PluginRegistry.discover()
    assert "teapot" in only_error(registry, "acme-half").reason
    assert "acme" in stores(registry)


@pytest.mark.parametrize(
    ("requires", "advice"),
    [
        ("orchestrix-core==99.0", "take a newer core, pip install orchestrix-core==99.0"),
        ("Orchestrix_Core>=99", "take a newer core, pip install 'Orchestrix_Core>=99'"),
        ("orchestrix-core==99.*", "take a newer core, pip install 'orchestrix-core==99.*'"),
        ("orchestrix-core<0.1", "look for a newer release, pip install -U acme-future"),
        ("orchestrix-core>=0.0.1,<0.1", "look for a newer release, pip install -U acme-future"),
        ("orchestrix-core===old", "look for a newer release, pip install -U acme-future"),
    ],
)
def test_a_plugin_for_another_core_is_not_even_imported(install_plugin, requires, advice):
    install_plugin("acme-future", "raise AssertionError('imported')", requires=requires)
    error = only_error(PluginRegistry.discover(), "acme-future")
    assert error.reason.startswith("needs orchestrix-core")
    assert f", but orchestrix-core {CORE} is installed: {advice}" in error.reason
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("requires", "told"),
    [
        (
            "acme-driver>=2",
            "it needs acme-driver>=2, which is not installed: pip install 'acme-driver>=2'",
        ),
        (
            "attrs>=999",
            f"it needs attrs>=999, but attrs {metadata.version('attrs')} is installed: "
            "pip install 'attrs>=999'",
        ),
        (
            "acme-driver; python_version > '3'",
            "it needs acme-driver, which is not installed: pip install acme-driver",
        ),
        (
            "acme-driver; extra == 'fast'",
            "acme 3.1 declares nothing that is missing: see pip check",
        ),
        ("attrs", "acme 3.1 declares nothing that is missing: see pip check"),
    ],
)
def test_a_missing_dependency_is_named_with_its_distribution(install_plugin, requires, told):
    install_plugin("acme", "import acme_driver.fast", version="3.1", requires=requires)
    error = only_error(PluginRegistry.discover(), "acme")
    begin = "cannot be imported from 'acme_plugin': ModuleNotFoundError: No module named"
    assert error.reason == f"{begin} 'acme_driver'; {told}"


def test_a_plugin_that_wants_what_the_core_has_not_is_told_so(install_plugin):
    install_plugin("acme", "from orchestrix_core import OfAnotherCore")
    reason = only_error(PluginRegistry.discover(), "acme").reason
    assert "cannot import name 'OfAnotherCore'" in reason
    assert reason.endswith(
        f"orchestrix-core {CORE} is not what it was written for: look for a newer release, "
        "pip install -U acme"
    )


def test_an_entry_point_to_a_module_that_is_not_there_blames_nobody_else(install_plugin):
    folder = install_plugin("acme", "", requires="acme-driver")
    (folder / "acme_plugin.py").unlink()
    reason = only_error(PluginRegistry.discover(), "acme").reason
    assert reason.endswith("ModuleNotFoundError: No module named 'acme_plugin'")


@pytest.mark.parametrize(
    "requires", ["orchestrix-core>=0.0.1", "orchestrix-core==99; extra == 'later'", "other==1"]
)
def test_a_requirement_that_is_met_or_does_not_apply_is_no_error(install_plugin, requires):
    install_plugin("acme-good", offers("x", ("event_store", "acme")), requires=requires)
    assert "acme" in stores(PluginRegistry.discover())


def test_the_first_distribution_keeps_a_name_and_the_other_keeps_its_other_backends(install_plugin):
    install_plugin("acme-b", offers("b", ("event_store", "acme"), ("event_store", "b")))
    install_plugin("acme-a", offers("a", ("event_store", "acme")))

    registry = PluginRegistry.discover()

    assert stores(registry)["acme"].create(None) == "a"
    assert stores(registry)["b"].create(None) == "b"
    assert only_error(registry, "acme-b").reason == (
        "the event_store name 'acme' is taken by acme-a 1.0; that backend is left out: to have it, "
        "block = ['acme-a'] in the configuration"
    )


def test_who_blocks_the_holder_of_a_name_has_the_other(install_plugin):
    install_plugin("acme-b", offers("b", ("event_store", "acme")))
    install_plugin("acme-a", offers("a", ("event_store", "acme")))
    registry = PluginRegistry.discover(block=["acme-a"])
    assert stores(registry)["acme"].create(None) == "b"
    assert [error for error in registry.errors if error.distribution.startswith("acme")] == []


@pytest.mark.parametrize("thief", ["aaa-stores", "orchestrix-aaa"])
def test_nobody_takes_the_name_memory_from_its_distribution(install_plugin, thief):
    install_plugin(thief, offers(thief, ("event_store", "memory"), ("event_store", "other")))
    install_plugin("orchestrix-memory", offers("own", ("event_store", "memory")), entry="memory")

    registry = PluginRegistry.discover()

    assert stores(registry)["memory"].create(None) == "own"
    assert stores(registry)["other"].create(None) == thief
    assert "'memory' is taken by orchestrix-memory 1.0" in only_error(registry, thief).reason


def test_one_plugin_may_not_claim_a_name_twice(install_plugin):
    install_plugin("acme", offers("x", ("event_store", "acme"), ("event_store", "acme")))
    assert "taken by acme" in only_error(PluginRegistry.discover(), "acme").reason


@pytest.mark.parametrize("name", ["entry", "acme-blocked"])
def test_a_blocked_plugin_is_not_imported(install_plugin, name):
    install_plugin("acme-blocked", "raise AssertionError('imported')", entry="entry")
    registry = PluginRegistry.discover(block=[name])
    assert not [error for error in registry.errors if error.distribution == "acme-blocked"]


def test_every_run_sees_the_same_order(install_plugin):
    for name in ("acme-c", "acme-a", "acme-b"):
        install_plugin(name, offers(name, ("event_store", name)))
    loaded = [plugin.distribution for plugin in PluginRegistry.discover().plugins]
    assert [name for name in loaded if name.startswith("acme")] == ["acme-a", "acme-b", "acme-c"]


def test_a_missing_backend_says_how_to_get_it():
    with pytest.raises(BackendNotFoundError, match="pip install orchestrix-sqlite") as caught:
        PluginRegistry().backend("event_store", "sqlite")
    assert caught.value.installed == ()
    assert "installed: none" in str(caught.value)


def test_a_misspelt_backend_says_what_was_meant():
    registry = PluginRegistry()
    registry.register(Offer("sqlite"), name="x")
    with pytest.raises(BackendNotFoundError, match="did you mean 'sqlite'") as caught:
        registry.backend("event_store", "sqllite")
    assert caught.value.installed == ("sqlite",)


def test_a_misspelt_backend_that_is_not_installed_says_both():
    wanted = "did you mean 'postgres'.*pip install orchestrix-postgres"
    with pytest.raises(BackendNotFoundError, match=wanted):
        PluginRegistry().backend("event_store", "postgress")


def test_nothing_is_recommended_that_this_project_does_not_publish():
    with pytest.raises(BackendNotFoundError) as caught:
        PluginRegistry().backend("event_store", "zzz")
    assert "pip install" not in str(caught.value)


def test_a_backend_whose_plugin_failed_says_why(install_plugin):
    install_plugin("orchestrix-acme", "raise RuntimeError('no libacme')", entry="acme")
    with pytest.raises(BackendNotFoundError, match=r"failed to load.*no libacme"):
        PluginRegistry.discover().backend("event_store", "acme")


@attrs.frozen
class NoSettings:
    pass


class Offer:
    """A plugin as an object."""

    def __init__(self, *names):
        self.names = names
        self.seen = []

    @hookimpl
    def orchestrix_backends(self):
        return [
            Backend(kind="event_store", name=name, config=NoSettings, create=name.format)
            for name in self.names
        ]

    @hookimpl
    def orchestrix_startup(self, app):
        self.seen.append(("startup", app))

    @hookimpl
    def orchestrix_shutdown(self, app):
        self.seen.append(("shutdown", app))
        raise RuntimeError("at shutdown")

    @hookimpl
    def orchestrix_instrumentation(self, settings):
        return [NO_INSTRUMENTATION] if settings.get("watch") else []

    @hookimpl
    def orchestrix_contract_subjects(self):
        return [
            ContractSubject(kind="event_store", name=name, create=str, capabilities=frozenset())
            for name in self.names
        ]

    @hookimpl
    def orchestrix_commands(self, cli):
        for name in self.names:
            cli.command(name)(lambda: None)


def test_registering_by_hand_is_all_or_nothing():
    registry = PluginRegistry()
    registry.register(Offer("a"), name="first")
    with pytest.raises(PluginLoadError, match="'a' is taken"):
        registry.register(Offer("b", "a"), name="second")
    assert registry.names("event_store") == ("a",)
    assert [plugin.name for plugin in registry.plugins] == ["first"]
    assert registry.errors == ()


def test_hooks_other_than_backends_are_collected():
    registry = PluginRegistry()
    registry.register(Offer("a", "b"), name="first")
    registry.register(Offer("c"), name="second")
    assert registry.instrumentation({}) == ()
    assert registry.instrumentation({"watch": True}) == (NO_INSTRUMENTATION, NO_INSTRUMENTATION)
    assert [subject.name for subject in registry.contract_subjects()] == ["a", "b", "c"]


def test_a_failing_shutdown_is_logged_and_the_others_still_hear(caplog):
    registry, first, second = PluginRegistry(), Offer("a"), Offer("b")
    registry.register(first, name="first")
    registry.register(second, name="second")
    registry.startup("app")
    registry.shutdown("app")
    assert first.seen == second.seen == [("startup", "app"), ("shutdown", "app")]
    assert caplog.text.index("'second' failed") < caplog.text.index("'first' failed")


def test_a_command_whose_name_is_taken_is_an_error_of_the_plugin():
    cli, registry = typer.Typer(), PluginRegistry()
    cli.command()(plugins_command := _named("plugins"))
    registry.register(Offer("mine"), name="good")
    registry.register(Offer("plugins"), name="thief")
    registry.add_commands(cli)
    assert [command.name for command in cli.registered_commands] == [None, "mine"]
    assert cli.registered_commands[0].callback is plugins_command
    (error,) = registry.errors
    assert error.name == "thief"
    assert "plugins is taken" in error.reason


def _named(name):
    def command() -> None: ...

    command.__name__ = name
    return command


def test_kinds_are_those_of_the_hookspecs():
    assert plugins.KINDS == ("event_store", "message_bus", "tracing", "metrics")
