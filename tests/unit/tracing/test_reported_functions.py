"""Functions, methods and streams that other tracers changed or lost, after public bug reports."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import inspect
import logging

import fastapi
import pytest
import trio
from starlette.testclient import TestClient

import honeytrace
from honeytrace import trace_session
from honeytrace.testing import capture_sessions


@trace_session
class Tools:
    @staticmethod
    def fixed():
        return "fixed"

    @staticmethod
    def by_name(*, key):
        return key

    @classmethod
    def of_class(cls, key=1):
        return cls.__name__, key


def test_static_methods_of_a_traced_class():
    """They get no `self`, also when they are called through an object.

    digma-ai/opentelemetry-instrumentation-digma#36: "class instrument decorator fails on static
    methods"; google/adk-python#6819: "AutoTracingPlugin._rebind drops the staticmethod descriptor"
    """
    with capture_sessions() as sessions:
        found = [Tools().fixed(), Tools.fixed(), Tools().by_name(key=2), Tools().of_class()]
    assert found == ["fixed", "fixed", 2, ("Tools", 1)]
    assert [each.inputs for each in sessions] == [{}, {}, {"key": 2}, {"key": 1}]


def test_a_traced_class_stays_a_class():
    """GrahamDumpleton/wrapt#51, #130: "metaclass conflict when deriving from decorated classes" """

    @trace_session
    class Base(abc.ABC):
        @abc.abstractmethod
        def run(self):
            """Do something."""

    class Derived(Base):
        def run(self):
            return "ran"

    assert issubclass(Derived, Base)
    assert isinstance(Derived(), Base)
    assert Base.__abstractmethods__ == {"run"}


@trace_session
async def accumulator():
    total = 0
    while True:
        total += yield total


def test_values_sent_into_an_async_generator():
    """DataDog/dd-trace-py#14399: "AsyncGenerators are not wrapped correctly by tracer.wrap()" """

    async def main():
        steps = accumulator()
        await anext(steps)
        found = [await steps.asend(number) for number in range(4)]
        await steps.aclose()
        return found

    with capture_sessions() as sessions:
        assert asyncio.run(main()) == [0, 1, 3, 6]
    assert sessions[0].outputs == {"result": [0, 0, 1, 3, 6]}


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("awaits", [1, 3])
def test_an_async_manager(above, awaits):
    """It cleans up when its block fails, however often it waits; its session lasts as long.

    DataDog/dd-trace-py#18718: "forward throw/close/send when wrapping async generators", and
    #18741 of one that awaits several times before its first item
    """
    events = []

    async def managed(name):
        for _ in range(awaits):
            await asyncio.sleep(0)
        try:
            yield name
        finally:
            await asyncio.sleep(0)
            events.append("cleaned up")

    async def main():
        async with opened("db") as name:
            events.append(name)
            raise LookupError("in the block")

    make = contextlib.asynccontextmanager
    opened = trace_session(make(managed)) if above else make(trace_session(managed))
    with capture_sessions() as sessions, pytest.raises(LookupError):
        asyncio.run(main())
    assert events == ["db", "cleaned up"]
    assert [(each.inputs, each.error) for each in sessions] == [
        ({"name": "db"}, "LookupError: in the block")
    ]


@pytest.mark.parametrize("above", [False, True])
def test_a_manager(above):
    """It may be entered, or decorate functions. Its session is the block, not the call.

    open-telemetry/opentelemetry-python#3595: spans "always report a near zero duration"
    """

    def opened(name, *, mode="r"):
        """Open it."""
        yield f"{name} {mode}"

    make = contextlib.contextmanager
    manager = trace_session(make(opened)) if above else make(trace_session(opened))
    with capture_sessions() as sessions:
        with manager("a") as state:
            assert state == "a r"
            assert len(sessions) == 0
        assert manager("b", mode="w")(lambda: "called")() == "called"
        with pytest.raises(TypeError):
            manager()
    assert [each.outputs for each in sessions] == [{"result": "a r"}, {"result": "b w"}]
    assert str(inspect.signature(manager)) == "(name, *, mode='r')"
    assert (manager.__name__, manager.__doc__) == ("opened", "Open it.")


def test_managers_of_a_traced_class():
    """They are traced once, also if the class is decorated twice, and keep their attributes."""

    @trace_session
    @trace_session
    class Client:
        @contextlib.contextmanager
        def connected(self):
            yield "connected"

        connected.retries = 3

    with capture_sessions() as sessions, Client().connected() as state:
        assert state == "connected"
    assert [each.session_name.rpartition(".")[2] for each in sessions] == ["connected"]
    assert Client.connected.retries == 3


def test_a_helper_of_contextlib_without_its_function():
    """It is traced as the plain function that it is."""
    helper = contextlib.contextmanager(lambda: (yield))
    del helper.__wrapped__
    with capture_sessions() as sessions, trace_session(name="helper")(helper)():
        assert [each.session_name for each in sessions] == ["helper"]


def test_a_scope_that_cancels_its_tasks():
    """The losers of a race end in their scope, and nothing leaks out of it.

    DataDog/dd-trace-py#17035: "asyncio create_task wrapping breaks anyio cancel scope handling"
    """

    @trace_session
    async def connect(seconds):
        with trio.CancelScope():
            await trio.sleep(seconds)

    @trace_session
    async def race():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect, 1000)
            nursery.start_soon(connect, 2000)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        return "won"

    with capture_sessions() as sessions:
        assert trio.run(race) == "won"
    errors = {each.session_name.rpartition(".")[2]: each.error for each in sessions}
    assert len(sessions) == 3
    assert errors["race"] is None


@pytest.mark.parametrize("error", [RuntimeError("honeytrace: tracing failed"), SystemError()])
def test_a_failing_call_is_not_repeated(error):
    """Whatever its error looks like, and even if its session cannot be recorded.

    pipecat-ai/pipecat#3735: "Fix double execution of service functions on tracing errors"
    """
    calls = []

    @trace_session(process_inputs=lambda inputs: 1 / 0)
    def speak(text):
        calls.append(text)
        raise error

    with capture_sessions() as sessions, pytest.raises(type(error)) as caught:
        speak("hello")
    assert caught.value is error
    assert calls == ["hello"]
    assert len(sessions) == 1


def looks_like_asgi3(app):
    """Return what a server finds out about an application before it calls it."""
    if inspect.isclass(app):
        return hasattr(app, "__await__")
    call = app if inspect.isfunction(app) else app.__call__
    return inspect.iscoroutinefunction(call)


class Application:
    async def __call__(self, scope, receive, send):
        return scope["path"]


def test_an_asgi_application():
    """A server asks its `__call__` whether it is asynchronous; frameworks do so for dependencies.

    newrelic/newrelic-python-agent#117: "_run_asgi2() takes 2 positional arguments but 4 were given"
    """
    app = trace_session(Application())
    assert looks_like_asgi3(app)
    assert str(inspect.signature(app.__call__)) == "(scope, receive, send)"
    with capture_sessions() as sessions:
        assert asyncio.run(app({"path": "/"}, None, None)) == "/"
        assert asyncio.run(app.__call__({"path": "/a"}, None, send=1)) == "/a"
    assert [each.inputs["scope"] for each in sessions] == [{"path": "/"}, {"path": "/a"}]


def test_the_call_of_a_plain_object():
    """It has its own parameters, and is recorded.

    mlflow/mlflow#22590: without the signature of the function, the inputs were `{"kwargs": …}`
    """

    class Predict:
        def __call__(self, messages, *, temperature=0):
            return messages

    traced = trace_session(Predict())
    assert str(inspect.signature(traced.__call__)) == "(messages, *, temperature=0)"
    with capture_sessions() as sessions:
        assert traced.__call__(["hi"]) == ["hi"]
    assert [each.inputs for each in sessions] == [{"messages": ["hi"], "temperature": 0}]


def test_a_callable_object_as_a_dependency():
    """FastAPI awaits it, as it does without the decorator."""

    class Settings:
        async def __call__(self):
            return {"model": "gpt-4o"}

    api, settings = fastapi.FastAPI(), fastapi.Depends(trace_session(Settings()))

    @api.get("/")
    def index(found=settings):
        return found

    with capture_sessions() as sessions, TestClient(api) as client:
        assert client.get("/").json() == {"model": "gpt-4o"}
    assert [each.outputs for each in sessions] == [{"model": "gpt-4o"}]


def test_a_parameter_called_config():
    """langchain-ai/langsmith-sdk#1551: "got an unexpected keyword argument 'config'" """

    @trace_session
    def parse(text, config=None, **kwargs):
        return text, config, kwargs

    with capture_sessions() as sessions:
        assert parse("a", config=1, name="b", parent="c") == (
            *("a", 1),
            {"name": "b", "parent": "c"},
        )
    assert sessions[0].inputs == {"text": "a", "config": 1, "name": "b", "parent": "c"}


def test_calls_in_a_loop_are_not_nested():
    """traceloop/openllmetry#1545: "The function decorated as workflow is traced recursively" """

    @trace_session
    def ask(prompt):
        return prompt

    with capture_sessions() as sessions:
        for prompt in ("a", "b", "c"):
            ask(prompt)
    assert [each.children_ids for each in sessions] == [[], [], []]
    assert not any("parent_id" in each.metadata["honeytrace"] for each in sessions)


def test_a_traced_logging_handler():
    """What it logs itself is not its own business again.

    open-telemetry/opentelemetry-python#4323: "logs exceptions via python logging leading to
    recursion", and pydantic/logfire#35
    """

    class Handler(logging.Handler):
        @trace_session
        def emit(self, record):
            honeytrace.enrich_session(metadata={"level": record.levelname})

    log, handler = logging.getLogger("test_reported_functions"), Handler()
    log.addHandler(handler)
    try:
        with capture_sessions() as sessions:
            log.warning("once")
    finally:
        log.removeHandler(handler)
    assert [each.metadata["level"] for each in sessions] == ["WARNING"]
