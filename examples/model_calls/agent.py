"""An agent with a tool: each call of the model and of the tool is a step of the agent's session."""

import json
from typing import Any

from model_server import ModelServer
from openai import OpenAI
from openai.types.chat import ChatCompletionToolParam

import honeytrace
from honeytrace import trace_session
from honeytrace.cli import main as honeytrace_command

honeytrace.instrument("openai")

TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


@trace_session(step="tool")
def weather(city: str) -> str:
    return f"It is sunny in {city}."


@trace_session(step="agent")
def answer(client: OpenAI, question: str) -> str:
    messages: list[Any] = [{"role": "user", "content": question}]
    while True:
        said = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)
        message = said.choices[0].message
        if not message.tool_calls:
            return str(message.content)
        messages.append(message)
        for call in message.tool_calls:
            if call.type == "function":
                found = weather(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": found})


with ModelServer() as server, OpenAI(base_url=server.openai_url, api_key="none") as client:
    print(answer(client, "What is the weather in Paris?"))

honeytrace.flush()
honeytrace_command(["show", "answer"])
