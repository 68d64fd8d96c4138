"""Recorded data made again what a function says that it takes."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import typing
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions, replay
from honeytrace.testing._replay.deserialize import UnclearError, rebuilt

T = TypeVar("T")


class Role(enum.Enum):
    USER = "user"


@dataclasses.dataclass
class Passage:
    title: str
    tags: set[str] = dataclasses.field(default_factory=set)
    when: datetime.datetime | None = None


@dataclasses.dataclass
class Query:
    passages: list[Passage]
    role: Role = Role.USER
    words: int = dataclasses.field(init=False)

    def __post_init__(self):
        self.words = len(self.passages)


@dataclasses.dataclass
class Box(Generic[T]):
    held: T


@dataclasses.dataclass
class Twin:
    held: int


@dataclasses.dataclass
class Private:
    shown: int = 0
    _held: int = 1


@dataclasses.dataclass
class Shouting:
    text: str

    def __post_init__(self):
        self.text = self.text.upper() + "!"


@dataclasses.dataclass
class Unknown:
    held: Nowhere  # noqa: F821 - that is the test


@attrs.define
class Chunk:
    _id: int = attrs.field(alias="id")


@attrs.define
class Part:
    text: str
    size: int = attrs.field(init=False, default=3)


class Name(str): ...


class Struct(msgspec.Struct):
    roles: list[Role]


class Point(NamedTuple):
    x: int
    role: Role


class Message(TypedDict):
    role: Role
    text: typing.NotRequired[str] if hasattr(typing, "NotRequired") else str


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    name: str = pydantic.Field(alias="fullName", default="")
    passages: list[Passage] = []


class Root(pydantic.RootModel[list[int]]): ...


class Protocol(typing.Protocol):
    def call(self): ...


class Other:
    def __init__(self, held=1):
        self.held = held


PASSAGE = Passage("t", {"a", "b", "c"}, datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc))


def inputs(value):
    """Return the recorded form of a value."""
    with capture_sessions() as sessions:
        trace_session(name="call")(lambda value: None)(value)
    return sessions[0].inputs["value"]


SAME = [
    (PASSAGE, Passage),
    ([PASSAGE], list[Passage]),
    ([PASSAGE], Sequence[Passage]),
    ({"a": [PASSAGE]}, dict[str, list[Passage]]),
    ({1: PASSAGE}, Mapping[int, Passage]),
    ({Role.USER: 1}, dict[Role, int]),
    (Query([PASSAGE]), Query),
    (PASSAGE, Passage | None),
    (None, Passage | None),
    ("t", str | Passage),
    ([PASSAGE, "t"], list[str | Passage]),
    ([1, 2], list[str] | list[int]),
    (Box(3), Annotated[Box | Passage, "note"]),
    (PASSAGE, Box | Passage),
    (Part("t"), Part),
    (Chunk(1), Chunk),
    (Struct([Role.USER]), Struct),
    (Name("n"), Name),
    (Role.USER, typing.NewType("NewRole", Role)),
    (1 + 2j, complex),
    (collections.OrderedDict(a=1), collections.OrderedDict),
    (Point(1, Role.USER), Point),
    (Model(fullName="n", passages=[Passage("p")]), Model),
    (Root([1, 2]), Root),
    ({"role": Role.USER}, Message),
    ({"role": Role.USER}, Message | str),
    ((1, Role.USER), tuple[int, Role]),
    ((Role.USER, Role.USER), tuple[Role, ...]),
    ((1, "a"), tuple),
    ({1, 2}, set[int]),
    (frozenset("ab"), frozenset[str]),
    (collections.deque([1]), collections.deque),
    (Role.USER, Role),
    (datetime.date(2024, 1, 2), datetime.date),
    (datetime.datetime(2024, 1, 2, 3), datetime.datetime),  # noqa: DTZ001 - it has no zone
    (datetime.time(1, 2), datetime.time),
    (uuid.UUID(int=1), uuid.UUID),
    (decimal.Decimal("1.50"), decimal.Decimal),
    (pathlib.Path("a/b"), pathlib.Path),
    ("a/b", str | pathlib.Path),
    ("user", Literal["user", "system"] | Passage),
    (3, float | Passage),
    ({"a": 1}, dict[str, Any]),
    ({"a": 1}, Any),
    ({"a": [1, None, "Infinity."]}, Any),
    (math.inf, float),
    (-math.inf, float | None),
    ([math.inf, 1.5], list[float]),
    ({"a": math.inf}, dict[str, float]),
    ("NaN", str),
    ("NaN", str | float),
    (2**70, int),
    (-(2**70), int | None),
    ("1" * 20, str),
    ({"a": 1}, object),
    ({"a": 1}, T),
    ({"a": 1}, "a name that nobody knows"),
    ("3", int),  # annotations may be wrong
    ("3", Message),
]


@pytest.mark.parametrize(("value", "kind"), SAME)
def test_back(value, kind):
    """From what was recorded of a value the value itself comes back, of its own type."""
    made = rebuilt("inputs.a", inputs(value), kind)
    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (Other(), Other, "inputs.a was an instance of Other, of which only data was recorded"),
        (Passage("t"), Protocol, "inputs.a was an instance of Protocol, of which"),
        (Unknown(1), Unknown, "inputs.a was an instance of Unknown, of which"),
        (
            [Passage("t"), Box(1)],
            list[Passage],
            r"inputs\.a\[1\] does not have the fields of Passage",
        ),
        ("t", Passage, "inputs.a does not have the fields of Passage"),
        (Private(2, 3), Private, "inputs.a does not have the fields of Private"),
        (Shouting("a"), Shouting, "inputs.a gives a different Shouting than the recorded one"),
        (Query([Box(1)]), Query, r"inputs\.a\.passages\[0\] does not have the fields of Passage"),
        ({"role": "none"}, Message, r"inputs\.a\.role cannot be turned into Role \(ValueError\)"),
        (
            {"x": 1},
            dict[int, int],
            r"the key inputs\.a\.x cannot be turned into int \(ValueError\)",
        ),
        ({"x": 1}, dict[tuple, int], r"the key inputs\.a\.x was an instance of tuple"),
        ([[1]], set[list[int]], r"inputs\.a cannot be turned into set \(TypeError\)"),
        ([1, 2], tuple[int], "inputs.a has 2 items, not the 1 of the tuple"),
        (Twin(1), Twin | Box, "inputs.a fits more than one of Twin, Box"),
        (Twin(1), dict | Twin, "inputs.a fits more than one of dict, Twin"),
        (Role.USER, Literal["user"] | Role, "inputs.a fits more than one of Literal, Role"),
        (Twin(1), str | Passage, "inputs.a fits none of str, Passage"),
        ({"x": 1}, Message | None, "inputs.a fits none of Message, NoneType"),
        ({"name": 1}, Model, r"inputs\.a cannot be turned into Model \(ValidationError\)"),
        ({"name": "n"}, Model, "inputs.a gives a different Model than the recorded one"),
        (
            math.inf,
            Any,
            "inputs.a may be a float or the text 'Infinity', and there is no annotation",
        ),
        ({"b": [0, math.nan]}, Any, r"inputs\.a\.b\[1\] may be a float or the text 'NaN'"),
        ({"b": -math.inf}, dict, r"inputs\.a\.b may be a float or the text '-Infinity'"),
        ("2024", datetime.timedelta, "inputs.a was an instance of timedelta"),
    ],
)
def test_unclear(value, kind, words):
    """A value that cannot be converted without a guess is refused with its path."""
    with pytest.raises(UnclearError, match=f"^{words}"):
        rebuilt("inputs.a", inputs(value), kind)


def test_any_instance():
    """A value that has the type already stays."""
    assert rebuilt("inputs.a", PASSAGE, Passage) is PASSAGE
    assert rebuilt("inputs.a", [PASSAGE], list[Passage]) == [PASSAGE]


def test_written_by_hand():
    """The order of a set does not matter."""
    recorded = inputs(PASSAGE) | {"tags": ["c", "a", "b"]}
    assert rebuilt("inputs.a", recorded, Passage) == PASSAGE


def ask(query: Query, *more: Passage, k: int = 1, **others: Box):
    return [query.passages[0].title, [each.title for each in more], [*others], k]


@pytest.mark.parametrize("function", [ask, trace_session(ask)])
def test_replayed(function):
    """A function is called again with what it was called with, in every kind of parameter."""
    with capture_sessions() as sessions:
        trace_session(ask)(Query([PASSAGE]), Passage("b"), Passage("c"), k=2, x=Box(1))
    replayed = replay(sessions.one("ask"), function)
    assert replayed.new.error is None
    assert replayed.same, replayed.diff()


def test_refused():
    """All that cannot be made again is named, and nothing is called."""

    called = []

    def call(a: Shouting, b: Query, c: Passage):
        called.append(a)

    with capture_sessions() as sessions:
        trace_session(call)(Shouting("a"), Query([]), Box(1))
    with pytest.raises(
        ValueError, match=r"recorded: inputs\.a gives a different.*, inputs\.c does not"
    ):
        replay(sessions[0], call)
    assert len(called) == 1


def test_nothing_is_traced():
    """A class that is made again may be traced; this call is not recorded."""

    @dataclasses.dataclass
    class Traced:
        held: int

        @trace_session
        def __post_init__(self): ...

    value = inputs(Traced(1))
    with capture_sessions() as sessions:
        assert rebuilt("inputs.a", value, Traced) == Traced(1)
    assert len(sessions) == 1
