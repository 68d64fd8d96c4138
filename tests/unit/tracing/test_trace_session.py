"""`trace_session` as its users write it: what it accepts, what it leaves alone, what it sends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import functools
import inspect
import pickle
import threading
import traceback
import types
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import wrapt

import honeytrace
from honeytrace import trace_session

FORMS = {
    "bare": trace_session,
    "called": trace_session(),
    "with arguments": trace_session(name="named", metadata={"team": "search"}),
}


@trace_session
def shout(text: str, /, times: int = 1, *rest: str, mark: str = "!", **others: object) -> str:
    """Says it loudly."""
    return text.upper() * times + mark


@trace_session
async def ashout(
    text: str, /, times: int = 1, *rest: str, mark: str = "!", **others: object
) -> str:
    """Says it loudly."""
    return text.upper() * times + mark


def run(function, *args, **kwargs):
    """Calls a function, or runs the coroutine that it returns."""
    result = function(*args, **kwargs)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


both = pytest.mark.parametrize("function", [shout, ashout], ids=["sync", "async"])


# ---- The call stays as it was


@both
def test_the_result_is_that_of_the_function(function):
    """A traced call returns what the function returns."""
    assert run(function, "hi", 2, mark="?") == "HIHI?"


@both
def test_the_function_keeps_its_face(function):
    """Name, docs, module, signature and kind are those of the function below."""
    plain = function.__wrapped__
    assert (function.__name__, function.__doc__) == (plain.__name__, plain.__doc__)
    assert inspect.signature(function) == inspect.signature(plain)
    assert inspect.iscoroutinefunction(function) == inspect.iscoroutinefunction(plain)


@both
def test_it_is_a_function_like_any_other(function):
    """It is a real function: it pickles by its name, and copies are itself."""
    assert inspect.isfunction(function)
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function


@both
def test_a_wrong_call_is_the_functions_own_type_error(function, sent):
    """A missing argument raises Python's own sentence, where the call stands."""
    with pytest.raises(
        TypeError, match=r"shout\(\) missing 1 required positional argument: 'text'"
    ):
        function()


@both
def test_a_wrong_call_is_no_session(function, sent):
    """The function was not called, no more than without a decorator."""
    with pytest.raises(TypeError):
        function()
    assert sent() == []


@both
def test_extra_arguments_are_the_functions_own_matter(sent, function):
    """More arguments than parameters are recorded under the name of `*rest`."""
    run(function, "hi", 1, "more", "and more", tone="loud")
    assert sent()[0]["inputs"] == {
        "text": "hi",
        "times": 1,
        "rest": ["more", "and more"],
        "tone": "loud",
        "mark": "!",
    }


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_exception_passes_unchanged_with_one_frame_more(kind, sent):
    """The same exception object comes out, its traceback longer by the one frame of ours."""
    error = ValueError("boom")

    @trace_session
    def fail():
        raise error

    @trace_session
    async def afail():
        raise error

    function = fail if kind == "sync" else afail
    with pytest.raises(ValueError, match="boom") as caught:
        run(function)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert caught.value is error
    assert names[-2:] == [function.__name__] * 2
    assert names.count(function.__name__) == 2


@both
def test_context_variables_set_inside_are_seen_outside(function, sent):
    """A context variable that the function sets stays set, as without a decorator."""
    variable = contextvars.ContextVar("variable", default="before")

    @trace_session
    def change():
        variable.set("after")

    @trace_session
    async def achange():
        variable.set("after")

    async def around():
        await achange()
        return variable.get()

    if function is shout:
        change()
        assert variable.get() == "after"
    else:
        assert asyncio.run(around()) == "after"


def test_a_coroutine_stays_in_its_task(sent):
    """A traced coroutine runs in the task that awaits it."""

    @trace_session
    async def inside():
        return asyncio.current_task()

    async def outside():
        return await inside() is asyncio.current_task()

    assert asyncio.run(outside())


def test_a_keyword_named_like_ours_reaches_the_function(sent):
    """No keyword is taken from the caller, whatever its name."""

    @trace_session
    def take(**kwargs):
        return kwargs

    given = {"name": 1, "function": 2, "self": 3, "args": 4, "call": 5, "template": 6}
    assert take(**given) == given


# ---- What may be decorated


class Shop:
    @trace_session
    def method(self, x):
        return ("method", x)

    @trace_session
    @staticmethod
    def static_below(x):
        return ("static", x)

    @staticmethod
    @trace_session
    def static_above(x):
        return ("static", x)

    @trace_session
    @classmethod
    def class_below(cls, x):
        return (cls.__name__, x)

    @classmethod
    @trace_session
    def class_above(cls, x):
        return (cls.__name__, x)

    @trace_session
    async def coroutine(self, x):
        return ("coroutine", x)

    @trace_session(name="with a name")
    @classmethod
    async def class_coroutine(cls, x):
        return (cls.__name__, x)


METHODS = [name for name in vars(Shop) if not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_methods_work_on_instances(name, sent):
    """Every kind of method, decorated in either order, is called as usual, without its self."""
    assert run(getattr(Shop(), name), 7)[1] == 7
    assert sent()[0]["inputs"] == {"x": 7}


@pytest.mark.parametrize("name", [name for name in METHODS if "static" in name or "class" in name])
def test_class_and_static_methods_work_on_the_class(name, sent):
    """Without an instance, too."""
    assert run(getattr(Shop, name), x=8)[1] == 8
    assert sent()[0]["inputs"] == {"x": 8}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_of_the_decorator_records(form, sent):
    """Bare, called and with arguments."""

    @form
    def add(a, b):
        return a + b

    assert add(1, b=2) == 3
    assert sent()[0]["outputs"] == {"result": 3}


class Adder:
    def __call__(self, a: int, b: int = 1) -> int:
        return a + b


class AsyncAdder:
    async def __call__(self, a: int, b: int = 1) -> int:
        return a + b


@pytest.mark.parametrize(
    ("target", "inputs", "name"),
    [
        (functools.partial(Adder().__call__, b=2), {"a": 1, "b": 2}, "Adder.__call__"),
        (Adder(), {"a": 1, "b": 1}, "Adder"),
        (AsyncAdder(), {"a": 1, "b": 1}, "AsyncAdder"),
        (Adder().__call__, {"a": 1, "b": 1}, "Adder.__call__"),
        (lambda a, b=5: a + b, {"a": 1, "b": 5}, "<lambda>"),
        (max, {"args": [1]}, "max"),
    ],
    ids=["partial", "object", "async object", "bound method", "lambda", "builtin"],
)
def test_other_callables_can_be_traced(target, inputs, name, sent):
    """Partials, callable objects, bound methods, lambdas and builtins, under a fitting name."""
    if target is max:
        with pytest.raises(TypeError):
            trace_session(target)(1)
    else:
        run(trace_session(target), 1)
    session = sent()[0]
    assert (session["inputs"], session["session_name"]) == (inputs, name)


def test_a_callable_object_stays_what_it_is(sent):
    """The proxy around a callable object is of its type and has its attributes."""
    adder = Adder()
    adder.unit = "EUR"
    traced = trace_session(adder)
    assert isinstance(traced, Adder)
    assert traced.unit == "EUR"


class Cached:
    @trace_session
    @functools.lru_cache  # noqa: B019 - what people write
    def double(self, x):
        return 2 * x


def test_a_cached_function_keeps_its_cache(sent):
    """`cache_info` and the like stay, and methods find their object."""
    thing = Cached()
    assert (thing.double(2), thing.double(2), Cached.double(thing, 3)) == (4, 4, 6)
    assert Cached.double.cache_info().hits == 1
    assert [s["inputs"] for s in sent()] == [{"x": 2}, {"x": 2}, {"x": 3}]


class Descriptors:
    def __init__(self):
        self.stored = 1

    @trace_session
    @property
    def above(self):
        """What is stored."""
        return self.stored

    @above.setter
    def above(self, value):
        self.stored = value

    @property
    @trace_session
    def below(self):
        return self.stored

    @trace_session(name="kept")
    @functools.cached_property
    def cached_above(self):
        return object()

    @functools.cached_property
    @trace_session
    def cached_below(self):
        return object()

    def add(self, a, b):
        return self.stored + a + b

    partial_above = trace_session(functools.partialmethod(add, 10))
    partial_below = functools.partialmethod(trace_session(add), 10)
    partial_static = trace_session(functools.partialmethod(staticmethod(max), 5))


@pytest.mark.parametrize("name", ["above", "below"])
def test_a_property_is_traced_in_either_order(name, sent):
    """Read as an attribute, it is a session without inputs."""
    assert getattr(Descriptors(), name) == 1
    assert (sent()[0]["session_name"], sent()[0]["inputs"]) == (f"Descriptors.{name}", {})


def test_a_property_keeps_its_setter_and_its_doc(sent):
    """A setter that is added later works as without a decorator."""
    thing = Descriptors()
    thing.above = 5
    assert (thing.above, Descriptors.above.__doc__) == (5, "What is stored.")


def test_setter_and_deleter_are_traced_with_the_getter(sent):
    """A property that is decorated when it is whole is traced as a whole."""

    class Thing:
        def get(self):
            return 1

        def put(self, value):
            pass

        def drop(self):
            pass

        value = trace_session(property(get, put, drop, "of its own"))

    thing = Thing()
    thing.value, _ = 2, thing.value
    del thing.value
    assert [s["inputs"] for s in sent()] == [{}, {"value": 2}, {}]
    assert Thing.value.__doc__ == "of its own"


@pytest.mark.parametrize("name", ["cached_above", "cached_below"])
def test_a_cached_property_is_computed_once(name, sent):
    """One session for the first access, none for the others."""
    thing = Descriptors()
    assert getattr(thing, name) is getattr(thing, name)
    assert len(sent()) == 1


def test_a_partial_method_is_traced_in_either_order(sent):
    """All arguments are inputs, those that were given before, too."""
    thing = Descriptors()
    assert (thing.partial_above(2), thing.partial_below(3), thing.partial_static(7)) == (13, 14, 7)
    inputs = [s["inputs"] for s in sent()]
    assert inputs == [{"a": 10, "b": 2}, {"a": 10, "b": 3}, {"args": [5, 7]}]


@trace_session
class Agent:
    """Answers."""

    kind = "agent"

    def __init__(self, model):
        self.model = model

    def answer(self, question):
        return self._look_up(question)

    def _look_up(self, question):
        return {"text": question.upper()}

    @staticmethod
    def static(x):
        return x

    @classmethod
    def make(cls, model):
        return cls(model)

    @trace_session(name="own name")
    def named(self):
        yield "a"

    class Inner:
        def run(self):
            return 1


def test_a_class_is_traced_in_place(sent):
    """The class itself comes back; its public methods are sessions, once each."""
    agent = Agent.make("m")
    assert type(agent) is Agent
    assert (agent.answer("q"), Agent.static(2), list(agent.named()), Agent.Inner().run()) == (
        {"text": "Q"},
        2,
        ["a"],
        1,
    )
    names = [s["session_name"] for s in sent()]
    assert names == ["Agent.make", "Agent.answer", "Agent.static", "own name"]


def test_a_class_may_name_its_methods(sent):
    """`methods` names those to trace, private and special ones too, and the name goes before."""

    @trace_session(
        "agent", methods=("__call__", "_private"), ignore=("secret",), only=("x", "secret")
    )
    class Callable:
        def __call__(self, x, key=1):
            return self._private(x)

        def _private(self, y):
            return y

        def public(self):
            return 1

    thing = Callable()
    assert (thing(1), thing.public()) == (1, 1)
    assert [(s["session_name"], s["inputs"]) for s in sent()] == [
        ("agent._private", {}),
        ("agent.__call__", {"x": 1}),
    ]


def test_a_method_that_is_not_there_is_a_slip():
    """It is named at decoration."""
    with pytest.raises(ValueError, match=r"methods names 'answr', but .*Agent defines no such"):
        trace_session(methods=("answr",))(Agent)


def test_below_a_fixture_a_generator_is_one_session(set_up, sent):
    """From set-up on it is as pytest finds it: a generator function with its parameters."""
    assert set_up == "set up"


@pytest.fixture
@trace_session
def set_up(request):
    yield "set up"
    assert honeytrace.current_session()


def test_below_singledispatch_and_contextmanager(sent):
    """Below other decorators, the function itself is recorded."""

    @functools.singledispatch
    @trace_session
    def show(value):
        return "any"

    @show.register
    @trace_session(name="show int")
    def _(value: int):
        return "int"

    @contextlib.contextmanager
    @trace_session
    def opened():
        yield "open"

    with opened() as state:
        assert (show("x"), show(1), state) == ("any", "int", "open")
    names = [s["session_name"].rpartition(".")[2] for s in sent()]
    assert names == ["show", "show int", "opened"]


def test_a_types_coroutine_can_be_awaited(sent):
    """A generator that `types.coroutine` made awaitable stays so."""

    @trace_session
    @types.coroutine
    def pause():
        yield
        return "done"

    async def main():
        return await pause()

    assert asyncio.run(main()) == "done"
    stream = sent()[0]["metadata"]["honeytrace"]["stream"]
    assert (stream["completed"], stream["returned"]) == (True, "done")


def test_odd_callables_have_the_names_of_their_types(sent):
    """An object that answers to every name with nonsense is called as its type is."""

    class Odd:
        def __init__(self):
            self.__dict__["__qualname__"] = 5

        def __call__(self):
            return 1

        def __getattr__(self, name):
            return 5

    assert trace_session(Odd())() == 1
    assert sent()[0]["session_name"].endswith("Odd")


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        (functools.singledispatchmethod(lambda self: 1), "put @trace_session below it"),
        (3, "put it directly above a def"),
    ],
)
def test_what_cannot_be_decorated_says_what_to_do(target, advice):
    """A `TypeError` at decoration names the way out."""
    with pytest.raises(TypeError, match=advice):
        trace_session(target)


# ---- What is sent


def test_a_session_has_every_field(sent):
    """Project, name, source, id, inputs, outputs, times and what honeytrace says of itself."""
    shout("hi")
    session = sent()[0]
    about = session["metadata"].pop("honeytrace")
    assert (session["project"], session["session_name"], session["source"]) == (
        "p",
        "shout",
        "test",
    )
    assert uuid.UUID(session["session_id"]).version == 4
    assert session["inputs"] == {"text": "hi", "times": 1, "mark": "!"}
    assert session["outputs"] == {"result": "HI!"}
    assert session["end_time"] == session["start_time"] + round(session["duration"])
    assert about == {
        "version": honeytrace.__version__,
        "function": "tests.test_trace_session.shout"
        if __name__.startswith("tests")
        else f"{__name__}.shout",
        "kind": "function",
        "root_id": session["session_id"],
        "status": "ok",
    }
    assert "error" not in session


def test_the_name_is_the_qualified_name_without_locals(sent):
    """`outer.<locals>.inner` is a name for the interpreter, `outer.inner` one for people."""

    @trace_session
    def inner():
        pass

    inner()
    name = "test_the_name_is_the_qualified_name_without_locals.inner"
    assert sent()[0]["session_name"] == name


@pytest.mark.parametrize(
    ("result", "outputs"),
    [
        (None, {"result": None}),
        ("text", {"result": "text"}),
        (3.5, {"result": 3.5}),
        (["a", {"b": 1}], {"result": ["a", {"b": 1}]}),
        ({"role": "assistant"}, {"role": "assistant"}),
        ({}, {}),
    ],
)
def test_outputs_are_always_an_object(result, outputs, sent):
    """A mapping as it is, any other value as `result`."""

    @trace_session
    def give():
        return result

    give()
    assert sent()[0]["outputs"] == outputs


def test_inputs_are_frozen_when_the_call_starts(sent):
    """Later changes of an argument by the function or its caller do not show."""
    messages = [{"role": "user", "content": "hi"}]

    @trace_session
    def extend(messages):
        messages[0]["content"] = "changed"
        messages.append("more")

    extend(messages)
    messages.clear()
    assert sent()[0]["inputs"] == {"messages": [{"role": "user", "content": "hi"}]}


def test_config_args_go_to_config_too(sent):
    """The named parameters, default or given, stand in `config`, below what the decorator sets."""

    @trace_session(config={"k": 1, "temperature": 0}, config_args=("model", "k"))
    def answer(question, model="gpt-4o", k=3):
        return question

    answer("q")
    assert sent()[0]["config"] == {"model": "gpt-4o", "k": 1, "temperature": 0}


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (ValueError("boom"), "ValueError: boom", "error"),
        (ValueError(), "ValueError", "error"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "error"),
        (SystemExit(3), "SystemExit: 3", "error"),
        (asyncio.CancelledError(), "CancelledError", "cancelled"),
    ],
)
def test_errors_are_recorded(error, text, status, sent):
    """Exceptions, interrupts, cancellation and a failing exit, as `Type: message`."""

    @trace_session
    def fail():
        raise error

    with pytest.raises(type(error)):
        fail()
    session = sent()[0]
    about = session["metadata"]["honeytrace"]
    assert (session["error"], about["status"]) == (text, status)
    assert about["exception"]["traceback"][-1].endswith("in fail")


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit(), GeneratorExit()])
def test_an_orderly_end_is_no_error(error, sent):
    """`sys.exit(0)` and a closed generator are not errors."""

    @trace_session
    def leave():
        raise error

    with pytest.raises(type(error)):
        leave()
    assert "error" not in sent()[0]


class Countdown:
    """An iterator, in both worlds, whose steps are traced."""

    def __init__(self, left):
        self.left = left

    def __iter__(self):
        return self

    __aiter__ = __iter__

    @trace_session
    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left

    @trace_session
    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


def test_the_end_of_an_iterator_is_no_error(sent):
    """A `__next__` says by an exception that there are no more items."""

    async def collect():
        return [each async for each in Countdown(2)]

    assert list(Countdown(2)) == asyncio.run(collect()) == [1, 0]
    assert [session for session in sent() if "error" in session] == []


def test_an_iterator_that_is_empty_by_mistake_is_an_error(sent):
    """Elsewhere, this exception comes from a `next` that found nothing."""

    @trace_session
    def first(items):
        return next(iter(items))

    with pytest.raises(StopIteration):
        first([])
    assert sent()[0]["error"] == "StopIteration"


def test_a_session_fixed_by_the_user_wins(sent):
    """Later wins, key by key: captured, the decorator, then what was set while it ran."""

    @trace_session(outputs_ := "named", metadata={"a": 1, "b": 1}, inputs={"x": "given"})
    def work(x, y):
        honeytrace.enrich_session(metadata={"b": 2}, outputs={"result": "enriched"})
        return "returned"

    work(1, 2)
    session = sent()[0]
    assert session["session_name"] == outputs_
    assert session["inputs"] == {"x": "given", "y": 2}
    assert session["outputs"] == {"result": "enriched"}
    assert {key: session["metadata"][key] for key in "ab"} == {"a": 1, "b": 2}


def test_the_reserved_key_stays_ours(sent):
    """A user's `metadata.honeytrace` does not take the place of ours."""
    with trace_session("x", metadata={"honeytrace": "mine"}):
        honeytrace.enrich_session(metadata={"honeytrace": "mine"})
    assert sent()[0]["metadata"]["honeytrace"]["status"] == "ok"


# ---- Blocks


def test_a_block_is_a_session(sent):
    """`with` gives the running session, whose fields can be set in any way."""
    identity = str(uuid.uuid4()).upper()
    with trace_session("Playground", session_id=identity, inputs={"q": 1}) as session:
        session.outputs = {"answer": 2}
        session.metrics["hits"] = 3
        session.feedback.update(rating=5)
        session.user_properties = {"user": "u-1"}
        session.config["k"] = 1
        session.metadata["team"] = "search"
        session.inputs["more"] = True
    got = sent()[0]
    assert got["session_id"] == identity.lower()
    assert (got["inputs"], got["outputs"]) == ({"q": 1, "more": True}, {"answer": 2})
    assert (got["metrics"], got["feedback"], got["config"]) == (
        {"hits": 3},
        {"rating": 5},
        {"k": 1},
    )
    assert (got["user_properties"], got["metadata"]["team"]) == ({"user": "u-1"}, "search")


def test_an_async_block_is_a_session(sent):
    """`async with` does the same."""

    async def main():
        async with trace_session("Playground") as session:
            session.outputs = "text"

    asyncio.run(main())
    assert sent()[0]["outputs"] == {"result": "text"}


def test_a_block_that_fails_lets_the_error_out(sent):
    """The exception passes, and the session has it."""
    with pytest.raises(ZeroDivisionError), trace_session("x"):
        _ = 1 / 0
    assert sent()[0]["error"] == "ZeroDivisionError: division by zero"


@trace_session("outer")
def block_without_a_name():
    with trace_session():
        pass


def test_a_block_without_a_name_has_that_of_its_function(sent):
    """The code that holds the block names it."""
    block_without_a_name()
    exec("with trace_session():\n  pass", {"trace_session": trace_session, "__name__": "a.module"})
    assert [s["session_name"] for s in sent()] == ["block_without_a_name", "outer", "a.module"]


def test_an_async_block_without_a_name_has_that_of_its_coroutine(sent):
    """Also where `__aenter__` is awaited."""

    async def holder():
        async with trace_session():
            pass

    asyncio.run(holder())
    assert sent()[0]["session_name"].endswith("holder")


def test_one_object_may_be_entered_again(sent):
    """Nested and one after the other, each entry is a session of its own."""
    again = trace_session("again")
    with again as outer, again as inner:
        assert inner.parent_id == outer.session_id
    with again as later:
        assert later.parent_id is None
    assert len({s["session_id"] for s in sent()}) == 3


def test_one_object_may_be_entered_from_many_threads(sent):
    """Each thread leaves the session that it entered."""
    shared, barrier = trace_session("shared"), threading.Barrier(4)

    def work(number):
        with shared as session:
            barrier.wait(10)
            session.outputs = {"number": number}
            barrier.wait(10)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sorted(s["outputs"]["number"] for s in sent()) == [0, 1, 2, 3]


def test_a_block_may_be_left_in_another_context(sent):
    """Entered in one context and left in another, it ends, and nothing stays current."""
    block, elsewhere = trace_session("moved"), contextvars.copy_context()
    elsewhere.run(block.__enter__)
    block.__exit__(None, None, None)
    assert sent()[0]["session_name"] == "moved"
    assert not elsewhere.run(honeytrace.current_session)


def test_leaving_a_block_that_was_never_entered_is_no_fault(sent):
    """`__exit__` alone does nothing."""
    trace_session("never").__exit__(None, None, None)
    assert sent() == []


def test_blocks_may_be_left_out_of_order(sent):
    """Each ends its own session, also when the outer one is left first."""
    outer, inner = trace_session("outer"), trace_session("inner")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert [s["session_name"] for s in sent()] == ["outer", "inner"]
    assert not honeytrace.current_session()


# ---- Nesting


ANSWER = {
    "model": "gpt-4o",
    "choices": [{"message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


def test_tokens_are_found_in_outputs_that_are_set(sent):
    """In a block, and in a function that sets them; what the user says of them wins."""

    @trace_session
    def ask():
        honeytrace.current_session().outputs = ANSWER
        honeytrace.enrich_session(metrics={"total_tokens": 8})

    with trace_session("block") as block:
        block.outputs = ANSWER
        ask()
    asked, block = sent()
    assert (block["metrics"], block["config"]) == (ANSWER["usage"], {"model": "gpt-4o"})
    assert asked["metrics"] == {**ANSWER["usage"], "total_tokens": 8}


def test_tokens_of_replaced_outputs_are_not_told(sent):
    """Nor is what was captured beside what the user sets instead."""

    @trace_session
    def ask():
        honeytrace.current_session().outputs = {"text": "hi"}
        return ANSWER

    ask()
    (asked,) = sent()
    assert (asked["outputs"], asked["metrics"], asked["config"]) == ({"text": "hi"}, {}, {})


def test_what_the_decorator_gives_is_each_session_s_own(sent):
    """A change that one call makes to a given list does not show in the next call."""

    @trace_session(metadata={"tags": []})
    def call(user):
        honeytrace.current_session().metadata["tags"].append(user)

    call("a")
    call("b")
    assert [each["metadata"]["tags"] for each in sent()] == [["a"], ["b"]]


def test_methods_in_c_have_names_and_arguments(sent):
    """Bound or not: one that is called by its type has no bound object."""
    trace_session(" ".join)(["a", "b"])
    trace_session(str.upper)("abc")
    trace_session(name="pop")([1, 2].pop)()
    assert [each["session_name"] for each in sent()] == ["str.join", "str.upper", "pop"]
    assert [[*each["inputs"].values()] for each in sent()] == [[["a", "b"]], ["abc"], [-1]]


def test_a_session_id_is_that_of_the_first_entry(sent):
    """Entered again, nested say, a block is another session."""
    block = trace_session("block", session_id=uuid.UUID(int=1 << 78))
    with block as outer, block as inner:
        pass
    ids = [each["session_id"] for each in sent()]
    assert ids == [inner.session_id, outer.session_id] == [ids[0], str(uuid.UUID(int=1 << 78))]
    assert inner.session_id != outer.session_id


def test_a_class_without_public_methods_is_told_of(caplog):
    """It is left as it is, and the log says what to do."""

    class Empty:
        def _private(self): ...

    before = dict(vars(Empty))
    assert vars(trace_session(Empty)) == before
    assert "has no public method to trace" in caplog.text


@pytest.mark.parametrize("kind", [int, ValueError])
def test_a_class_in_c_is_refused(kind):
    """Its methods cannot be changed, and the message says what can be decorated."""
    with pytest.raises(TypeError, match=f"cannot change the class {kind.__name__}; put it above a"):
        trace_session(kind)


@wrapt.decorator
def through(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


class Bound:
    """A descriptor of the user's that gives something new at each access."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)

    def __get__(self, instance, owner):
        return functools.partial(self.function, instance)


@pytest.mark.parametrize("above", [through, Bound], ids=["wrapt", "descriptor"])
def test_above_what_becomes_something_else_as_a_method(above, sent):
    """The method that it becomes is traced."""

    class Thing:
        @trace_session(name="method")
        @above
        def method(self, x):
            return x

    assert (Thing().method(1), Thing().method(2)) == (1, 2)
    assert [each["inputs"] for each in sent()] == [{"x": 1}, {"x": 2}]


def test_above_a_proxy_of_a_classmethod(sent):
    """A proxy that says it is a classmethod is none; its calls are traced all the same."""

    class Thing:
        @trace_session
        @through
        @classmethod
        def make(cls, x):
            return cls, x

    assert (Thing.make(1), Thing().make(2)) == ((Thing, 1), (Thing, 2))
    assert [each["inputs"] for each in sent()] == [{"x": 1}, {"x": 2}]


def test_children_are_recorded_in_start_order(sent):
    """Each id in `children_ids` is some session's; the child knows parent and root."""
    with trace_session("root") as root:
        shout("a")
        with trace_session("middle") as middle:
            shout("b")
        root.add_child(uuid.UUID("11111111-1111-4111-8111-111111111111"))
        ids = root.children_ids
    sessions = {s["session_id"]: s for s in sent()}
    names = [sessions[i]["session_name"] for i in ids[:-1]]
    leaf = sessions[sessions[middle.session_id]["children_ids"][0]]
    assert names == ["shout", "middle"]
    assert sessions[root.session_id]["children_ids"] == ids
    assert leaf["metadata"]["honeytrace"]["parent_id"] == middle.session_id
    assert leaf["metadata"]["honeytrace"]["root_id"] == root.session_id


def test_gathered_tasks_are_children(sent):
    """Coroutines that run at once are children of the session that gathered them."""

    async def main():
        async with trace_session("root") as root:
            await asyncio.gather(*(ashout(text) for text in "abc"))
        return root.children_ids

    children = asyncio.run(main())
    inputs = {s["session_id"]: s["inputs"].get("text") for s in sent()}
    assert [inputs[child] for child in children] == ["a", "b", "c"]


def test_a_child_that_outlives_its_parent_keeps_it(sent):
    """The parent is sent first, with the child's id; the child names its parent."""

    async def main():
        async def late():
            with trace_session("child"):
                await asyncio.sleep(0.01)
                with trace_session("grandchild"):
                    pass

        with trace_session("parent"):
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
        await task
        with trace_session("after"):
            pass

    asyncio.run(main())
    by_name = {s["session_name"]: s for s in sent()}
    child = by_name["child"]
    assert by_name["parent"]["children_ids"] == [child["session_id"]]
    assert child["metadata"]["honeytrace"]["parent_id"] == by_name["parent"]["session_id"]
    assert child["children_ids"] == [by_name["grandchild"]["session_id"]]
    assert "parent_id" not in by_name["after"]["metadata"]["honeytrace"]


def test_an_ended_session_is_not_current(sent):
    """A session in a leftover task has no parent that has ended."""

    async def main():
        async def late():
            await asyncio.sleep(0.01)
            before = honeytrace.current_session()
            with trace_session("late") as session:
                return before, session.parent_id

        with trace_session("parent"):
            task = asyncio.create_task(late())
        return await task

    before, parent_id = asyncio.run(main())
    assert not before
    assert parent_id is None


# ---- The running session


def test_enriching_merges_into_the_running_session(sent):
    """From anywhere below, key by key, and it says whether there was a session."""
    with trace_session("x", metadata={"a": 1}):
        done = honeytrace.enrich_session(
            metadata={"b": {"c": 2}}, metrics={"m": 1}, outputs={"o": 1}
        )
    session = sent()[0]
    assert done is True
    assert {**session["metadata"], "honeytrace": 0} == {"a": 1, "b": {"c": 2}, "honeytrace": 0}
    assert (session["metrics"], session["outputs"]) == ({"m": 1}, {"o": 1})


def test_enriching_outside_of_a_session_says_so():
    """There is nothing to enrich."""
    assert honeytrace.enrich_session(metrics={"m": 1}) is False


def test_enriching_with_what_is_no_mapping_keeps_it(sent):
    """A slip inside a traced call costs neither the call nor the value."""
    with trace_session("x") as session:
        honeytrace.enrich_session(metrics=3)
        session.feedback = "good"
    assert (sent()[0]["metrics"], sent()[0]["feedback"]) == ({"result": 3}, {"result": "good"})


def test_outside_of_a_session_there_is_the_null_session():
    """It takes everything, keeps nothing and is false."""
    session = honeytrace.current_session()
    session.metrics["m"] = 1
    session.outputs = {"o": 1}
    session.add_child("x")
    assert not session
    assert (session.metrics, session.outputs, session.children_ids) == ({}, {}, [])
    assert (session.session_id, session.session_name, session.root_id) == ("", "", "")
    assert session.parent_id is None
    assert repr(session) == "<no session>"


def test_the_current_session_is_the_innermost(sent):
    """The same session, equal to what `with` gave, until it ends."""
    with trace_session("x") as session:
        assert honeytrace.current_session() == session
        assert hash(honeytrace.current_session()) == hash(session)
        assert (session.session_name, "running" in repr(session)) == ("x", True)
    assert "ended" in repr(session)


def test_a_child_by_an_id_that_is_none(sent, caplog):
    """An empty id is that of a session that was not recorded; others are kept, with a warning."""
    given = "11111111-1111-4111-8111-11111111111A"
    with trace_session("x") as session:
        session.add_child("")
        session.add_child(given)
        assert caplog.text == ""
        session.add_child("my-own-id")
    assert sent()[0]["children_ids"] == [given.lower(), "my-own-id"]
    assert (
        "is not the id of a session (str); give a UUID, such as session.session_id" in caplog.text
    )
    assert "my-own-id" not in caplog.text


def test_after_the_end_no_child_is_taken(sent):
    """It does not reach the session, nor raise. Fields become an update; see `test_updates`."""
    with trace_session("x") as session:
        session.metrics["m"] = 1
    session.add_child("late")
    got = sent()[0]
    assert (got["metrics"], got["children_ids"]) == ({"m": 1}, [])


def test_reading_a_field_first_loses_nothing(sent):
    """Captured and given values can be read, changed and deleted."""

    @trace_session(metadata={"team": "search"})
    def work(question):
        session = honeytrace.current_session()
        assert session.inputs == {"question": "q"}
        del session.inputs["question"]
        assert session.metadata == {"team": "search"}
        session.outputs["note"] = "kept beside the result"
        return "done"

    work("q")
    got = sent()[0]
    assert got["inputs"] == {}
    assert got["outputs"] == {"note": "kept beside the result", "result": "done"}


# ---- Switched off


def test_switched_off_nothing_is_recorded(sent):
    """The calls go through, blocks give the null session, and on again it records again."""
    honeytrace.configure(enabled=False)
    try:
        assert shout("hi") == asyncio.run(ashout("hi")) == "HI!"
        assert trace_session(Adder())(1) == 2
        assert asyncio.run(trace_session(AsyncAdder())(1)) == 2
        with trace_session("x") as session:
            assert not session
    finally:
        honeytrace.configure(enabled=None)
    assert sent() == []
    shout("hi")
    assert len(sent()) == 1
