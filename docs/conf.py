"""How the pages become HTML. Strict: the build runs with warnings as errors."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

_metadata = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))

project = "Orchestrix"
author = "The Orchestrix authors"
release = version = _metadata["project"]["version"]

extensions = ["myst_parser", "guarantees"]
exclude_patterns = ["_build", "_ext"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"Orchestrix {release}"
html_show_sourcelink = False

# What is proven, and by which certificates; the settings are explained in _ext/guarantees.
guarantees_backends = {
    "event_store": ["memory", "memory-sync", "sqlite", "sqlite-sync", "postgres"],
    "message_bus": ["memory", "memory-sync"],
    "tracing": ["jaeger"],
    "metrics": ["prometheus"],
}
guarantees_also = ["README.md"]
# The last one tells of an example, which has tests of its own.
guarantees_lax = ["docs/adr/*.md", "docs/benchmarks.md", "docs/writing-a-plugin.md"]
