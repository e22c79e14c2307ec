"""The alert rules and the dashboard: sound, tested by promtool, and of metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest

from orchestrix.infrastructure.observability.prometheus import (
    MetricConfig,
    PrometheusMetrics,
    _files,
)
from orchestrix.infrastructure.observability.prometheus._instruments import INSTRUMENTS, TRACKED
from orchestrix_core import ConcurrencyError

PROMTOOL = shutil.which("promtool")
SHOP = MetricConfig("shop", "orders")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: apt-get install prometheus)"
)


def exposed(config):
    """The names and labels of all that the metrics expose."""
    metrics = PrometheusMetrics(config)
    for operation in TRACKED:
        with metrics.track(operation, "A"):
            pass
        with pytest.raises(ConcurrencyError), metrics.track(operation, "A"):
            raise ConcurrencyError("a", 1, 2)
    metrics.record_projection_lag("A", 1)
    metrics.record_aggregates_in_memory("A", 1)
    found = {}
    for family in metrics.get_prometheus_registry().collect():
        for sample in family.samples:
            found.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    return found


def selectors(expression):
    """Every name that an expression takes, with the labels that it asks for."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers}))
        elif isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        for name in ("lhs", "rhs", "expr"):
            if getattr(node, name, None) is not None:
                visit(getattr(node, name))
        for argument in getattr(node, "args", []):
            visit(argument)

    visit(promql_parser.parse(expression))
    assert found, expression
    return found


def rule_expressions(config):
    """The rules' expressions; each stands alone on one line, or folded after `>-`."""
    text = _files.rules(config)
    found = re.findall(r"^ +expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)", text, re.MULTILINE)
    return [" ".join((folded or plain).split()) for folded, plain in found]


def panels():
    document = json.loads(_files.dashboard(SHOP))
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def as_grafana_asks(expression):
    variables = {
        "${namespace}": SHOP.namespace, "${subsystem}": SHOP.subsystem,
        "$job": ".*", "$__rate_interval": "1m",
    }  # fmt: skip
    for variable, value in variables.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def dashboard_expressions():
    return [as_grafana_asks(target["expr"]) for panel in panels() for target in panel["targets"]]


@pytest.mark.parametrize("config", [MetricConfig(), SHOP], ids=lambda config: config.prefix)
def test_rules_are_of_metrics_and_labels_that_exist(config):
    known = exposed(config)
    expressions = rule_expressions(config)
    assert len(expressions) == 3
    for expression in expressions:
        for name, labels in selectors(expression):
            assert labels <= known[name], expression


def test_the_dashboard_is_of_metrics_and_labels_that_exist():
    known = exposed(SHOP)
    for expression in dashboard_expressions():
        for name, labels in selectors(expression):
            assert labels <= known[name], expression


def test_the_dashboard_shows_every_instrument():
    asked = {name for text in dashboard_expressions() for name, _ in selectors(text)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert families == {SHOP.prefix + instrument.name for instrument in INSTRUMENTS}


def test_the_dashboard_is_whole():
    document = json.loads(_files.dashboard(SHOP))
    variables = {v["name"]: v for v in document["templating"]["list"]}
    assert variables.keys() == {"datasource", "namespace", "subsystem", "job"}
    assert variables["namespace"]["current"]["value"] == "shop"
    assert variables["subsystem"]["query"] == "orders"
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in document["panels"]]
    assert len(places) == len(set(places))
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        assert panel["description"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_an_unknown_name_would_be_found():
    assert selectors('sum(rate(a_total{b="c"}[5m])) / max(d) > 1') == [
        ("a_total", {"b"}),
        ("d", set()),
    ]
    with pytest.raises(ValueError, match="parenthesis"):
        promql_parser.parse("sum by (rate(a[5m])")


def promtool(*arguments, **how):
    return subprocess.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, timeout=300, check=False, **how
    )


@needs_promtool
def test_promtool_accepts_the_rules_and_the_dashboard(tmp_path):
    """Each expression of the dashboard as a rule: Prometheus itself reads them."""
    rules = [{"record": f"panel:{n}", "expr": e} for n, e in enumerate(dashboard_expressions())]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "p", "rules": rules}]}))
    (tmp_path / "rules.yml").write_text(_files.rules(SHOP))
    done = promtool("check", "rules", str(tmp_path / "rules.yml"), str(tmp_path / "panels.yml"))
    assert done.returncode == 0, done.stderr
    assert "3 rules found" in done.stdout
    assert f"{len(rules)} rules found" in done.stdout


@needs_promtool
@pytest.mark.parametrize(
    "spoilt", [None, ("> 1000", "> 9000"), ("> 0.1", "> 0.3"), ("> 0\n", "> 99\n")]
)
def test_promtool_tests_the_rules(tmp_path, spoilt):
    rules = _files.rules()
    if spoilt:
        assert spoilt[0] in rules
        rules = rules.replace(*spoilt)
    (tmp_path / "rules.yml").write_text(rules)
    tests = Path(__file__).with_name("rules_test.yml").read_text()
    (tmp_path / "tests.yml").write_text(tests.replace("RULES", "rules.yml"))
    done = promtool("test", "rules", "tests.yml", cwd=tmp_path)
    assert (done.returncode == 0) is (spoilt is None), done.stdout + done.stderr


@needs_promtool
def test_promtool_finds_nothing_to_improve_in_the_metrics():
    metrics = PrometheusMetrics()
    for operation in TRACKED:
        with metrics.track(operation, "A"):
            pass
    text = metrics.generate_exposition(metrics.get_prometheus_registry()).decode()
    done = promtool("check", "metrics", input=text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
