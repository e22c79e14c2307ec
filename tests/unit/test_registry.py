"""The message registry: names, classes, and the way from old schemas to the current one."""

from __future__ import annotations

import attrs
import pytest

from orchestrix_core import (
    AmbiguousMessageType,
    Event,
    JSONSerializer,
    MessageRegistry,
    UnknownMessageType,
    UpcastingError,
    upcaster,
)


@pytest.fixture
def registry():
    return MessageRegistry()


def declare(registry, name="Shipped", version=1, module=__name__):
    body = {"__module__": module, "__qualname__": name}
    return type(name, (Event,), body, version=version, registry=registry)


def test_a_class_answers_to_its_stored_name(registry):
    cls = declare(registry)
    assert registry.resolve("Shipped") is cls


def test_an_unknown_name_says_what_to_do(registry):
    with pytest.raises(UnknownMessageType, match="import the module") as caught:
        registry.resolve("Nope")
    assert (caught.value.type, caught.value.stream) == ("Nope", None)


def test_two_classes_with_one_name_are_named_when_it_is_used(registry):
    declare(registry, module="shop.orders")
    declare(registry, module="shop.parcels")
    with pytest.raises(AmbiguousMessageType) as caught:
        registry.resolve("Shipped")
    assert {caught.value.first, caught.value.second} == {
        "shop.orders.Shipped",
        "shop.parcels.Shipped",
    }


def test_what_could_not_be_read_back_is_not_encoded(registry):
    first = declare(registry, module="shop.orders")
    serializer = JSONSerializer(registry)
    serializer.encode(first())
    second = declare(registry, module="shop.parcels")
    for kind in (first, second):
        with pytest.raises(AmbiguousMessageType, match="Shipped"):
            serializer.encode(kind())


def test_the_same_class_defined_again_replaces(registry):
    declare(registry)
    again = declare(registry)
    assert registry.resolve("Shipped") is again


def test_the_copy_that_a_decorator_makes_replaces_the_original(registry):
    @attrs.frozen(kw_only=True)
    class Slotted(Event, registry=registry):
        x: int

    assert registry.resolve("Slotted") is Slotted
    assert Slotted(x=1).x == 1


def test_registries_do_not_see_each_other(registry):
    declare(registry)
    with pytest.raises(UnknownMessageType):
        MessageRegistry().resolve("Shipped")


def test_upcasters_are_chained_up_to_the_class(registry):
    declare(registry, version=3)
    upcaster("Shipped", from_version=1, registry=registry)(lambda data: {**data, "b": 2})
    upcaster("Shipped", from_version=2, registry=registry)(lambda data: {**data, "c": data["b"]})
    registry.check()
    assert registry.upcast("Shipped", 1, {"a": 1}) == {"a": 1, "b": 2, "c": 2}
    assert registry.upcast("Shipped", 2, {"b": 5}) == {"b": 5, "c": 5}
    assert registry.upcast("Shipped", 3, {"b": 5}) == {"b": 5}


def test_upcasting_leaves_its_input_alone(registry):
    declare(registry, version=2)

    @upcaster("Shipped", from_version=1, registry=registry)
    def clear(data):
        data.clear()
        return data

    stored = {"a": 1}
    assert registry.upcast("Shipped", 1, stored) == {}
    assert stored == {"a": 1}


def step(data):
    return data


@pytest.mark.parametrize(
    ("version", "steps", "message"),
    [
        (3, [1], "no upcaster from version 2 to 3"),
        (4, [1, 3], "no upcaster from version 2 to 3"),
        (2, [1, 2], "declare it with version=3"),
        (None, [1], "which no class is called"),
    ],
)
def test_a_gap_is_found_at_start_up(registry, version, steps, message):
    if version is not None:
        declare(registry, version=version)
    for from_version in steps:
        upcaster("Shipped", from_version=from_version, registry=registry)(step)
    with pytest.raises(UpcastingError, match=message):
        registry.check()


def test_data_from_a_newer_version_is_refused(registry):
    declare(registry, version=2)
    with pytest.raises(UpcastingError, match="stored at version 3, its class is at 2"):
        registry.upcast("Shipped", 3, {})


def test_data_without_a_way_to_the_class_is_refused(registry):
    declare(registry, version=2)
    with pytest.raises(UpcastingError, match="no upcaster from version 1 to 2"):
        registry.upcast("Shipped", 1, {})


@pytest.mark.parametrize("result", [None, [], "x"])
def test_an_upcaster_that_returns_no_dict_is_named(registry, result):
    declare(registry, version=2)
    upcaster("Shipped", from_version=1, registry=registry)(lambda data: result)
    with pytest.raises(UpcastingError, match=r"<lambda> of 'Shipped' must return a dict"):
        registry.upcast("Shipped", 1, {})


def test_an_upcaster_that_fails_is_named_with_its_cause(registry):
    declare(registry, version=2)
    upcaster("Shipped", from_version=1, registry=registry)(lambda data: data["missing"])
    with pytest.raises(UpcastingError, match="KeyError") as caught:
        registry.upcast("Shipped", 1, {})
    assert isinstance(caught.value.__cause__, KeyError)


def test_two_upcasters_for_one_step_are_refused(registry):
    upcaster("Shipped", from_version=1, registry=registry)(step)
    upcaster("Shipped", from_version=1, registry=registry)(step)  # a reload is no conflict
    with pytest.raises(UpcastingError, match="two upcasters from version 1"):
        upcaster("Shipped", from_version=1, registry=registry)(lambda data: data)


@pytest.mark.parametrize("from_version", [0, -1, True, "1"])
def test_from_version_is_a_whole_number_from_one(registry, from_version):
    with pytest.raises(ValueError, match="from_version"):
        upcaster("Shipped", from_version=from_version, registry=registry)


def test_a_program_that_is_imported_again_is_told_so():
    twice = AmbiguousMessageType("Placed", "shop.Placed", "__main__.Placed")
    assert "imported a second time" in str(twice)
    assert "modules" in str(twice)
    assert "imported a second time" not in str(AmbiguousMessageType("P", "a.Placed", "b.Placed"))
