"""The fields of records: which of them are recorded, and which their author hides."""

from __future__ import annotations

import dataclasses
import threading
import types
from dataclasses import dataclass, field
from typing import ClassVar

import attrs
import msgspec
import pydantic
import pytest
from pydantic.dataclasses import dataclass as pydantic_dataclass

from honeytrace._capture.records import HIDDEN
from honeytrace._capture.snapshot import Snapshot


def take(value):
    return Snapshot().take(value, "inputs")


@dataclass
class Turn:
    """A message that shows its fields through properties only."""

    _speaker: str
    _words: list[str]
    _extras: dict[str, str] = field(default_factory=dict)

    @property
    def speaker(self) -> str:
        raise AssertionError("a property was evaluated")


@dataclass(slots=True)
class SlottedTurn:
    _speaker: str
    _words: list[str]


@attrs.define
class AttrsTurn:
    _speaker: str
    _words: list[str]


@attrs.define(slots=False)
class AttrsDictTurn:
    _speaker: str
    _words: list[str]


class StructTurn(msgspec.Struct):
    _speaker: str
    _words: list[str]


class ModelTurn(pydantic.BaseModel):
    _speaker: str = pydantic.PrivateAttr("ann")
    _words: list[str] = pydantic.PrivateAttr(default_factory=lambda: ["hi"])


TURNS = [
    Turn("ann", ["hi"]),
    SlottedTurn("ann", ["hi"]),
    AttrsTurn("ann", ["hi"]),
    AttrsDictTurn("ann", ["hi"]),
    StructTurn("ann", ["hi"]),
    ModelTurn(),
    types.SimpleNamespace(_speaker="ann", _words=["hi"]),
]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: type(turn).__name__)
def test_a_record_of_private_fields_is_not_empty(turn):
    """If all fields are private, they are recorded."""
    extras = {"_extras": {}} if type(turn) is Turn else {}
    assert take(turn) == {"_speaker": "ann", "_words": ["hi"], **extras}


@dataclass
class Memo:
    id: int
    _text: str
    _cache: dict[str, str] = field(default_factory=dict)
    _lock: object = field(init=False, default_factory=threading.Lock)


@attrs.define
class AttrsMemo:
    id: int
    _text: str
    _cache: dict[str, str] = attrs.field(factory=dict)
    _lock: object = attrs.field(init=False, factory=threading.Lock)


class StructMemo(msgspec.Struct):
    id: int
    _text: str
    _cache: int = 0


@pytest.mark.parametrize("kind", [Memo, AttrsMemo, StructMemo])
def test_a_private_field_that_the_constructor_requires(kind):
    """It is data like the public fields; private fields with a default are caches and the like."""
    assert take(kind(1, "a")) == {"id": 1, "_text": "a"}


@dataclass
class Hiding:
    name: str
    diagnosis: str = field(repr=False)


@pydantic_dataclass
class PydanticHiding:
    name: str
    diagnosis: str = pydantic.Field(repr=False)


@attrs.define
class AttrsHiding:
    name: str
    diagnosis: str = attrs.field(repr=False)


class ModelHiding(pydantic.BaseModel):
    name: str
    diagnosis: str = pydantic.Field(repr=False)


@dataclass
class Inheriting(Hiding):
    pass


KINDS = [Hiding, PydanticHiding, AttrsHiding, ModelHiding, Inheriting]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_field(kind):
    """Neither stored nor sent; its place is kept."""
    assert take(kind(name="b", diagnosis="ill")) == {"name": "b", "diagnosis": HIDDEN}


def test_an_excluded_field():
    """It is left out, as pydantic's own `model_dump` does."""

    class Excluding(pydantic.BaseModel):
        name: str
        diagnosis: str = pydantic.Field(exclude=True, repr=False)

    assert take(Excluding(name="b", diagnosis="ill")) == {"name": "b"}


@pytest.mark.parametrize("kind", [Hiding, AttrsHiding])
def test_a_shown_field_beside_a_hidden_one_may_be_missing(kind):
    """A field that was deleted is left out."""
    hiding = kind(name="b", diagnosis="ill")
    del hiding.name
    assert take(hiding) == {"diagnosis": HIDDEN}


@dataclass
class Question:
    text: str
    kind: str = field(init=False, default="question")
    count: ClassVar[int] = 0


def test_a_default_that_only_the_class_holds():
    """A field with a default that `__init__` does not take is not an attribute of the object."""
    assert take(Question("a")) == {"text": "a", "kind": "question"}
    changed = Question("a")
    changed.kind = "other"
    assert take(changed) == {"text": "a", "kind": "other"}


def test_a_default_that_the_class_holds_no_longer():
    """A property of the class in place of the default is not evaluated."""

    @dataclass
    class Odd:
        text: str
        kind: str = field(init=False, default="question")

    Odd.kind = property(lambda self: pytest.fail("a property was evaluated"))
    assert take(Odd("a")) == {"text": "a"}


class _Dishonest(tuple):
    __slots__ = ()
    _fields = ("a", "b")


def test_a_tuple_that_does_not_have_the_items_it_names():
    """No item is left out."""
    assert take(_Dishonest((1, 2, 3))) == [1, 2, 3]
    assert take(_Dishonest((1, 2))) == {"a": 1, "b": 2}


class _Thing:
    def __init__(self, **attributes):
        vars(self).update(attributes)


def test_an_object_inside_an_answer_that_is_all_private():
    """It is named, since an empty object would say that nothing is there."""
    name = "<test_records._Thing>"
    usage = _Thing(total_tokens=1)
    answer = _Thing(usage=usage, client=_Thing(_session=1))
    assert take(answer) == {"usage": {"total_tokens": 1}, "client": name}


def test_marks_that_say_nothing():
    """A class may bear the mark of a library and have anything there."""

    class Odd:
        __dataclass_fields__: ClassVar = {"x": 1, 2: dataclasses.field()}
        __attrs_attrs__: ClassVar = (3,)
        __fields__: ClassVar = {"y": 4}

        def __init__(self):
            self.x = 1

    assert take(Odd()) == {"x": 1}
