"""
What the process does that runs the tests of one backend: whatever a backend does ends with it.

Its output is one JSON document in each line; what the tests themselves print goes nowhere.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final, TextIO

import pytest

from orchestrix_contract_tests.certify._job import Job
from orchestrix_contract_tests.certify._observer import Observer
from orchestrix_core import ContractSubject, OrchestrixError
from orchestrix_core.plugins import PluginRegistry
from orchestrix_core.secrets import mask

__all__ = ["classes", "main"]

_INI: Final = "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
_MODULE: Final = """\
from orchestrix_contract_tests.certify._child import classes

globals().update(classes({text!r}))
"""
_PLUGINS: Final = ("orchestrix_contract_tests.pytest_plugin", "pytest_asyncio.plugin")


def main(text: str) -> int:
    """Look at the backend, then run its tests; the status is that of pytest."""
    job = Job.read(text)
    observer = Observer(_take_output(), job.tests)
    try:
        subject = subject_of(text)
        about = _look(job, subject)
    except Exception as error:  # whatever it is: this is what the run is told
        reason = str(error) if isinstance(error, OrchestrixError) else _described(error)
        observer.tell("refused", reason=mask(reason))
        return 1
    observer.tell("opened", about=about, capabilities=sorted(subject.capabilities))
    return _run_tests(text, job, observer)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _take_output() -> TextIO:
    """Keep the real output for ourselves, and let all others write to nowhere."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return pipe


@cache
def subject_of(text: str) -> ContractSubject:
    """Return the subject that a job is about."""
    job = Job.read(text)
    if job.configured:
        from orchestrix_contract_tests.certify._scratch import configured_subject

        return configured_subject(job.kind, job.name, job.config)
    rows = PluginRegistry.discover(block=job.block).installed_subjects()
    found = (row.subject for row in rows)
    return next(one for one in found if (one.kind, one.name) == (job.kind, job.name))


def _look(job: Job, subject: ContractSubject) -> dict[str, str]:
    from orchestrix_contract_tests.certify._scratch import look_first

    directory = Path(job.directory, "first")
    directory.mkdir()
    return look_first(subject, directory) if subject.kind == "event_store" else {}


def classes(text: str) -> dict[str, Any]:
    """Return the test classes for a job; the module that pytest reads holds nothing else."""
    # After pytest rewrites them.
    from orchestrix_contract_tests.certify._soak import SoakSettings
    from orchestrix_contract_tests.certify._suites import classes_of

    job = Job.read(text)
    soak = None if job.soak is None else SoakSettings(job.soak, job.workers, job.seed)
    return classes_of(subject_of(text), faults=job.faults, soak=soak)


def _run_tests(text: str, job: Job, observer: Observer) -> int:
    """Run pytest with the suite's own plugins alone, and no settings from around here."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    place = Path(job.directory)
    ini, module = place / "pytest.ini", place / "test_certify.py"
    ini.write_text(_INI, encoding="utf-8")
    module.write_text(_MODULE.format(text=text), encoding="utf-8")
    # No tracebacks: the observer reads the exceptions themselves, and nobody sees the output.
    options = [
        "-q",
        "--tb=no",
        "-c",
        str(ini),
        "--rootdir",
        str(place),
        f"--basetemp={place / 'tests'}",
    ]
    options += ["-p", "no:cacheprovider", *(f"-p{name}" for name in _PLUGINS)]
    options += ["-p_hypothesis_pytestplugin", f"--hypothesis-seed={job.seed}"]
    if job.examples is not None:
        options += ["--contract-examples", str(job.examples)]
    return int(pytest.main([*options, str(module)], [observer]))
