"""A real Prometheus server, on the loopback interface, with its data in the test's folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.error import URLError

from ._children import free_port
from .conftest import PATIENCE, get, until

PROGRAM = shutil.which("prometheus")


@contextmanager
def prometheus(folder: Path, target: str, rules: str) -> Iterator[str]:
    """Run a server that scrapes `target`; give its address."""
    (folder / "rules.yml").write_text(rules)
    settings = {
        "global": {
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms",
            "evaluation_interval": "200ms",
        },
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [target]}]}],
    }
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(settings))  # which is YAML as well
    with (folder / "log").open("w+") as log:
        for number in range(5):  # another process may take the free port first
            address = f"127.0.0.1:{free_port()}"
            server = subprocess.Popen(
                [
                    str(PROGRAM),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / f'data{number}'}",
                    f"--web.listen-address={address}",
                    "--enable-feature=exemplar-storage",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )
            try:
                if until(partial(_is_up, address, server)) != "down":
                    yield address
                    return
            finally:
                server.terminate()
                server.wait(PATIENCE)
        raise AssertionError((folder / "log").read_text())


def _is_up(address: str, server: subprocess.Popen[bytes]) -> str:
    if server.poll() is not None:
        return "down"
    try:
        return get(f"http://{address}/-/ready")
    except URLError:
        return ""
