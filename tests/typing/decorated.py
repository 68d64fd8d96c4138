"""A decorated object keeps its exact type. Checked by mypy and pyright, never run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial, partialmethod
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar, overload

import pytest
from typing_extensions import assert_type

from honeytrace import trace_session

MYPY = False  # mypy treats this name as true
T = TypeVar("T")
P = ParamSpec("P")

# ---- Functions, with each form of the decorator


@trace_session
def bare(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


@trace_session()
def called(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


@trace_session("answer", metadata={"team": "search"}, config_args=("top",))
def named(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


def undecorated(question: str, *, top: int = 3) -> list[str]:
    return [question] * top


given = trace_session(undecorated)
given_with_a_name = trace_session(undecorated, name="answer", config_args=("top",))
given_to_a_tracer = trace_session("answer")(undecorated)


class Signature(Protocol):
    def __call__(self, question: str, *, top: int = 3) -> list[str]: ...


class Other(Protocol):
    def __call__(self, question: str, *, most: int = 3) -> list[str]: ...


def check_functions() -> None:
    same: list[Signature]
    same = [bare, called, named, given, given_with_a_name, given_to_a_tracer]
    for function in same:
        assert_type(function("q", top=1), list[str])
    bare(1)  # type: ignore[arg-type]
    called("q", 3)  # type: ignore[call-arg]
    named()  # type: ignore[call-arg]
    given(most=1)  # type: ignore[call-arg]
    given_with_a_name(1)  # type: ignore[arg-type]
    given_to_a_tracer(1)  # type: ignore[arg-type]
    other: Other = bare  # type: ignore[assignment]
    other = given_with_a_name  # type: ignore[assignment]
    print(other)


# ---- Coroutines and streams


@trace_session
async def plain(question: str) -> int:
    return len(question)


@trace_session(name="answer")
async def answer(question: str, model: str = "gpt-4o") -> dict[str, str]:
    return {model: question}


@trace_session
def stream(most: int) -> Iterator[str]:
    yield from map(str, range(most))


@trace_session("steps")
def steps(most: int) -> Generator[str, bytes, float]:
    sent = yield str(most)
    return float(sent)


@trace_session(reduce="".join)
async def astream(most: int) -> AsyncIterator[str]:
    for number in range(most):
        yield str(number)


@trace_session()
async def asteps(most: int) -> AsyncGenerator[str, bytes]:
    sent = yield str(most)
    print(sent.decode())


async def check_coroutines_and_streams() -> None:
    coroutine: Coroutine[Any, Any, dict[str, str]] = answer("q")
    assert_type(await coroutine, dict[str, str])
    assert_type(await answer("q", model="m"), dict[str, str])
    assert_type(await plain("q"), int)
    assert_type(await trace_session(plain, name="x")("q"), int)
    await answer("q", model=5)  # type: ignore[arg-type]
    await plain()  # type: ignore[call-arg]
    assert_type(stream(3), Iterator[str])
    assert_type(steps(3), Generator[str, bytes, float])
    assert_type(asteps(3), AsyncGenerator[str, bytes])
    async for item in astream(3):
        assert_type(item, str)
    stream("3")  # type: ignore[arg-type]
    astream("3")  # type: ignore[arg-type]


# ---- Methods and descriptors, in either order


class Pipeline:
    @trace_session
    def method(self, question: str) -> str:
        return question

    @trace_session("named")
    async def coroutine(self, question: str) -> str:
        return question

    @trace_session()
    def stream(self, question: str) -> Iterator[str]:
        yield question

    @trace_session
    @staticmethod
    def above_static(question: str) -> str:
        return question

    @staticmethod
    @trace_session()
    def below_static(question: str) -> str:
        return question

    @trace_session("named")
    @classmethod
    def above_class(cls, question: str) -> Pipeline:
        return cls()

    @classmethod
    @trace_session
    def below_class(cls, question: str) -> Pipeline:
        return cls()

    @property
    @trace_session
    def size(self) -> int:
        return 1

    @size.setter
    @trace_session("set")
    def size(self, size: int) -> None:
        print(size)

    @cached_property
    @trace_session
    def index(self) -> dict[str, int]:
        return {}

    cached = trace_session(cached_property(lambda self: len(str(self))))
    above_partial = trace_session(partialmethod(method, "q"))
    below_partial = partialmethod(trace_session(method, name="x"), "q")

    if not MYPY:  # it rejects any decorator above a property (python/mypy#1362)

        @trace_session
        @property
        def above_property(self) -> int:
            return 1

        @trace_session(name="index")
        @cached_property
        def above_cached(self) -> dict[str, int]:
            return {}

    @trace_session
    def __call__(self, question: str) -> str:
        return question


async def check_methods(pipeline: Pipeline) -> None:
    assert_type(pipeline.method("q"), str)
    assert_type(await pipeline.coroutine("q"), str)
    assert_type(pipeline.stream("q"), Iterator[str])
    assert_type(Pipeline.method(pipeline, "q"), str)
    assert_type(Pipeline.above_static("q"), str)
    assert_type(pipeline.below_static("q"), str)
    assert_type(Pipeline.above_class("q"), Pipeline)
    assert_type(pipeline.below_class("q"), Pipeline)
    assert_type(pipeline.size, int)
    assert_type(pipeline.index, dict[str, int])
    assert_type(pipeline.cached, int)
    assert_type(pipeline.above_partial(), str)
    assert_type(pipeline.below_partial(), str)
    assert_type(pipeline("q"), str)
    if not MYPY:
        assert_type(pipeline.above_property, int)
        assert_type(pipeline.above_cached, dict[str, int])
    pipeline.size = 5
    pipeline.size = "5"  # type: ignore[assignment]
    pipeline.method(5)  # type: ignore[arg-type]
    Pipeline.above_static(5)  # type: ignore[arg-type]
    Pipeline.below_static(5)  # type: ignore[arg-type]
    Pipeline.above_class(5)  # type: ignore[arg-type]
    Pipeline.below_class(5)  # type: ignore[arg-type]


# ---- Classes


@trace_session(methods=("run",), ignore_exceptions=KeyError)
@dataclass
class Agent:
    model: str

    def run(self, question: str) -> int:
        return len(question)


@trace_session
class Tool(ABC):
    @abstractmethod
    @trace_session
    def use(self, text: str) -> str: ...


class Shout(Tool):
    def use(self, text: str) -> str:
        return text.upper()


def check_classes() -> None:
    kind: type[Agent] = Agent
    assert_type(kind("m"), Agent)
    assert_type(Agent("m").model, str)
    assert_type(Agent("m").run("q"), int)
    assert_type(Shout().use("q"), str)
    assert_type(trace_session(Shout, name="shout")().use("q"), str)
    Agent(5)  # type: ignore[arg-type]
    Tool()  # type: ignore[abstract]


# ---- Lambdas, bound methods, partials, builtins and callable objects


def check_callables(pipeline: Pipeline) -> None:
    square: Callable[[int], int] = trace_session(lambda number: number * number)
    cube: Callable[[int], int] = trace_session(lambda number: number**3, name="cube")
    assert_type(square(2) + cube(3), int)
    assert_type(trace_session(pipeline), Pipeline)
    assert_type(trace_session(pipeline, name="ask"), Pipeline)
    assert_type(trace_session(pipeline.method)("q"), str)
    assert_type(trace_session(pipeline.method, name="ask", ignore=("question",))("q"), str)
    assert_type(trace_session(Pipeline.above_class, name="make")("q"), Pipeline)
    assert_type(trace_session(partial(undecorated, top=1)), partial[list[str]])
    assert_type(trace_session(partial(undecorated, top=1), name="p")("q"), list[str])
    assert_type(trace_session(len, name="len")("q"), int)
    trace_session(pipeline.method, name="ask")(5)  # type: ignore[arg-type]


# ---- Above and below other decorators


@trace_session
@lru_cache
def cached(number: int) -> str:
    return str(number)


@trace_session
def same(value: T, times: int = 1) -> list[T]:
    return [value] * times


@overload
def parse(value: str) -> int: ...
@overload
def parse(value: bytes) -> float: ...
@trace_session
def parse(value: str | bytes) -> int | float:
    return int(value)


def logged(function: Callable[P, T]) -> Callable[P, list[T]]:
    def run(*args: P.args, **kwargs: P.kwargs) -> list[T]:
        return [function(*args, **kwargs)]

    return run


@logged
@trace_session
def below(question: str) -> int:
    return len(question)


@trace_session("above")
@logged
def above(question: str) -> int:
    return len(question)


@contextmanager
@trace_session
def opened(path: str) -> Generator[bytes, None, None]:
    yield path.encode()


@asynccontextmanager
@trace_session("opened")
async def aopened(path: str) -> AsyncGenerator[bytes, None]:
    yield path.encode()


async def check_other_decorators() -> None:
    assert_type(cached(1), str)
    cached.cache_clear()
    assert_type(same("q", times=2), list[str])
    assert_type(trace_session(same, name="same")(1), list[int])
    assert_type(parse("1"), int)
    assert_type(trace_session(parse, name="parse")(b"1"), float)
    assert_type(below("q"), list[int])
    assert_type(above("q"), list[int])
    with opened("p") as file:
        assert_type(file, bytes)
    async with aopened("p") as afile:
        assert_type(afile, bytes)
    above(1)  # type: ignore[arg-type]
    below(1)  # type: ignore[arg-type]


@trace_session
@pytest.fixture
def above_fixture() -> int:
    return 1


@pytest.fixture(scope="module")
@trace_session("index")
def below_fixture() -> int:
    return 1


# ---- The arguments


@trace_session(
    name="answer",
    project="p",
    source="dev",
    inputs={"a": 1},
    config={"a": 1},
    user_properties={"user": "u-1"},
    metrics={"hits": 3},
    feedback={"rating": 5},
    metadata={"team": "search"},
    step="tool",
    config_args=["model"],
    ignore=("key",),
    only={"question", "model"},
    capture_inputs=True,
    capture_outputs=None,
    process_inputs=lambda inputs: {"n": len(inputs)},
    process_outputs=str,
    reduce=len,
    ignore_exceptions=(KeyError, ValueError),
    methods=frozenset(("run",)),
)
def everything(question: str, model: str) -> str:
    return question + model


def check_arguments(name: str | None, options: dict[str, Any], tracer: TracebackType) -> None:
    assert_type(everything("q", "m"), str)
    assert_type(trace_session(name)(undecorated)("q"), list[str])
    assert_type(trace_session(name=None)(undecorated)("q"), list[str])
    assert_type(trace_session(undecorated, **options)("q"), list[str])
    trace_session(5)  # type: ignore[call-overload]
    trace_session(step="tol")  # type: ignore[call-overload]
    trace_session(tracer)  # type: ignore[call-overload]
    trace_session("name")(5)  # type: ignore[type-var]
    trace_session("name", name="other")  # type: ignore[call-overload]
    trace_session(nmae="x")  # type: ignore[call-overload]
    trace_session(undecorated, nmae="x")  # type: ignore[call-overload]
    trace_session(undecorated, "name")  # type: ignore[call-overload]
    trace_session("name", metadata=5)  # type: ignore[call-overload]
    trace_session("name", ignore="key")  # type: ignore[call-overload]
    trace_session(undecorated, session_id="id")  # type: ignore[call-overload]
    with trace_session(undecorated):  # type: ignore[attr-defined]
        pass
