"""`orchestrix run`, `projections` and `dead-letters`: real processes on a SQLite store."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrix.infrastructure.sqlite import SQLiteEventStore
from orchestrix_core import Event, JSONSerializer, MessageRegistry
from orchestrix_core.subscriptions import lags

PROGRAM = [sys.executable, "-c", "from orchestrix_core.cli import main; main()"]
PATIENCE = 240.0  # no measure of speed: an end to waiting for what never comes
REGISTRY = MessageRegistry()  # the program has the classes of its own module
CONFIGURATION = """
[orchestrix]
{more}modules = ["jobs"]
lease = {lease}
[orchestrix.event_store.sqlite]
path = "jobs.db"
"""
MODULE = '''
import asyncio
from pathlib import Path

from orchestrix_core import Event, Projection, RetryPolicy, on

HERE = Path(__file__).parent


class Added(Event, type="jobs.added"):
    name: str
    amount: int

class Slow(Event, type="jobs.slow"):
    pass


class Totals(Projection):
    retry = RetryPolicy(attempts=1)

    @on(Added)
    async def added(self, event, view):
        if (HERE / "hold").exists():
            await wait("held")
        if event.amount < 0 and not (HERE / "mended").exists():
            raise ValueError(f"less than nothing: {event.amount}")
        known = await view.get(event.name) or {"total": 0}
        await view.put(event.name, {"total": known["total"] + event.amount})


@on(Slow)
async def slow(event):
    """Work until the file `go` is there."""
    await wait("began")
    with (HERE / "done").open("a") as file:
        print(event.id, file=file)


async def wait(sign):
    (HERE / sign).touch()
    while not (HERE / "go").exists():
        await asyncio.sleep(0.01)
'''


class Added(Event, type="jobs.added", registry=REGISTRY):
    name: str
    amount: int


class Slow(Event, type="jobs.slow", registry=REGISTRY):
    pass


class Jobs:
    """A folder with the application, and what the tests do there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "orchestrix.toml"
        self.configure()
        (folder / "jobs.py").write_text(MODULE)
        self.do(lambda store: store.head())

    def configure(self, more="", lease=10.0):
        """Write the configuration; with a short lease, who is killed is soon known to be dead."""
        self.file.write_text(CONFIGURATION.format(more=more, lease=lease))

    def do(self, work):
        """Do something with the store."""

        async def run():
            file = self.folder / "jobs.db"
            serializer = JSONSerializer(REGISTRY, unknown="raw")
            async with SQLiteEventStore(file, serializer=serializer) as store:
                return await work(store)

        return asyncio.run(run())

    def save(self, stream, *events):
        self.do(lambda store: store.save(stream, events))

    def lags(self):
        return {lag.name: lag for lag in self.do(lags)}

    def view(self, key, generation=1):
        found = self.do(lambda store: store.get_document(f"Totals@{generation}", key))
        return found and found.body["total"]

    def touch(self, name):
        (self.folder / name).touch()

    def wait_for(self, name):
        until((self.folder / name).exists, name)

    @contextmanager
    def program(self, *arguments, **options):
        """Start the program here."""
        command = [*PROGRAM, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=self.folder, **pipes | options) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def worker(self, *arguments, **options):
        """Start a worker, which is ready once it says what it runs."""
        with self.program("run", *arguments, **options) as process:
            process.line = process.stdout.readline()
            assert process.line, process.stderr.read()
            yield process


def until(condition, what):
    """Wait for a condition, as long as a busy machine may need."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


def ended(process):
    """Wait for the end of a process; return its status and what it said on stderr."""
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err


def get(url, method="GET"):
    request = urllib.request.Request(url, method=method)  # noqa: S310  # it is our own server
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  # as above
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def jobs(tmp_path):
    folder = tmp_path / "jobs"
    folder.mkdir()
    return Jobs(folder)


@pytest.fixture
def shell(orchestrix, jobs, monkeypatch):
    """Run a command in this process, which has the modules of the application meanwhile."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments):
        try:
            return orchestrix(*arguments, "--config", jobs.file)
        finally:
            sys.modules.pop("jobs", None)

    return run


class TestStopping:
    def test_sigterm_lets_what_is_in_hand_finish(self, jobs):
        with jobs.worker("--port", 0, "--json") as process:
            started = json.loads(process.line)
            assert started["pid"] == process.pid
            assert started["runs"] == ["jobs.slow", "projection Totals"]
            jobs.save("S-1", Slow())
            jobs.wait_for("began")
            assert jobs.lags()["jobs.slow"].owner == started["worker"]

            process.send_signal(signal.SIGTERM)
            assert process.stderr.readline().startswith("stopping")
            status, _, text = get(started["url"] + "/health")
            assert (status, json.loads(text)["status"]) == (503, "stopping")
            assert not (jobs.folder / "done").exists()
            jobs.touch("go")
            status, err = ended(process)
        assert (status, err.splitlines()[-1]) == (0, "stopped")
        assert (jobs.folder / "done").exists()
        rest = jobs.lags()
        assert [rest[name].behind for name in ("jobs.slow", "Totals@1")] == [0, 0]
        assert {lag.owner for lag in rest.values()} == {None}

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_ends_it_at_once(self, jobs, number):
        with jobs.worker() as process:
            jobs.save("S-1", Slow())
            jobs.wait_for("began")
            process.send_signal(number)
            assert process.stderr.readline().startswith("stopping")
            process.send_signal(number)
            assert ended(process)[0] == 128 + number
        assert not (jobs.folder / "done").exists()

    def test_what_was_killed_goes_on_in_the_next_one(self, jobs):
        jobs.configure(lease=1.0)
        with jobs.worker() as process:
            jobs.save("A-1", Added(name="a", amount=1))
            until(lambda: jobs.view("a") == 1, "the first event")
            jobs.save("S-1", Slow())
            jobs.wait_for("began")
            jobs.save("A-1", Added(name="a", amount=2))
            process.kill()
            ended(process)
        jobs.configure()
        jobs.touch("go")
        with jobs.worker() as process:
            jobs.wait_for("done")
            until(lambda: jobs.view("a") == 3, "the second event")
            process.send_signal(signal.SIGINT)
            assert ended(process)[0] == 0
        assert jobs.lags()["jobs.slow"].behind == 0


METRICS = """
import attrs
from orchestrix_core.hookspecs import Backend, hookimpl

@attrs.frozen
class Config:
    pass

class Metrics:
    def __init__(self, config):
        pass

    def exposition(self):
        return "text/acme", b"acme 1\\n"

@hookimpl
def orchestrix_backends():
    return [Backend(kind="metrics", name="acme", config=Config, create=Metrics)]
"""


class TestServing:
    def test_health_and_metrics_over_http(self, jobs, shell, install_plugin):
        site = install_plugin("acme-metrics", METRICS)
        jobs.configure('metrics = "acme"\n')
        path = os.pathsep.join([str(site), *sys.path])
        with jobs.worker("--port", 0, "--json", env=os.environ | {"PYTHONPATH": path}) as process:
            started = json.loads(process.line)
            jobs.save("A-1", Added(name="a", amount=1))
            until(lambda: jobs.view("a") == 1, "the event")

            status, kind, text = get(started["url"] + "/health")
            health = json.loads(text)
            assert (status, kind, health["status"]) == (200, "application/json", "ok")
            lag, listener = health["lags"]
            assert (lag["name"], listener["name"]) == ("Totals@1", "jobs.slow")
            assert (lag["position"], lag["behind"], lag["owner"]) == (1, 0, started["worker"])
            assert health["version"]

            assert get(started["url"] + "/metrics?x=1") == (200, "text/acme", "acme 1\n")
            assert get(started["url"] + "/metrics", "HEAD") == (200, "text/acme", "")
            status, _, text = get(started["url"] + "/")
            assert (status, text) == (404, "try /health, /metrics\n")

            taken = started["url"].rpartition(":")[2]
            second = shell("run", "--port", taken)
            assert second.status == 2
            assert f"cannot listen at 127.0.0.1:{taken}" in second.err
            process.send_signal(signal.SIGTERM)
            assert ended(process)[0] == 0


class TestWhatCannotRun:
    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("import no_such_thing", "the module 'jobs' cannot be imported: ModuleNotFoundError"),
            ("raise SystemExit(3)", "the module 'jobs' cannot be imported: SystemExit: 3"),
            ("", "the modules define nothing that runs"),
            (
                "from orchestrix_core import Command, MessageRegistry, handles\n"
                "class Go(Command, registry=MessageRegistry()): pass\n"
                "@handles(Go)\ndef one(command): pass\n"
                "@handles(Go)\ndef two(command): pass\n",
                "the modules do not fit together: Go is handled by both jobs.one and jobs.two",
            ),
            (
                "from orchestrix_core import Event, MessageRegistry, on\n"
                "class Went(Event, registry=MessageRegistry()): pass\n"
                "@on(Went)\ndef hear(): pass\n",
                "the modules do not fit together: jobs.hear must take (event), or (event, app)",
            ),
        ],
    )
    def test_it_says_so(self, jobs, shell, code, told):
        (jobs.folder / "jobs.py").write_text(code)
        done = shell("run")
        assert (done.status, done.out) == (2, "")
        (line,) = done.err.splitlines()
        assert line.startswith(f"orchestrix: {jobs.file}: orchestrix.modules: {told}")


class TestProjections:
    def test_before_anything_runs(self, jobs, shell):
        assert shell("projections").out == "no projections\n"
        assert json.loads(shell("projections", "--json").out) == {"projections": []}

    def test_a_rebuild_that_is_interrupted_goes_on(self, jobs, shell):
        for number in range(1, 4):
            jobs.save(f"A-{number}", Added(name="a", amount=number))
        with jobs.worker() as process:
            until(lambda: jobs.view("a") == 6, "the view")
            (row,) = json.loads(shell("projections", "list", "--json").out)["projections"]
            assert (row["name"], row["generation"], row["kind"]) == ("Totals", 1, "async")
            assert (row["position"], row["behind"], row["partitions"]) == (3, 0, 1)
            assert row["owners"][0] in process.line

            jobs.touch("hold")
            with jobs.program("projections", "rebuild", "Totals") as rebuild:
                jobs.wait_for("held")
                rebuild.send_signal(signal.SIGINT)
                status, err = ended(rebuild)
            assert status == 130
            assert "interrupted: what is done is kept" in err.splitlines()[-1]
            shown = [line.split()[:3] for line in shell("projections").out.splitlines()[1:]]
            assert shown == [["Totals", "1", "async"], ["Totals", "2", "building"]]

            (jobs.folder / "hold").unlink()
            done = shell("projections", "rebuild", "Totals", "--json")
            assert done.status == 0, done.err
            assert json.loads(done.out)["generation"] == 2
            assert "Totals: 3 of 3 positions" in done.err.splitlines()[-1]
            assert jobs.view("a", generation=2) == 6
            jobs.save("A-1", Added(name="a", amount=10))
            until(lambda: jobs.view("a", generation=2) == 16, "the worker to change over")

    def test_a_terminal_sees_a_bar(self, jobs):
        jobs.save("A-1", Added(name="a", amount=1))
        ours, theirs = pty.openpty()
        with jobs.program(
            "projections",
            "rebuild",
            "jobs:Totals",
            stderr=theirs,
            env=os.environ | {"COLUMNS": "90"},
        ) as rebuild:
            os.close(theirs)
            shown = b"".join(iter(lambda: _read(ours), b"")).decode()
            assert rebuild.stdout.read() == "Totals: generation 2 is live\n"
            assert rebuild.wait(PATIENCE) == 0
        os.close(ours)
        assert "100%" in shown
        assert "1 of 1" in shown

    def test_an_inline_one_of_another_version_is_rebuilt_before_it_runs(self, jobs, shell):
        inline = MODULE.replace("(Projection)", "(Projection, inline=True, version=VERSION)")
        jobs.save("A-1", Added(name="a", amount=1))
        (jobs.folder / "jobs.py").write_text(inline.replace("VERSION", "1"))
        assert shell("projections", "rebuild", "Totals").out == "Totals: generation 1 is live\n"
        (jobs.folder / "jobs.py").write_text(inline.replace("VERSION", "22"))
        done = shell("run")
        assert done.status == 1
        assert "made by version 1, but this is version 22" in done.err
        assert "to rebuild it: orchestrix projections rebuild Totals" in done.err
        assert shell("projections", "rebuild", "Totals").out == "Totals: generation 2 is live\n"
        line = shell("projections").out.splitlines()[1]
        assert line.split() == ["Totals", "2", "inline", "0", "1", "0", "0"]
        assert jobs.view("a", generation=2) == 1

    def test_a_name_that_is_none(self, shell):
        done = shell("projections", "rebuild", "Totls")
        assert done.status == 2
        assert "no module of the application has a projection 'Totls'" in done.err
        assert "did you mean 'Totals'?" in done.err

    def test_handlers_that_fail_where_the_live_view_did_not(self, jobs, shell):
        jobs.touch("mended")
        jobs.save("A-1", Added(name="a", amount=-1))
        with jobs.worker() as process:
            until(lambda: jobs.view("a") == -1, "the view")
            process.send_signal(signal.SIGTERM)
            ended(process)
        (jobs.folder / "mended").unlink()
        done = shell("projections", "rebuild", "Totals")
        assert done.status == 1
        assert "ValueError: less than nothing: -1" in done.err
        assert "orchestrix projections rebuild Totals" in done.err
        (letter,) = json.loads(shell("dead-letters", "Totals", "--json").out)["dead_letters"]
        assert letter["subscription"] == "Totals@2"


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the other end has gone
        return b""


class TestDeadLetters:
    def test_none(self, jobs, shell):
        assert shell("dead-letters").out == "no dead letters\n"
        done = shell("dead-letters", "Totals")
        assert done.status == 2
        assert "no subscription 'Totals' is stored; there are none" in done.err

    def test_replayed_from_the_shell_while_the_worker_runs(self, jobs, shell):
        with jobs.worker() as process:
            jobs.save("A-1", Added(name="a", amount=-1), Added(name="a", amount=5))
            jobs.save("B-1", Added(name="b", amount=7), Added(name="b", amount=-2))
            until(lambda: len(shell("dead-letters").out.splitlines()) == 4, "three dead letters")
            assert jobs.view("b") == 7

            header, *rows = shell("dead-letters", "--stream", "A-1").out.splitlines()
            assert header.split()[:3] == ["subscription", "stream", "position"]
            assert [row.split()[:7] for row in rows] == [
                ["Totals@1", "A-1", "1", "1", "jobs.added", "failed", "1"],
                ["Totals@1", "A-1", "2", "2", "jobs.added", "parked", "0"],
            ]
            assert rows[0].endswith("ValueError: less than nothing: -1")
            first, second, _ = json.loads(shell("dead-letters", "Totals", "--json").out)[
                "dead_letters"
            ]
            assert first["event"]["data"] == {"name": "a", "amount": -1}
            assert "raise ValueError" in first["traceback"]
            assert (second["error"], second["traceback"]) == (None, None)

            again = shell("dead-letters", "replay", "Totals", "--stream", "B-1", "--wait")
            assert again.status == 1
            assert again.out.startswith("streams that go on: 0; that failed again: 1\n")
            (letter,) = json.loads(shell("dead-letters", "--stream", "B-1", "--json").out)[
                "dead_letters"
            ]
            assert letter["attempts"] == 2

            jobs.touch("mended")
            done = shell("dead-letters", "replay", "Totals", "--wait", "--json")
            assert done.status == 0, done.err
            assert json.loads(done.out) == {
                "subscription": "Totals", "streams": 2, "done": 2, "pending": 0, "failed": [],
            }  # fmt: skip
            assert (jobs.view("a"), jobs.view("b")) == (4, 5)
            assert shell("dead-letters").out == "no dead letters\n"
            assert shell("dead-letters", "replay", "Totals").out == "nothing stands still there\n"
            process.send_signal(signal.SIGTERM)
            assert ended(process)[0] == 0

    def test_marked_and_given_up_while_nobody_runs(self, jobs, shell, monkeypatch):
        with jobs.worker() as process:
            for stream in ("A-1", "B-1"):
                events = [Added(name=stream, amount=-1), Added(name=stream, amount=5)]
                jobs.save(stream, *events)
            until(lambda: len(shell("dead-letters").out.splitlines()) == 5, "the dead letters")
            process.send_signal(signal.SIGTERM)
            ended(process)

        done = shell(
            "dead-letters", "replay", "Totals@1", "--stream", "B-1", "--wait", "--timeout", "0"
        )
        assert done.status == 1
        assert done.out == "streams that go on: 0; that failed again: 0; that wait still: 1\n"
        assert "not done within 0 seconds: is a worker running (orchestrix run)?" in done.err

        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        done = shell("dead-letters", "drop", "Totals", "--stream", "A-1")
        assert done.status == 1
        assert "jobs.added at position 1 of stream 'A-1' (ValueError: less" in done.err
        done = shell("dead-letters", "drop", "Totals", "--position", 1)
        assert done.status == 2
        assert "it takes a --stream too" in done.err
        assert len(shell("dead-letters").out.splitlines()) == 5

        dropped = shell("dead-letters", "drop", "Totals", "--yes", "--json")
        assert [letter["position"] for letter in json.loads(dropped.out)["dropped"]] == [1]
        assert shell("dead-letters", "drop", "Totals", "--yes").out == "nothing to give up there\n"
        jobs.touch("mended")
        with jobs.worker():
            until(lambda: jobs.view("A-1") == 5, "the event behind the one that was given up")
            until(lambda: jobs.view("B-1") == 4, "the stream that was marked")
