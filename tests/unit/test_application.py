from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import attrs
import pytest

from orchestrix_core import Event, MessageRegistry, upcaster
from orchestrix_core import application as application_module
from orchestrix_core._backends import create
from orchestrix_core.application import Orchestrix
from orchestrix_core.configuration import Configuration
from orchestrix_core.errors import (
    BackendNotFoundError,
    ConfigurationError,
    MissingCapabilityError,
    OrchestrixError,
    UpcastingError,
)
from orchestrix_core.hookspecs import Backend, hookimpl
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.stores import ASYNC, GLOBAL_LOG, SYNC

REGISTRY = MessageRegistry()


class TicketOpened(Event, registry=REGISTRY):
    title: str


@attrs.frozen(kw_only=True)
class Settings:
    label: str = "none"


class Recorder:
    """A backend that writes down what is done with it; what it is told to fails."""

    def __init__(self, name, calls, fails=()):
        self.name, self.calls, self.fails = name, calls, fails

    def _note(self, call):
        self.calls.append(f"{self.name}.{call}")
        if call in self.fails:
            raise RuntimeError(f"{self.name}.{call}")

    async def initialize(self):
        self._note("initialize")

    async def close(self):
        self._note("close")

    @contextmanager
    def operation(self, name, attributes):
        self._note(f"{name} {attributes}")
        yield

    def record(self, name, value, attributes):
        self._note(f"{name} {value} {attributes}")

    async def ping(self):
        return True

    async def save(self, aggregate_id, events, expected_version=None):
        self._note("save")

    async def publish(self, message):
        self._note("publish")


class Plugin:
    """Offers one recorder of each kind and writes down its hooks' calls, too."""

    def __init__(self, fails=()):
        self.calls: list[str] = []
        self.fails = dict(fails)
        self.settings = None

    def backend(self, kind, name, capabilities=frozenset({ASYNC})):
        def create(config):
            self.settings = config
            return Recorder(name, self.calls, self.fails.get(name, ()))

        return Backend(
            kind=kind, name=name, config=Settings, create=create, capabilities=capabilities
        )

    @hookimpl
    def orchestrix_backends(self):
        return [
            self.backend("event_store", "store"),
            self.backend("event_store", "blocking", frozenset({SYNC, GLOBAL_LOG})),
            self.backend("message_bus", "bus"),
            self.backend("tracing", "tracer"),
            self.backend("metrics", "meter"),
        ]

    @hookimpl
    def orchestrix_startup(self, app):
        self.calls.append("startup")
        if "startup" in self.fails:
            raise RuntimeError("startup")

    @hookimpl
    def orchestrix_shutdown(self, app):
        self.calls.append("shutdown")


FULL = """
[orchestrix]
event_store = "store"
message_bus = "bus"
tracing = "tracer"
metrics = "meter"
"""


@pytest.fixture
def make(tmp_path):
    def make(text=FULL, plugin=None, **arguments):
        file = tmp_path / "orchestrix.toml"
        file.write_text(text)
        if plugin is None:
            return Orchestrix.from_config(file, **arguments)
        registry = PluginRegistry()
        registry.register(plugin, name="test")
        return Orchestrix.from_config(file, registry=registry, **arguments)

    return make


async def test_backends_open_in_order_and_close_in_reverse(make):
    plugin = Plugin()
    app = make(plugin=plugin)
    assert plugin.calls == []
    async with app:
        opening = list(plugin.calls)
    closing = plugin.calls[len(opening) :]
    assert opening == [
        "tracer.initialize", "meter.initialize", "store.initialize", "bus.initialize", "startup",
    ]  # fmt: skip
    assert closing == ["shutdown", "bus.close", "store.close", "meter.close", "tracer.close"]


@pytest.mark.parametrize(
    ("fails", "closed"),
    [
        ({"store": ["initialize"]}, ["store.close", "meter.close", "tracer.close"]),
        ({"startup": True}, ["bus.close", "store.close", "meter.close", "tracer.close"]),
        ({"bus": ["initialize"], "store": ["close"]}, ["bus.close", "store.close", "meter.close"]),
    ],
)
async def test_a_start_that_fails_closes_what_was_opened(make, fails, closed):
    plugin = Plugin(fails)
    with pytest.raises(RuntimeError):
        async with make(plugin=plugin):
            pytest.fail("it started")
    assert [call for call in plugin.calls if call.endswith("close")][: len(closed)] == closed
    assert "shutdown" not in plugin.calls


async def test_an_application_that_fails_is_closed_and_its_error_comes_through(make):
    plugin = Plugin()
    with pytest.raises(ZeroDivisionError):
        async with make(plugin=plugin):
            raise ZeroDivisionError
    assert plugin.calls[-5] == "shutdown"
    assert plugin.calls[-1] == "tracer.close"


async def test_every_instrumentation_watches_the_store(make):
    plugin = Plugin()
    async with make(plugin=plugin) as app:
        await app.store.save("T-1", [TicketOpened(title="x")])
    at = plugin.calls.index("store.save")
    watched = "storage {'operation': 'append', 'backend': 'store', 'aggregate_id': 'T-1'}"
    assert plugin.calls[at - 2 : at] == [f"tracer.{watched}", f"meter.{watched}"]


async def test_every_instrumentation_watches_a_publication(make):
    plugin = Plugin()
    ticket = TicketOpened(title="x")
    async with make(plugin=plugin) as app:
        await app.publish(ticket)
    at = plugin.calls.index("bus.publish")
    watched = f"publish {{'message_type': 'TicketOpened', 'message_id': '{ticket.id}'}}"
    assert plugin.calls[at - 2 : at] == [f"tracer.{watched}", f"meter.{watched}"]


async def test_a_running_application_is_not_started_again(make):
    async with make(plugin=Plugin()) as app:
        with pytest.raises(OrchestrixError, match="running already"):
            await app.__aenter__()


async def test_settings_reach_the_backend(make):
    plugin = Plugin()
    make('[orchestrix.event_store.store]\nlabel = "x"\n[orchestrix.message_bus.bus]', plugin)
    assert plugin.settings == Settings(label="none")  # the bus is made last
    with pytest.raises(ConfigurationError, match="did you mean 'label'"):
        make('[orchestrix]\nmessage_bus = "bus"\n[orchestrix.event_store.store]\nlable = 1', plugin)


def test_without_an_event_store_the_choice_is_explained(make):
    with pytest.raises(ConfigurationError, match="installed: blocking, store") as caught:
        make("[orchestrix]", Plugin())
    assert caught.value.key == "orchestrix.event_store"


async def test_an_application_that_publishes_nothing_needs_no_message_bus(make):
    plugin = Plugin()
    async with make('[orchestrix]\nevent_store = "store"', plugin) as app:
        with pytest.raises(BackendNotFoundError, match="pip install orchestrix-memory") as caught:
            await app.publish(Event())
    assert (caught.value.kind, caught.value.installed) == ("message_bus", ("bus",))
    assert "store.close" in plugin.calls
    assert "bus.initialize" not in plugin.calls


def test_a_message_bus_that_is_chosen_must_be_installed(make):
    with pytest.raises(BackendNotFoundError, match="no message_bus backend named 'kafka'"):
        make('[orchestrix]\nevent_store = "store"\nmessage_bus = "kafka"', Plugin())


def test_an_application_made_by_hand_says_how_to_give_it_a_bus():
    with pytest.raises(BackendNotFoundError, match="pip install orchestrix-memory"):
        _ = Orchestrix(store=object()).bus


def test_a_synchronous_store_is_refused(make):
    text = '[orchestrix]\nevent_store = "blocking"\nmessage_bus = "bus"'
    with pytest.raises(MissingCapabilityError, match="'blocking' lacks async"):
        make(text, Plugin())


@pytest.mark.parametrize(
    ("written", "given"), [(["global_log"], []), ([], ["global_log", "async"])]
)
def test_a_missing_capability_is_named_at_the_start(make, written, given):
    text = f'[orchestrix]\nevent_store = "store"\nmessage_bus = "bus"\nrequires = {written}'
    with pytest.raises(MissingCapabilityError) as caught:
        make(text, Plugin(), requires=given)
    assert (caught.value.backend, caught.value.missing) == ("store", ("global_log",))


@pytest.mark.parametrize(("written", "given"), [(["global_logs"], []), ([], ["global_logs"])])
def test_a_misspelt_capability_is_named(make, written, given):
    with pytest.raises(ConfigurationError, match="did you mean 'global_log'"):
        make(f"{FULL}requires = {written}", Plugin(), requires=given)


def test_a_gap_in_the_upcasters_is_found_at_the_start(make, monkeypatch):
    messages = MessageRegistry()
    monkeypatch.setattr(application_module, "default_registry", messages)

    class Moved(Event, type="Moved", version=4, registry=messages):
        pass

    @upcaster("Moved", from_version=1, registry=messages)
    def one(data):
        return data

    with pytest.raises(UpcastingError, match="from version 2 to 3"):
        make(plugin=Plugin())


def test_a_serializer_reaches_a_store_that_takes_one(make):
    class Keeper(Plugin):
        @hookimpl
        def orchestrix_backends(self):
            def create(config, serializer=None):
                self.serializer = serializer
                return Recorder("keeper", [])

            rows = super().orchestrix_backends()
            return [*rows, attrs.evolve(rows[0], name="keeper", create=create)]

    plugin, serializer = Keeper(), object()
    text = '[orchestrix]\nevent_store = "keeper"\nmessage_bus = "bus"'
    make(text, plugin)
    assert plugin.serializer is None
    make(text, plugin, serializer=serializer)
    assert plugin.serializer is serializer


def test_what_a_backend_refuses_is_told_with_its_key(make):
    class Picky(Plugin):
        @hookimpl
        def orchestrix_backends(self):
            def create(config):
                raise ValueError("no way to pg://u:hunter2@h")

            rows = super().orchestrix_backends()
            return [*rows, attrs.evolve(rows[0], name="picky", create=create)]

    with pytest.raises(ConfigurationError, match="no way to") as caught:
        make('[orchestrix]\nevent_store = "picky"\nmessage_bus = "bus"', Picky())
    assert caught.value.key == "orchestrix.event_store.picky"
    assert "hunter2" not in str(caught.value)


@attrs.frozen
class MadeByAttrs:
    create: bool = True


@dataclass(frozen=True)
class MadeByDataclass:
    create: bool = True


@pytest.mark.parametrize("config", [MadeByAttrs, MadeByDataclass])
def test_a_command_that_only_looks_makes_no_store(config, tmp_path):
    file = tmp_path / "orchestrix.toml"
    file.write_text('[orchestrix]\nevent_store = "looked"\n')
    backend = Backend(kind="event_store", name="looked", config=config, create=lambda made: made)
    configuration = Configuration.load(file, environ={})
    assert create(configuration, backend) == config(create=True)
    assert create(configuration, backend, existing=True) == config(create=False)
