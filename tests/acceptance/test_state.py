"""`orchestrix state` and `diff` on a SQLite store, with the modules of an application."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import NamedTuple

import pytest

from orchestrix_core.application import Orchestrix

MODULE = """
from decimal import Decimal

import attrs
from orchestrix_core import AggregateRoot, Decider, Event, when


class Placed(Event, type="state.placed"):
    total: Decimal

class LineAdded(Event, type="state.line-added"):
    item: str

class Renamed(Event, type="state.renamed"):
    name: str

class Broken(Event, type="state.broken"):
    pass

class Opened(Event, type="state.opened"):
    by: str

class Closed(Event, type="state.closed"):
    pass


class Order(AggregateRoot):
    total = Decimal(0)
    LIMIT = 100

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.lines = []
        self._name = None

    @when(Placed)
    def _placed(self, event: Placed) -> None:
        self.total += event.total

    @when(LineAdded)
    def _added(self, event: LineAdded) -> None:
        self.lines.append({"item": event.item})

    @when(Renamed)
    def _renamed(self, event: Renamed) -> None:
        self._name = event.name

    @when(Broken)
    def _broken(self, event: Broken) -> None:
        raise ZeroDivisionError("no [luck]")


class Nameable(AggregateRoot):
    name = ""

    @when(Renamed)
    def _renamed(self, event: Renamed) -> None:
        self.name = event.name


@attrs.frozen
class Fresh:
    pass

@attrs.frozen
class Open:
    by: str

def decide(command, state):
    return []

def evolve(state: Fresh | Open, event: Opened | Closed) -> Fresh | Open:
    return Open(event.by) if isinstance(event, Opened) else Fresh()

tickets = Decider(Fresh(), decide, evolve, name="Ticket", state_type=Fresh | Open)
"""
CONFIGURATION = """
[orchestrix]
modules = ["state_shop"]
[orchestrix.event_store.sqlite]
path = "shop.db"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return a configuration whose store has some streams; the module is imported once."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "state_shop.py").write_text(MODULE)
    file = folder / "orchestrix.toml"
    file.write_text(CONFIGURATION)
    sys.path.insert(0, str(folder))
    s = importlib.import_module("state_shop")
    order = [
        s.Placed(total=Decimal("9.50")), s.LineAdded(item="bolt"), s.LineAdded(item="nut"),
        s.Renamed(name="a"), s.Renamed(name="b"),
    ]  # fmt: skip
    streams = {
        "ORD-1": order,
        "ORD-2": [s.Placed(total=Decimal(1)), s.Broken()],
        "T-1": [s.Opened(by="ann"), s.Closed()],
        "X-1": [s.Renamed(name="x")],
        "MIX": [s.Renamed(name="x"), s.Closed()],
    }
    asyncio.run(fill(file, streams))
    yield file
    sys.path.remove(str(folder))


async def fill(file, streams):
    async with Orchestrix.from_config(file) as app:
        for stream, events in streams.items():
            await app.store.save(stream, events)


@pytest.fixture
def look(orchestrix, shop):
    """Run a command on the shop."""
    return lambda *arguments: orchestrix("--config", shop, *arguments)


class Done(NamedTuple):
    status: int
    out: str
    err: str


def document(done):
    assert done.status == 0, done.err
    return json.loads(done.out)


class TestState:
    def test_as_the_events_made_it(self, look):
        lines = look("state", "ORD-1").out.splitlines()
        assert lines[0].startswith("state_shop.Order 'ORD-1' at version 5, 20")
        assert [line.split(maxsplit=1) for line in lines[1:]] == [
            ["field", "value"],
            ["total", '"9.50"'],
            ["lines", '[{"item": "bolt"}, {"item": "nut"}]'],
            ["_name", '"b"'],
        ]

    def test_json(self, look):
        found = document(look("state", "ORD-1", "--json"))
        assert found.pop("time").startswith("20")
        assert found == {
            "stream": "ORD-1",
            "aggregate": "state_shop.Order",
            "version": 5,
            "state": {"total": "9.50", "lines": [{"item": "bolt"}, {"item": "nut"}], "_name": "b"},
        }

    def test_at_a_version(self, look):
        assert document(look("state", "ORD-1", "--at", 2, "--json"))["state"] == {
            "total": "9.50", "lines": [{"item": "bolt"}], "_name": None,
        }  # fmt: skip
        first = document(look("state", "ORD-1", "--at", 0, "--json"))
        assert (first["version"], first["time"], first["state"]["total"]) == (0, None, "0")

    def test_at_a_moment(self, look):
        events = document(look("events", "ORD-1", "--json"))["events"]
        then = document(look("state", "ORD-1", "--at", events[1]["timestamp"], "--json"))
        assert then["version"] >= 2
        assert then["time"] <= events[1]["timestamp"].replace("Z", "+00:00")
        assert document(look("state", "ORD-1", "--at", "2020-01-01T00:00Z", "--json"))[
            "version"
        ] == 0  # fmt: skip

    def test_a_decider_whose_state_is_of_several_types(self, look):
        assert document(look("state", "T-1", "--at", 1, "--json"))["state"] == {
            "type": "Open", "by": "ann",
        }  # fmt: skip
        assert document(look("state", "T-1", "--json"))["state"] == {"type": "Fresh"}

    def test_an_unknown_stream(self, look):
        assert look("state", "NO").out == "stream 'NO' has no events\n"
        assert document(look("state", "NO", "--json")) == {"stream": "NO", "version": 0}

    @pytest.mark.parametrize(
        ("at", "told"),
        [
            ("6", "stream 'ORD-1' is at version 5"),
            ("soon", "'soon' is no version and no moment"),
            ("2026-03-01T12:00", "has no time zone: write it as 2026-03-01T12:00:00Z"),
        ],
    )
    def test_a_version_that_is_none(self, look, at, told):
        done = look("state", "ORD-1", "--at", at)
        assert (done.status, done.out) == (2, "")
        assert told in done.err

    def test_an_event_that_cannot_be_applied(self, look):
        done = look("state", "ORD-2")
        assert done.status == 1
        (line,) = done.err.splitlines()
        assert "state_shop.Order failed to apply version 2 (state.broken)" in line
        assert "ZeroDivisionError: no [luck]" in line
        assert look("state", "ORD-2", "--at", 1).status == 0


class TestWhichAggregate:
    def test_several_apply_the_events(self, look):
        done = look("state", "X-1")
        assert done.status == 2
        assert "state_shop.Nameable, state_shop.Order all apply state.renamed" in done.err
        named = document(look("state", "X-1", "--aggregate", "Nameable", "--json"))
        assert named["state"] == {"name": "x"}

    @pytest.mark.parametrize(
        "name", ["Order", "state_shop.Order", "state_shop:Order"],
    )  # fmt: skip
    def test_a_class_by_name(self, look, name):
        assert document(look("state", "ORD-1", "--aggregate", name, "--json"))["version"] == 5

    @pytest.mark.parametrize("name", ["Ticket", "tickets", "state_shop:tickets"])
    def test_a_decider_by_name(self, look, name):
        found = document(look("state", "T-1", "--aggregate", name, "--json"))
        assert found["aggregate"] == "state_shop.tickets"

    def test_an_unknown_name(self, look):
        done = look("state", "ORD-1", "--aggregate", "Odrer")
        assert done.status == 2
        assert "(there are state_shop.Nameable, state_shop.Order, state_shop.tickets)" in done.err
        done = look("state", "ORD-1", "--aggregate", "no_such_module:Order")
        assert done.status == 2
        assert "'no_such_module' cannot be imported" in done.err

    def test_a_name_that_does_not_apply_the_events(self, look):
        done = look("state", "ORD-1", "--aggregate", "Nameable")
        assert done.status == 1
        assert "version 1 (state.placed) cannot be applied" in done.err

    def test_none_applies_the_events(self, look):
        done = look("state", "MIX")
        assert done.status == 2
        assert "no aggregate of the application applies state.closed, state.renamed" in done.err
        assert "--aggregate" in done.err

    def test_without_the_modules_it_says_what_to_do(self, orchestrix, shop, tmp_path):
        store = f'[orchestrix.event_store.sqlite]\npath = "{shop.parent / "shop.db"}"\n'
        (tmp_path / "orchestrix.toml").write_text(store)
        done = orchestrix("state", "MIX")
        assert done.status == 2
        assert "orchestrix.toml: orchestrix.modules: no " in done.err
        assert "add the module that" in done.err

    def test_without_the_modules_a_name_says_which(self, tmp_path, shop):
        """In a process of its own: in this one the module is imported."""
        done = subprocess.run(
            [sys.executable, "-c", "from orchestrix_core.cli import main; main()", "state", "ORD-1",
             "--json", "--aggregate", "state_shop:Order"],
            cwd=shop.parent, capture_output=True, text=True, check=False,
            env=os.environ | {"ORCHESTRIX__MODULES": ""},
        )  # fmt: skip
        assert document(Done(done.returncode, done.stdout, done.stderr))["version"] == 5

    def test_a_module_that_cannot_be_imported(self, orchestrix, tmp_path):
        (tmp_path / "orchestrix.toml").write_text(CONFIGURATION.replace("state_", "not_"))
        done = orchestrix("state", "ORD-1")
        assert done.status == 2
        assert "orchestrix.modules: the module 'not_shop' cannot be imported" in done.err


class TestDiff:
    def test_what_changed_and_by_which_events(self, look):
        lines = look("diff", "ORD-1", 0, 5).out.splitlines()
        assert lines[0] == "state_shop.Order 'ORD-1' from version 0 to 5"
        assert [line.split() for line in lines[1:]] == [
            ["field", "before", "after", "changed", "by"],
            ["total", '"0"', '"9.50"', "1", "state.placed"],
            ["lines[0]", '{"item":', '"bolt"}', "2", "state.line-added"],
            ["lines[1]", '{"item":', '"nut"}', "3", "state.line-added"],
            ["_name", "null", '"b"', "4", "state.renamed,", "5", "state.renamed"],
        ]

    def test_json_has_each_step(self, look):
        found = document(look("diff", "ORD-1", 3, 5, "--json"))
        assert found["changes"] == [
            {"field": "_name", "before": None, "after": "b", "versions": [4, 5]}
        ]
        assert [(step["version"], step["type"]) for step in found["events"]] == [
            (4, "state.renamed"), (5, "state.renamed"),
        ]  # fmt: skip
        assert found["events"][1]["changes"] == [{"field": "_name", "before": "a", "after": "b"}]

    def test_what_changed_and_changed_back_is_no_change(self, look):
        assert look("diff", "T-1", 0, 2).out.splitlines()[1:] == ["nothing changed"]
        steps = document(look("diff", "T-1", 0, 2, "--json"))["events"]
        assert [len(step["changes"]) for step in steps] == [2, 2]

    def test_the_later_one_first(self, look):
        done = look("diff", "ORD-1", 3, 2)
        assert done.status == 2
        assert "version 2 comes before 3" in done.err

    def test_the_rest_of_the_stream_need_not_be_sound(self, look):
        assert document(look("diff", "ORD-2", 0, 1, "--json"))["changes"]

    def test_an_unknown_stream(self, look):
        assert look("diff", "NO", 0, 1).out == "stream 'NO' has no events\n"


SAGA = """
from datetime import timedelta

from orchestrix_core import Command, Event, Saga, handles, on


class Ordered(Event, type="state-saga.ordered"):
    order: str

class Overdue(Event, type="state-saga.overdue"):
    pass

class Reserve(Command, type="state-saga.reserve"):
    order: str

class Release(Command, type="state-saga.release"):
    order: str

@handles(Reserve)
async def reserve(command: Reserve) -> None: ...

@handles(Release)
async def release(command: Release) -> None: ...

class Shipping(Saga, key="order"):
    state: dict[str, str] = {}

    @on(Ordered, starts=True)
    def ordered(self, event: Ordered) -> None:
        self.state = {"reserved": event.order}
        self.send(Reserve(order=event.order), undo=Release(order=event.order))
        self.schedule(Overdue(), after=timedelta(0))

    @on(Overdue, timeout=True)
    def overdue(self, event: Overdue) -> None:
        self.compensate()
"""


async def order(file):
    """Have an order, whose time is out at once; return when the saga has taken back all."""
    module = importlib.import_module("state_saga")
    async with Orchestrix.from_config(file) as app, asyncio.timeout(240):
        await app.store.save("ORD-1", [module.Ordered(order="ORD-1")])
        async for _ in app.log.subscribe():
            noted = [e.type for e in await app.store.load("saga-Shipping-ORD-1")]
            if noted.count("orchestrix.saga.commands-sent") == 2:
                return


class TestSaga:
    @pytest.fixture
    def saga(self, tmp_path, monkeypatch, orchestrix):
        (tmp_path / "state_saga.py").write_text(SAGA)
        file = tmp_path / "orchestrix.toml"
        file.write_text(CONFIGURATION.replace("state_shop", "state_saga"))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "state_saga", raising=False)
        asyncio.run(order(file))
        return lambda *arguments: orchestrix("--config", file, *arguments)

    def test_state_status_and_commands(self, saga):
        found = document(saga("state", "saga-Shipping-ORD-1", "--json"))
        assert (found["saga"], found["key"]) == ("Shipping", "ORD-1")
        assert (found["status"], found["state"]) == ("compensated", {"reserved": "ORD-1"})
        first, second = found["commands"]
        assert (first["type"], first["data"]["order"]) == ("state-saga.reserve", "ORD-1")
        assert (second["type"], second["undoes"]) == ("state-saga.release", first["id"])
        assert (first["handled"], second["handled"]) == (True, True)

        before = document(saga("state", "saga-Shipping-ORD-1", "--at", 1, "--json"))
        assert before["status"] == "running"
        assert [row["handled"] for row in before["commands"]] == [False]
        assert document(saga("state", "saga-Shipping-ORD-1", "--at", 0, "--json"))["status"] is None

        lines = saga("state", "saga-Shipping-ORD-1").out.splitlines()
        assert lines[0].startswith("saga Shipping 'ORD-1' at version ")
        assert lines[0].endswith(", compensated")
        assert lines[2].split() == ["reserved", '"ORD-1"']
        assert "state-saga.release (takes back)" in lines[-1]
        assert lines[-1].endswith("  handled")

    def test_diff_says_what_to_do_instead(self, saga):
        done = saga("diff", "saga-Shipping-ORD-1", 0, 1)
        assert done.status == 2
        assert "is an instance of a saga: orchestrix state --at N" in done.err
