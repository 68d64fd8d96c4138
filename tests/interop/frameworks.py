"""Run agents and chains of many frameworks, each in an environment of its own.

    python tests/interop/frameworks.py [directory for the environments]

It prints a table: for each framework, whether every request that reached the server is one session
of a model, inside the session of the program, with its model and its tokens. This takes minutes and
some gigabytes, so no test runs it.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from model_matrix import make

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ASKED = "good morning"
MODEL = "gpt-4o"
Forms = Iterator[tuple[str, Callable[[], object]]]


def weather(city: str) -> str:
    """Return the weather in a city.

    Args:
        city: the city.
    """
    return f"sunny in {city}"


_loop = asyncio.new_event_loop()  # one for all, since frameworks keep their connections
_wait = _loop.run_until_complete


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


def langchain(url: str) -> Forms:
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    model = ChatOpenAI(model=MODEL, base_url=url, api_key="none")
    responses = ChatOpenAI(model=MODEL, base_url=url, api_key="none", use_responses_api=True)
    chain = ChatPromptTemplate.from_messages([("user", "{words}")]) | model
    asked = {"words": ASKED}
    embeddings = OpenAIEmbeddings(base_url=url, api_key="none", check_embedding_ctx_length=False)
    yield "invoke", lambda: chain.invoke(asked)
    yield "ainvoke", lambda: _wait(chain.ainvoke(asked))
    yield "stream", lambda: list(chain.stream(asked))
    yield "astream", lambda: _wait(_drain(chain.astream(asked)))
    yield "batch", lambda: chain.batch([asked, asked, asked])
    yield "responses", lambda: responses.invoke(ASKED)
    yield (
        "structured",
        lambda: model.with_structured_output(
            {
                "title": "City",
                "description": "c",
                "type": "object",
                "properties": {"city": {"type": "string"}},
            }
        ).invoke(ASKED),
    )
    yield "embeddings", lambda: embeddings.embed_query(ASKED)


def langgraph(url: str) -> Forms:
    from langchain_openai import ChatOpenAI
    from langgraph.prebuilt import create_react_agent

    model = ChatOpenAI(model=MODEL, base_url=url, api_key="none")
    agent = create_react_agent(model, [weather])
    asked = {"messages": [("user", ASKED)]}
    yield "invoke", lambda: agent.invoke(asked)
    yield "ainvoke", lambda: _wait(agent.ainvoke(asked))
    yield "stream", lambda: list(agent.stream(asked, stream_mode="messages"))
    yield "astream", lambda: _wait(_drain(agent.astream(asked)))


def llama_index(url: str) -> Forms:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI

    model = OpenAI(model=MODEL, api_base=url, api_key="none")
    asked = [ChatMessage(role="user", content=ASKED)]

    async def astream() -> None:
        await _drain(await model.astream_chat(asked))

    async def agent() -> None:
        await FunctionAgent(tools=[weather], llm=model).run(ASKED)

    yield "complete", lambda: model.complete(ASKED)
    yield "chat", lambda: model.chat(asked)
    yield "achat", lambda: _wait(model.achat(asked))
    yield "stream_chat", lambda: list(model.stream_chat(asked))
    yield "astream_chat", lambda: _wait(astream())
    yield "agent", lambda: _wait(agent())


def pydantic_ai(url: str) -> Forms:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=url, api_key="none")

    def agent(kind: Any = OpenAIChatModel) -> Any:
        return Agent(kind(MODEL, provider=provider), tools=[weather])

    async def stream() -> None:
        async with agent().run_stream(ASKED) as run:
            await _drain(run.stream_text())

    yield "run_sync", lambda: agent().run_sync(ASKED)
    yield "run", lambda: _wait(agent().run(ASKED))
    yield "run_stream", lambda: _wait(stream())
    yield "responses", lambda: agent(OpenAIResponsesModel).run_sync(ASKED)


def openai_agents(url: str) -> Forms:
    from agents import (
        Agent,
        OpenAIChatCompletionsModel,
        OpenAIResponsesModel,
        Runner,
        function_tool,
        set_tracing_disabled,
    )
    from openai import AsyncOpenAI

    set_tracing_disabled(True)

    def agent(kind: Any = OpenAIChatCompletionsModel) -> Any:
        model = kind(MODEL, openai_client=AsyncOpenAI(base_url=url, api_key="none"))
        return Agent(name="a", model=model, tools=[function_tool(weather)])

    async def stream() -> None:
        await _drain(Runner.run_streamed(agent(), ASKED).stream_events())

    yield "run_sync", lambda: Runner.run_sync(agent(), ASKED)
    yield "run", lambda: _wait(Runner.run(agent(), ASKED))
    yield "run_streamed", lambda: _wait(stream())
    yield "responses", lambda: _wait(Runner.run(agent(OpenAIResponsesModel), ASKED))


def instructor(url: str) -> Forms:
    import instructor
    from openai import AsyncOpenAI, OpenAI
    from pydantic import BaseModel

    class City(BaseModel):
        city: str

    asked = [{"role": "user", "content": ASKED}]
    client = instructor.from_openai(OpenAI(base_url=url, api_key="none"))
    later = instructor.from_openai(AsyncOpenAI(base_url=url, api_key="none"))
    call: dict[str, Any] = {"model": MODEL, "messages": asked, "response_model": City}
    yield "create", lambda: client.create(**call)
    yield "async", lambda: _wait(later.create(**call))
    yield "partial", lambda: list(client.create_partial(**call))


def dspy(url: str) -> Forms:
    import dspy

    # Its own engine, lm15, is no SDK that `instrument` knows.
    options = {"api_base": url, "api_key": "none", "cache": False, "engine": "litellm"}
    model = dspy.LM(f"openai/{MODEL}", **options)
    dspy.configure(lm=model, adapter=dspy.ChatAdapter(use_json_adapter_fallback=False))
    yield "lm", lambda: model(ASKED)
    yield "acall", lambda: _wait(model.acall(ASKED))


def haystack(url: str) -> Forms:
    from haystack import Pipeline
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.utils import Secret

    key = Secret.from_token("none")
    generator = OpenAIChatGenerator(api_key=key, model=MODEL, api_base_url=url)
    streamed = OpenAIChatGenerator(key, MODEL, streaming_callback=id, api_base_url=url)
    asked = [ChatMessage.from_user(ASKED)]

    def pipeline() -> None:
        made = Pipeline()
        made.add_component("llm", OpenAIChatGenerator(key, MODEL, api_base_url=url))
        made.run({"llm": {"messages": asked}})

    yield "run", lambda: generator.run(asked)
    yield "run_async", lambda: _wait(generator.run_async(asked))
    yield "stream", lambda: streamed.run(asked)
    yield "pipeline", pipeline


def smolagents(url: str) -> Forms:
    from smolagents import OpenAIServerModel, ToolCallingAgent, tool

    model = OpenAIServerModel(MODEL, api_base=url, api_key="none")
    asked = [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]

    def agent() -> None:
        ToolCallingAgent([tool(weather)], model, max_steps=2, verbosity_level=0).run(ASKED)

    yield "model", lambda: model(asked)
    yield "stream", lambda: list(model.generate_stream(asked))
    yield "agent", agent


def crewai(url: str) -> Forms:
    from crewai import LLM, Agent, Crew, Task

    model = LLM(model=f"openai/{MODEL}", base_url=url, api_key="none")

    def crew() -> None:
        agent = Agent(role="r", goal="g", backstory="b", llm=model)
        task = Task(description=ASKED, expected_output="e", agent=agent)
        Crew(agents=[agent], tasks=[task]).kickoff()

    yield "call", lambda: model.call(ASKED)
    yield "crew", crew


FRAMEWORKS: dict[str, tuple[Callable[[str], Forms], tuple[str, ...]]] = {
    "langchain": (langchain, ("langchain-openai",)),
    "langgraph": (langgraph, ("langgraph", "langchain-openai")),
    "llama-index": (llama_index, ("llama-index-llms-openai",)),
    "pydantic-ai": (pydantic_ai, ("pydantic-ai-slim[openai]",)),
    "openai-agents": (openai_agents, ("openai-agents",)),
    "instructor": (instructor, ("instructor",)),
    "dspy": (dspy, ("dspy",)),
    "haystack": (haystack, ("haystack-ai",)),
    "smolagents": (smolagents, ("smolagents[openai]",)),
    "crewai": (crewai, ("crewai",)),
}


def check(name: str) -> dict[str, str]:
    """Run each form of a framework in this environment; return what is wrong with it, if any."""
    sys.path.insert(0, str(ROOT / "examples" / "model_calls"))
    from model_server import ModelServer

    import honeytrace
    from honeytrace.testing import capture_sessions

    asyncio.set_event_loop(_loop)
    honeytrace.instrument()
    found: dict[str, str] = {}
    with ModelServer() as server:
        for form, run in FRAMEWORKS[name][0](server.openai_url):
            server.requests.clear()
            with capture_sessions() as sessions:
                fault = ""
                with honeytrace.trace_session("program") as program:
                    try:
                        run()
                    except Exception as error:
                        fault = f"{type(error).__name__}: {error}"
            words = [fault, *_missing(sessions, server.requests, program.session_id)]
            found[form] = "; ".join(dict.fromkeys(filter(None, words)))
    return found


def _missing(sessions: Any, requests: list[Any], program: str) -> Iterator[str]:
    """Yield what is missing in the sessions of a form, one sentence for each fault.

    The server counts the tokens of a stream of chat only if the request asks for them.
    """
    models = [each for each in sessions if _about(each).get("step") in ("model", "embedding")]
    if not models or len(models) != len(requests):
        yield f"{len(models)} sessions of models for {len(requests)} requests"
    counted = all(_is_counted(path, body) for path, _, body in requests)
    for each in models:
        if _about(each)["root_id"] != program:
            yield "not in the tree of the program"
        if not each.config.get("model"):
            yield "no model"
        if counted and not any("tokens" in key for key in each.metadata):
            yield "no tokens"
        if not each.outputs:
            yield "no outputs"


def _is_counted(path: str, body: dict[str, Any]) -> bool:
    asked = (body.get("stream_options") or {}).get("include_usage")
    return bool(asked) or not body.get("stream") or not path.endswith("chat/completions")


def _about(session: Any) -> dict[str, Any]:
    found: dict[str, Any] = session.metadata["honeytrace"]
    return found


def main() -> None:
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    failed = False
    for name, (_, packages) in FRAMEWORKS.items():
        done = subprocess.run(
            [make(where / name, packages), __file__, "--here", name],
            env={**os.environ, "PYTHONPATH": str(ROOT), "CREWAI_DISABLE_TELEMETRY": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        bad = {form: words for form, words in found.items() if words}
        print(f"{name} ({packages[0]}): {len(found) - len(bad)} of {len(found)} recorded")
        for form, words in bad.items():
            print(f"    {form}: {words}")
        failed = failed or bool(bad)
    sys.exit(failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(json.dumps(check(sys.argv[2])))
    else:
        main()
