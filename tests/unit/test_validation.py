"""Argument checks: every wrong argument is named, and says what was expected."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from orchestrix_core import (
    DuplicateEventError,
    Event,
    MessageRegistry,
    SerializationError,
    Snapshot,
    StreamWrite,
)
from orchestrix_core.validation import (
    check_append,
    check_due,
    check_id,
    check_range,
    check_snapshot,
    check_text,
    check_types,
    check_writes,
    decode_state,
    encode_body,
    encode_state,
)


class Placed(Event, registry=MessageRegistry()):
    pass


EVENT = Placed()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("", [], None), ValueError, "aggregate_id must not be empty"),
        ((None, [], None), TypeError, "aggregate_id must be a str, not NoneType"),
        ((b"a", [], None), TypeError, "aggregate_id must be a str, not bytes"),
        (("\ud800", [], None), ValueError, "aggregate_id .* is not valid Unicode"),
        (("a", EVENT, None), TypeError, "events must be a sequence of events, not Placed"),
        (("a", "events", None), TypeError, "events must be a sequence of events, not str"),
        (("a", iter([EVENT]), None), TypeError, "events must be a sequence"),
        (("a", {EVENT.id: EVENT}, None), TypeError, "events must be a sequence"),
        (("a", [EVENT, 3], None), TypeError, r"events\[1\] must be an Event, not int"),
        (("a", [None], None), TypeError, r"events\[0\] must be an Event, not NoneType"),
        (("a", [Placed], None), TypeError, r"events\[0\] must be an Event, not type"),
        (("a", [], -1), ValueError, "expected_version must be a whole number from 0, not -1"),
        (("a", [], True), ValueError, "expected_version must be a whole number"),
        (("a", [], 1.0), ValueError, "expected_version must be a whole number"),
        (("a", [], "1"), ValueError, "expected_version must be a whole number"),
    ],
)
def test_a_wrong_append_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        check_append(*arguments)


@pytest.mark.parametrize("events", [[EVENT], (EVENT,)], ids=["list", "tuple"])
def test_a_right_append_gives_its_events(events):
    assert check_append("a", events, 0) == (EVENT,)
    assert check_append("ä", [], None) == ()


def test_an_id_may_stand_once_in_an_append():
    with pytest.raises(DuplicateEventError) as caught:
        check_append("a", [Placed(), EVENT, EVENT], None)
    assert (caught.value.event_id, caught.value.aggregate_id) == (EVENT.id, "a")


def test_wrong_writes_are_refused():
    with pytest.raises(TypeError, match=r"writes\[0\] must be a StreamWrite, not tuple"):
        check_writes([("a", [EVENT])])
    with pytest.raises(TypeError, match="writes must be a sequence of StreamWrite"):
        check_writes(StreamWrite("a", [EVENT]))
    with pytest.raises(ValueError, match="the stream 'a' twice"):
        check_writes([StreamWrite("a", []), StreamWrite("b", []), StreamWrite("a", [EVENT])])
    with pytest.raises(DuplicateEventError) as caught:
        check_writes([StreamWrite("a", [EVENT]), StreamWrite("b", [EVENT])])
    assert caught.value.aggregate_id == "b"


def test_right_writes_are_given_back():
    assert check_writes([StreamWrite("a", [EVENT], 3)]) == [("a", (EVENT,), 3)]
    assert check_writes([]) == []


def test_ids_and_ranges_name_their_argument():
    with pytest.raises(ValueError, match="trace_id must not be empty"):
        check_id("", "trace_id")
    with pytest.raises(ValueError, match="limit must be a whole number from 1, not 0"):
        check_range(0, "limit", least=1)
    assert check_range(5, "after") == 5


def test_types_are_a_collection_of_names():
    assert check_types(None) is None
    assert check_types(["a", "b"]) == {"a", "b"}
    with pytest.raises(TypeError, match="types must be a collection of stored names, not 'a'"):
        check_types("a")
    with pytest.raises(TypeError, match="types must be a str, not type"):
        check_types([Placed])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"aggregate_id": ""}, ValueError, r"snapshot\.aggregate_id must not be empty"),
        ({"version": -1}, ValueError, r"snapshot\.version must be a whole number"),
        ({"schema_version": None}, ValueError, r"snapshot\.schema_version must be a whole"),
    ],
)
def test_a_wrong_snapshot_is_refused(change, error, message):
    fields = {"aggregate_id": "a", "version": 1, "state": {}} | change
    with pytest.raises(error, match=message):
        check_snapshot(Snapshot(**fields))


def test_only_a_snapshot_is_one():
    with pytest.raises(TypeError, match="snapshot must be a Snapshot, not dict"):
        check_snapshot({})


def test_a_state_comes_back_as_it_was():
    state = {"a": [1, 2.5, None, True, "é"], "b": {"c": {}}}
    assert decode_state(encode_state(Snapshot(aggregate_id="a", version=1, state=state))) == state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": (1,)}, r"snapshot\.state\['a'\]: .*tuple"),
        ({"a": [{1: 2}]}, r"snapshot\.state\['a'\]\[0\]: the key 1 is not a str"),
        ({"a": float("nan")}, r"snapshot\.state\['a'\]: nan"),
        ({"a": "\ud800"}, r"snapshot\.state: .*surrogates"),
    ],
)
def test_a_state_that_is_not_json_is_refused(state, message):
    with pytest.raises(SerializationError, match=message):
        encode_state(Snapshot(aggregate_id="a", version=1, state=state))


def test_a_state_is_a_dict():
    with pytest.raises(SerializationError, match=r"snapshot\.state: .*dict"):
        encode_state(Snapshot(aggregate_id="a", version=1, state=[1]))


def test_a_body_is_refused_by_its_own_name():
    with pytest.raises(SerializationError, match=r"body\['a'\]\[0\]: .*tuple"):
        encode_body({"a": [(1,)]})
    with pytest.raises(SerializationError, match="body: must be a dict, not list"):
        encode_body([])


def test_text_may_be_empty_and_an_id_may_not():
    check_text("", "prefix")
    check_text("é", "prefix")
    with pytest.raises(ValueError, match="key must not be empty"):
        check_id("", "key")


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, TypeError), (0, TypeError), (b"", TypeError), ("\ud800", ValueError)],
)
def test_text_is_valid_unicode(value, error):
    with pytest.raises(error, match="prefix"):
        check_text(value, "prefix")


def test_what_is_due_comes_back_in_utc():
    east = datetime(2024, 2, 29, 21, 0, 0, 1, timezone(timedelta(hours=9)))
    due = check_due(east)
    assert due == east
    assert due.tzinfo is UTC
    assert check_due(None) is None


@pytest.mark.parametrize(
    ("due", "error"),
    [
        (datetime(2024, 2, 29), ValueError),
        (date(2024, 2, 29), TypeError),
        ("2024-02-29", TypeError),
        (0, TypeError),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), ValueError),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-9))), ValueError),
    ],
    ids=repr,
)
def test_what_is_no_instant_is_never_due(due, error):
    with pytest.raises(error, match="due"):
        check_due(due)
