"""One step in full: conversations, documents, errors, and everything else as it was recorded."""

from __future__ import annotations

import json
import uuid

import pytest
from pages import MAX_PAGE_BYTES, classed, text

HOSTILE = '"><script>alert(1)</script>\x1b[31m\u202e'
IMAGE = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def show(store, browser):
    """Store a session and return the panel of its page."""

    def show(parameters="", **fields):
        session_id = str(uuid.uuid4())
        store.add({"session_id": session_id, "project": "p", "session_name": "a", **fields})
        page = browser.tree(f"/s/{session_id}{parameters}")
        return next(each for each in page.iter("section") if each.get("id") == "step")

    return show


def section(panel, title):
    for each in panel.iter("section"):
        heading = each.find("h3")
        if heading is not None and (heading.text or "") == title:
            return each
    raise AssertionError(f"there is no section {title}")


def said(panel):
    """Each message of the conversation, as one text."""
    (talk,) = classed(panel, "conversation")
    return [text(message) for message in talk]


def test_a_conversation(show):
    """Messages in order, with the answer of the model as the last one."""
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}]
    panel = show(inputs={"messages": messages}, outputs={"role": "assistant", "content": "Hi."})
    assert said(panel) == ["system Be kind.", "user Hello?", "assistant Hi."]
    with pytest.raises(AssertionError):
        section(panel, "Output")


def titles(panel):
    return [each.find("h3").text for each in classed(panel, "field")]


def test_the_conversation_comes_first(show):
    """What else went in, such as the name of the model, stands below it."""
    talk = [{"role": "user", "content": "Hello?"}]
    inputs = {"model": "gpt-4o", "messages": talk, "tools": None}
    answer = {"role": "assistant", "content": "Hi."}
    assert titles(show(inputs=inputs, outputs=answer)) == ["Conversation", "Other inputs"]
    unfinished = show(inputs=inputs, outputs={"result": 1})
    assert titles(unfinished) == ["Conversation", "Output", "Other inputs"]
    assert titles(show(inputs={"q": 1}, outputs={"result": 1})) == ["Input", "Output"]


def test_a_vector(show):
    """The numbers of an embedding take a few lines, also if it was cut."""
    panel = show(outputs={"embedding": [*range(1000), "[536 more items]"]})
    assert "0,1,2,3" in text(section(panel, "Output"))
    assert not classed(panel, "items")
    mixed = show(outputs={"found": [1, "two"]})
    assert len(list(classed(mixed, "items")[0])) == 2


def test_long_documents_are_folded(show):
    """One sees at once which documents were found; their texts are cut between words."""
    found = [{"id": name, "text": "honey " * 300, "score": 0.5} for name in "abc"]
    output = section(show(outputs={"result": found}), "Output")
    assert len(list(output.iter("details"))) == 3
    assert {pre.text[:5] for pre in output.iter("pre")} == {"honey"}
    solid = show(outputs={"result": [{"id": "a", "text": "x" * 1000}]})
    assert "400 more characters" in text(solid)


OPENAI = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"at": "Oslo"}'},
            },
            {"id": "c2", "type": "function", "function": {"name": "time", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "c2", "content": "noon"},
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
]
RESPONSES = [
    {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"at": "Oslo"}'},
    {"type": "function_call", "call_id": "c2", "name": "time"},
    {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    {"type": "function_call_output", "call_id": "c2", "output": "noon"},
]
ANTHROPIC = [
    {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"at": "Oslo"}},
            {"type": "tool_use", "id": "c2", "name": "time", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [{"type": "text", "text": "rain"}],
            },
            {"type": "tool_result", "tool_use_id": "c2", "content": "noon"},
        ],
    },
]


@pytest.mark.parametrize("messages", [OPENAI, RESPONSES, ANTHROPIC])
def test_a_tool_call_stands_with_its_result(show, messages):
    """In each of the usual shapes, whatever stands between the two."""
    panel = show(inputs={"messages": messages})
    one, two = (text(each) for each in classed(panel, "tool"))
    assert one.startswith("→ weather")
    assert "Oslo" in one
    assert one.endswith("← result rain")
    assert two == "→ time ← result noon"


def test_a_tool_of_the_provider_stands_with_its_result(show):
    function = {"name": "web_search", "arguments": '{"query": "tea"}'}
    call = {"id": "w", "type": "function", "function": function, "output": "Tea is green."}
    (answer,) = said(show(outputs={"role": "assistant", "content": None, "tool_calls": [call]}))
    assert "web_search" in answer
    assert "Tea is green." in answer


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "refusal", "error"])
def test_what_an_answer_says_besides_its_content(show, name):
    """A refusal has no content at all."""
    (answer,) = said(show(outputs={"role": "assistant", "content": None, name: "I think not."}))
    assert "I think not." in answer


def test_sources_of_an_answer(show):
    sources = [{"type": "url_citation", "url": "https://tea.example"}]
    found = {"role": "assistant", "content": "Green", "annotations": sources}
    (answer,) = said(show(outputs=found))
    assert "Green" in answer
    assert "https://tea.example" in answer


def test_a_result_without_its_call(show):
    """A result that belongs to no call, and a second one, are messages of their own."""
    panel = show(inputs={"messages": [*OPENAI, OPENAI[2], {"role": "tool", "content": "alone"}]})
    assert said(panel)[-2:] == ["tool noon", "tool alone"]


ANSWERS = [
    {"result": {"choices": [{"message": {"role": "assistant", "content": "Hi."}}]}},
    {"choices": [{"message": {"role": "assistant", "content": "Hi."}}], "id": "x"},
    {"role": "assistant", "content": [{"type": "text", "text": "Hi."}], "model": "m"},
    {"result": {"role": "assistant", "content": "Hi."}},
]


@pytest.mark.parametrize("outputs", ANSWERS)
def test_an_answer_is_a_message(show, outputs):
    """The answer of each usual API is read as one message."""
    panel = show(inputs={"messages": [{"role": "user", "content": "?"}]}, outputs=outputs)
    assert said(panel)[-1] == "assistant Hi."
    assert said(show(outputs=outputs)) == ["assistant Hi."]


ODD = [
    [{"role": "user", "content": None}],
    [{"role": "user", "content": {"a": 1}}],
    [{"role": "user", "content": [1, None, "x", {"type": "audio"}, [2]]}],
    [{"role": "assistant", "tool_calls": "x"}],
    [{"role": "assistant", "content": "", "tool_calls": ["x", {"function": 1}, {"function": {}}]}],
    [{"type": "function_call"}, {"type": "tool_result"}],
    [{"role": "user", "parts": ["x"]}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": 1}]}],
]


@pytest.mark.parametrize("messages", ODD)
def test_messages_that_are_damaged(show, messages):
    """A conversation that is not quite one is shown all the same."""
    assert show(inputs={"messages": messages}, outputs={"choices": [1]}) is not None


IMAGES = [
    {"type": "image_url", "image_url": {"url": IMAGE}},
    {"type": "input_image", "image_url": IMAGE},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE[22:]}},
]


@pytest.mark.parametrize("part", IMAGES)
def test_images_are_shown(show, part):
    """An image that stands in the message itself is seen."""
    panel = show(inputs={"messages": [{"role": "user", "content": [part]}]})
    assert [each.get("src") for each in panel.iter("img")] == [IMAGE]


PICTURE, AUDIO, PDF = "<image/png: 9 bytes>", "<wav: 8 bytes>", "<application/pdf: 7 bytes>"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}, PICTURE),
        ({"type": "image", "source": {"type": "base64", "data": PICTURE}}, PICTURE),
        ({"image": {"format": "png", "source": {"bytes": PICTURE}}}, PICTURE),
        ({"type": "input_audio", "input_audio": {"data": AUDIO, "format": "wav"}}, AUDIO),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}, f"a.pdf {PDF}"),
        ({"type": "document", "source": {"data": PDF}, "title": "A"}, f"A {PDF}"),
        ({"type": "input_file", "filename": "a.pdf", "file_data": PDF}, f"a.pdf {PDF}"),
    ],
)
def test_files_that_were_not_recorded(show, part, words):
    """A file is one line: its name, type and size, whichever way the message holds it."""
    panel = show(inputs={"messages": [{"role": "user", "content": [part, "What is it?"]}]})
    (message,) = panel.iterfind(".//li")
    assert text(message) == f"user {words} What is it?"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/x.png",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "javascript:alert(1)",
        f'{IMAGE}" onerror="alert(1)',
    ],
)
def test_other_images_are_text(show, address):
    """Nothing is loaded from elsewhere, and no kind of image that can hold a script."""
    part = {"type": "image_url", "image_url": {"url": address}}
    panel = show(inputs={"messages": [{"role": "user", "content": [part]}]})
    assert not list(panel.iter("img"))
    assert address in text(panel)


def test_too_many_images(show):
    """Images are bounded: the page says how large the one is that it leaves out."""
    part = {"type": "image_url", "image_url": {"url": IMAGE + "A" * 1_500_000}}
    panel = show(inputs={"messages": [{"role": "user", "content": [part, part]}]})
    assert len(list(panel.iter("img"))) == 1
    assert "An image of 1,500,034 characters" in text(panel)


def test_documents(show):
    """Retrieved documents have a rank, name, score, text, and further facts."""
    found = [
        {"source": "a.md", "score": 0.9312, "text": "First.", "page": 3},
        {"source": "b.md", "score": 0.5, "text": "Second."},
    ]
    panel = show(outputs={"result": found})
    first, second = (text(each) for each in classed(panel, "items")[0])
    assert first == "a.md score 0.931 First. page 3"
    assert second == "b.md score 0.5 Second."


def test_any_other_value(show):
    """Objects, lists, numbers and nothing are shown as what they are."""
    panel = show(inputs={"a": {"b": [1, 2.5, None], "c": []}, "d": ["x", {"e": True}], "f": {}})
    assert text(section(panel, "Input")) == "Input Copy a b [1,2.5,null] c [] d x e true f {}"


def test_values_that_are_deep_or_long(show):
    """Deeply nested values are shown as JSON; long lists say how much they leave out."""
    deep: list = []
    for _ in range(30):
        deep = [deep]
    panel = show(inputs={"deep": deep, "long": [{"a": 1}] * 150})
    assert "[[[[[[" in text(panel)
    assert "… 50 more items" in text(panel)


def test_long_texts_fold(show):
    """Of a text over 20 lines the rest is folded, with its number of lines."""
    panel = show(inputs={"text": "\n".join(f"line {at}" for at in range(50))})
    (details,) = (each for each in section(panel, "Input").iter("details"))
    assert text(details.find("summary")) == "30 more lines"
    assert text(details.find("pre")).startswith("line 20 line 21")


def test_long_lines_fold(show):
    """A line of 10,000 characters is folded, too."""
    (details,) = (
        each for each in section(show(inputs={"text": "x" * 10_000}), "Input").iter("details")
    )
    assert text(details.find("summary")) == "6,000 more characters"


def test_very_long_texts_are_cut(show):
    """A page has 200,000 characters of a text, and says how many there are besides."""
    panel = show(inputs={"text": "x" * 300_000})
    assert "… and 100,000 more characters" in text(section(panel, "Input"))


@pytest.mark.parametrize("value", ["x" * 5_000_000, '"' * 1_000_000, ["<&>" * 1000] * 1500])
def test_a_page_is_bounded(store, browser, value):
    """Whatever a session holds, its page has at most three megabytes."""
    session_id = str(uuid.uuid4())
    inputs = {"text": value, "again": value}
    store.add({"session_id": session_id, "inputs": inputs, "outputs": {"text": value}})
    for view in ("", "?view=json", ".json"):
        answer = browser.get(f"/s/{session_id}{view}")
        assert (answer.status_code, len(answer.content) < MAX_PAGE_BYTES) == (200, True)


def test_everything_is_text(show, browser):
    """Markup, terminal escapes and right-to-left marks are shown as they are written."""
    messages = [
        {"role": HOSTILE, "content": HOSTILE, "tool_calls": [{"function": {"name": HOSTILE}}]}
    ]
    panel = show(
        "?q=alert",
        inputs={HOSTILE: HOSTILE, "messages": messages},
        outputs={"result": [{"text": HOSTILE, "title": HOSTILE, "score": HOSTILE}]},
        error=HOSTILE,
        metadata={
            "honeytrace": {
                "exception": {"type": HOSTILE, "message": HOSTILE, "traceback": [HOSTILE]}
            }
        },
        config={"model": HOSTILE},
        session_name=HOSTILE,
    )
    assert not list(panel.iter("script"))
    shown = "".join(panel.itertext())
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("<script>alert(1)</script>\\x1b[31m\\u202e") > 8


def test_json(show):
    """The other view is JSON as it was recorded."""
    panel = show("?view=json", inputs={"a": ["ü", 1]}, outputs={"b": None})
    shown = next(section(panel, "Inputs").iter("pre"))
    assert json.loads("".join(shown.itertext())) == {"a": ["ü", 1]}
    assert "code" in next(section(panel, "Inputs").iter("div")).get("class")


def test_an_error(show):
    """Type, message, notes, traceback, the chain of causes, and the members of a group."""
    inner = {"type": "OSError", "message": "no route", "traceback": []}
    group = {
        "type": "ExceptionGroup",
        "message": "two failed",
        "traceback": ["/app/a.py:1 in f", "/app/b.py:2 in g"],
        "notes": ["while starting"],
        "cause": {**inner, "context": {"type": "KeyError", "message": "'x'"}},
        "exceptions": [{"type": "A", "message": "first"}, "damaged"],
        "more_exceptions": 2,
    }
    ours = {"honeytrace": {"status": "error", "exception": group}}
    shown = text(section(show(error="ExceptionGroup: two failed", metadata=ours), "Error"))
    assert shown == (
        "Error ExceptionGroup two failed while starting /app/a.py:1 in f /app/b.py:2 in g "
        "Caused by OSError no route While handling KeyError 'x' Exception 1 A first Exception 2 "
        "… 2 more exceptions"
    )


@pytest.mark.parametrize("exception", [None, {}, [], {"type": "E", "traceback": 1, "notes": "x"}])
def test_an_error_without_details(show, exception):
    """The text of the error is enough."""
    ours = {"honeytrace": {"exception": exception}}
    shown = text(section(show(error="E: boom", metadata=ours), "Error"))
    assert shown == "Error E: boom"


def test_what_else_is_known(show):
    """Config, metrics, feedback, user and metadata have a section each; our own comes last."""
    panel = show(
        config={"k": 1},
        metrics={"m": 2},
        feedback={"f": 3},
        user_properties={"u": 4},
        metadata={"team": "x", "honeytrace": {"version": "9"}},
    )
    assert [text(each).replace(" Copy", "") for each in classed(panel, "field")] == [
        "Metrics m 2",
        "Feedback f 3",
        "Config k 1",
        "User properties u 4",
        "Metadata team x",
    ]
    assert "version 9" in text(classed(panel, "again")[-1])


def facts(panel):
    (shown,) = classed(panel, "facts")
    return {each.find("dt").text: text(each.find("dd")) for each in shown.findall("div")}


def test_how_a_model_call_went(show):
    """Retries, the HTTP status, the first token and the end stand in the head, and only there."""
    panel = show(
        metrics={"ttft_ms": 321.4, "prompt_tokens": 9, "cost": 0.5},
        metadata={
            "retries": 2,
            "status_code": 500,
            "finish_reason": "length",
            "time_to_first_token_ms": 321.4,
            "prompt_tokens": 9,
            "cost": 0.75,
            "nothing": None,
        },
    )
    found = facts(panel)
    assert {name: found[name] for name in ("HTTP", "Retried", "First token", "Finish")} == {
        "HTTP": "500",
        "Retried": "2×",
        "First token": "321.4 ms",
        "Finish": "length",
    }
    shown = text(section(panel, "Metadata")).removeprefix("Metadata Copy ")
    assert shown == "cost 0.75 nothing null"


def test_a_call_that_went_well(show):
    """No retry is not worth a word in the head; odd values are left where they are."""
    odd = {"retries": 0, "status_code": "odd", "finish_reason": ["odd"]}
    panel = show(metrics={"ttft_ms": 5.0}, metadata=odd)
    assert facts(panel)["First item"] == "5.0 ms"
    assert not facts(panel).keys() & {"HTTP", "Retried", "First token", "Finish"}
    assert "status_code" in text(section(panel, "Metadata"))


@pytest.mark.parametrize(
    ("stream", "chunks", "words"),
    [
        ({"completed": False}, 3, "stopped early"),
        ({"completed": False}, 0, "not read"),
        ({"completed": True}, 3, ""),
        ("odd", 3, ""),
        (None, 3, ""),
    ],
)
def test_a_stream_that_was_not_read(show, stream, chunks, words):
    """A stream that nobody read to its end does not look complete."""
    fields = {"metrics": {"chunks": chunks}, "metadata": {"honeytrace": {"stream": stream}}}
    assert text(show(**fields).find("h2")).removeprefix("a").strip() == words
    assert text(show(**fields, error="E: x").find("h2")) == "a error"


CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
SCHEMAS = [
    (CITY, "weather(city: string)"),
    ({"type": "object"}, "weather()"),
    (
        {"properties": {"k": {"type": ["integer", "null"]}, "x": {}, "y": 1}},
        "weather(k: integer | null, x, y)",
    ),
    ({"properties": {"a": {"type": "array", "items": {"type": "string"}}}}, "weather(a: string[])"),
    ({"properties": {"a": {"type": "array"}}}, "weather(a: any[])"),
    ({"properties": {"u": {"enum": ["C", "F"]}}}, 'weather(u: "C" | "F")'),
    ({"properties": {"u": {"enum": [1, 2, 3, 4, 5]}}}, "weather(u: 1 | 2 | 3 | 4 | …)"),
    (
        {"properties": {"u": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        "weather(u: string | null)",
    ),
    ({"properties": {"at": CITY}}, "weather(at: {city: string})"),
]


@pytest.mark.parametrize(("schema", "line"), SCHEMAS)
@pytest.mark.parametrize("shape", ["chat", "responses", "anthropic"])
def test_a_tool_is_one_line(show, schema, line, shape):
    """A tool is its signature and what it is for, and unfolds to its whole schema."""
    about = {"name": "weather", "description": "The weather"}
    tool = {
        "chat": {"type": "function", "function": {**about, "parameters": schema}},
        "responses": {"type": "function", **about, "parameters": schema},
        "anthropic": {**about, "input_schema": schema},
    }[shape]
    (shown,) = classed(section(show(config={"tools": [tool]}), "Config"), "schema")
    assert text(shown.find("details/summary")) == line
    whole = "\n".join("".join(each.itertext()) for each in shown.iter("pre"))
    assert json.loads(whole) == tool
    assert text(shown.find("p")) == "The weather"


def test_other_schemas_are_one_line(show):
    """The schema of an answer is folded as well; what only looks like a tool is not."""
    config = {"format": {"name": "a", "schema": CITY}, "tools": [{"type": "web_search"}, "x"]}
    config["others"] = [{"name": "a", "parameters": "x"}, {"name": 1, "parameters": {}}]
    (shown,) = classed(section(show(config=config), "Config"), "schema")
    assert text(shown.find("details/summary")) == "{city: string}"
    assert shown.find("p") is None
