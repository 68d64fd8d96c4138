"""Any value as a bounded, detached copy of plain JSON data, without running code of the value's."""

from __future__ import annotations

import argparse
import array
import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import io
import json
import pathlib
import re
import socket
import sys
import threading
import time
import types
import uuid
import weakref
import zoneinfo
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._capture.rules import Limits, Rules, rules
from honeytrace._capture.snapshot import Snapshot


def take(value):
    return Snapshot().take(value, "inputs")


def cut(value, **limits):
    """The copy under these limits, and the paths that were cut."""
    taken = Snapshot(Limits(**limits))
    return taken.take(value, "inputs"), taken.cuts


def strict(value):
    """The value after a way through strict JSON."""
    return json.loads(json.dumps(value, allow_nan=False))


def mutables(value):
    """The ids of all lists and dicts in a value."""
    if isinstance(value, dict):
        return {id(value)}.union(*map(mutables, value.values()))
    if isinstance(value, (list, tuple)):
        return {id(value)}.union(*map(mutables, value))
    return set()


class Touched(BaseException):
    """Code of a value's own was run."""


def forbidden(*_, **__):
    raise Touched


def hostile(base, *arguments):
    """An object of a subclass whose every method raises; those of its metaclass do too."""
    meta = type("Meta", (type,), {})
    kind = meta("Hostile", (base,), {})
    value = kind(*arguments)
    kept = {"__class__", "__dict__", "__doc__", "__module__", "__slots__", "__subclasshook__",
            "__init_subclass__", "__weakref__", "__dataclass_fields__"}  # fmt: skip
    for name in {*dir(base), "__getattr__", "__bool__", "__iter__", "__len__"} - kept:
        setattr(kind, name, forbidden)
    for name in ("__getattribute__", "__hash__", "__eq__", "__instancecheck__", "__repr__"):
        setattr(meta, name, forbidden)
    return value


class Color(enum.Enum):
    RED = "red"
    DEEP = ("a", 1)


@dataclasses.dataclass
class Box:
    inside: object
    _hidden: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    inside: object


class Point(NamedTuple):
    x: object
    y: object = 0


class Thing:
    """An object of an ordinary class."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


def answer(inside):
    return Thing(usage=Thing(total_tokens=1), inside=inside, _hidden=inside)


keys = st.one_of(
    st.text(), st.integers(), st.booleans(), st.none(), st.floats(), st.binary(), st.dates(),
    st.tuples(st.integers(), st.text()), st.sampled_from(Color),
)  # fmt: skip
leaves = st.one_of(
    keys,
    st.text(st.characters(categories=["Cs", "L"])),
    st.integers().map(lambda number: number**9),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.uuids(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.times(),
    st.timedeltas(),
    st.binary().map(bytearray),
    st.binary().map(memoryview),
    st.builds(range, st.integers(), st.integers()),
    st.text(max_size=5).map(ValueError),
    st.sampled_from([object(), print, len, json, Box, take, pathlib.Path("/a/b"), NotImplemented]),
    st.sets(st.integers()),
    st.frozensets(st.text()),
    st.ip_addresses(),
    st.lists(st.integers(0, 255), max_size=80).map(lambda numbers: array.array("B", numbers)),
    st.dictionaries(st.integers(), st.text()).map(dict.items),
    st.text(max_size=5).map(re.escape).map(re.compile),
    st.integers(-23, 23).map(lambda hours: datetime.timezone(datetime.timedelta(hours=hours))),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(collections.deque),
        st.dictionaries(keys, inner),
        st.dictionaries(keys, inner).map(collections.OrderedDict),
        st.builds(Box, inner),
        st.builds(Slotted, inner),
        st.builds(Point, inner),
        st.builds(collections.UserDict, st.dictionaries(keys, inner)),
        st.builds(collections.ChainMap, st.dictionaries(keys, inner)),
        st.builds(types.MappingProxyType, st.dictionaries(keys, inner)),
        st.builds(types.SimpleNamespace, inside=inner),
        st.builds(argparse.Namespace, inside=inner),
        st.builds(answer, inner),
        st.builds(ValueError, inner),
    ),
    max_leaves=15,
)
tight = st.builds(
    Limits,
    chars=st.integers(0, 50),
    nodes=st.integers(0, 12),
    depth=st.integers(0, 4),
    string=st.integers(0, 20),
    items=st.integers(0, 5),
)


@given(values)
def test_any_value_becomes_strict_json(value):
    """The copy goes through strict JSON unchanged."""
    copy = take(value)
    assert strict(copy) == copy


@given(values)
def test_the_original_is_unchanged(value):
    """Looking at a value changes nothing in it."""
    before = repr(value)
    take(value)
    assert repr(value) == before


@given(values)
def test_the_copy_shares_nothing_that_can_change(value):
    """No list and no dict of the value is in its copy."""
    assert not mutables(value) & mutables(take(value)) - {id(())}


@given(values, tight)
def test_any_limits_give_strict_json(value, limits):
    """However little may be kept, what is kept is strict JSON."""
    copy = Snapshot(limits).take(value, "inputs")
    assert strict(copy) == copy


def depth(value):
    if isinstance(value, (dict, list)):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@given(values, tight)
def test_the_depth_is_kept(value, limits):
    """The copy is never deeper than the limit says, a key of its own aside."""
    assert depth(Snapshot(limits).take(value, "inputs")) <= limits.depth


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(json_values)
def test_json_is_its_own_copy(value):
    """Plain JSON data is copied unchanged, and nothing is cut."""
    assert cut(value) == (value, [])


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (2**2048, "<int of 2049 bits>"),
        (1 + 2j, "(1+2j)"),
        (b"abc", "<bytes: 3>"),
        (bytearray(b"abc"), "<bytes: 3>"),
        (bytes(65537), "<bytes: 65537>"),
        (memoryview(b"abc"), "<bytes: 3>"),
        (memoryview(bytes(65537)), "<bytes: 65537>"),
        (range(3), "range(0, 3, 1)"),
        (range(10**5000), "range(0, <int of 16610 bits>, 1)"),
        (datetime.timedelta(1), "1 day, 0:00:00"),
        (decimal.Decimal("1.50"), "1.50"),
        (decimal.Decimal("1" * 5000), "<Decimal of 5000 characters>"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.datetime.fromisoformat("2024-01-02T03:00"), "2024-01-02T03:00:00"),
        (datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc), "2024-01-02T00:00:00+00:00"),
        (
            datetime.datetime(2024, 1, 2, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo")),
            "2024-01-02T00:00:00+09:00",
        ),
        (datetime.time(1, 2), "01:02:00"),
        (pathlib.Path("/a/b"), str(pathlib.Path("/a/b"))),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Color.RED, "red"),
        (Color.DEEP, ["a", 1]),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (frozenset({3}), [3]),
        (collections.deque([1]), [1]),
        (Point(1, 2), {"x": 1, "y": 2}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, a=1), {"a": 1}),
        (time.struct_time(range(9)), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (ValueError("x", 1), {"type": "ValueError", "args": ["x", 1]}),
        (KeyError({"a": {1}}), {"type": "KeyError", "args": [{"a": [1]}]}),
        (object(), "<builtins.object>"),
        (Box, "<type test_snapshot.Box>"),
        (Color, "<EnumMeta test_snapshot.Color>"),
        (take, "<function test_snapshot.take>"),
        (print, "<builtin_function_or_method builtins.print>"),
        ([].append, "<builtin_function_or_method list.append>"),
        (json, "<module json>"),
        ((_ for _ in ()), "<builtins.generator>"),
        (iter([]), "<builtins.list_iterator>"),
        (types.MappingProxyType({"a": {1}}), {"a": [1]}),
        (collections.UserDict(a=1), {"a": 1}),
        (collections.UserList([1]), [1]),
        (collections.UserString("x"), "x"),
        (collections.ChainMap({"a": 1}, {"b": 2}), [{"a": 1}, {"b": 2}]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.items(), [["a", 1]]),
        (collections.OrderedDict(a=1).items(), [["a", 1]]),
        (types.SimpleNamespace(a=1, _b=2), {"a": 1}),
        (re.compile("a+"), "a+"),
        (re.compile(b"abc"), "<bytes: 3>"),
        (datetime.timezone.utc, "UTC"),
        (Box(1).__eq__, "<method test_snapshot.Box.__eq__>"),
        (types.MethodType(len, "x"), "<builtins.method>"),
        (weakref.ref(Color), "<weakref.ReferenceType>"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else type(value).__name__,
)
def test_each_kind_has_its_copy(value, copy):
    """Each kind of value has its own copy."""
    if value is Color and sys.version_info >= (3, 11):
        copy = "<EnumType test_snapshot.Color>"
    assert (take(value), type(take(value))) == (copy, type(copy))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("text", "text"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (float("inf"), "Infinity"),
        (2**70, str(2**70)),
        ((1, "é"), '[1, "é"]'),
        (Color.RED, "red"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"abc", "abc"),
        (b"\xff", "<bytes: 1>"),
        (Box, "<type test_snapshot.Box>"),
        (frozenset({1}), "[1]"),
    ],
    ids=str,
)
def test_a_key_that_is_no_string_is_named(key, name):
    """A key becomes what JSON would make of it, or its copy as JSON."""
    assert take({key: "value", "b": {"c": 1}}) == {name: "value", "b": {"c": 1}}


def test_keys_of_one_text_are_told_apart():
    """Both values stay; the later one has its type beside its key."""
    assert cut({1: "a", "1": "b"}) == ({"1": "a", "1 (str)": "b"}, [])
    assert cut({"1": "a", 1: "b"}) == ({"1": "a", "1 (int)": "b"}, [])


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
def test_keys_that_have_to_be_spelled_are_few(kind):
    """A key that is neither text nor a whole number takes long; as many as a list has items."""
    copy, cuts = cut({"in": kind(((n, "x"), n) for n in range(5))}, items=3)
    named = {f'[{n}, "x"]': n for n in range(3)}
    assert (copy, cuts) == ({"in": {**named, "…": "[2 more keys]"}}, ["inputs.in"])


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Role(str, enum.Enum):
    USER = "user"


class Level(enum.IntEnum):
    LOW = 1


class Real(float):
    pass


class StreamBuffer(list):
    pass


class Pair(tuple):
    __slots__ = ()


class Odd(tuple):
    __slots__ = ()
    _fields = "ab"


class Moment(datetime.datetime):
    pass


class Set(set):
    pass


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (Text("x"), "x"),
        (Number(5), 5),
        (Role.USER, "user"),
        (Level.LOW, 1),
        (Real("nan"), "NaN"),
        (StreamBuffer([1]), [1]),
        (Pair((1,)), [1]),
        (Odd((1, 2)), [1, 2]),
        (Moment(2024, 1, 2), "2024-01-02T00:00:00"),
        (Set({1}), [1]),
        ({Text("k"): 1, Number(2): 2, Role.USER: 3}, {"k": 1, "2": 2, "user": 3}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_is_what_it_holds(value, copy):
    """A subclass of a plain type is copied as that type, keys too."""
    assert (take(value), type(take(value))) == (copy, type(copy))


@pytest.mark.parametrize("kind", [set, frozenset])
@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([f"key {n:02}" for n in range(50)], [f"key {n:02}" for n in range(50)]),
        ([3, -1, 2.5, 10**6], [-1, 2.5, 3, 10**6]),
        ([("b", 1), ("a", 2), ("a", 1)], [["a", 1], ["a", 2], ["b", 1]]),
        ([Color.RED, "blue"], ["blue", "red"]),
        ([None, "b", "a", 1], ["a", "b", 1, None]),
        ([Point(2, 1), Point(1, 2)], [{"x": 1, "y": 2}, {"x": 2, "y": 1}]),
    ],
    ids=str,
)
def test_sets_are_in_order(kind, items, expected):
    """The list for a set does not depend on the hashes, which differ from run to run."""
    assert take(kind(items)) == expected


def test_a_set_that_was_cut_is_in_no_order():
    """The listed paths lead to the cut items."""
    copy, cuts = cut({"long" * 9, "b", "a"}, string=4)
    (place,) = cuts
    assert copy[int(place[len("inputs[") : -1])] == "long… [32 more characters]"


class Plain:
    def __init__(self):
        self.x, self._y = 1, 2


def record(mark, slots=("x", "_y", "unset")):
    """An object with slots, of a class that bears the mark of a library."""

    class CallRecord:
        __slots__ = slots

        def __init__(self):
            self.x, self._y = [1], 2

    setattr(CallRecord, mark, ())
    return CallRecord()


MARKS = ["__attrs_attrs__", "__pydantic_fields__", "__fields__", "__struct_fields__"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("slots", [("x", "_y", "unset"), ("__dict__",)], ids=["slots", "dict"])
def test_a_record_is_its_public_fields(mark, slots):
    """attrs, pydantic and msgspec are told by their marks; private fields are left out."""
    assert take(record(mark, slots)) == {"x": [1]}


def test_a_record_may_inherit():
    """Fields of base classes, in slots and in the dict of the object, are all there."""

    @dataclasses.dataclass(slots=True)
    class Base:
        a: int

    @dataclasses.dataclass
    class Derived(Base):
        b: int

    assert take(Derived(1, Point(2))) == {"a": 1, "b": {"x": 2, "y": 0}}


def test_an_object_without_a_mark_is_named():
    """Any other object is not looked into."""
    assert take(Plain()) == "<test_snapshot.Plain>"


def test_an_attribute_that_is_no_name_is_left_out():
    """The dict of an object may hold keys that no attribute can have."""
    box = Box(1)
    vars(box)[5] = "five"
    assert take(box) == {"inside": 1}


def test_a_class_made_without_a_module_is_named():
    """A class that does not know where it was made has its own name alone."""
    namespace = {}
    exec("Made = type('Made', (), {})", {"__builtins__": {"type": type}}, namespace)
    assert take(namespace["Made"]()) in ("<Made>", "<builtins.Made>")


def test_a_module_that_is_no_text_is_left_out():
    """A class or function may say anything of where it was made; only text is shown."""
    strange = type("Strange", (), {"__module__": object()})
    assert take([strange(), strange]) == ["<Strange>", "<type Strange>"]


def test_a_view_that_was_released_is_named():
    """A released memoryview has no length any more."""
    view = memoryview(b"abc")
    view.release()
    assert take({"view": view, "b": 1}) == {"view": "<builtins.memoryview>", "b": 1}


def test_an_object_half_made_is_named():
    """An object whose `__init__` never ran costs itself alone."""
    assert take([uuid.UUID.__new__(uuid.UUID), 1]) == ["<uuid.UUID>", 1]


def test_an_enum_that_is_its_own_value_is_a_circle():
    """A value that leads to itself without a container ends."""

    class Odd(enum.Enum):
        A = 1

    Odd.A._value_ = Odd.A
    assert take([Odd.A]) == ["[circular]"]


def test_a_zone_of_the_users_is_named():
    """A time zone is code of the user's and not asked; its name stands beside the time."""

    class Zone(datetime.tzinfo):
        utcoffset = tzname = dst = forbidden

    noon = datetime.datetime(2024, 1, 2, 12, tzinfo=Zone())
    assert take(noon).startswith("2024-01-02T12:00:00 <test_snapshot.")
    assert take(noon.timetz()) == "<datetime.time>"


def test_a_field_that_was_never_set_is_left_out():
    """A slot may be empty, an object of a known class half made."""
    assert take(Slotted.__new__(Slotted)) == {}
    assert take([collections.UserDict.__new__(collections.UserDict)]) == ["<collections.UserDict>"]


@pytest.mark.parametrize("slots", ["inside", ["inside", "_hidden"], {"inside": "its doc"}])
def test_slots_may_be_given_in_any_form(slots):
    """Slots may be named by other things than a tuple."""
    kind = type("Odd", (), {"__slots__": slots, "__dataclass_fields__": {}})
    value = kind()
    value.inside = 1
    assert take(value) == {"inside": 1}


def test_an_object_with_very_many_attributes_is_bounded():
    """Of a million attributes the first are read."""
    box = Box(1)
    vars(box).update({f"a{n}": n for n in range(100_000)})
    assert len(take(box)) <= 20_001


MESSAGE = {"role": "assistant", "content": "hi", "tool_calls": None}
CHAT = {"choices": [{"index": 0, "message": MESSAGE}]}


def chat(**more):
    choice = Thing(index=0, message=Thing(**MESSAGE))
    return Thing(choices=[choice], _client=Thing(), **more)


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (chat(), CHAT),
        (chat(usage=Thing(prompt_tokens=1)), {**CHAT, "usage": {"prompt_tokens": 1}}),
        (chat(other=[Thing(a=Thing())]), {**CHAT, "other": [{"a": "<test_snapshot.Thing>"}]}),
        (Thing(usage={"input_tokens": 1}), {"usage": {"input_tokens": 1}}),
        (Thing(usage_metadata=Thing(total_token_count=1)),
         {"usage_metadata": {"total_token_count": 1}}),
        (Thing(choices=[{"delta": {}}]), {"choices": [{"delta": {}}]}),
        (Thing(delta=Thing(content="x")), {"delta": {"content": "x"}}),
        (Thing(type="content_block_delta", index=0), {"type": "content_block_delta", "index": 0}),
        (Thing(type="message_start", message=Thing(id="m")),
         {"type": "message_start", "message": {"id": "m"}}),
        (Thing(a=1), "<test_snapshot.Thing>"),
        (Thing(usage="usage: …", choices=["a", "b"], type="message"), "<test_snapshot.Thing>"),
        (Thing(choices=[]), "<test_snapshot.Thing>"),
        (Thing(delta=0.5), "<test_snapshot.Thing>"),
        (argparse.ArgumentParser(usage="%(prog)s"), "<argparse.ArgumentParser>"),
    ],
)  # fmt: skip
def test_an_answer_of_a_model_is_copied(value, copy):
    """A plain object that is shaped like an answer or a chunk is its public attributes."""
    assert take(value) == copy


def test_objects_beside_an_answer_are_named():
    """Only what is inside an answer is looked into."""
    assert take([Thing(a=1), chat(), Thing(a=1)]) == [
        "<test_snapshot.Thing>", CHAT, "<test_snapshot.Thing>",
    ]  # fmt: skip


def test_code_in_an_answer_is_named():
    """Functions, classes and modules have attributes, but are not data."""
    copy = take(chat(other=[take, Thing, json]))
    assert copy["other"] == ["<function test_snapshot.take>", "<type test_snapshot.Thing>",
                             "<module json>"]  # fmt: skip


class Shape:
    pass


class Square(Shape):
    pass


@pytest.fixture
def register():
    """Registers, until the test is over."""
    kinds = set()

    def remember(kind, function):
        kinds.add(kind)
        rules.register(kind, function)

    yield remember
    for kind in kinds:
        rules.register(kind, None)


def test_what_is_registered_is_copied_in_place(register):
    """Whatever the function returns is copied, also when it is to be worked on again."""
    register(Shape, lambda shape: {"box": Box([{1}])})
    assert take([Shape()]) == [{"box": {"inside": [[1]]}}]
    register(Shape, lambda shape: [datetime.date(2024, 1, 2)])
    assert take([Shape()]) == [["2024-01-02"]]
    register(Shape, lambda shape: b"abc")
    assert take([Shape()]) == ["<bytes: 3>"]
    register(Shape, None)
    assert take([Shape()]) == ["<test_snapshot.Shape>"]


def test_the_nearest_class_counts(register):
    """A subclass is taught by its base, unless it is itself."""
    register(Shape, lambda shape: "shape")
    assert take([Shape(), Square()]) == ["shape", "shape"]
    register(Square, lambda square: "square")
    assert take([Shape(), Square()]) == ["shape", "square"]


@pytest.mark.parametrize(
    "value", [Box(1), b"x", datetime.date(2024, 1, 2), Color.RED, Text("x"), ValueError(), {1}]
)
def test_what_is_registered_comes_before_ours(register, value):
    """Kinds that are known otherwise can be taught, by their own class or a base of it."""
    register(type(value).__mro__[-2], lambda value: "taught")
    assert take([value]) == ["taught"]


@pytest.mark.parametrize("value", ["x", 1, 1.5, True, None, {"a": 1}, [1], (1,)])
def test_plain_values_cannot_be_taught(register, value):
    """Plain data is copied as it is, whatever is registered."""
    register(type(value), lambda value: "taught")
    register(object, lambda value: "taught")
    assert take([value]) == [strict(value)]


def test_what_is_taught_for_object_serves_for_what_is_named_otherwise(register):
    """A function for all else does not get what is known."""
    register(object, lambda value: "taught")
    assert take([Shape(), Box(1), b"", chat()]) == ["taught", {"inside": 1}, take(b""), CHAT]


class LostError(Exception):
    pass


@pytest.mark.parametrize("error", [LostError("secret"), SystemExit(1), asyncio.CancelledError()])
def test_a_registered_function_that_raises_costs_its_value(register, error):
    """The value is a mark without the words of the error."""

    def fail(shape):
        raise error

    register(Shape, fail)
    name = type(error).__name__
    mark = f"<test_snapshot.Shape: {name} in its registered function>"
    assert take([Shape(), {Shape(): 1}]) == [mark, {mark: 1}]


@pytest.mark.parametrize("make", [lambda s: Square(), lambda s: [s], lambda s: {"a": [Square()]}])
def test_a_registered_function_that_goes_round_ends(register, make):
    """A function that returns ever new values of the same kind is bounded like any data."""
    register(Shape, make)
    copy, cuts = cut(Shape())
    assert (strict(copy), len(cuts)) == (copy, 1)


def test_no_function_is_called_beyond_the_budget(register):
    """Work for what is cut anyway is not done."""
    calls = []
    register(Shape, lambda shape: calls.append(1) or [1, 2, 3])
    Snapshot(Limits(nodes=60)).take([Shape() for _ in range(10)], "inputs")
    assert len(calls) == 5


@pytest.mark.parametrize("make", [object, uuid.uuid4, lambda: Box(1), datetime.date.today])
def test_other_values_count_for_several_nodes(make):
    """They take longer than plain ones; what is over is marked, the first of it listed."""
    copy, cuts = cut({str(number): make() for number in range(10_000)})
    marked = [key for key, item in copy.items() if item == "[over the budget of the field]"]
    assert len(copy) == 10_000
    assert 8_000 < len(marked) < 9_000
    assert cuts == [f"inputs.{key}" for key in marked[:20]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5, str), "takes a class first, not 5"),
        ((Shape(), str), "takes a class first, not <"),
        ((Shape, "text"), "takes a function of one value, or None"),
    ],
)
def test_wrong_arguments_of_register_are_refused(arguments, words):
    """The error says what to give."""
    with pytest.raises(TypeError, match=words):
        Rules().register(*arguments)


def test_registering_from_many_threads():
    """Values are copied while other threads register and remove functions."""
    done = threading.Event()

    def change():
        while not done.is_set():
            for kind in (Shape, Square, Box):
                rules.register(kind, lambda value: "taught")
            for kind in (Shape, Square, Box):
                rules.register(kind, None)

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        found = {take(Square()) for _ in range(2000)}
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert found <= {"taught", "<test_snapshot.Square>"}


def test_a_class_that_cannot_be_hashed_can_be_taught():
    """The metaclass is not asked."""
    value = hostile(object)
    rules.register(type(value), lambda value: "taught")
    assert take(value) == "taught"
    rules.register(type(value), None)


HOSTILE = {
    "object": (object,),
    "str": (str, "text"),
    "int": (int, 5),
    "float": (float, 1.5),
    "bytes": (bytes, b"x"),
    "list": (list, [1]),
    "tuple": (tuple, (1,)),
    "dict": (dict, {"a": 1}),
    "ordered dict": (collections.OrderedDict, {"a": 1}),
    "set": (set, {1}),
    "frozenset": (frozenset, {1}),
    "deque": (collections.deque, [1]),
    "exception": (ValueError, "x"),
    "datetime": (datetime.datetime, 2024, 1, 2),
    "date": (datetime.date, 2024, 1, 2),
    "time": (datetime.time, 1, 2),
    "timedelta": (datetime.timedelta, 1),
    "decimal": (decimal.Decimal, "1.5"),
    "path": (pathlib.PurePosixPath, "/a"),
    "record": (Box, 1),
    "module": (types.ModuleType, "m"),
    "zone": (datetime.tzinfo,),
    "class": (object,),
}
COPIES = {
    "str": "text", "int": 5, "float": 1.5, "list": [1], "tuple": [1], "dict": {"a": 1},
    "ordered dict": {"a": 1}, "set": [1], "frozenset": [1], "deque": [1], "date": "2024-01-02",
    "exception": {"type": "Hostile", "args": ["x"]}, "datetime": "2024-01-02T00:00:00",
    "time": "01:02:00", "timedelta": "1 day, 0:00:00", "record": {"inside": 1},
    "class": "<Meta test_snapshot.Hostile>",
    "zone": "2024-01-02T00:00:00 <test_snapshot.Hostile>",
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("place", ["alone", "in a list", "in a dict", "in a record"])
def test_nothing_foreign_is_run(kind, place):
    """No method of a value's class or metaclass is called, wherever the value stands."""
    value = hostile(*HOSTILE[kind])
    if kind == "class":
        value = type(value)
    elif kind == "zone":
        value = datetime.datetime(2024, 1, 2, tzinfo=value)
    wrap = {"alone": lambda v: v, "in a list": lambda v: [v], "in a dict": lambda v: {"k": v},
            "in a record": lambda v: Box(v)}[place]  # fmt: skip
    copy = take(wrap(value))
    found = copy if place == "alone" else copy[0] if type(copy) is list else copy.popitem()[1]
    assert found == COPIES.get(kind, "<test_snapshot.Hostile>")


class Key:
    """A key that can be put into a dict, and then not looked up any more."""

    armed = False

    def __hash__(self):
        if Key.armed:
            raise Touched
        return 1

    def __eq__(self, other):
        if Key.armed:
            raise Touched
        return self is other


class TextKey(Key, str):
    __hash__ = Key.__hash__
    __eq__ = Key.__eq__


@pytest.fixture
def armed():
    yield lambda: setattr(Key, "armed", True)
    Key.armed = False


@pytest.mark.parametrize("limits", [{}, {"nodes": 2}], ids=["within", "over"])
@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
def test_no_key_is_hashed_or_compared(kind, limits, armed):
    """A key with methods of its own becomes a name without a look-up."""
    value = kind([(Key(), 1), (TextKey("k"), 2), ("plain", 3)])
    armed()
    copy, _ = cut(value, **limits)
    assert (copy["<test_snapshot.Key>"], copy["k"]) == (1, 2)


def test_no_key_of_a_record_is_hashed(armed):
    """The dict of an object may hold such keys too."""
    box = Box(1)
    vars(box)[Key()] = 2
    armed()
    assert take(box) == {"inside": 1}


def test_no_property_is_evaluated():
    """Properties, cached ones and `__getattr__` of a record are left alone."""

    @dataclasses.dataclass
    class Lazy:
        x: int

        @property
        def y(self):
            raise Touched

        def __getattr__(self, name):
            raise Touched

    assert take(Lazy(1)) == {"x": 1}


def test_no_iterator_is_consumed():
    """Generators, maps and files are named, and still have all their items."""
    numbers = (n for n in range(3))
    assert take({"numbers": numbers, "map": map(str, "ab")}) == {
        "numbers": "<builtins.generator>",
        "map": "<builtins.map>",
    }
    assert list(numbers) == [0, 1, 2]


class Slow:
    """Would take its time in every method, and lies about its class."""

    asked = 0

    def wait(self, *arguments):
        Slow.asked += 1
        return 0

    __repr__ = __str__ = __getattr__ = __eq__ = __hash__ = __len__ = __iter__ = wait
    __deepcopy__ = __copy__ = __reduce_ex__ = __bool__ = __format__ = wait
    __class__ = property(lambda self: dict if self.wait() else list)


def test_an_object_that_waits_and_lies_takes_no_time():
    """No method is called, not even that which tells its class."""
    assert take([Slow(), {"a": Slow()}, Box(Slow())]) == [
        "<test_snapshot.Slow>", {"a": "<test_snapshot.Slow>"}, {"inside": "<test_snapshot.Slow>"},
    ]  # fmt: skip
    assert Slow.asked == 0


def test_what_holds_resources_is_named():
    """Locks, files, sockets, coroutines and the like are left alone; no address is shown."""

    async def later():
        raise Touched

    waiting = later()
    with socket.socket() as connection, io.StringIO("text") as file:
        values = [threading.Lock(), threading.Event(), threading.local(), connection, file,
                  waiting, sys._getframe(), iter([1]), zip([1]), take.__code__, sys.stdout,
                  asyncio.Lock(), ..., super(Square, Square()), memoryview(b"x").cast("B"),
                  weakref.ref(Box), threading.current_thread(), property(), slice(1)]  # fmt: skip
        copy = take(values)
        assert file.read() == "text"
    waiting.close()
    assert all(type(item) is str and item.startswith("<") for item in copy)
    assert not re.search("0x[0-9a-f]{4}", json.dumps(copy))


@pytest.mark.parametrize("spare", range(14, 80, 3))
@pytest.mark.parametrize(
    "value",
    [[[[[[[[["deep"]]]]]]]], {"a": {"b": Box(Box({"c": [Color.RED]}))}}, chat(), Box(b"x")],
    ids=["list", "mixed", "answer", "record"],
)
def test_a_stack_that_is_nearly_full_is_no_error(value, spare):
    """Near Python's recursion limit, values in the copy are replaced by notes."""
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    taken = Snapshot()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + spare)
    try:
        copy = taken.take(value, "inputs")
    finally:
        sys.setrecursionlimit(limit)
    assert strict(copy) == copy


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"strings": 5}, "no limit 'strings'; the limits are chars, nodes, depth, string, items"),
        ({"string": 0}, "string is 0; it has to be a positive integer"),
        ({"items": "5"}, "items is '5'; it has to be"),
        ({"nodes": True}, "nodes is True; it has to be"),
        ({"depth": 201}, "depth is 201; it can be 200 at most"),
        (5, "limits cannot be 5; give a mapping"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given, words):
    """The error names the limit and says what it can be."""
    with pytest.raises(ValueError, match=words):
        Limits.of(given)


def test_limits_that_are_not_given_are_the_defaults():
    """A mapping of some limits is enough."""
    assert Limits.of({"string": 1000}) == Limits(string=1000)


def test_the_greatest_depth_can_be_copied():
    """Data of 200 levels fits into Python's recursion limit."""
    deep = "end"
    for _ in range(200):
        deep = [deep]
    assert cut(deep, depth=200) == (deep, [])


def test_the_limits_of_the_process_hold(monkeypatch):
    """Without limits of its own, a copy uses those of the process."""
    monkeypatch.setattr(rules, "limits", Limits(items=1))
    assert take([1, 2]) == [1, "[1 more items]"]


# Loose bounds: a machine at work is slow. At rest, each takes less than 5 ms.
BIG = {
    "text": lambda: "x" * 100_000_000,
    "bytes": lambda: bytes(100_000_000),
    "bytearray": lambda: bytearray(100_000_000),
    "list": lambda: list(range(1_000_000)),
    "set": lambda: set(range(1_000_000)),
    "dict": lambda: dict.fromkeys(range(1_000_000), 0),
    "dict of tuples": lambda: {(n,): n for n in range(300_000)},
    "lists": lambda: [list(range(100)) for _ in range(10_000)],
    "records": lambda: [Box([n]) for n in range(100_000)],
    "deque": lambda: collections.deque(range(1_000_000)),
    "array": lambda: array.array("d", bytes(8_000_000)),
}


@pytest.mark.parametrize("kind", BIG)
def test_what_is_huge_takes_milliseconds(kind):
    """The time is that of the copy, whatever the size of the value."""
    value = BIG[kind]()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        take(value)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.25


def test_long_text_is_cut_and_marked():
    """A text over the limit keeps its beginning; its path is listed."""
    assert cut({"a": ["x" * 10]}, string=4) == (
        {"a": ["xxxx… [6 more characters]"]},
        ["inputs.a[0]"],
    )


def test_a_text_of_100_mb_keeps_its_first_mebibyte():
    """By default a text is kept up to 1 MiB."""
    copy, cuts = cut("x" * 100_000_000)
    assert (len(copy), cuts) == (2**20 + len("… [98951424 more characters]"), ["inputs"])


def test_texts_are_shared():
    """A text within the limits is not copied."""
    text = "x" * 2**20
    assert take([text])[0] is text


def test_all_texts_of_a_field_have_one_budget():
    """When the characters of a field are used up, further texts are cut to nothing."""
    assert cut(["aaaa", "bbbb", "cccc"], chars=6) == (
        ["aaaa", "bb… [2 more characters]", "… [4 more characters]"],
        ["inputs[1]", "inputs[2]"],
    )


def test_long_keys_are_cut_and_marked():
    """A key over 128 characters is text like any other."""
    copy, cuts = cut({"k" * 200: 1, "b": 2}, string=4)
    assert (copy, cuts) == ({"kkkk… [196 more characters]": 1, "b": 2}, ["inputs"])


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: [d], collections.OrderedDict])
def test_a_long_key_counts_wherever_it_stands(wrap):
    """No way past the budget leads over keys."""
    copy, cuts = cut(wrap({"k" * 5_000_000: "v"}))
    assert len(json.dumps(copy)) < 1_100_000
    assert cuts


def test_a_long_list_is_cut_and_marked():
    """A list over the limit keeps its first items and tells how many more there were."""
    assert cut({"a": list(range(9))}, items=3) == ({"a": [0, 1, 2, "[6 more items]"]}, ["inputs.a"])


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, collections.deque, StreamBuffer])
def test_every_list_is_cut_alike(kind):
    """Whatever holds the items, the first thousand are kept."""
    copy, _ = cut(kind(range(5000)))
    assert (len(copy), copy[-1]) == (1001, "[4000 more items]")


def test_a_dict_over_the_budget_is_cut_and_marked():
    """A dict with more keys than nodes are left keeps the first and tells how many more."""
    copy, cuts = cut(dict.fromkeys("abcde", 1), nodes=3)
    assert (copy, cuts) == ({"a": 1, "b": 1, "c": 1, "…": "[2 more keys]"}, ["inputs"])


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
def test_a_million_nodes_are_cut_to_twenty_thousand(kind):
    """A huge dict costs a bounded copy."""
    copy, _ = cut(kind.fromkeys(range(1_000_000), 0))
    assert (len(copy), copy["…"]) == (20_001, "[980000 more keys]")


def test_a_dict_that_is_met_again_and_again_is_bounded():
    """A huge dict that holds itself under every key is read once."""
    big = collections.OrderedDict()
    big.update(dict.fromkeys(range(300_000), big))
    copy, _ = cut(big)
    assert (copy["0"], len(copy)) == ("[circular]", 20_001)


def test_what_is_over_the_budget_is_marked():
    """When the nodes are used up, further containers are marks."""
    copy, cuts = cut([[1, 2], [3], {"a": 1}, ()], nodes=6)
    assert copy == [[1, 2], "[over the budget of the field]", "[over the budget of the field]",
                    "[over the budget of the field]"]  # fmt: skip
    assert cuts == ["inputs[1]", "inputs[2]", "inputs[3]"]


def test_messages_are_copied_only_within_the_budget():
    """A list of small dicts of texts is counted as any other."""
    assert cut([{"a": "xx"}, {"a": "yy"}], nodes=3) == (
        [{"a": "xx"}, "[over the budget of the field]"],
        ["inputs[1]"],
    )
    assert cut([{"a": "xx"}, {"a": "yy"}], chars=3) == (
        [{"a": "xx"}, {"a": "y… [1 more characters]"}],
        ["inputs[1].a"],
    )


def test_messages_are_detached():
    """The messages of a chat are copied one by one."""
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    copy = take(chat)
    assert (copy, copy[0] is chat[0]) == (chat, False)


def test_a_list_of_mixed_messages_is_copied_too():
    """Dicts of other things, long dicts and no dicts beside them take the general way."""
    for odd in [5, {"a": 1}, {1: "a"}, dict.fromkeys(map(str, range(17)), "x"), "t", None]:
        assert take([{"a": "x"}, odd]) == [{"a": "x"}, strict(odd)]


@pytest.mark.parametrize("kind", [list, tuple, lambda items: Box(*items), collections.deque])
def test_what_is_too_deep_is_marked(kind):
    """Containers below the limit of depth are marks."""
    deep = "end"
    for _ in range(5):
        deep = kind([deep])
    copy, cuts = cut(deep, depth=3)
    assert "[deeper than 3 levels]" in json.dumps(copy)
    assert len(cuts) == 1


def test_messages_are_too_deep_as_well():
    """A list of small dicts cannot exceed the limit of depth."""
    assert cut([{"a": "x"}], depth=1) == (["[deeper than 1 levels]"], ["inputs[0]"])


def test_a_nesting_of_100_000_is_cut():
    """Depth has no cost beyond the limit, and no recursion error."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    copy, cuts = cut(deep)
    assert depth(copy) == 32
    assert cuts == ["inputs" + "[0]" * 32]


@pytest.mark.parametrize(
    "kind", [list, dict, StreamBuffer, collections.OrderedDict, Box, ValueError]
)
def test_what_holds_itself_is_marked(kind):
    """A cycle ends where it would begin again."""
    value = kind(None) if kind in (Box, ValueError) else kind()
    if isinstance(value, list):
        value.append(value)
    elif isinstance(value, dict):
        value["self"] = value
    else:
        setattr(value, "inside" if kind is Box else "args", (value,))
    copy, cuts = cut(value)
    assert "[circular]" in json.dumps(copy)
    assert len(cuts) == 1


def test_what_stands_twice_is_copied_twice():
    """The same object in two places is not a cycle."""
    shared = [1]
    copy = take([shared, shared])
    assert (copy, copy[0] is copy[1]) == ([[1], [1]], False)


def test_twenty_cuts_are_listed():
    """The list of cut paths is bounded, too."""
    _, cuts = cut(["xx"] * 100, string=1)
    assert cuts == [f"inputs[{index}]" for index in range(20)]


def test_a_path_names_keys_of_any_kind():
    """Keys in a path read as they do in the copy."""
    _, cuts = cut({(1, 2): {"a b": ["xx"]}}, depth=2)
    assert cuts == ["inputs.[1, 2].a b"]


def test_the_size_grows_with_the_copy():
    """The size is the characters and 64 bytes a node, about."""
    taken = Snapshot()
    taken.take({"a": "x" * 1000, "b": [1, 2]}, "inputs")
    assert taken.size == 1000 + 4 * 64


def test_a_value_may_change_meanwhile():
    """Other threads that change a value at the same time cause no error."""
    value = {"list": list(range(100)), "dict": dict.fromkeys(range(100)), "set": set(range(100))}
    done = threading.Event()

    def change():
        number = 0
        while not done.is_set():
            number += 1
            value["list"].append(number)
            value["dict"][number] = value[f"k{number % 50}"] = number
            value["set"].add(number)
            if number % 100 == 0:
                value["list"].clear()
                value["dict"].clear()
                value["set"].clear()
                for key in range(50):
                    value.pop(f"k{key}", None)

    threads = [threading.Thread(target=change) for _ in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for _ in range(300):
            copy = take(value)
            assert strict(copy) == copy
    finally:
        done.set()
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", [set, collections.deque, collections.OrderedDict])
def test_what_changes_while_it_is_read_is_read_again(kind):
    """A container that another thread changes just when it is read is read from the start."""
    value = kind.fromkeys([1, 2]) if kind is collections.OrderedDict else kind([1, 2])

    def change(frame, event, function):  # stands for a thread that comes between
        if event == "c_return" and function is iter:
            sys.setprofile(None)
            value.update({3: None}) if kind is collections.OrderedDict else (
                value.add(3) if kind is set else value.append(3)
            )

    sys.setprofile(change)
    try:
        copy = take(value)
    finally:
        sys.setprofile(None)
    assert list(map(str, copy)) == ["1", "2", "3"]


def test_a_later_change_does_not_show():
    """The copy is of the moment, at any depth."""
    value = {"a": [{"b": [1]}], "set": {1}, "record": Box([1])}
    copy = take(value)
    value["a"][0]["b"].append(2)
    value["record"].inside.append(2)
    value["set"].add(2)
    assert copy == {"a": [{"b": [1]}], "set": [1], "record": {"inside": [1]}}
