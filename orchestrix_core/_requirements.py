"""What a plugin's distribution declares that it needs, held against what is installed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

__all__ = ["CORE", "core_mismatch", "unmet"]

CORE: Final = "orchestrix-core"
_AT_LEAST: Final = frozenset({">=", ">", "~=", "==", "==="})


def core_mismatch(distribution: str, requires: Sequence[str] | None) -> str | None:
    """Say which core the distribution wants and what to do, when it is not the one installed."""
    installed = metadata.version(CORE)
    for wanted in _declared(requires):
        if canonicalize_name(wanted.name) == CORE and not _meets(wanted.specifier, installed):
            reason = f"needs {CORE}{wanted.specifier}, but {CORE} {installed} is installed"
            if _is_older(installed, wanted.specifier):
                return f"{reason}: take a newer core, pip install {shlex.quote(str(wanted))}"
            return f"{reason}: look for a newer release, pip install -U {distribution}"
    return None


def unmet(requires: Sequence[str] | None) -> str | None:
    """Say which of the requirements are not met, and how to get them."""
    found = [(wanted, _installed(wanted.name)) for wanted in _declared(requires)]
    missing = [(w, have) for w, have in found if not (have and _meets(w.specifier, have))]
    if not missing:
        return None
    named = " and ".join(
        f"{w}, but {w.name} {have} is installed" if have else f"{w}, which is not installed"
        for w, have in missing
    )
    return f"needs {named}: pip install {' '.join(shlex.quote(str(w)) for w, _ in missing)}"


def _declared(requires: Sequence[str] | None) -> Iterator[Requirement]:
    for line in requires or ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue  # pip's matter, unless it is about the core, and then the import tells
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            wanted.marker = None  # it applies, and that is all that it says
            yield wanted


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _meets(specifier: SpecifierSet, version: str) -> bool:
    return specifier.contains(version, prereleases=True)


def _is_older(installed: str, wanted: SpecifierSet) -> bool:
    """Whether what is installed is older than all that is wanted, rather than too new."""
    try:
        least = [Version(s.version.removesuffix(".*")) for s in wanted if s.operator in _AT_LEAST]
        return any(Version(installed) < version for version in least)
    except InvalidVersion:
        return False
