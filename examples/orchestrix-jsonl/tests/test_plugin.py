"""What an application sees of the plugin when it is installed."""

from __future__ import annotations

from orchestrix_core.plugins import PluginRegistry


def test_the_backend_is_offered() -> None:
    registry = PluginRegistry.discover()
    row = registry.installed("event_store", "jsonl")
    assert row.plugin.distribution == "orchestrix-jsonl"
