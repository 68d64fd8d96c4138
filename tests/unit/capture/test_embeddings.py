"""Embeddings that a plain function returns or takes: their length and norm instead of numbers."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pytest

from honeytrace import trace_session
from honeytrace.testing import capture_sessions


def unit(size, seed=1):
    """Numbers as a model makes them."""
    made = random.Random(seed)
    numbers = [made.gauss(0, 1) for _ in range(size)]
    norm = math.hypot(*numbers)
    return [number / norm for number in numbers]


@dataclasses.dataclass
class Embedded:
    text: str
    vector: Any


def recorded(function, *args):
    with capture_sessions() as sessions:
        function(*args)
    return sessions.one()


def returned(value, **settings):
    return recorded(trace_session(lambda: value, name="embed", **settings)).outputs


@pytest.mark.parametrize("size", [128, 384, 768, 1536, 3072])
def test_list(size):
    assert returned(unit(size)) == {"result": {"length": size, "norm": 1.0}}


@pytest.mark.parametrize("size", [384, 1536])
@pytest.mark.parametrize("count", [2, 100])
def test_batch(size, count):
    """Each of a batch, which would take all the nodes of the field."""
    batch = [unit(size, seed) for seed in range(count)]
    assert returned(batch) == {"result": [{"length": size, "norm": 1.0}] * count}
    assert len(batch[0]) == size


@pytest.mark.parametrize("size", [384, 1536])
@pytest.mark.parametrize(
    "hold",
    [
        lambda vector: {"text": "Hi", "vector": vector},
        lambda vector: ("Hi", vector),
        lambda vector: {"items": [{"id": 1, "values": list(vector)}]},
        lambda vector: Embedded("Hi", vector),
    ],
)
def test_held(size, hold):
    outputs = returned(hold(unit(size)))
    described = {"length": size, "norm": 1.0}
    assert described in (
        *outputs.values(),
        outputs.get("result", [0, 0])[-1],
        outputs.get("items", [{"values": 0}])[0]["values"],
    )


def series(size):
    return [math.sin(n / 10) * 20 for n in range(size)]


@pytest.mark.parametrize(
    "value",
    [
        series(500),
        unit(100),
        [abs(number) for number in unit(384)],
        [0.0] * 383 + [1.0],
        [-1.0] + [0.0] * 383,
        [-0.999, *([1e-6] * 300)],
        [*unit(384)[:-1], 1],
        [*unit(384)[:-1], None],
        [math.nan, *unit(384)],
        [[number] for number in unit(384)],
    ],
    ids=lambda value: str(len(value)),
)
def test_other_numbers(value):
    """Samples, scores and probabilities are what somebody wants to see."""
    found = returned(value)["result"]
    assert type(found) is list
    assert len(found) == len(value)


def test_function_for_embeddings():
    """A step of the kind `embedding` returns nothing else, also if its norm is not 1."""
    assert returned(series(384), step="embedding")["result"]["length"] == 384
    assert returned([series(20)] * 2, step="embedding")["result"][1]["norm"] > 1
    assert returned({"scores": [0.5, 0.25]}, step="embedding") == {"scores": [0.5, 0.25]}


def test_inputs():
    """A vector that is searched with is kept for a replay, and described if it would be cut."""
    search = trace_session(lambda vector: None, name="search")
    assert recorded(search, unit(384)).inputs["vector"] == unit(384)
    session = recorded(search, unit(1536))
    assert session.inputs == {"vector": {"length": 1536, "norm": 1.0}}
    assert session.metadata["honeytrace"]["truncated"] == ["inputs.vector"]


def test_yielded():
    @trace_session(name="embed")
    def embed():
        yield unit(384)
        yield unit(1536)

    found = recorded(lambda: list(embed())).outputs["result"]
    assert [each["length"] for each in found] == [384, 1536]


def test_set_by_hand():
    with capture_sessions() as sessions, trace_session("embed") as session:
        session.outputs = {"vector": unit(384)}
    assert sessions.one().outputs == {"vector": {"length": 384, "norm": 1.0}}
