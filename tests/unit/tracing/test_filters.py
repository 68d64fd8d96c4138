"""The lists, switches and functions of `trace_session` that choose what is recorded."""

from __future__ import annotations

import asyncio

import pytest

import honeytrace
from honeytrace import trace_session


def fail(value):
    raise ValueError("the secret in its words")


def call(**options):
    """Calls a traced function with these options; it has three parameters."""

    @trace_session("call", **options)
    def function(question, model="m", *, key="k"):
        return {"answer": question.upper(), "id": 7}

    return function("q")


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ({}, {"question": "q", "model": "m", "key": "k"}),
        ({"ignore": ("key",)}, {"question": "q", "model": "m"}),
        ({"only": ["question", "key"]}, {"question": "q", "key": "k"}),
        ({"only": ["question", "key"], "ignore": {"key"}}, {"question": "q"}),
        ({"capture_inputs": False}, {}),
        ({"capture_inputs": True}, {"question": "q", "model": "m", "key": "k"}),
        ({"process_inputs": lambda inputs: {"n": len(inputs)}}, {"n": 3}),
        ({"process_inputs": lambda inputs: list(inputs), "only": ["key"]}, {"result": ["key"]}),
        ({"process_inputs": fail}, {"result": "[process_inputs raised ValueError]"}),
        ({"capture_inputs": False, "process_inputs": fail}, {}),
        ({"capture_inputs": False, "inputs": {"mine": 1}}, {"mine": 1}),
    ],
    ids=" ".join,
)
def test_the_inputs_that_are_kept(options, inputs, sent):
    """The result of the call is the same whatever is kept of its inputs."""
    assert call(**options) == {"answer": "Q", "id": 7}
    assert sent()[0]["inputs"] == inputs


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ({"ignore": ("kwargs",)}, {"q": 1, "args": [2]}),
        ({"ignore": ("args", "note")}, {"q": 1, "more": 4}),
        ({"only": ("q", "kwargs")}, {"q": 1, "note": 3, "more": 4}),
        ({"only": ("note",)}, {"note": 3}),
    ],
    ids=" ".join,
)
def test_what_kwargs_take_in_goes_by_both_names(options, inputs, sent):
    """By its own, and by that of the parameter."""

    @trace_session("call", **options)
    def function(q, *args, **kwargs):
        pass

    function(1, 2, note=3, more=4)
    assert sent()[0]["inputs"] == inputs


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        ({}, {"answer": "Q", "id": 7}),
        ({"capture_outputs": False}, {}),
        ({"process_outputs": lambda result: result["answer"]}, {"result": "Q"}),
        ({"process_outputs": lambda result: {"only": result["id"]}}, {"only": 7}),
        ({"process_outputs": fail}, {"result": "[process_outputs raised ValueError]"}),
        ({"capture_outputs": False, "process_outputs": fail}, {}),
    ],
    ids=" ".join,
)
def test_the_outputs_that_are_kept(options, outputs, sent):
    """The result of the call is the same whatever is kept of it."""
    assert call(**options) == {"answer": "Q", "id": 7}
    assert sent()[0]["outputs"] == outputs


def test_what_is_ignored_may_still_go_to_config(sent):
    """`config_args` names values for `config`, whether they are inputs or not."""
    call(ignore=("model",), config_args=("model",))
    call(capture_inputs=False, config_args=("model",))
    call(process_inputs=lambda inputs: {}, config_args=("model",))
    assert [s["config"] for s in sent()] == [{"model": "m"}] * 3


def test_the_configuration_says_what_is_kept(sent):
    """For all that say nothing themselves."""
    honeytrace.configure(capture_inputs=False, capture_outputs=False)
    try:
        call()
        call(capture_inputs=True, capture_outputs=True, only=("key",))
    finally:
        honeytrace.configure(capture_inputs=None, capture_outputs=None)
    assert [(s["inputs"], s["outputs"]) for s in sent()] == [
        ({}, {}),
        ({"key": "k"}, {"answer": "Q", "id": 7}),
    ]


def test_processors_get_the_values_themselves(sent):
    """Not copies: what they take out of an object of the user's is theirs to say."""

    class Answer:
        text = "yes"

    @trace_session(
        process_inputs=lambda inputs: {"kind": type(inputs["question"]).__name__},
        process_outputs=lambda answer: answer.text,
    )
    async def ask(question):
        return Answer()

    assert asyncio.run(ask(Answer())).text == "yes"
    (session,) = sent()
    assert (session["inputs"], session["outputs"]) == ({"kind": "Answer"}, {"result": "yes"})


def test_what_processors_raise_is_counted_and_not_repeated(sent, caplog):
    """One warning names the function and the exception's type; its words may be secret."""
    before = honeytrace.stats().errors.get("process_inputs", 0)
    call(process_inputs=fail)
    stats = honeytrace.stats()
    assert stats.errors["process_inputs"] == before + 1
    assert "secret" not in f"{stats.last_error} {caplog.text}"
    assert sent()


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, StopIteration, RecursionError])
def test_whatever_processors_raise_the_call_goes_on(kind, sent):
    """This includes exceptions that are not an `Exception`."""

    def leave(_):
        raise kind

    assert call(process_inputs=leave, process_outputs=leave)["id"] == 7
    assert sent()[0]["outputs"] == {"result": f"[process_outputs raised {kind.__name__}]"}


def test_what_processors_call_is_not_traced(sent):
    """Nothing that runs on our behalf is a session, or a child of one."""

    @trace_session
    def helper(value):
        with trace_session("block") as block:
            assert not block
        assert not honeytrace.current_session()
        return {"helped": True}

    call(process_inputs=helper, process_outputs=helper)
    (session,) = sent()
    assert (session["inputs"], session["outputs"]) == ({"helped": True}, {"helped": True})
    assert session["children_ids"] == []


def test_the_session_is_current_again_after_a_processor(sent):
    """The next call of the function itself is a child as usual."""

    @trace_session("inner", process_inputs=lambda inputs: {})
    def inner():
        return honeytrace.current_session().session_name

    @trace_session("outer")
    def outer():
        return inner(), honeytrace.current_session().session_name

    assert outer() == ("inner", "outer")
    assert [len(s["children_ids"]) for s in sent()] == [0, 1]


def test_processors_of_a_stream_get_what_its_items_come_to(sent):
    """The joined text; or, with `reduce`, what that made of them."""

    def stream():
        yield "a"
        yield "b"

    list(trace_session("joined", process_outputs=lambda text: {"text": text})(stream)())
    list(trace_session("reduced", reduce=len, process_outputs=lambda n: {"n": n})(stream)())
    list(trace_session("failed", reduce=fail)(stream)())
    list(trace_session("none", capture_outputs=False, reduce=len)(stream)())
    outputs = [s["outputs"] for s in sent()]
    assert outputs == [{"text": "ab"}, {"n": 2}, {"result": "[reduce raised ValueError]"}, {}]


def test_of_a_stream_that_is_not_kept_the_items_are_counted(sent):
    """Their number and the time of the first one are recorded."""

    @trace_session(capture_outputs=False)
    def stream():
        yield {"a": 1}
        yield "b"

    list(stream())
    (session,) = sent()
    assert (session["outputs"], session["metrics"]["chunks"]) == ({}, 2)
    assert session["metadata"]["honeytrace"]["stream"] == {"completed": True}


def test_a_long_stream_that_is_not_kept_is_counted(sent):
    """In constant memory, however long it is."""

    @trace_session(capture_outputs=False)
    def stream():
        for _ in range(9000):
            yield "token"

    list(stream())
    (session,) = sent()
    assert (session["outputs"], session["metrics"]["chunks"]) == ({}, 9000)


def test_streams_within_a_processor_are_not_traced(sent):
    """Of either kind: they run as without."""

    @trace_session
    def stream():
        yield from (1, 2)

    @trace_session
    async def astream():
        yield 1
        yield 2

    async def drained():
        return [item async for item in astream()]

    call(process_outputs=lambda result: [list(stream()), asyncio.run(drained())])
    (session,) = sent()
    assert session["outputs"] == {"result": [[1, 2], [1, 2]]}


# ---- Exceptions that are none


class NotFoundError(KeyError):
    pass


@pytest.mark.parametrize("ignored", [KeyError, (ValueError, KeyError), [NotFoundError]])
def test_exceptions_can_be_ignored(ignored, sent):
    """They pass, and the session has no error."""

    @trace_session(ignore_exceptions=ignored)
    def look_up():
        raise NotFoundError("x")

    with pytest.raises(NotFoundError):
        look_up()
    (session,) = sent()
    assert "error" not in session
    assert session["metadata"]["honeytrace"]["status"] == "ok"


def test_other_exceptions_are_not_ignored(sent):
    """Those that are not named are errors as ever, in blocks and streams, too."""

    @trace_session(ignore_exceptions=KeyError)
    def stream():
        yield 1
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        list(stream())
    with pytest.raises(KeyError), trace_session("block", ignore_exceptions=KeyError):
        raise KeyError
    assert [s.get("error") for s in sent()] == ["ValueError: boom", None]


# ---- Tokens


class Answer:
    """An answer of the shape that SDKs give, without any SDK."""

    def __init__(self):
        self.model = "gpt-4o-2024-08-06"
        self.usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.mark.parametrize(
    "result",
    [
        {"model": "gpt-4o-2024-08-06", "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        {"model": "gpt-4o-2024-08-06", "usage": {"input_tokens": 3, "output_tokens": 4}},
    ],
    ids=["OpenAI", "Anthropic"],
)
def test_tokens_and_the_model_are_found(result, sent):
    """In an answer of a known shape, for metrics and config."""
    trace_session(lambda: result)()
    (session,) = sent()
    assert session["metrics"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert session["config"] == {"model": "gpt-4o-2024-08-06"}


def test_what_the_user_says_of_tokens_and_model_wins(sent):
    """Each key by itself; a model that `config_args` names is the user's word."""

    @trace_session(metrics={"total_tokens": 100}, config_args=("model",))
    def ask(model):
        honeytrace.enrich_session(metrics={"prompt_tokens": 50})
        return {"model": "gpt-4o-2024", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}

    ask("gpt-4o")
    (session,) = sent()
    assert session["metrics"] == {"prompt_tokens": 50, "completion_tokens": 4, "total_tokens": 100}
    assert session["config"] == {"model": "gpt-4o"}


# ---- Types that users teach


class Document:
    def __init__(self, identity):
        self.id = identity


@pytest.fixture
def taught():
    honeytrace.register(Document, lambda document: {"id": document.id})
    yield
    honeytrace.register(Document, None)


def test_a_type_can_be_taught(taught, sent):
    """The result of the function is recorded instead of the value, wherever that is."""
    trace_session(name="x")(lambda documents: documents[0])([Document(1), Document(2)])
    (session,) = sent()
    assert session["inputs"] == {"documents": [{"id": 1}, {"id": 2}]}
    assert session["outputs"] == {"id": 1}


def test_what_is_taken_back_is_unknown_again(taught, sent):
    """None takes a function back."""
    honeytrace.register(Document, None)
    trace_session(name="x")(lambda document: 1)(Document(1))
    assert sent()[0]["inputs"]["document"].endswith("Document>")


@pytest.mark.parametrize("function", [fail, lambda document: document])
def test_a_registered_function_at_fault_costs_its_value(sent, caplog, function):
    """It is counted; the call, the other values and the log are as they should be."""
    honeytrace.register(Document, function)
    try:
        before = honeytrace.stats().errors.get("register", 0)
        trace_session(name="x")(lambda a, b: 1)(Document(1), 2)
        assert honeytrace.stats().errors["register"] == before + 1
    finally:
        honeytrace.register(Document, None)
    (session,) = sent()
    assert "ValueError" in session["inputs"]["a"]
    assert session["inputs"]["b"] == 2
    assert "the secret" not in caplog.text


def test_registered_functions_are_not_traced(sent):
    """Calls inside them are not recorded."""

    @trace_session
    def helper(document):
        return document.id

    honeytrace.register(Document, helper)
    try:
        trace_session(name="x")(lambda document: 1)(Document(7))
    finally:
        honeytrace.register(Document, None)
    (session,) = sent()
    assert session["inputs"] == {"document": 7}


@pytest.mark.parametrize(("kind", "function"), [(5, len), (Document, "no function")])
def test_what_cannot_be_registered_says_so(kind, function):
    """A `TypeError` with a sentence."""
    with pytest.raises(TypeError, match=r"register\("):
        honeytrace.register(kind, function)
