"""Traced generators of both kinds: the session of each, from the first step to the last."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import inspect
import threading
import weakref

import pytest
from finalizers import finalizers

import honeytrace
from honeytrace import trace_session
from honeytrace._config.live import live
from honeytrace._utils.pytest_compat import fixture_parts as parts
from honeytrace.local import Store


@trace_session
def count(most: int, *, fail: bool = False):
    """Counts up."""
    yield from range(most)
    if fail:
        raise ValueError("boom")


@trace_session
async def acount(most: int, *, fail: bool = False):
    """Counts up."""
    for number in range(most):
        await asyncio.sleep(0)
        yield number
    if fail:
        raise ValueError("boom")


async def aiterate(stream, most=None):
    """The items of an async generator, at most so many, after which it is closed."""
    found = []
    async for item in stream:
        found.append(item)
        if len(found) == most:
            break
    await stream.aclose()
    return found


def iterate(stream, most=None):
    """The items of either kind, at most so many, after which it is closed."""
    if inspect.isasyncgen(stream):
        return asyncio.run(aiterate(stream, most))
    found = []
    for item in stream:
        found.append(item)
        if len(found) == most:
            break
    stream.close()
    return found


def about(session):
    return session["metadata"]["honeytrace"]


both = pytest.mark.parametrize("function", [count, acount], ids=["sync", "async"])


@both
def test_a_whole_stream_is_one_session(function, sent):
    """Its inputs, its items in order, their number, and the time to the first."""
    assert iterate(function(3)) == [0, 1, 2]
    (session,) = sent()
    assert session["inputs"] == {"most": 3, "fail": False}
    assert session["outputs"] == {"result": [0, 1, 2]}
    assert session["metrics"]["chunks"] == 3
    assert 0 <= session["metrics"]["ttft_ms"] <= session["duration"]
    assert about(session)["stream"] == {"completed": True}
    assert about(session)["kind"] == ("generator" if function is count else "async generator")


@both
def test_nothing_begins_before_the_first_step(function, sent):
    """A generator that is created and dropped is not recorded, and its function never starts."""
    function(3)
    gc.collect()
    assert sent() == []


@both
def test_an_early_end_is_no_error(function, sent):
    """The session has the yielded items, and says that the stream was not completed."""
    assert iterate(function(100), most=2) == [0, 1]
    (session,) = sent()
    assert "error" not in session
    assert (session["outputs"], session["metrics"]["chunks"]) == ({"result": [0, 1]}, 2)
    assert about(session)["stream"] == {"completed": False}


@both
def test_an_error_keeps_what_was_yielded(function, sent):
    """The exception passes; the session has it, and the items before it."""
    with pytest.raises(ValueError, match="boom"):
        iterate(function(2, fail=True))
    (session,) = sent()
    assert (session["error"], session["outputs"]) == ("ValueError: boom", {"result": [0, 1]})
    assert about(session)["stream"] == {"completed": False}


def test_a_stream_that_is_dropped_ends(sent):
    """Collection is a close: the session goes out, without an error."""
    stream = count(3)
    next(stream)
    del stream
    gc.collect()
    assert (sent()[0]["outputs"], "error" in sent()[0]) == ({"result": [0]}, False)


def test_an_async_stream_that_is_dropped_ends(sent):
    """The event loop closes it once, in order, and reports no trouble."""
    trouble = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, about: trouble.append(about))
        stream = waiting()
        await stream.__anext__()
        del stream
        await asyncio.sleep(0.1)

    @trace_session
    async def waiting():
        try:
            yield 1
        finally:
            await asyncio.sleep(0.01)
            trouble.append("closed")

    asyncio.run(main())
    assert trouble == ["closed"]
    assert about(sent()[0])["stream"] == {"completed": False}


def test_an_async_stream_left_open_at_the_end_of_its_loop_is_closed_once(sent):
    """The loop closes what it has seen begin all at once; it has not seen the one within."""
    trouble, kept = [], []

    @trace_session
    async def waiting():
        try:
            yield 1
        finally:
            await asyncio.sleep(0.01)
            trouble.append("closed")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, about: trouble.append(about))
        kept.append(waiting())
        await kept[0].__anext__()

    asyncio.run(main())
    assert trouble == ["closed"]
    assert len(sent()) == 1


@trace_session
@pytest.fixture
def made(item):
    """A fixture, as far as pytest is concerned."""
    yield item  # noqa: PT022 - a generator is what is tested


@pytest.mark.parametrize("item", [{"id": 7}, [1], "text"])
def test_a_fixture_yields_one_thing(sent, item):
    """The outputs are that thing, and its time is split: before it, and after it."""
    iterate(parts(made)[1](item))
    [session] = sent()
    assert session["outputs"] == (item if type(item) is dict else {"result": item})
    assert about(session)["stream"].keys() == {"completed", "setup_ms", "teardown_ms"}


@pytest.mark.parametrize("generator", [count, acount])
def test_other_streams_of_one_item(sent, generator):
    """Theirs are a list like any, and no time is split."""
    iterate(generator(1))
    [session] = sent()
    assert session["outputs"] == {"result": [0]}
    assert about(session)["stream"] == {"completed": True}


def test_the_return_value_is_kept(sent):
    """It reaches `yield from`, and the session."""

    @trace_session
    def inner():
        yield 1
        return {"tokens": 5}

    def outer():
        return (yield from inner())

    stream = outer()
    next(stream)
    with pytest.raises(StopIteration) as stop:
        next(stream)
    assert stop.value.value == {"tokens": 5}
    assert about(sent()[0])["stream"]["returned"] == {"tokens": 5}


@trace_session
def talk():
    said = []
    while True:
        try:
            said.append((yield len(said)))
        except KeyError as error:  # noqa: PERF203 - it is to be caught in each step
            said.append(error)


@trace_session
async def atalk():
    said = []
    while True:
        try:
            said.append((yield len(said)))
        except KeyError as error:  # noqa: PERF203 - it is to be caught in each step
            said.append(error)


def test_what_is_sent_and_thrown_arrives(sent):
    """`send`, `throw` and `close` reach the function, and what it answers comes back."""
    stream = talk()
    answers = [next(stream), stream.send("a"), stream.throw(KeyError("b")), stream.send(None)]
    stream.close()
    assert answers == [0, 1, 2, 3]
    assert sent()[0]["outputs"] == {"result": [0, 1, 2, 3]}


def test_what_is_sent_and_thrown_arrives_async(sent):
    """`asend`, `athrow` and `aclose`, too."""

    async def main():
        stream = atalk()
        answers = [
            await stream.__anext__(),
            await stream.asend("a"),
            await stream.athrow(KeyError("b")),
        ]
        await stream.aclose()
        return answers

    assert asyncio.run(main()) == [0, 1, 2]
    assert sent()[0]["outputs"] == {"result": [0, 1, 2]}


# ---- Which session is current


def test_the_session_is_current_in_the_generator_alone(sent):
    """Calls inside are children; what the consumer calls between the steps is not."""

    @trace_session
    def inside():
        pass

    @trace_session
    def between():
        pass

    @trace_session
    def stream():
        inside()
        yield honeytrace.current_session().session_name
        inside()

    with trace_session("consumer") as consumer:
        for name in stream():
            assert name.endswith("stream")
            assert honeytrace.current_session() == consumer
            between()
    by_id = {s["session_id"]: s["session_name"].rpartition(".")[2] for s in sent()}
    children = {
        s["session_name"].rpartition(".")[2]: [by_id[child] for child in s["children_ids"]]
        for s in sent()
    }
    assert children["consumer"] == ["stream", "between"]
    assert children["stream"] == ["inside", "inside"]


def test_a_block_inside_stays_current_over_a_yield(sent):
    """Between the steps it is not current; in the next step it is again."""

    @trace_session
    def stream():
        with trace_session("block") as block:
            yield 1
            assert honeytrace.current_session() == block
            yield 2

    for _ in stream():
        assert not honeytrace.current_session()
    parents = {s["session_name"].rpartition(".")[2]: s for s in sent()}
    assert (
        parents["block"]["metadata"]["honeytrace"]["parent_id"] == parents["stream"]["session_id"]
    )


def test_two_streams_side_by_side_do_not_mix(sent):
    """Steps in turn: each step has its own session."""

    @trace_session
    def stream(name):
        while True:
            yield name, honeytrace.current_session().inputs["name"]

    one, two = stream("one"), stream("two")
    assert [next(each) for each in (one, two, one, two)] == [
        ("one", "one"),
        ("two", "two"),
        ("one", "one"),
        ("two", "two"),
    ]
    one.close()
    two.close()


def test_a_stream_may_be_stepped_and_closed_from_anywhere(sent):
    """From other contexts and threads: no token is kept, nothing stays current there."""
    stream, other = count(10), contextvars.copy_context()
    next(stream)
    other.run(next, stream)
    thread = threading.Thread(target=next, args=(stream,))
    thread.start()
    thread.join()
    contextvars.Context().run(stream.close)
    assert not other.run(honeytrace.current_session)
    assert sent()[0]["outputs"] == {"result": [0, 1, 2]}


def test_an_async_stream_may_be_stepped_and_closed_by_other_tasks(sent):
    """As a web framework does: one task steps, another closes."""

    async def main():
        stream = acount(10)
        await asyncio.create_task(anext_(stream))
        await asyncio.create_task(anext_(stream))
        await asyncio.create_task(stream.aclose())

    async def anext_(stream):
        return await stream.__anext__()

    asyncio.run(main())
    assert sent()[0]["outputs"] == {"result": [0, 1]}


def test_a_consumer_that_is_cancelled_is_an_early_end(sent):
    """A client that goes away while the generator waits cancels it, which is not an error."""

    @trace_session
    async def stream():
        yield 1
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(aiterate(stream()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    (session,) = sent()
    assert session.get("error") is None
    assert session["outputs"] == {"result": [1]}
    assert about(session)["status"] == "cancelled"
    assert about(session)["stream"]["completed"] is False


@pytest.mark.parametrize("pause", [True, False])
def test_a_break_is_an_early_end_even_when_the_loop_is_about_to_end(pause, sent):
    """asyncio.run() cancels the task that closes the generator, which throws that in."""

    async def main():
        async for number in acount(10):
            if number == 2:
                break
        if pause:
            await asyncio.sleep(0.01)

    asyncio.run(main())
    (session,) = sent()
    assert session.get("error") is None
    assert session["outputs"] == {"result": [0, 1, 2]}
    assert about(session)["status"] == "ok"
    assert about(session)["stream"]["completed"] is False


def test_a_cancelled_result_is_an_error(sent):
    """The cancellation of a thread pool is an exception like any other."""

    @trace_session
    def stream():
        yield 1
        future = concurrent.futures.Future()
        future.cancel()
        future.result()

    with pytest.raises(concurrent.futures.CancelledError):
        list(stream())
    assert sent()[0]["error"] == "CancelledError"


def test_an_error_of_the_clean_up_is_one(sent):
    """An exception that a generator raises when it is closed early is its error."""

    @trace_session
    def stream():
        try:
            yield 1
        finally:
            raise OSError("disk")

    steps = stream()
    next(steps)
    with pytest.raises(OSError, match="disk"):
        steps.close()
    assert sent()[0]["error"] == "OSError: disk"


@pytest.mark.filterwarnings("ignore:coroutine method 'aclose':RuntimeWarning")  # of Python 3.13
def test_a_stream_of_a_closed_loop_ends_when_it_is_dropped(sent):
    """Python drops such a generator without closing it; nothing of it stays."""
    document = Document()
    known = weakref.ref(document)

    @trace_session
    async def stream(document):
        yield 1
        yield document

    async def first(document):
        return await stream(document).__anext__()

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(first(document)) == 1
    loop.close()
    del document, loop
    gc.collect()
    assert known() is None
    assert not live.suspended
    (session,) = sent()
    assert session.get("error") is None
    assert about(session)["stream"]["completed"] is False


class Document:
    """An object that can be referred to weakly."""


def test_context_variables_are_those_of_the_consumer(sent):
    """The consumer sees what the generator sets, and vice versa, as without a decorator."""
    variable = contextvars.ContextVar("variable", default=0)

    @trace_session
    def stream():
        variable.set(1)
        yield variable.get()
        yield variable.get()

    steps = stream()
    assert (next(steps), variable.get()) == (1, 1)
    variable.set(2)
    assert next(steps) == 2
    steps.close()


# ---- What the items come to


@pytest.mark.parametrize(
    ("items", "outputs"),
    [
        (["a", "b", "c"], {"result": "abc"}),
        ([], {"result": []}),
        ([1, "a"], {"result": [1, "a"]}),
        ([{"a": 1}], {"result": [{"a": 1}]}),
        ([b"ab", "c"], {"result": ["<bytes: 2>", "c"]}),
        (["x" * 5000, "y"], {"result": "x" * 5000 + "y"}),
        ([["a"], ("b",)], {"result": [["a"], ["b"]]}),
    ],
)
def test_items_make_the_outputs(items, outputs, sent):
    """Strings are joined, all else is the list."""

    @trace_session
    def stream():
        yield from items

    list(stream())
    assert sent()[0]["outputs"] == outputs


def chunk(text, **more):
    return {"object": "chat.completion.chunk", "id": "c", "model": "gpt-4o", **more,
            "choices": [{"index": 0, "delta": {"content": text}}]}  # fmt: skip


def test_chunks_of_an_answer_are_merged(sent):
    """Of OpenAI's shape: one answer, its tokens in metrics, its model in config."""

    @trace_session
    def stream():
        yield chunk("Hel")
        yield chunk("lo")
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        yield {**chunk(""), "choices": [], "usage": usage}

    list(stream())
    (session,) = sent()
    assert session["outputs"]["choices"][0]["message"]["content"] == "Hello"
    assert session["metrics"]["total_tokens"] == 3
    assert session["config"] == {"model": "gpt-4o"}


@pytest.mark.parametrize("most", [999, 1000, 1001, 5000])
def test_long_texts_are_whole(most, sent):
    """However many pieces a text comes in."""

    @trace_session
    def stream():
        for number in range(most):
            yield f"{number};"

    list(stream())
    assert sent()[0]["outputs"] == {"result": "".join(f"{number};" for number in range(most))}
    assert sent()[0]["metrics"]["chunks"] == most


def test_of_a_long_list_the_first_items_are_kept(sent):
    """A thousand of them; the others are counted."""
    list(count(5000))
    (session,) = sent()
    assert session["outputs"]["result"] == [*range(1000), "[4000 more items]"]
    assert session["metrics"]["chunks"] == 5000
    assert about(session)["stream"] == {"completed": True, "dropped": 4000}
    assert about(session)["truncated"] == ["outputs"]


def test_a_reducer_gets_the_items_themselves(sent):
    """Its result is recorded; the first thousand items are kept for it."""

    class Token:
        def __init__(self, text):
            self.text = text

    @trace_session(reduce=lambda tokens: {"text": "".join(token.text for token in tokens)})
    def stream(most):
        for number in range(most):
            yield Token(f"{number % 10}")

    list(stream(3))
    list(stream(2500))
    few, many = sent()
    assert few["outputs"] == {"text": "012"}
    assert many["outputs"] == {"text": "0123456789" * 100}
    assert about(many)["stream"]["dropped"] == 1500


@both
def test_items_are_not_kept_alive(function, sent):
    """An item that the consumer drops is gone, while the stream waits and after it."""

    class Thing:
        pass

    @trace_session
    def stream():
        while True:
            yield Thing()

    steps = stream()
    seen = weakref.ref(next(steps))
    assert seen() is None
    steps.close()


def test_an_item_that_changes_later_is_recorded_as_it_was(sent):
    """A list that the generator yields again and again, say."""

    @trace_session
    def stream():
        found = []
        for number in range(3):
            found.append(number)
            yield found

    list(stream())
    assert sent()[0]["outputs"] == {"result": [[0], [0, 1], [0, 1, 2]]}


def test_large_items_do_not_pile_up(sent):
    """Strings of a megabyte: what is over the budget of a field is dropped at once."""

    @trace_session
    def stream():
        for number in range(40):
            yield [str(number) * 500_000]

    list(stream())
    (session,) = sent()
    assert len(session["outputs"]["result"]) < 20
    assert about(session)["stream"]["dropped"] > 20


def test_a_returned_iterator_stays_untouched(sent):
    """A function that merely returns a generator keeps it, and its session ends at once."""

    @trace_session
    def give():
        return (number for number in range(3))

    stream = give()
    assert sent()[0]["outputs"] == {"result": "<builtins.generator>"}
    assert list(stream) == [0, 1, 2]


@pytest.mark.parametrize("function", [count, acount])
def test_switched_off_a_stream_is_as_without(function, sent):
    """Its items come, errors pass, and nothing is recorded."""
    honeytrace.configure(enabled=False)
    try:
        assert iterate(function(3)) == [0, 1, 2]
        assert iterate(function(3), most=1) == [0]
        with pytest.raises(ValueError, match="boom"):
            iterate(function(1, fail=True))
    finally:
        honeytrace.configure(enabled=None)
    assert sent() == []


def test_a_users_own_metrics_win(sent):
    """A key that the function sets is not overwritten by ours."""

    @trace_session
    def stream():
        honeytrace.enrich_session(metrics={"chunks": "mine"})
        yield 1

    list(stream())
    assert sent()[0]["metrics"]["chunks"] == "mine"


def test_a_session_that_was_read_at_its_end_has_its_outputs(sent):
    """The running session can be asked for its outputs while and after it ran."""
    kept = []

    @trace_session
    def stream():
        kept.append(honeytrace.current_session())
        yield "a"
        yield "b"

    list(stream())
    assert kept[0].outputs == {"result": "ab"}
    assert sent()[0]["outputs"] == {"result": "ab"}


def test_a_streaming_response_is_traced_to_its_last_byte(sent):
    """A web framework steps the generator in tasks of its own; the request is the parent."""
    httpx = pytest.importorskip("httpx")
    starlette = pytest.importorskip("starlette.applications")
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    @trace_session(name="tokens")
    async def tokens(question):
        for word in ("yes ", "indeed"):
            await asyncio.sleep(0)
            yield word

    @trace_session(name="endpoint", ignore=("request",))
    async def endpoint(request):
        return StreamingResponse(tokens("is it?"))

    async def main():
        app = starlette.Starlette(routes=[Route("/", endpoint)])
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get("/")).text

    assert asyncio.run(main()) == "yes indeed"
    by_name = {s["session_name"]: s for s in sent()}
    assert by_name["tokens"]["outputs"] == {"result": "yes indeed"}
    assert about(by_name["tokens"])["stream"] == {"completed": True}


def test_real_answers_of_an_sdk_have_their_tokens(sent):
    """Objects of OpenAI's own classes, whole and in chunks."""
    chat = pytest.importorskip("openai.types.chat")
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    head = {"id": "c", "created": 1, "model": "gpt-4o"}
    message = {"index": 0, "finish_reason": "stop"}
    whole = chat.ChatCompletion.model_validate(
        {**head, "object": "chat.completion", "usage": usage,
         "choices": [{**message, "message": {"role": "assistant", "content": "Hello"}}]}
    )  # fmt: skip
    chunks = [
        chat.ChatCompletionChunk.model_validate(
            {**head, "object": "chat.completion.chunk", "usage": last,
             "choices": [{"index": 0, "delta": {"content": text}}]}
        )
        for text, last in (("Hel", None), ("lo", usage))
    ]  # fmt: skip

    @trace_session
    def ask():
        return whole

    @trace_session
    def stream():
        yield from chunks

    assert ask() is whole
    assert list(stream()) == chunks
    for session in sent():
        assert session["outputs"]["choices"][0]["message"]["content"] == "Hello"
        assert session["metrics"]["total_tokens"] == 7
        assert session["config"] == {"model": "gpt-4o"}


@pytest.mark.parametrize("kept", ["kept = stream()", "import json; json.kept = stream()"])
@pytest.mark.parametrize("flushed", ["", "honeytrace.flush(5)"])
def test_a_stream_that_waits_when_the_program_ends_is_recorded(kept, flushed, program, tmp_path):
    """At exit, before there is nothing left to record it with; nothing is said of it."""
    done = program(
        f"""
        import honeytrace

        @honeytrace.trace_session
        def stream():
            yield "a"
            yield "b"

        {kept}
        next(kept if "kept" in globals() else json.kept)
        {flushed}
        """,
        HONEYTRACE_EXIT_TIMEOUT="20",
    )
    assert (done.returncode, done.stderr) == (0, "")
    (stored,) = Store(tmp_path / "home" / "sessions.db").recent()
    assert stored["outputs"] == {"result": "a"}
    assert about(stored)["stream"] == {"completed": False}


def test_the_end_of_a_stream_may_drop_another_at_exit(program, tmp_path):
    """Both are recorded, once each."""
    done = program(
        """
        import honeytrace

        @honeytrace.trace_session(reduce=lambda items: kept.clear() or items)
        def stream(name):
            yield name

        kept = [stream("a"), stream("b")]
        for each in kept:
            next(each)
        del each
        """,
        HONEYTRACE_EXIT_TIMEOUT="20",
    )
    assert (done.returncode, done.stderr) == (0, "")
    stored = Store(tmp_path / "home" / "sessions.db").recent()
    assert sorted(each["inputs"]["name"] for each in stored) == ["a", "b"]
    assert not any(about(each)["stream"]["completed"] for each in stored)


def test_a_stream_that_waits_when_the_program_ends_is_safe(program, server):
    """With a server it is delivered, or on disk where no thread can be started any more."""
    done = program(
        """
        import honeytrace

        @honeytrace.trace_session
        def stream():
            yield "a"

        kept = stream()
        next(kept)
        """,
        HH_API_URL=server.url,
    )
    assert done.returncode == 0
    assert len(server.sessions) + done.stderr.count("sessions on disk: 1") == 1


def test_a_coroutine_that_waits_when_the_program_ends_says_nothing(program, server):
    """It is closed when there is nothing left to record it with."""
    done = program(
        """
        import honeytrace, types

        @types.coroutine
        def pause():
            yield

        @honeytrace.trace_session
        async def wait():
            await pause()

        types.kept = wait()
        types.kept.send(None)
        """,
        HH_API_URL=server.url,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("most", [None, 1])
@pytest.mark.parametrize("function", [count, acount])
def test_a_stream_that_has_ended_runs_no_finalizer(function, most):
    """An exception of a signal handler in a finalizer would be lost."""
    with finalizers() as ran:
        iterate(function(3), most)
        with pytest.raises(ValueError, match="boom"):
            iterate(function(1, fail=True))
    assert ran == []
