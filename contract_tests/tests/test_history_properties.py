"""A history of a store that is right has no finding, and one with a fault anywhere has one."""

from __future__ import annotations

import sys
from collections import Counter
from math import inf
from random import Random

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import orchestrix_contract_tests.history
from orchestrix_contract_tests.history import Append, History, Load, Read, Row, check

from .history_model import Model

SEEDS = st.integers(0, 2**32)
QUICK = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def right(seed, calls=60, streams=3):
    return Model(Random(seed), streams).run(calls)


@QUICK
@given(SEEDS)
def test_history_of_a_store_that_is_right_has_no_finding(seed):
    assert check(right(seed)) == []


def known(history):
    """The moment at which each event was known to be stored; the faults below need to be real."""
    moments = {}
    for one in history.operations:
        if isinstance(one, Append):
            ids = one.ids if one.outcome == "acknowledged" else ()
        else:
            ids = one.ids if isinstance(one, Load) else [row.id for row in one.rows]
        for event in ids:
            moments[event] = min(moments.get(event, inf), one.ended)
    return moments


def acknowledged(history):
    return [a for a in history.appends if a.outcome == "acknowledged"]


def with_log(history, log):
    return attrs.evolve(history, stored=log)


def in_place_of(history, old, new):
    return attrs.evolve(history, operations=[new if o is old else o for o in history.operations])


def swap(history, first, second):
    names = {first: second, second: first}
    return with_log(
        history, [attrs.evolve(row, id=names.get(row.id, row.id)) for row in history.stored]
    )


# Each plants a fault somewhere, or returns None where the history offers no place for it.


def lose(history, random):
    events = [event for one in acknowledged(history) for event in one.ids]
    gone = random.choice(events) if events else None
    return gone and with_log(history, [row for row in history.stored if row.id != gone])


def double(history, random):
    if not history.stored:
        return None
    row, last = random.choice(history.stored), history.stored[-1]
    version = 1 + max(other.version for other in history.stored if other.stream == row.stream)
    again = attrs.evolve(row, position=last.position + 1, version=version)
    return with_log(history, [*history.stored, again])


def reorder_an_append(history, random):
    stored = {row.id for row in history.stored}
    long = [one.ids for one in history.appends if len(one.ids) > 1 and set(one.ids) <= stored]
    return swap(history, *random.choice(long)[:2]) if long else None


def reorder_in_time(history, random):
    moments, began = known(history), {}
    for one in history.appends:
        if one.outcome != "refused":
            began[one.ids[0]] = min(began.get(one.ids[0], inf), one.began)
    own = [row for row in history.stored if row.version == 1 and row.id in began]
    pairs = [(a.id, b.id) for a in own for b in own if moments.get(a.id, inf) < began[b.id]]
    return swap(history, *random.choice(pairs)) if pairs else None


def lower_a_position(history, random):
    if len(history.stored) < 2:
        return None
    number = random.randrange(1, len(history.stored))
    log = list(history.stored)
    log[number] = attrs.evolve(log[number], position=log[number - 1].position)
    return with_log(history, log)


def change_a_version(history, random):
    if not history.stored:
        return None
    row = random.choice(history.stored)
    wrong = attrs.evolve(row, version=row.version + random.choice((1, 7)))
    return with_log(history, [wrong if other is row else other for other in history.stored])


def store_from_nowhere(history, random):
    last = history.stored[-1].position if history.stored else 0
    return with_log(history, [*history.stored, Row(last + 1, "new", 1, "never")])


def store_what_was_refused(history, random):
    better = {one.ids for one in history.appends if one.outcome != "refused"}
    refused = [one for one in history.appends if one.ids not in better]
    if not refused:
        return None
    one, last = random.choice(refused), history.stored[-1].position if history.stored else 0
    version = sum(1 for row in history.stored if row.stream == one.stream)
    rows = [Row(last + n, one.stream, version + n, id) for n, id in enumerate(one.ids, 1)]
    return with_log(history, [*history.stored, *rows])


def expect_another_version(history, random):
    own = [one for one in acknowledged(history) if one.expected is not None]
    if not own:
        return None
    one = random.choice(own)
    return in_place_of(history, one, attrs.evolve(one, expected=one.expected + 1))


def refuse_what_is_right(history, random):
    stream = random.choice(["new", *{row.stream for row in history.stored}])
    rows = [row for row in history.stored if row.stream == stream]
    if rows and rows[-1].id not in known(history):
        return None
    end = 1 + max((o.ended for o in history.operations if o.ended < inf), default=0)
    wrong = Append(
        worker="x", stream=stream, expected=len(rows), ids=["x"], outcome="refused",
        began=end, ended=end + 1, error="ConcurrencyError",
    )  # fmt: skip
    return attrs.evolve(history, operations=[*history.operations, wrong])


def see_too_little(history, random):
    moments = known(history)
    loads = [
        one for one in history.operations
        if isinstance(one, Load) and one.ids and moments[one.ids[-1]] < one.began
    ]  # fmt: skip
    if not loads:
        return None
    one = random.choice(loads)
    return in_place_of(history, one, attrs.evolve(one, ids=one.ids[:-1]))


def see_with_a_hole(history, random):
    looks = [one for one in history.operations if isinstance(one, Read) and len(one.rows) > 2]
    if not looks:
        return None
    one = random.choice(looks)
    hole = random.randrange(1, len(one.rows) - 1)
    return in_place_of(
        history, one, attrs.evolve(one, rows=[*one.rows[:hole], *one.rows[hole + 1 :]])
    )


def see_what_is_not_there(history, random):
    loads = [one for one in history.operations if isinstance(one, Load)]
    if not loads:
        return None
    one = random.choice(loads)
    return in_place_of(history, one, attrs.evolve(one, ids=[*one.ids, "never"]))


def see_again(history, random):
    looks = [one for one in history.operations if isinstance(one, Read) and one.rows]
    if not looks:
        return None
    one = random.choice(looks)
    row = random.choice(one.rows)
    return in_place_of(history, one, attrs.evolve(one, after=row.position))


FAULTS = [
    lose, double, reorder_an_append, reorder_in_time, lower_a_position, change_a_version,
    store_from_nowhere, store_what_was_refused, expect_another_version, refuse_what_is_right,
    see_too_little, see_with_a_hole, see_what_is_not_there, see_again,
]  # fmt: skip


@QUICK
@given(SEEDS, st.sampled_from(FAULTS))
def test_one_fault_planted_anywhere_is_found(seed, plant):
    history = right(seed)
    faulty = plant(history, Random(seed + 1))
    if faulty is not None:
        assert check(faulty), plant.__name__


@pytest.mark.parametrize("plant", FAULTS)
def test_histories_have_room_for_each_fault(plant):
    """Or the test above would prove nothing about it."""
    planted = [plant(right(seed), Random(seed)) for seed in range(10)]
    assert sum(1 for one in planted if one is not None) >= 5


TOUCHED = Counter[str]()


class Counted(str):
    """An id that counts how often ids are compared or hashed."""

    __slots__ = ()

    def __eq__(self, other):
        TOUCHED["eq"] += 1
        return str.__eq__(self, other)

    def __hash__(self):
        TOUCHED["hash"] += 1
        return str.__hash__(self)


def counted(history):
    """The same history with ids that count."""

    def row(one):
        return attrs.evolve(one, id=Counted(one.id))

    def operation(one):
        if isinstance(one, Read):
            return attrs.evolve(one, rows=[row(r) for r in one.rows])
        return attrs.evolve(one, ids=[Counted(event) for event in one.ids])

    operations = [operation(one) for one in history.operations]
    return History(operations, [row(one) for one in history.stored])


def steps(history):
    """How many lines of the checker are run, and how often ids are compared or hashed."""
    folder = orchestrix_contract_tests.history.__path__[0]
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(folder):
            return None
        lines += event == "line"
        return trace

    own = counted(history)
    TOUCHED.clear()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        check(own)
    finally:
        sys.settrace(before)
    return lines, TOUCHED.total()


def size(history):
    looks = [one for one in history.operations if not isinstance(one, Append)]
    seen = sum(len(one.ids if isinstance(one, Load) else one.rows) for one in looks)
    return (
        len(history.operations)
        + sum(len(a.ids) for a in history.appends)
        + seen
        + len(history.stored)
    )


def without_every_tenth(history):
    return with_log(history, [row for n, row in enumerate(history.stored) if n % 10])


@pytest.mark.parametrize("spoil", [lambda history: history, without_every_tenth])
@pytest.mark.parametrize("streams", [1, 50])
def test_checking_takes_steps_linear_in_the_history(spoil, streams):
    small, large = (spoil(right(7, calls, streams)) for calls in (200, 1600))
    times = size(large) / size(small)
    assert times > 6
    for few, many in zip(steps(small), steps(large), strict=True):
        # The rest is sorting, and finding positions: some steps more for each doubling.
        assert many / few < times * 1.3
