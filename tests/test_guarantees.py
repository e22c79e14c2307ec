"""The pages are built only where tests prove what they claim: faults are planted, and found."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import attrs
import pytest
from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs/_ext"))

from guarantees import sources  # noqa: E402  # the extension lies beside the pages
from guarantees.certificates import (  # noqa: E402
    Certificate,
    dump,
    file_name,
    merged,
    read,
    reduced,
)
from guarantees.claims import claims_in, unproven_in  # noqa: E402
from guarantees.suite import Subject, present_tests  # noqa: E402
from make_certificates import brought_up, make  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # Sphinx and its extensions have their own

Printed = pytest.CaptureFixture[str]
STORE = Subject("event_store", is_async=True, faults=False)
BUS = Subject("message_bus", is_async=True, faults=False)
CAPABILITIES = {
    STORE: ["async", "documents", "global_log", "multi_stream", "notify"],
    BUS: ["async"],
}
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "docs/_ext")!r})
project = "Planted"
extensions = ["myst_parser", "guarantees"]
html_theme = "basic"
guarantees_backends = {{"event_store": ["memory"], "message_bus": ["memory"]}}
guarantees_also = ["README.md"]
"""
TABLES = """\
# Guarantees

```{guarantees} event_store
```

```{guarantees} message_bus
```

```{guarantees} certificates
```

```{guarantees} message_bus tests
```

```{guarantees} elsewhere
```
"""
INDEX = "# Index\n\n```{toctree}\n:glob:\n\n*\n```\n"
RACERS = "LockingContract::test_one_of_many_racers_wins"
FAILURE = "AsyncMessageBusContract::test_one_failure_is_raised_as_it_is"
KILLED = "DurabilityContract::test_killed_process_loses_nothing_acknowledged"


def certificate(subject: Subject) -> Certificate:
    """Return one that agrees with the suite: all has passed but for what memory cannot do."""
    counts = {test: about.count for test, about in present_tests([subject])[subject].items()}
    persistent = {test: counts.pop(test) for test in list(counts) if test == KILLED}
    return Certificate(
        kind=subject.kind,
        name="memory",
        seed=1,
        command=f"orchestrix certify --kind {subject.kind} --backend memory --seed 1",
        capabilities=CAPABILITIES[subject],
        versions={"orchestrix-core": version("orchestrix-core")},
        passed=counts,
        not_declared={"persistent": persistent} if persistent else {},
    )


class Site:
    """A small documentation, that of a tree of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.docs = root / "docs"
        self.write("docs/conf.py", CONF)
        self.write("docs/index.md", INDEX)
        self.write("docs/page.md", "# Page\n")
        self.write("tox.ini", "[testenv]\ncommands =\n    core: pytest {posargs:tests{/}unit}\n")
        self.write("tests/unit/test_it.py", "def test_it():\n    '''It is so.'''\n")
        for subject in (STORE, BUS):
            self.put(certificate(subject))

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def put(self, found: Certificate) -> None:
        self.write(f"docs/certificates/{file_name(found.kind, found.name)}", dump(found))

    def build(self) -> int:
        return sphinx(["-q", "-W", "-b", "html", str(self.docs), str(self.root / "html")])

    def html(self, page: str) -> str:
        return (self.root / "html" / f"{page}.html").read_text(encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


SOUND = f"""\
# Page

A failure is never lost {{proof}}`{FAILURE}`, which is {{guarantee}}`Section 6`.

- all or nothing {{proof}}`memory: AsyncMessageBusContract::test_buses_share_nothing,
  tests/unit/test_it.py::test_it`
- never without a reason <!-- no proof: it promises nothing -->

```python
"never, at least once"
```
"""


def test_what_is_proven_is_built_and_leads_to_its_proof(site: Site, capsys: Printed) -> None:
    site.write("docs/page.md", SOUND)
    site.write("docs/guarantees.md", TABLES)
    site.write("README.md", f"# Read\n\nNever lost.\n<!-- proof: {RACERS} -->\n")
    assert site.build() == 0, capsys.readouterr().err
    ids = set(re.findall(r'id="([^"]+)"', site.html("guarantees")))
    links = re.findall(r'href="guarantees.html#([^"]+)"', site.html("page"))
    assert len(links) == 4
    assert set(links) <= ids
    assert "It is so." in site.html("guarantees")
    assert "holds (not declared: persistent)" in site.html("guarantees")


PLANTED = {
    "guarantee that no test is about": (
        "\n\nIt is fast, {guarantee}`Promise 10`.",
        "docs/page.md:3: WARNING: no test is about Promise 10; did you mean Promise 1?",
    ),
    "guarantee without a passing test": (
        "\nIt outlives the process:\n{proof}`" + KILLED + "`",
        f"docs/page.md:3: WARNING: {KILLED} has no passing test: not declared on memory",
    ),
    "test that is not in the suite": (
        "\n\n\n| a | b |\n|---|---|\n| x | {proof}`LockingContract::test_one_of_many_racer_wins` |",
        "docs/page.md:6: WARNING: the contract suite has no test "
        "LockingContract::test_one_of_many_racer_wins; did you mean " + RACERS,
    ),
    "backend without a certificate": (
        "\n{proof}`mysql: " + RACERS + "`",
        "docs/page.md:2: WARNING: there is no certificate of 'mysql'",
    ),
    "promise without a proof": (
        "\n\n- first\n- second, which\n  never fails",
        "docs/page.md:5: WARNING: 'never' promises something, and no proof is named",
    ),
    "file that is not there": (
        "\n{proof}`tests/unit/test_that.py::test_it`",
        "docs/page.md:2: WARNING: there is no file tests/unit/test_that.py",
    ),
    "test that is not in its file": (
        "\n{proof}`tests/unit/test_it.py::test_that`",
        "docs/page.md:2: WARNING: tests/unit/test_it.py has no test test_that",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_page_that_claims_too_much_fails(what: str, site: Site, capsys: Printed) -> None:
    text, complaint = PLANTED[what]
    site.write("docs/page.md", "# Page" + text + "\n")
    assert site.build() == 1
    assert complaint in capsys.readouterr().err


def test_what_a_readme_claims_is_checked_too(site: Site, capsys: Printed) -> None:
    site.write("README.md", "# Read\n\nIt is so.\n<!-- guarantee: Promise 1,\nPromise 11 -->\n")
    assert site.build() == 1
    assert "README.md:4: WARNING: no test is about Promise 11" in capsys.readouterr().err


def test_a_test_that_failed_proves_nothing(site: Site, capsys: Printed) -> None:
    site.write(
        "docs/page.md", f"# Page\n\nOne wins.\n{{proof}}`{RACERS}` {{guarantee}}`Promise 2`\n"
    )
    sound = certificate(STORE)
    passed = dict(sound.passed)
    site.put(attrs.evolve(sound, failed={RACERS: passed.pop(RACERS)}, passed=passed))
    assert site.build() == 1
    told = capsys.readouterr().err
    assert f"docs/page.md:4: WARNING: {RACERS} has failed on memory" in told
    assert "docs/page.md:4: WARNING: Promise 2 is broken on memory" in told
    assert f"docs/certificates/event_store-memory.json:1: WARNING: {RACERS} has failed" in told


STALE: dict[str, tuple[Callable[[dict[str, int]], object], str]] = {
    "test that is new": (lambda passed: passed.pop(RACERS), f"{RACERS} is not in it"),
    "test that is gone": (lambda passed: passed.update({"A::test_b": 1}), "A::test_b is gone"),
    "test with other parameters": (
        lambda passed: passed.update({RACERS: passed[RACERS] + 1}),
        f"{RACERS} has changed",
    ),
}


@pytest.mark.parametrize("what", STALE)
def test_a_certificate_of_another_suite_is_stale(what: str, site: Site, capsys: Printed) -> None:
    change, complaint = STALE[what]
    passed = dict(certificate(STORE).passed)
    change(passed)
    site.put(attrs.evolve(certificate(STORE), passed=passed))
    assert site.build() == 1
    told = capsys.readouterr().err
    assert "docs/certificates/event_store-memory.json:1: WARNING: is stale" in told
    assert f"{complaint}; make it anew: tox run -e certificates" in told


def test_a_certificate_of_other_capabilities_is_stale(site: Site, capsys: Printed) -> None:
    site.put(attrs.evolve(certificate(BUS), capabilities=["async", "notify"]))
    assert site.build() == 1
    assert "message_bus-memory.json:1: WARNING: is stale, the backend now declares async;" in (
        capsys.readouterr().err
    )


def test_a_certificate_of_another_version_is_stale(site: Site, capsys: Printed) -> None:
    site.put(attrs.evolve(certificate(BUS), versions={"orchestrix-core": "0.0.1"}))
    assert site.build() == 1
    assert "is stale, it is about orchestrix-core 0.0.1, and this is" in capsys.readouterr().err


def test_a_run_that_broke_off_proves_nothing(site: Site, capsys: Printed) -> None:
    site.put(attrs.evolve(certificate(STORE), error="nothing happened for 180 s"))
    assert site.build() == 1
    assert "did not come to its end: nothing happened for 180 s" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "{}", "[", '{"kind": "event_store"}'])
def test_a_file_that_is_no_certificate_is_told(
    text: str | None, site: Site, capsys: Printed
) -> None:
    file = site.docs / "certificates/event_store-memory.json"
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")
    assert site.build() == 1
    assert "docs/certificates/event_store-memory.json:1: WARNING: " in capsys.readouterr().err


def test_what_is_switched_off_or_not_run_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tox.ini").write_text("commands =\n    core: pytest {posargs:tests{/}unit}\n")
    for place in ("tests/unit", "tests/other"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "test_it.py").write_text(
            "import pytest\n\n"
            "@pytest.mark.skip(reason='x')\ndef test_off(): pass\n\n"
            "@pytest.mark.xfail\ndef test_wrong(): pass\n\n"
            "class TestThat:\n    async def test_on(self): pass\n"
        )
    off, wrong, on = ("::test_off", "::test_wrong", "::TestThat::test_on")
    assert "marked as skip" in str(sources.complaint(tmp_path, f"tests/unit/test_it.py{off}"))
    assert "marked as xfail" in str(sources.complaint(tmp_path, f"tests/unit/test_it.py{wrong}"))
    assert "no environment" in str(sources.complaint(tmp_path, f"tests/other/test_it.py{on}"))
    assert sources.complaint(tmp_path, f"tests/unit/test_it.py{on}") is None


def test_a_test_that_a_class_has_from_its_contract_is_found() -> None:
    path = "contract_tests/tests/test_core_contract.py::TestJSONSerializer"
    assert sources.complaint(ROOT, f"{path}::test_document_is_bytes") is None
    assert sources.complaint(ROOT, f"{path}::test_document_is_text") is not None


def test_lines_are_those_of_the_page() -> None:
    text = "one {proof}`A::x,\nb: C::y`\n\n```text\n{proof}`A::x`\n```\n\n<!-- guarantee: P 1 -->\n"
    found = [(claim.line, claim.name, claim.backend) for claim in claims_in(text)]
    assert found == [(1, "A::x", None), (1, "C::y", "b"), (8, "P 1", None)]
    assert list(
        unproven_in("# Never\n\na\nnever\n\n| never | {proof}`A` |\n| all or none |\n")
    ) == [
        (4, "never"),
        (7, "all or none"),
    ]


def test_a_certificate_is_made_and_brought_up_to_date_by_real_runs(
    tmp_path: Path, capfd: Printed
) -> None:
    file = tmp_path / "message_bus-memory.json"
    assert make("message_bus", "memory", "", tmp_path)
    made = read(file)
    assert dump(made) == file.read_text(encoding="utf-8")
    assert made.passed == certificate(BUS).passed
    test = "AsyncMessageBusContract::test_several_failures_are_a_group"
    passed = {name: count for name, count in made.passed.items() if name != test}
    file.write_text(dump(attrs.evolve(made, passed=passed | {"A::test_gone": 1})))
    capfd.readouterr()
    assert make("message_bus", "memory", "", tmp_path, only_new=True)
    assert "memory: 1 tests" in capfd.readouterr().err
    assert read(file) == made
    assert make("message_bus", "memory", "", tmp_path, only_new=True)
    assert "tests" not in capfd.readouterr().err
    assert read(file) == made
    assert brought_up(attrs.evolve(made, capabilities=["async", "sql"]), "") is None


def test_what_has_changed_takes_the_place_of_what_was() -> None:
    old = attrs.evolve(
        certificate(BUS),
        passed={"A::x": 1, "A::y": 2},
        failed={"A::z": 1},
        not_declared={"sql": {"A::s": 1}},
    )
    new = attrs.evolve(old, passed={"A::z": 1, "A::s": 2}, failed={}, not_declared={})
    assert merged(old, new, ["A::y", "A::z", "A::s"]) == attrs.evolve(
        old, passed={"A::x": 1, "A::z": 1, "A::s": 2}, failed={}, not_declared={}
    )


def row(test: str, outcome: str, **facts: object) -> dict[str, object]:
    return {
        "test": test,
        "outcome": outcome,
        "missing": None,
        "not_offered": None,
        "reason": None,
        **facts,
    }


def test_a_certificate_counts_and_has_nothing_that_differs_from_run_to_run() -> None:
    tests = [
        row("A::test_x[1]", "passed", seconds=0.5),
        row("A::test_x[2]", "skipped", missing="sql", seconds=0.1),
        row("A::test_y", "failed", reason="AssertionError", seconds=0.1),
        row("A::test_z", "skipped", reason="no server", seconds=0.1),
        row("A::test_w", "skipped", not_offered="no disk", reason="no disk", seconds=0.1),
    ]
    twice = [{"name": name, "seconds": 1.0, "tests": tests} for name in ("One", "Two")]
    facts = {"kind": "event_store", "name": "a", "seed": 1, "command": "c", "error": None}
    more = {"capabilities": ["b", "a"], "versions": {"platform": "Linux-1.2-x"}, "seconds": 2.0}
    made = reduced({**facts, **more, "guarantees": twice})
    assert json.loads(dump(made)) == {
        **{key: value for key, value in facts.items() if value is not None},
        "capabilities": ["a", "b"],
        "versions": {"platform": "Linux"},
        "passed": {"A::test_x": 1},
        "failed": {"A::test_y": 1},
        "not_declared": {"sql": {"A::test_x": 1}},
        "not_offered": {"no disk": {"A::test_w": 1}},
        "skipped": {"no server": {"A::test_z": 1}},
    }
    assert made.tests == {"A::test_x": 2, "A::test_y": 1, "A::test_z": 1, "A::test_w": 1}
