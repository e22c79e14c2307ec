"""The alert rules and the dashboard, with the names that the configuration gives the metrics."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Final

from orchestrix.infrastructure.observability.prometheus._config import MetricConfig

__all__ = ["dashboard", "rules"]

_DEFAULT: Final = MetricConfig()
_FOLDER: Final = files(__package__) / "files"


def rules(config: MetricConfig = _DEFAULT) -> str:
    """Return alert rules for Prometheus, a YAML file."""
    text = (_FOLDER / "rules.yml").read_text(encoding="utf-8")
    return text.replace(_DEFAULT.prefix, config.prefix)


def dashboard(config: MetricConfig = _DEFAULT) -> str:
    """Return a dashboard for Grafana, a JSON file to import."""
    document = json.loads((_FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    chosen = {"namespace": config.namespace, "subsystem": config.subsystem}
    for variable in document["templating"]["list"]:
        if variable["name"] in chosen:
            value = chosen[variable["name"]]
            variable["query"] = value
            variable["current"] = {"selected": True, "text": value, "value": value}
    return json.dumps(document, indent=2) + "\n"
