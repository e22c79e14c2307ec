"""How the pages become HTML. Strict: the build runs with warnings as errors."""

from __future__ import annotations

import tomllib
from pathlib import Path

_metadata = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))

project = "Orchestrix"
author = "The Orchestrix authors"
release = version = _metadata["project"]["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"Orchestrix {release}"
html_show_sourcelink = False
