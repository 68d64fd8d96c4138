"""What the forms of call are made of: the register, and steps for clients of both kinds."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

ASKED = [{"role": "user", "content": "good morning to you"}]
ANSWERED = "GOOD MORNING TO YOU"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
RESPONSE_TOOLS = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
ANTHROPIC_TOOLS = [{"name": "weather", "input_schema": SCHEMA}]
FILE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB" * 20
TEXT = {"type": "text", "text": "good morning to you"}
CHAT = {"model": "gpt-4o", "messages": ASKED}
RESPONSE = {"model": "gpt-4o", "input": "good morning to you"}
CLAUDE = {"model": "claude-4", "max_tokens": 2000, "messages": ASKED}


@dataclass
class Form:
    """One form of call.

    Attributes:
        run: makes the call; returns what the program sees of it.
        sdk: the package.
        sessions: how many sessions it is.
        holds: what the sessions hold: "content", "tool", "usage", "file" (in the inputs), "part"
            of a content, "error", "part and error", "nothing".
        failures: the statuses with which the server refuses the first requests.
        broken, last, cut: how the server breaks a stream off.
    """

    name: str
    run: Callable[..., Any]
    sdk: str
    client: str = ""
    sessions: int = 1
    holds: str = "content"
    failures: list[int] = field(default_factory=list)
    broken: bool = False
    last: bytes = b""
    cut: bool = False


FORMS: list[Form] = []


def form(sdk: str, client: str = "", **about: Any) -> Callable[[Callable[..., Any]], Any]:
    def add(run: Callable[..., Any]) -> Callable[..., Any]:
        name = run.__name__.removeprefix(f"{sdk}_").replace("_", " ")
        FORMS.append(Form(name, run, sdk, client or sdk, **about))
        return run

    return add


# Whether the running form has an asynchronous client. The objects of a tracer do not tell it: some
# have the methods of both kinds.
_asynchronous = False


def is_asynchronous() -> bool:
    return _asynchronous


def run_form(one: Form, client: Any, asynchronous: bool) -> Any:
    """Run a form; a synchronous client runs outside an event loop, as it does in most programs."""
    global _asynchronous
    _asynchronous = asynchronous
    running = _within_client(one, client)
    if asynchronous:
        return asyncio.run(running)
    try:
        while True:
            running.send(None)
    except StopIteration as end:
        return end.value


async def _within_client(one: Form, client: Any) -> Any:
    async with within(client):
        return await one.run(client)


async def got(value: Any) -> Any:
    return await value if _asynchronous and inspect.isawaitable(value) else value


async def each(values: Any) -> AsyncIterator[Any]:
    if _asynchronous:
        async for value in values:
            yield value
    else:
        for value in values:
            yield value


async def step(values: Any) -> Any:
    return await anext(values) if _asynchronous else next(values)


async def until_error(values: Any, look: Callable[[Any], Any]) -> list[Any]:
    """Read to the error; return what came before it and the error."""
    found = []
    try:
        async for value in each(values):
            found.append(look(value))  # noqa: PERF401 - what came before the error counts
    except Exception as error:
        found.append(raised(error))
    return found


@contextlib.asynccontextmanager
async def within(manager: Any) -> AsyncIterator[Any]:
    if _asynchronous:
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


TYPE, CLASS, OFFERS = "type(result)", "result.__class__", "offers"


def seen(value: Any, *more: Any) -> dict[str, Any]:
    """Return what a program sees of a result; `__class__` is what `isinstance` looks at, too."""
    return {
        TYPE: _name(type(value)),
        CLASS: [_name(kind) for kind in value.__class__.__mro__],
        "offers": [name for name in dir(value) if not name.startswith("_")],
        "content": value.model_dump(mode="json") if hasattr(value, "model_dump") else None,
        "closed": getattr(getattr(value, "response", None), "is_closed", None),
        "more": more,
    }


def raised(error: BaseException) -> list[Any]:
    """Return what a program sees of an exception."""
    chain, cause = [], error
    while cause is not None:
        chain.append(_name(type(cause)))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return [chain, str(error), getattr(error, "status_code", None)]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def chunk_text(chunk: Any) -> str:
    return "".join(
        str(getattr(choice, "delta", choice).content or "")
        if hasattr(choice, "delta")
        else choice.text
        for choice in chunk.choices
    )
