"""Settings: as the reference prints them, checked by name, and from a configuration file."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from orchestrix.infrastructure.observability.jaeger import (
    JaegerConfig,
    JaegerInstrumentation,
    TracingConfig,
    plugin,
)
from orchestrix.infrastructure.observability.jaeger._config import Settings
from orchestrix_core import ConfigurationError, Instrumentation
from orchestrix_core.configuration import Configuration
from orchestrix_core.plugins import PluginRegistry

WRONG = [
    ("service_name", ""),
    ("service_name", "  "),
    ("service_name", 7),
    ("jaeger_agent_host", ""),
    ("jaeger_agent_port", 0),
    ("jaeger_agent_port", 65_536),
    ("jaeger_agent_port", "6831"),
    ("jaeger_sampler_type", "remote"),
    ("jaeger_sampler_type", None),
    ("jaeger_sampler_param", "1"),
    ("jaeger_sampler_param", True),
    ("jaeger_sampler_param", 0.5),  # of the sampler const
    ("transport", "http"),
    ("otlp_protocol", "json"),
    ("otlp_endpoint", "localhost:4317"),
    ("otlp_endpoint", ""),
    ("max_packet_size", 999),
    ("max_packet_size", 65_001),
    ("max_queue_size", 0),
    ("max_batch_size", 0),
    ("max_batch_size", 4_096),  # more than the queue holds
    ("schedule_delay", 0),
    ("schedule_delay", float("nan")),
    ("shutdown_timeout", -1.0),
    ("shutdown_timeout", "5"),
]


def test_the_reference_is_kept():
    parameters = inspect.signature(TracingConfig).parameters.values()
    plain = [
        (p.name, p.default) for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    assert plain == [
        ("service_name", inspect.Parameter.empty),
        ("jaeger_agent_host", "localhost"),
        ("jaeger_agent_port", 6831),
        ("jaeger_sampler_type", "const"),
        ("jaeger_sampler_param", 1.0),
    ]
    config = TracingConfig("shop", "agent", 6832, "probabilistic", 0.25)
    assert dataclasses.is_dataclass(config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.service_name = "other"


def test_every_field_is_a_keyword_of_init_tracing():
    fields = {field.name: field.type for field in dataclasses.fields(TracingConfig)}
    del fields["service_name"]
    assert {name: of.__forward_arg__ for name, of in Settings.__annotations__.items()} == fields


@pytest.mark.parametrize(("setting", "value"), WRONG)
def test_a_wrong_setting_is_named(setting, value):
    with pytest.raises(ValueError, match=f"^{setting} must be "):
        TracingConfig(**{"service_name": "shop", setting: value})


@pytest.mark.parametrize(
    ("kind", "param"),
    [
        ("const", -1),
        ("probabilistic", 1.5),
        ("probabilistic", float("nan")),
        ("ratelimiting", 0),
        ("ratelimiting", float("inf")),
    ],
)
def test_a_parameter_must_suit_its_sampler(kind, param):
    with pytest.raises(ValueError, match=f"^jaeger_sampler_param must be .* for '{kind}', not"):
        TracingConfig("shop", jaeger_sampler_type=kind, jaeger_sampler_param=param)


def test_an_endpoint_without_its_transport_would_go_unused():
    with pytest.raises(ValueError, match=r"^otlp_endpoint is given, but transport is \"agent\""):
        TracingConfig("shop", otlp_endpoint="http://localhost:4318")


def configured(folder, text, environ=()):
    path = folder / "orchestrix.toml"
    path.write_text(f'[orchestrix]\ntracing.use = "jaeger"\n{text}')
    (backend,) = plugin.orchestrix_backends()
    configuration = Configuration.load(path, environ=dict(environ))
    configuration.check_names(PluginRegistry.discover())
    return configuration.settings(backend)


def test_a_file_needs_to_set_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    assert configured(tmp_path, "") == JaegerConfig("orchestrix")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    assert configured(tmp_path, "").service_name == "shop"


def test_a_file_sets_what_it_likes(tmp_path):
    text = (
        '[orchestrix.tracing.jaeger]\nservice_name = "shop"\njaeger_agent_port = 7000\n'
        'jaeger_sampler_type = "ratelimiting"\njaeger_sampler_param = 2\ntransport = "otlp"\n'
        'otlp_endpoint = "http://collector:4317"\notlp_protocol = "grpc"\n'
    )
    environ = {"ORCHESTRIX__TRACING__JAEGER__SHUTDOWN_TIMEOUT": "2.5"}
    assert configured(tmp_path, text, environ) == JaegerConfig(
        "shop",
        jaeger_agent_port=7000,
        jaeger_sampler_type="ratelimiting",
        jaeger_sampler_param=2.0,
        transport="otlp",
        otlp_endpoint="http://collector:4317",
        otlp_protocol="grpc",
        shutdown_timeout=2.5,
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('servce_name = "shop"', "did you mean 'service_name'"),
        ('jaeger_agent_port = "x"', "expected an integer"),
        ("jaeger_agent_port = 0", "jaeger_agent_port must be a whole number"),
        ('transport = "udp"', "expected one of 'agent', 'otlp'"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path, line, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        configured(tmp_path, f"[orchestrix.tracing.jaeger]\n{line}\n")
    assert "orchestrix.toml" in str(caught.value)


def test_the_backend_is_made_from_its_settings():
    (backend,) = plugin.orchestrix_backends()
    made = backend.create(backend.config(service_name="shop"))
    assert isinstance(made, JaegerInstrumentation)
    assert isinstance(made, Instrumentation)
    assert made.tracer.config.service_name == "shop"
    made.tracer.close()
