"""The commands that run a step again."""

from __future__ import annotations

import json
import shlex
import uuid

import pytest
from pages import text

TALK = [{"role": "user", "content": "it's $(here) `x`"}]
SYSTEM = {"role": "system", "content": "Be kind."}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
CALL = {"honeytrace": {"kind": "function", "step": "model"}}


@pytest.fixture
def show(store, browser):
    """Store a session and return the sections of its page by their titles."""

    def show(name="a", **fields):
        fields = {"session_id": str(uuid.uuid4()), "project": "p", "session_name": name, **fields}
        store.add(fields)
        page = browser.tree(f"/s/{fields['session_id']}")
        found = [each for each in page.iter("section") if each.find("h3") is not None]
        return {each.find("h3").text: each for each in found}

    return show


def words_of(section):
    """Return the words that a shell makes of the command."""
    return shlex.split("".join(section.find("pre").itertext()).replace("\\\n", ""))


def sent(section):
    words = words_of(section)
    return json.loads(words[words.index("-d") + 1])


@pytest.mark.parametrize(
    "parameters",
    [
        {"tools": TOOLS, "tool_choice": "auto", "temperature": 0.2},
        {"response_format": {"type": "json_object"}, "max_tokens": 20, "stop": ["a"]},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"invented_later": {"by": "the provider"}},
    ],
)
def test_every_parameter_of_a_chat(show, parameters):
    """What an SDK sent is sent again; the provider is not a parameter."""
    config = {"model": "gpt-4o", **parameters, "provider": "openai"}
    shown = show("openai.chat.completions", inputs={"chat_history": TALK}, config=config)
    assert sent(shown["As curl"]) == {"model": "gpt-4o", **parameters, "messages": TALK}
    words = words_of(shown["As curl"])
    assert words[-5:-1] == [*words[-5:-2], "-d"]
    assert ("-N" in words) == ("stream" in parameters)
    assert "chat/completions" in " ".join(words)


@pytest.mark.parametrize(
    ("history", "body"),
    [
        ([SYSTEM, *TALK], {"instructions": "Be kind.", "input": TALK}),
        (TALK, {"input": TALK}),
        ([*TALK, {"type": "reasoning"}], {"input": [*TALK, {"type": "reasoning"}]}),
        (["odd"], {"input": ["odd"]}),
    ],
)
def test_every_parameter_of_a_response(show, history, body):
    """OpenAI's Responses API has other names for the conversation."""
    config = {"model": "gpt-4o", "tools": TOOLS, "provider": "openai"}
    shown = show("openai.responses", inputs={"chat_history": history}, config=config)
    assert sent(shown["As curl"]) == {"model": "gpt-4o", "tools": TOOLS, **body}
    assert "/responses" in " ".join(words_of(shown["As curl"]))


@pytest.mark.parametrize(
    ("history", "body"),
    [([SYSTEM, *TALK], {"system": "Be kind.", "messages": TALK}), (TALK, {"messages": TALK})],
)
def test_every_parameter_of_a_message(show, history, body):
    """Anthropic has an address, headers and a field for the system's message of its own."""
    config = {"model": "claude", "max_tokens": 9, "tools": TOOLS, "provider": "anthropic"}
    shown = show("anthropic.messages", inputs={"chat_history": history}, config=config)
    assert sent(shown["As curl"]) == {"model": "claude", "max_tokens": 9, "tools": TOOLS, **body}
    words = " ".join(words_of(shown["As curl"]))
    assert "/v1/messages" in words
    assert "x-api-key: $ANTHROPIC_API_KEY" in words
    config["provider"] = "bedrock"  # its requests are signed
    assert "As curl" not in show("anthropic.messages", inputs={"chat_history": TALK}, config=config)


def test_the_config_of_a_user(show):
    """Of the config of one's own function, the parameters of model APIs are sent."""
    config = {"model": "gpt-4o", "temperature": 0.2, "tools": TOOLS, "prompt_version": 3}
    shown = show(inputs={"messages": TALK}, config=config)
    assert sent(shown["As curl"]) == {
        "model": "gpt-4o",
        "temperature": 0.2,
        "tools": TOOLS,
        "messages": TALK,
    }
    words = "Left out, since it is not a parameter of the API: prompt_version."
    assert words in text(shown["As curl"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"inputs": {"messages": [{"role": "user", "content": "x" * 200_000}]}},
        {"inputs": {"messages": TALK}, "config": {}},
        {"inputs": {"question": "x"}},
        {"inputs": {"chat_history": []}},
        {"inputs": {"messages": [{"type": "human", "content": "x", "response_metadata": {}}]}},
    ],
)
def test_no_command_for_what_no_model_was_asked(show, fields):
    """There is nothing to send without a model or a conversation as its API takes it.

    Nor is there for megabytes.
    """
    assert "As curl" not in show(**{"config": {"model": "gpt-4o"}, **fields})


def call_of(path):
    return {"honeytrace": {"kind": "function", "function": path}}


def test_a_test_of_a_function(show):
    """The command writes a file named after the session."""
    session_id = str(uuid.uuid4())
    shown = show("Ask me", session_id=session_id, metadata=call_of("shop.ask"))
    assert words_of(shown["As a pytest test"]) == [
        *("honeytrace", "export", "--pytest", session_id),
        *("--import", "MODULE", "-o", "test_ask_me.py"),
    ]
    assert "the module of yours that defines shop.ask" in text(shown["As a pytest test"])


def test_a_test_of_a_script(show):
    """The function of a script needs the name of its file, which no session knows."""
    section = show(metadata=call_of("__main__.ask"))["As a pytest test"]
    assert words_of(section)[4:6] == ["--import", "MODULE"]
    assert "write the name of its file, without .py, for MODULE" in text(section)


@pytest.mark.parametrize(
    ("name", "about", "words"),
    [
        ("openai.chat.completions", {"kind": "function"}, "A call of OpenAI's SDK, which a test"),
        ("anthropic.messages", {"kind": "function"}, "A call of Anthropic's SDK, which a test"),
        ("mistral.chat", {"kind": "function"}, "A call of mistral's SDK, which a test"),
        ("summarize", {"kind": "block"}, "A block, which a test cannot repeat"),
        ("other", {}, "A block, which a test cannot repeat"),
    ],
)
def test_no_test_of_what_is_not_a_function(show, store, name, about, words):
    """A call of an SDK and a block lead to the function around them."""
    top, inner = str(uuid.uuid4()), str(uuid.uuid4())
    show("run", session_id=top, metadata=call_of("shop.run"))
    block = {"honeytrace": {"kind": "block", "parent_id": top, "root_id": top}}
    show("block", session_id=inner, metadata=block)
    section = show(name, metadata={"honeytrace": {**about, "parent_id": inner}})["As a pytest test"]
    assert words in text(section)
    assert words_of(section)[2:4] == ["--pytest", top]


@pytest.mark.parametrize(
    "about",
    [
        {"kind": "block"},
        {"kind": "function"},
        {"kind": "function", "parent_id": str(uuid.uuid4())},
        {"kind": "function", "function": "shop.run.<locals>.inner"},
        {"kind": "function", "function": "shop.<lambda>"},
        "damaged",
    ],
)
def test_nothing_to_run_again(show, about):
    """Where no command works, none is shown."""
    assert "As a pytest test" not in show(metadata={"honeytrace": about})


def test_sessions_in_a_circle(show):
    """Sessions that name each other as parent end the search for a function."""
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    show(session_id=one, metadata={"honeytrace": {"parent_id": other}})
    assert "As a pytest test" not in show(
        session_id=other, metadata={"honeytrace": {"parent_id": one}}
    )
