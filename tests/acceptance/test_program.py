"""The program and the runtime on what is really installed: memory and SQLite."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrix_core import Event, MessageRegistry, StoreClosedError, use_trace
from orchestrix_core.aggregates import AggregateRoot, when
from orchestrix_core.application import Orchestrix

REGISTRY = MessageRegistry()  # of this module alone: the program must do without these classes
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
SQLITE = '[orchestrix.event_store.sqlite]\npath = "shop.db"\n'


class TicketOpened(Event, registry=REGISTRY):
    title: str


class TicketClosed(Event, registry=REGISTRY, type="com.acme.closed", version=3):
    pass


class Ticket(AggregateRoot):
    title = ""

    def open(self, title: str) -> None:
        self.record(TicketOpened(title=title))

    @when(TicketOpened)
    def _opened(self, event: TicketOpened) -> None:
        self.title = event.title


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a folder with a configuration and a SQLite store of three events."""
    file = tmp_path / "orchestrix.toml"
    file.write_text(SQLITE)

    async def fill() -> None:
        async with Orchestrix.from_config(file) as app:
            with use_trace(TRACE):
                await app.store.save("T-1", [TicketOpened(title="broken [red]door\x1b[2J é")])
            await app.store.save("T-2", [TicketOpened(title="x" * 300)])
            await app.store.save("T-1", [TicketClosed()])

    asyncio.run(fill())
    return tmp_path


async def test_the_opening_part_of_an_application(tmp_path):
    file = tmp_path / "orchestrix.toml"
    file.write_text('[orchestrix]\nevent_store = "memory"')
    heard = []

    async def hear(event: TicketOpened) -> None:
        heard.append(event.title)

    async with Orchestrix.from_config(file) as app:
        app.bus.subscribe(TicketOpened, hear)
        tickets = app.repository(Ticket)
        ticket = await tickets.load("T-1")
        ticket.open("broken door")
        (event,) = ticket.uncommitted_events
        await tickets.save(ticket)
        await app.caught_up(timeout=240.0)
        assert (await tickets.load("T-1")).title == "broken door"
        assert await app.store.load("T-1") == [event]
    assert heard == ["broken door"]
    with pytest.raises(StoreClosedError):
        await app.store.load("T-1")


class TestPlugins:
    def test_broken_plugins_leave_the_others_usable_and_are_named(self, orchestrix, install_plugin):
        install_plugin("aaa-broken", "raise RuntimeError('at import')", version="3.0")
        install_plugin(
            "aaa-thief",
            """
            import attrs
            from orchestrix_core.hookspecs import Backend, hookimpl
            Config = attrs.make_class("Config", [])

            @hookimpl
            def orchestrix_backends():
                row = Backend(kind="event_store", name="memory", config=Config, create=lambda c: c)
                return [row, attrs.evolve(row, name="thief")]
            """,
        )
        report = json.loads(orchestrix("plugins", "--json").out)
        origin = {(row["kind"], row["name"]): row["distribution"] for row in report["backends"]}
        assert origin["event_store", "memory"] == "orchestrix-memory"
        assert origin["event_store", "sqlite"] == "orchestrix-sqlite"
        assert origin["event_store", "thief"] == "aaa-thief"
        reasons = {row["distribution"]: row["reason"] for row in report["errors"]}
        assert "RuntimeError: at import" in reasons["aaa-broken"]
        assert "'memory' is taken by orchestrix-memory" in reasons["aaa-thief"]

        shown = orchestrix("plugins").out.partition("failed to load:")[2]
        assert "aaa-broken" in shown
        assert "aaa-thief" in shown

    def test_nothing_that_is_installed_fails_to_load(self, orchestrix):
        assert json.loads(orchestrix("plugins", "--json").out)["errors"] == []


class TestInit:
    def test_what_it_writes_is_healthy(self, orchestrix, tmp_path):
        assert orchestrix("init").status == 0
        done = orchestrix("doctor", "--json")
        assert done.status == 0, done.err
        settings = json.loads(done.out)["configuration"]["settings"]
        assert ["orchestrix.event_store.use", "sqlite"] in [
            [s["key"], s["value"]] for s in settings
        ]

    def test_every_setting_can_be_uncommented(self, orchestrix, tmp_path):
        orchestrix("init")
        file = tmp_path / "orchestrix.toml"
        lines = [
            line.removeprefix("# ") if line.startswith("# [") or " = " in line else line
            for line in file.read_text().splitlines()
            if not line.endswith(" = ...")  # has no default: to be filled in
        ]
        file.write_text("\n".join(lines))
        done = orchestrix("doctor", "--json")
        assert done.status == 0, done.err
        sources = {
            row["key"]: row["source"] for row in json.loads(done.out)["configuration"]["settings"]
        }
        assert sources["orchestrix.event_store.sqlite.path"] == str(file)


class TestDoctor:
    def test_a_store_that_is_damaged(self, orchestrix, shop):
        (shop / "shop.db").write_bytes(b"this is no database, it is a text " * 100)
        done = orchestrix("doctor")
        assert done.status == 1
        assert "Traceback" not in done.out + done.err


class TestEvents:
    def test_they_are_shown_without_their_classes(self, orchestrix, shop):
        done = orchestrix("events", "T-1")
        header, first, second = done.out.splitlines()
        assert header.split() == ["version", "type", "time", "data", "id"]
        assert first.startswith("1        TicketOpened ")
        assert "broken [red]door" in first
        assert "\x1b" not in first
        assert second.split()[:2] == ["2", "com.acme.closed"]

    def test_nothing_is_cut_where_there_is_no_terminal(self, orchestrix, shop):
        assert "x" * 300 in orchestrix("events", "T-2").out

    def test_json_is_one_document(self, orchestrix, shop):
        document = json.loads(orchestrix("events", "T-1", "--json").out)
        assert (document["stream"], document["version"]) == ("T-1", 2)
        opened, closed = document["events"]
        assert opened["data"] == {"title": "broken [red]door\x1b[2J é"}
        assert (opened["version"], opened["schema_version"], opened["trace_id"]) == (1, 1, TRACE)
        assert (closed["type"], closed["schema_version"]) == ("com.acme.closed", 3)

    def test_as_it_was(self, orchestrix, shop):
        assert json.loads(orchestrix("events", "T-1", "--at", 1, "--json").out)["version"] == 1
        done = orchestrix("events", "T-1", "--at", 3)
        assert done.status == 2
        assert "is at version 2" in done.err

    def test_an_unknown_stream(self, orchestrix, shop):
        done = orchestrix("events", "T-9")
        assert (done.status, done.out) == (0, "stream 'T-9' has no events\n")
        assert json.loads(orchestrix("events", "T-9", "--json").out)["events"] == []

    def test_an_empty_name(self, orchestrix, shop):
        done = orchestrix("events", "")
        assert done.status == 2
        assert "must not be empty" in done.err


@pytest.mark.parametrize("command", [["events", "T-1"], ["log"], ["trace", TRACE], ["streams"]])
def test_looking_makes_no_store(orchestrix, tmp_path, command):
    (tmp_path / "orchestrix.toml").write_text(SQLITE)
    done = orchestrix(*command)
    assert done.status == 1
    assert "shop.db: there is no such file" in done.err
    assert not (tmp_path / "shop.db").exists()


class TestLog:
    def positions(self, done):
        return [event["position"] for event in json.loads(done.out)["events"]]

    def test_all_streams_in_commit_order(self, orchestrix, shop):
        lines = orchestrix("log").out.splitlines()
        assert [line.split()[1:3] for line in lines[1:]] == [
            ["T-1", "1"], ["T-2", "1"], ["T-1", "2"],
        ]  # fmt: skip

    def test_parts_of_it(self, orchestrix, shop):
        first, second, third = self.positions(orchestrix("log", "--json"))
        assert self.positions(orchestrix("log", "--json", "--after", first)) == [second, third]
        assert self.positions(orchestrix("log", "--json", "--types", "com.acme.closed")) == [third]
        limited = orchestrix("log", "--json", "--limit", 1)
        assert self.positions(limited) == [first]
        assert f"--after {first}" in limited.err

    def test_the_end(self, orchestrix, shop):
        done = orchestrix("log", "--after", 99)
        assert done.status == 0
        assert done.out.startswith("no events after position 99")

    def test_follow_prints_a_line_each(self, orchestrix, shop):
        done = orchestrix("log", "--follow", "--limit", 3, "--json")
        assert done.status == 0
        assert [json.loads(line)["stream"] for line in done.out.splitlines()] == [
            "T-1",
            "T-2",
            "T-1",
        ]
        shown = orchestrix("log", "-f", "--limit", 1, "--types", "com.acme.closed")
        assert shown.out.split()[1:4] == ["T-1", "2", "com.acme.closed"]

    def test_follow_sees_what_another_process_writes_and_ends_quietly(self, shop):
        with subprocess.Popen(
            [*PROGRAM, "log", "--follow", "--json"], cwd=shop, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            for _ in range(3):
                process.stdout.readline()

            async def write() -> None:
                async with Orchestrix.from_config(shop / "orchestrix.toml") as app:
                    await app.store.save("T-3", [TicketOpened(title="late")])

            asyncio.run(write())
            assert json.loads(process.stdout.readline())["data"] == {"title": "late"}
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=240) == 130
            assert process.stderr.read() == ""


class TestTrace:
    def test_found(self, orchestrix, shop):
        (event,) = json.loads(orchestrix("trace", TRACE, "--json").out)["events"]
        assert event["data"]["title"].startswith("broken")
        assert "TicketOpened" in orchestrix("trace", TRACE).out

    def test_unknown(self, orchestrix, shop):
        done = orchestrix("trace", "0" * 32)
        assert (done.status, done.out) == (0, f"no events have the trace '{'0' * 32}'\n")


class TestStreams:
    def test_each_with_its_version(self, orchestrix, shop):
        assert [line.split() for line in orchestrix("streams").out.splitlines()[1:]] == [
            ["T-1", "2"], ["T-2", "1"],
        ]  # fmt: skip

    def test_a_prefix_and_a_limit(self, orchestrix, shop):
        found = json.loads(orchestrix("streams", "--prefix", "T-2", "--json").out)["streams"]
        assert found == [{"stream": "T-2", "version": 1}]
        assert orchestrix("streams", "--prefix", "X").out == "no streams start with 'X'\n"
        limited = orchestrix("streams", "--limit", 1)
        assert "T-2" not in limited.out
        assert "more than 1" in limited.err

    def test_a_store_that_forgets_says_so(self, orchestrix, tmp_path):
        (tmp_path / "orchestrix.toml").write_text('[orchestrix]\nevent_store = "memory"')
        done = orchestrix("streams")
        assert (done.status, done.out) == (0, "no streams\n")
        assert "keeps nothing between two processes" in done.err


def test_the_configuration_is_found_from_a_folder_below(shop):
    below = shop / "a" / "b"
    below.mkdir(parents=True)
    done = subprocess.run(
        [*PROGRAM, "streams", "--json"], cwd=below, capture_output=True, check=True, env=os.environ
    )
    assert len(json.loads(done.stdout)["streams"]) == 2
