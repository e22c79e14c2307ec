"""Rules about each append: acknowledged it is there, where it was expected; refused it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from typing import TypeAlias

from orchestrix_contract_tests.history._evidence import Effort, Evidence
from orchestrix_contract_tests.history.findings import Finding
from orchestrix_contract_tests.history.operations import Append, Row

__all__ = ["append_findings"]

_Rivals: TypeAlias = defaultdict[tuple[str, int | None], dict[tuple[str, ...], Append]]
"""By stream and expected version: an acknowledged attempt at each append."""


def append_findings(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is wrong with the appends."""
    for effort in evidence.all_efforts:
        yield from _outcome(evidence, effort)
    rivals = _rivals(evidence)
    yield from _winners(rivals)
    for effort in evidence.all_efforts:
        yield from _versions(evidence, effort, rivals)
    for attempt in evidence.appends:
        if attempt.outcome == "refused":
            yield from _refusal(evidence, attempt)


def _outcome(evidence: Evidence, effort: Effort) -> Iterator[Finding]:
    """An acknowledged append is there, a refused one is not, and none is there by half."""
    rows = [evidence.place[event] for event in effort.ids if event in evidence.place]
    missing = tuple(event for event in effort.ids if event not in evidence.place)
    attempts = tuple(effort.attempts)
    if missing and effort.of("acknowledged"):
        what = "acknowledged, and not stored"
        yield Finding(rule="lost event", what=what, events=missing, operations=attempts)
    elif rows and effort.was_refused:
        what = "refused, and stored all the same"
        yield Finding(
            rule="refused event", what=what, events=effort.ids, operations=attempts,
            around=tuple(rows),
        )  # fmt: skip
    elif rows and missing:
        what = "of an append only a part is stored"
        yield Finding(
            rule="torn append", what=what, events=missing, operations=attempts, around=tuple(rows)
        )
    elif rows and not _is_run(rows):
        what = "the events of an append do not stand one after another, in their order"
        yield Finding(
            rule="reordered event", what=what, events=effort.ids, operations=attempts,
            around=tuple(rows),
        )  # fmt: skip


def _is_run(rows: list[Row]) -> bool:
    return [row.version for row in rows] == [rows[0].version + n for n in range(len(rows))]


def _rivals(evidence: Evidence) -> _Rivals:
    """Return the appends that were acknowledged, by the version that they expected."""
    rivals: _Rivals = defaultdict(dict)
    for attempt in evidence.appends:
        if attempt.outcome == "acknowledged" and attempt.expected is not None:
            rivals[attempt.stream, attempt.expected].setdefault(attempt.ids, attempt)
    return rivals


def _winners(rivals: _Rivals) -> Iterator[Finding]:
    """Of appends that expect one version of a stream, one is acknowledged."""
    for (stream, expected), attempts in rivals.items():
        if len(attempts) > 1:
            yield Finding(
                rule="broken version",
                what=f"{len(attempts)} appends that expected version {expected} of stream "
                f"{stream} were acknowledged",
                events=tuple(event for ids in attempts for event in ids),
                operations=tuple(attempts.values()),
            )


def _versions(evidence: Evidence, effort: Effort, rivals: _Rivals) -> Iterator[Finding]:
    """It stands where each acknowledged attempt expected it, or else one of unknown outcome."""
    row = evidence.place.get(effort.ids[0])
    if row is None:
        return
    acknowledged = effort.of("acknowledged")
    wrong = [one for one in acknowledged if one.expected not in (None, row.version - 1)]
    # Two that expected the same are told already, and one of them has to be elsewhere.
    wrong = [one for one in wrong if len(rivals[one.stream, one.expected]) == 1]
    if not acknowledged:
        unknown = effort.of("unknown")
        expected = {one.expected for one in unknown}
        wrong = [] if expected & {None, row.version - 1} else unknown
    if wrong:
        yield Finding(
            rule="broken version",
            what=f"an append is stored from version {row.version} on, where nobody expected it",
            events=effort.ids,
            operations=tuple(wrong),
            around=evidence.stream(row.stream).around(row.version - 1),
        )


def _refusal(evidence: Evidence, attempt: Append) -> Iterator[Finding]:
    """A refusal has a reason at some moment between the call and its end."""
    why = _unfounded_duplicate if attempt.error == "DuplicateEventError" else _unfounded_conflict
    what = why(evidence, attempt)
    if what is not None:
        around = evidence.stream(attempt.stream).around((attempt.expected or 1) - 1)
        yield Finding(
            rule="broken version",
            what=what,
            events=attempt.ids,
            operations=(attempt,),
            around=around,
        )


def _unfounded_conflict(evidence: Evidence, attempt: Append) -> str | None:
    """
    Return what is wrong if the stream was at the expected version all the time.

    What is stored right there already is no reason: the very same append may be repeated.
    """
    if attempt.expected is None:
        return "refused as a conflict, though any version was right"
    here = evidence.at(attempt.stream, attempt.expected)
    following = evidence.at(attempt.stream, attempt.expected + 1)
    arrived = -inf if not attempt.expected else inf if here is None else evidence.known_at(here.id)
    left = inf if following is None else evidence.began(following.id)
    own = following is not None and following.id == attempt.ids[0]
    if arrived < attempt.began and (own or attempt.ended < left):
        return f"refused as a conflict, though the stream was at {attempt.expected} all the time"
    return None


def _unfounded_duplicate(evidence: Evidence, attempt: Append) -> str | None:
    """Return what is wrong if none of the events was stored, or this very append was."""
    rows = [evidence.place[event] for event in attempt.ids if event in evidence.place]
    if not rows:
        return "refused as a duplicate, though none of the events is stored"
    if attempt.expected is not None and rows[0].version == attempt.expected + 1:
        return "refused as a duplicate, though the very same append may be repeated"
    return None
