"""The command `show`: what a tree says about failures, costs and streams, however wide it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import Any

import pytest

from honeytrace import Client
from honeytrace.cli._main import main

Show = Callable[..., list[str]]

WORDS = "Error code: 500 - The server had an error while processing your request"
SDK = "/venv/lib/python3.12/site-packages/openai/_base_client.py:1248 in request"


def keep(name: str, **fields: Any) -> str:
    """Stores a session on this machine and returns its id."""
    with Client() as client:
        session = {"project": "default", "session_name": name, "source": "dev", **fields}
        return client.start_session(session).session_id


def failed(*frames: str, **about: Any) -> dict[str, Any]:
    """The fields of a session that failed, with the frames of its traceback."""
    recorded = {"exception": {"type": "E", "message": WORDS, "traceback": list(frames), **about}}
    return {"error": f"InternalServerError: {WORDS}", "metadata": {"honeytrace": recorded}}


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Runs `show` in this process and returns its lines."""

    def show(*arguments: str) -> list[str]:
        capsys.readouterr()
        assert main(["show", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    return show


def read_terminal(main_end: int) -> bytes:
    """Reads all that was written to a terminal whose other end is closed."""
    found = b""
    with suppress(OSError):  # Linux says so at the end
        while part := os.read(main_end, 100_000):
            found += part
    os.close(main_end)
    return found


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Runs `show` in this process, on a terminal of so many columns."""
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no terminals to make")

    def show(columns: int, *arguments: str) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        main_end, end = os.openpty()
        with open(end, "w", encoding="utf-8") as out, redirect_stdout(out):
            assert main(["show", *arguments]) == 0
        return read_terminal(main_end).decode().split("\r\n")[:-1]

    return show


@pytest.fixture
def agent() -> str:
    """An agent whose model call fails, after one that did not."""
    used = {"prompt_tokens": 210, "completion_tokens": 58, "cost": 0.000065}
    times = {"start_time": 1, "duration": 1500}
    model = {"config": {"model": "gpt-4o-mini"}, **times}
    good = keep("openai.chat.completions", metrics=used, **model)
    bad = keep("openai.chat.completions", **model, **failed(SDK))
    frames = ("/app/agent.py:62 in agent", SDK)
    return keep("agent", children_ids=[good, bad], **times, **failed(*frames))


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_everything_fits(on_terminal: Any, agent: str, columns: int) -> None:
    """However narrow the terminal, it has the sign of each error, its message, and the costs."""
    lines = on_terminal(columns)
    assert max(map(len, lines[1:])) <= columns
    assert [bool(re.search("✗ I", line)) for line in lines if "1.50 s" in line] == [
        True,
        False,
        True,
    ]
    rest = " ".join(re.sub("[│└├─]", "", line).strip() for line in lines[1:])
    assert f"err  InternalServerError: {WORDS}" in re.sub(" +", " ", rest).replace("err ", "err  ")
    assert "210 → 58 tokens, $0.000065" in rest
    assert rest.count("gpt-4o-mini") == 2


@pytest.mark.parametrize(("columns", "bar"), [(70, 0), (90, 8), (140, 16)])
def test_bar_shrinks(on_terminal: Any, agent: str, columns: int, bar: int) -> None:
    """The bars take only the room that the facts leave."""
    assert on_terminal(columns)[1].count("━") == bar


def test_narrow_facts(on_terminal: Any, agent: str) -> None:
    """What a row has no room for stands below it; the time by itself is left out."""
    assert on_terminal(70)[2:4] == [
        "├─ openai.chat.completions  1.50 s  210 → 58 tokens, $0.000065",
        "│          gpt-4o-mini",
    ]
    assert on_terminal(70, "--no-content")[2:] == [
        "├─ openai.chat.completions  1.50 s  210 → 58 tokens, $0.000065",
        "└─ openai.chat.completions  1.50 s  ✗ InternalServerError: Error code…",
    ]


def test_long_name(on_terminal: Any) -> None:
    """A name that is longer than the terminal is cut, so that the sign of an error remains."""
    keep("n" * 90, duration=1, error="E: boom")
    [_, row, *_] = on_terminal(40)
    assert re.fullmatch("n+…  1.0 ms  ✗ E: boom", row)


def test_message_once(show: Show) -> None:
    """A message that its row has in full is not repeated below it; one of several lines is."""
    keep("one", error="E: boom")
    assert show("one")[1:] == ["one  ✗ E: boom"]
    keep("two", error="E: boom\nand more")
    assert show("two")[1:] == ["two  ✗ E: boom", "   err  E: boom", "        and more"]
    keep("long", error="E: " + "x" * 250)
    assert sum(line.count("x") for line in show("long")[2:]) == 250


def test_own_frame(show: Show, agent: str) -> None:
    """Where it failed is a line of the user's code, even if only the caller knows that; with
    `--full`, every frame."""
    lines = [line.strip() for line in show(agent)]
    assert "err  /app/agent.py:62 in agent" in lines
    assert not any(SDK in line for line in lines)
    assert sum(SDK in line for line in show(agent, "--full")) == 2


@pytest.mark.parametrize(
    "frame",
    [
        SDK,
        "/usr/lib/python3/dist-packages/x.py:1 in f",
        "/usr/lib/python3.11/asyncio/locks.py:212 in wait",
        r"C:\Python311\Lib\json\decoder.py:1 in decode",
        "<frozen importlib._bootstrap>:1 in f",
    ],
)
def test_library_frames(show: Show, frame: str) -> None:
    """A library's frames are shown only if there are no others."""
    keep("mixed", **failed("a.py:1 in f", "/lib/python/own.py:1 in g", frame))
    assert show("mixed")[2:] == ["   err  /lib/python/own.py:1 in g"]
    keep("alone", **failed("<frozen x>:1 in x", frame))
    shown = frame.partition("-packages/")[2] or frame
    assert show("alone")[2:] == [f"   err  {shown}"]
    assert show("alone", "--full")[-1] == f"        {frame}"


def test_wrapped_causes(show: Show) -> None:
    """A cause that a library has wrapped in one like it is shown once, without frames of it."""
    inner = {"type": "ReadError", "message": "closed", "traceback": [SDK]}
    keep("call", **failed("a.py:1 in f", cause={**inner, "cause": inner}))
    assert show("call")[2:] == ["   err  a.py:1 in f", "        caused by ReadError: closed"]


def test_foreign_parent(show: Show) -> None:
    """A caller whose error has no details does not hide where the call failed."""
    child = keep("child", **failed(SDK))
    keep("parent", error=f"InternalServerError: {WORDS}", children_ids=[child])
    assert show("parent")[-1] == "      err  openai/_base_client.py:1248 in request"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"metadata": {"retries": 1}}, "retried 1×"),
        ({"metadata": {"status_code": 404, "retries": 0}}, "HTTP 404"),
        ({"metadata": {"status_code": 500, "retries": 2}}, "HTTP 500 after 2 retries"),
        ({"metadata": {"status_code": 429, "retries": 1}}, "HTTP 429 after 1 retry"),
        ({"metadata": {"finish_reason": "length"}}, "finish: length"),
        (
            {"metrics": {"ttft_ms": 321}, "metadata": {"time_to_first_token_ms": 321}},
            "first token 321.0 ms",
        ),
        ({"metrics": {"ttft_ms": 5, "chunks": 1}}, "first item 5.0 ms"),
        (
            {
                "metrics": {"chunks": 1},
                "metadata": {"honeytrace": {"stream": {"completed": False}}},
            },
            "stopped early",
        ),
        (
            {
                "metrics": {"chunks": 0},
                "metadata": {"honeytrace": {"stream": {"completed": False}}},
            },
            "not read",
        ),
    ],
)
def test_notes(show: Show, fields: dict[str, Any], words: str) -> None:
    """What was special about a call stands below its row, and in Markdown at the end of it."""
    keep("call", **fields)
    assert show()[1:] == ["call", f"        {words}"]
    assert f"call  {words}" in show("--format", "md")


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"retries": 0, "finish_reason": "STOP"}},
        {"metadata": {"retries": "2", "finish_reason": None, "status_code": "500"}},
        {"metadata": {"honeytrace": {"stream": {"completed": True}}}, "metrics": {"ttft_ms": True}},
        {"metadata": {"honeytrace": {"stream": 5}}},
    ],
)
def test_nothing_special(show: Show, fields: dict[str, Any]) -> None:
    """An ordinary call has no such line."""
    keep("call", **fields)
    assert show()[1:] == ["call"]


def test_broken_stream(show: Show) -> None:
    """A stream that an error ended did not stop early: the error says why."""
    keep("call", error="E: x", metadata={"honeytrace": {"stream": {"completed": False}}})
    assert show()[1:] == ["call  ✗ E: x"]


RECORDED: dict[str, Any] = {
    "inputs": {"q": 1, "k": 3},
    "config": {"model": "m", "temperature": 0.2, "k": 3},
    "metrics": {"prompt_tokens": 5, "hits": 1},
    "user_properties": {"user": "u-1"},
    "metadata": {
        "prompt_tokens": 5,
        "request_id": "req_1",
        "team": {"a": ["b"]},
        "honeytrace": {"status": "ok"},
    },
}


def test_full(show: Show) -> None:
    """`--full` adds the other fields, without what another field says and honeytrace's own."""
    keep("call", **RECORDED)
    assert show("--full")[2:] == [
        "   in   q: 1",
        "        k: 3",
        "        config.model: m",
        "        config.temperature: 0.2",
        "        metrics.prompt_tokens: 5",
        "        metrics.hits: 1",
        "        user_properties.user: u-1",
        "        metadata.request_id: req_1",
        '        metadata.team: {"a":["b"]}',
    ]


def test_markdown_fields(show: Show) -> None:
    """So does Markdown."""
    keep("call", **RECORDED)
    page = "\n".join(show("--format", "md"))
    found = dict(re.findall(r"\*\*(.*?)\*\*\n\n```json\n(.*?)\n```", page, re.DOTALL))
    assert {name: json.loads(text) for name, text in found.items()} == {
        "Inputs": {"q": 1, "k": 3},
        "Config": {"model": "m", "temperature": 0.2},
        "Metrics": {"prompt_tokens": 5, "hits": 1},
        "User properties": {"user": "u-1"},
        "Metadata": {"request_id": "req_1", "team": {"a": ["b"]}},
    }


def test_cancelled(show: Show) -> None:
    """The sums tell failed steps from cancelled ones: both have the sign of an error."""
    cancelled = {"error": "CancelledError", "metadata": {"honeytrace": {"status": "cancelled"}}}
    children = [keep("wait", **cancelled), keep("read", error="E: x")]
    assert show(keep("run", children_ids=children))[0].endswith("  3 steps, 1 failed, 1 cancelled")


def test_besides_the_content(show: Show) -> None:
    """The reasoning stands before the content, the sources after it, without JSON around them."""
    cited = {"type": "url_citation", "url_citation": {"url": "https://tea.example", "title": "Tea"}}
    plain = {"type": "url_citation", "url": "https://green.example"}
    answer = {"role": "assistant", "content": "Green.", "reasoning": "Tea is a plant."}
    shown = show("--full", keep("answer", outputs={**answer, "annotations": [cited, plain]}))
    assert shown[2:] == [
        "   out  assistant: reasoning: Tea is a plant.",
        "        Green.",
        "        annotations: Tea https://tea.example",
        "        https://green.example",
    ]
    odd = show(keep("odd", outputs={**answer, "annotations": [{"type": "file_citation"}]}))
    assert odd[-1] == '        annotations: [{"type":"file_citation"}]'


def test_messages_of_langchain(show: Show) -> None:
    """LangChain's messages are read like those of a chat, also inside the one argument."""
    both: dict[str, Any] = {"additional_kwargs": {}, "response_metadata": {}}
    call = {"name": "weather", "args": {"city": "Rome"}, "id": "1", "type": "tool_call"}
    said = [
        {"content": "And in Rome?", "type": "human", **both},
        {"content": "", "type": "ai", "tool_calls": [call], **both},
        {"content": "Rain.", "type": "tool", "tool_call_id": "1", **both},
    ]
    answer = {"content": "It rains.", "type": "ai", "tool_calls": [], **both}
    keep("model", inputs={"input": {"messages": said}}, outputs=answer)
    assert show("model")[2:] == [
        "   in   input: user: And in Rome?",
        '        → weather(city="Rome")',
        "        ← Rain.",
        "   out  assistant: It rains.",
    ]
