"""One line records every call of OpenAI's SDK; a traced function is the parent of its calls."""

import os

from model_server import ModelServer
from openai import OpenAI

import honeytrace
from honeytrace.cli import main as honeytrace_command

honeytrace.instrument()
honeytrace.configure(prices={"gpt-4o-mini": (0.15, 0.075, 0.60)})


@honeytrace.trace_session
def ask(client: OpenAI, question: str) -> str:
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}]
    )
    return str(answer.choices[0].message.content)


with ModelServer() as server:
    # With OPENAI_API_KEY set, a real model answers.
    online = "OPENAI_API_KEY" in os.environ
    client = OpenAI() if online else OpenAI(base_url=server.openai_url, api_key="none")
    print(ask(client, "What does yield do?"))

honeytrace.flush()  # sessions are written in the background
honeytrace_command(["show", "ask"])
